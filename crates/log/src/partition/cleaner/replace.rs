//! Putting what the cleaner wrote in the place of the segments it was made from.
//!
//! ```text
//! 1  <base>.log.cleaned and its indexes are complete and synced
//! 2  they are renamed to <base>.log.swap and so on; the directory is synced
//! 3  the cleaner's checkpoint names the segment: from here on it counts, whatever happens
//! 4  the files get the names of the first segment they replace; the directory is synced
//! 5  the files of the other segments go
//! ```
//!
//! A start in between drops what has not come to 3, and finishes what has. Readers that hold one of the old files go on
//! reading it.

use std::sync::Arc;

use super::batch_reader::SourceSegment;
use crate::LogError;
use crate::disk::OpenMode;
use crate::partition::capture::remove_if_there;
use crate::partition::cleaner_checkpoint::{CleanerCheckpoint, CompactedSegment, SWAP};
use crate::partition::log::PartitionLog;
use crate::partition::segment::{Segment, segment_paths};
use crate::partition::state::{CleanerWork, State};

/// What became of a group of segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaced {
    Done,
    /// Retention or a deletion took some of them meanwhile: nothing was changed.
    GroupIsGone,
}

impl PartitionLog {
    pub(super) fn replace_segments(
        &self,
        sources: &[SourceSegment],
        mut cleaned: Segment,
    ) -> Result<Replaced, LogError> {
        let (Some(first), Some(last)) = (sources.first(), sources.last()) else {
            return Ok(Replaced::GroupIsGone);
        };
        let poison = self.node.journal.poison();
        self.sync_cleaned(&mut cleaned).map_err(|error| {
            self.drop_cleaned(&cleaned);
            self.drop_swap(first.base_offset);
            poison.set_if_sync(error)
        })?;
        let size = cleaned.size();
        let cleaned = cleaned.into_place(&self.dir);

        let mut checkpoint = {
            let mut state = self.lock();
            if state.deleted || position_of(&state, sources).is_none() {
                drop(state);
                self.drop_swap(first.base_offset);
                return Ok(Replaced::GroupIsGone);
            }
            state.cleaner.work = CleanerWork::Swapping;
            state.cleaner.checkpoint.clone()
        };
        for source in sources {
            checkpoint.compacted.remove(&source.base_offset);
        }
        let compacted = CompactedSegment {
            end_offset: last.end_offset,
            size,
        };
        checkpoint.compacted.insert(first.base_offset, compacted);
        checkpoint.swapping = Some(first.base_offset);
        if let Err(error) = self.write_cleaner_checkpoint(&checkpoint) {
            self.lock().cleaner.work = CleanerWork::Cleaning;
            // After a sync that failed it may have come to count.
            if poison.check().is_ok() {
                self.drop_swap(first.base_offset);
            }
            return Err(error);
        }
        // From here on the next start would finish it: if it cannot be finished now, it stays at that.
        let finished = self.swap(sources, cleaned, checkpoint);
        finished.map_err(|error| {
            self.give_up_cleaning();
            poison.set_if_sync(error)
        })?;
        Ok(Replaced::Done)
    }

    /// Steps 1 and 2.
    fn sync_cleaned(&self, cleaned: &mut Segment) -> Result<(), LogError> {
        let disk = self.node.disk.as_ref();
        cleaned.seal(disk)?;
        for path in cleaned.paths() {
            let file = disk
                .open(&path, OpenMode::Existing)
                .map_err(LogError::io("open", &path))?;
            file.sync().map_err(LogError::io("sync", &path))?;
        }
        cleaned.note_synced(cleaned.changes());
        let names = segment_paths(&self.dir, cleaned.base_offset());
        for (path, name) in cleaned.paths().iter().zip(names) {
            disk.rename(path, &name.with_added_extension(SWAP))
                .map_err(LogError::io("rename", path))?;
        }
        disk.sync_dir(&self.dir)
            .map_err(LogError::io("sync", &self.dir))
    }

