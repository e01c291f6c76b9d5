//! A partition's part in a checkpoint: what to sync, what to write down, what may be removed afterwards.

use std::path::PathBuf;
use std::sync::Arc;

use super::leader_epochs::leader_epoch_path;
use super::log::PartitionLog;
use super::producer_state::snapshot_path;
use super::segment::{Segment, SegmentFile};
use super::state::{Checkpointed, State};
use crate::LogError;
use crate::checkpoint::{PartitionCheckpoint, rename_into_place, sync_file, write_beside};
use crate::disk::Disk;

/// A segment that has something to sync.
#[derive(Debug)]
struct UnsyncedSegment {
    base_offset: i64,
    changes: u64,
    file: Arc<SegmentFile>,
    indexes: Vec<PathBuf>,
}

/// A partition as it was at one moment. Syncing happens without its lock.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) entry: PartitionCheckpoint,
    segments: Vec<UnsyncedSegment>,
    snapshot: Option<Vec<u8>>,
    epochs: Option<String>,
    dir_changed: bool,
    becomes: Checkpointed,
    removed: usize,
    old_snapshot: Option<i64>,
}

impl Capture {
    /// Whether the partition's own directory may be new.
    pub(crate) fn dir_changed(&self) -> bool {
        self.dir_changed
    }

    /// Whether there is anything to sync. Index files come into being at their first flush, which no count of the
    /// directory's changes knows of.
    pub(crate) fn changes_files(&self) -> bool {
        self.dir_changed
            || !self.segments.is_empty()
            || self.snapshot.is_some()
            || self.epochs.is_some()
    }
}

impl PartitionLog {
    /// What a checkpoint would say now. `None` as long as the partition has nothing on disk.
    pub(crate) fn capture(&self) -> Result<Option<Capture>, LogError> {
        let mut state = self.lock();
        if state.segments.is_empty() {
            return Ok(None);
        }
        let mut segments = Vec::new();
        for segment in &mut state.segments {
            if segment.is_unsynced() {
                let indexes = segment.flush_pending(self.node.disk.as_ref())?;
                segments.push(UnsyncedSegment {
                    base_offset: segment.base_offset(),
                    changes: segment.changes(),
                    file: Arc::clone(segment.file()),
                    indexes,
                });
            }
        }
        let recovery_point = state.settled_watermark();
        let offset = recovery_point.base_offset;
        let before = &state.checkpointed;
        let producers_changed = before.producer_generation != state.producers.generation();
        let epochs_changed = before.epoch_generation != state.epochs.generation();
        let old_snapshot = before.entry.and_then(|entry| entry.snapshot);
        let snapshot_at = if producers_changed {
            (!state.producers.is_empty()).then_some(offset)
        } else {
            old_snapshot
        };
        let entry = PartitionCheckpoint {
            id: self.id,
            log_start: state.log_start,
            recovery_point,
            snapshot: snapshot_at,
        };
        Ok(Some(Capture {
            entry,
            segments,
            snapshot: (producers_changed && snapshot_at.is_some())
                .then(|| state.producers.encode(offset)),
            epochs: epochs_changed.then(|| state.epochs.encode(offset)),
            dir_changed: before.dir_generation != state.dir_generation,
            becomes: becomes(&state, entry),
            removed: state.removed.len(),
            old_snapshot: old_snapshot.filter(|old| Some(*old) != snapshot_at),
        }))
    }

    /// Writes what a checkpoint needs besides the segments. Nothing counts yet.
    pub(crate) fn write_capture(&self, capture: &Capture) -> Result<(), LogError> {
        let disk = self.node.disk.as_ref();
        if let Some(snapshot) = &capture.snapshot {
            write_beside(disk, &self.snapshot_path(capture), snapshot)?;
        }
        if let Some(epochs) = &capture.epochs {
            write_beside(disk, &leader_epoch_path(&self.dir), epochs.as_bytes())?;
        }
        Ok(())
    }

    fn snapshot_path(&self, capture: &Capture) -> PathBuf {
        snapshot_path(&self.dir, capture.entry.recovery_point.base_offset)
    }

    /// Makes the files of what was captured durable, and gives them their names.
    pub(crate) fn sync_capture(&self, capture: &Capture) -> Result<(), LogError> {
        let disk = self.node.disk.as_ref();
        for segment in &capture.segments {
            let path = &segment.file.path;
            segment
                .file
                .file
                .sync()
                .map_err(LogError::io("sync", path))?;
            for path in &segment.indexes {
                sync_file(disk, path)?;
            }
        }
        if capture.snapshot.is_some() {
            rename_into_place(disk, &self.snapshot_path(capture))?;
        }
        if capture.epochs.is_some() {
            rename_into_place(disk, &leader_epoch_path(&self.dir))?;
        }
        Ok(())
    }

    /// Makes the names of the files durable.
    pub(crate) fn sync_capture_dir(&self, capture: &Capture) -> Result<(), LogError> {
        if !capture.changes_files() {
            return Ok(());
        }
        let synced = self.node.disk.sync_dir(&self.dir);
        synced.map_err(LogError::io("sync", &self.dir))
    }

    /// Notes that the checkpoint with this capture is durable, and removes what nothing refers to any more.
    pub(crate) fn finish_capture(&self, capture: Capture) -> Result<(), LogError> {
        let mut paths = Vec::new();
        {
            let mut state = self.lock();
            for synced in &capture.segments {
                let segment = state
                    .segments
                    .iter_mut()
                    .find(|segment| segment.base_offset() == synced.base_offset);
                if let Some(segment) = segment {
                    segment.note_synced(synced.changes);
                }
            }
            state.checkpointed = capture.becomes;
            let gone: Vec<_> = state.removed.drain(..capture.removed).collect();
            paths.extend(gone.iter().flat_map(Segment::paths));
        }
        let old_snapshot = capture.old_snapshot;
        paths.extend(old_snapshot.map(|offset| snapshot_path(&self.dir, offset)));
        for path in paths {
            remove_if_there(self.node.disk.as_ref(), &path)?;
        }
        Ok(())
    }
}

/// What is checkpointed once the capture is. A snapshot leaves out what is above the high watermark: then it counts as
/// changed still.
fn becomes(state: &State, entry: PartitionCheckpoint) -> Checkpointed {
    let complete = entry.recovery_point.base_offset == state.log_end;
    let generation = |now, before| if complete { now } else { before };
    Checkpointed {
        entry: Some(entry),
        producer_generation: generation(
            state.producers.generation(),
            state.checkpointed.producer_generation,
        ),
        epoch_generation: generation(
            state.epochs.generation(),
            state.checkpointed.epoch_generation,
        ),
        dir_generation: state.dir_generation,
    }
}

/// Removes a file that may be gone already.
pub(crate) fn remove_if_there(disk: &dyn Disk, path: &std::path::Path) -> Result<(), LogError> {
    match disk.remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(LogError::io("remove", path)(error)),
    }
}