    /// Steps 4 and 5.
    fn swap(
        &self,
        sources: &[SourceSegment],
        cleaned: Segment,
        checkpoint: CleanerCheckpoint,
    ) -> Result<(), LogError> {
        let disk = self.node.disk.as_ref();
        for source in sources {
            source.file.mark_replaced();
        }
        for path in cleaned.paths() {
            let waiting = path.with_added_extension(SWAP);
            disk.rename(&waiting, &path)
                .map_err(LogError::io("rename", &waiting))?;
        }
        {
            let mut state = self.lock();
            let at = position_of(&state, sources).expect("segments stay while they are swapped");
            state.segments.splice(at..at + sources.len(), [cleaned]);
            state.cleaner.checkpoint = checkpoint;
            state.cleaner.work = CleanerWork::Cleaning;
        }
        disk.sync_dir(&self.dir)
            .map_err(LogError::io("sync", &self.dir))?;
        for source in sources.iter().skip(1) {
            for path in segment_paths(&self.dir, source.base_offset) {
                remove_if_there(disk, &path)?;
            }
        }
        Ok(())
    }

    /// Ends a round that has come to its end: the log is clean up to there.
    pub(super) fn finish_clean(&self, end_offset: i64) -> Result<(), LogError> {
        let checkpoint = {
            let state = self.lock();
            if state.deleted {
                return Ok(());
            }
            let segments = &state.segments;
            let mut checkpoint = state.cleaner.checkpoint.clone();
            checkpoint.first_dirty_offset = end_offset;
            checkpoint.swapping = None;
            let exists = |base: &i64| {
                segments
                    .iter()
                    .any(|segment| segment.base_offset() == *base)
            };
            checkpoint.compacted.retain(|base, _| exists(base));
            checkpoint
        };
        self.write_cleaner_checkpoint(&checkpoint)?;
        self.lock().cleaner.checkpoint = checkpoint;
        Ok(())
    }

    /// Forgets a swap that was finished, before there may be another under the same name.
    pub(super) fn forget_swap(&self) -> Result<(), LogError> {
        let mut checkpoint = self.lock().cleaner.checkpoint.clone();
        if checkpoint.swapping.take().is_none() {
            return Ok(());
        }
        let synced = self.node.disk.sync_dir(&self.dir);
        synced
            .map_err(LogError::io("sync", &self.dir))
            .map_err(|error| self.node.journal.poison().set_if_sync(error))?;
        self.write_cleaner_checkpoint(&checkpoint)?;
        self.lock().cleaner.checkpoint = checkpoint;
        Ok(())
    }

    fn write_cleaner_checkpoint(&self, checkpoint: &CleanerCheckpoint) -> Result<(), LogError> {
        checkpoint
            .write(self.node.disk.as_ref(), &self.dir)
            .map_err(|error| self.node.journal.poison().set_if_sync(error))
    }

    /// Removes what was written of a segment that is not wanted. What cannot be removed goes at the next start.
    pub(super) fn drop_cleaned(&self, cleaned: &Segment) {
        for path in cleaned.paths() {
            let _ = remove_if_there(self.node.disk.as_ref(), &path);
        }
    }

    fn drop_swap(&self, base_offset: i64) {
        for path in segment_paths(&self.dir, base_offset) {
            let _ = remove_if_there(self.node.disk.as_ref(), &path.with_added_extension(SWAP));
        }
    }

    /// The partition is not compacted again before a restart.
    pub(super) fn give_up_cleaning(&self) {
        self.lock().cleaner.work = CleanerWork::Failed;
    }

    /// The round is over.
    pub(super) fn end_cleaning(&self) {
        let mut state = self.lock();
        if state.cleaner.work == CleanerWork::Cleaning {
            state.cleaner.work = CleanerWork::Idle;
        }
    }

    /// Whether the cleaner may be making files in the partition's directory.
    pub(crate) fn is_being_cleaned(&self) -> bool {
        let work = self.lock().cleaner.work;
        matches!(work, CleanerWork::Cleaning | CleanerWork::Swapping)
    }
}

/// Where the segments are, if they are all there still.
fn position_of(state: &State, sources: &[SourceSegment]) -> Option<usize> {
    let first = sources.first()?;
    let is_first = |segment: &Segment| Arc::ptr_eq(segment.file(), &first.file);
    let at = state.segments.iter().position(is_first)?;
    let found = state.segments.get(at..at + sources.len())?;
    let same = found
        .iter()
        .zip(sources)
        .all(|(segment, source)| Arc::ptr_eq(segment.file(), &source.file));
    same.then_some(at)
}
