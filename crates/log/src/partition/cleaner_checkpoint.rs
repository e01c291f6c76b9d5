//! How far a partition is compacted, and which of its segments the cleaner wrote.
//!
//! Replacing this file is what puts a cleaned segment in the place of those it was made from: before, its files are
//! dropped at the next start, afterwards the next start finishes what is left to do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::capture::remove_if_there;
use super::header_reader::Offsets;
use super::segment::{base_offset_of, segment_paths};
use crate::LogError;
use crate::checkpoint::{read_small_file, replace_file};
use crate::disk::Disk;

const VERSION: u32 = 0;
/// Added to the names of a segment that is complete, but not in its place yet.
pub(crate) const SWAP: &str = "swap";

/// A segment that the cleaner wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CompactedSegment {
    /// Where the next segment begins; its own last batch may end before.
    pub(crate) end_offset: i64,
    /// Bytes of its log file.
    pub(crate) size: u64,
}

/// The file `cleaner-checkpoint` of a partition, text, a number or a few on each line:
///
/// ```text
/// 0                              version
/// <first dirty offset>           everything before has been compacted at least once
/// <base offset, or -1>           of the segment whose files may still be called `.swap`
/// <count>                        compacted segments
/// <base offset> <end offset> <size in bytes>
/// <checksum>                     CRC-32C of all lines before
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CleanerCheckpoint {
    pub(crate) first_dirty_offset: i64,
    pub(crate) swapping: Option<i64>,
    pub(crate) compacted: BTreeMap<i64, CompactedSegment>,
}

impl CleanerCheckpoint {
    /// Whether offsets may be missing in the segment that begins there.
    pub(crate) fn offsets(&self, base_offset: i64) -> Offsets {
        if self.compacted.contains_key(&base_offset) {
            Offsets::WithGaps
        } else {
            Offsets::Contiguous
        }
    }

    fn encode(&self) -> String {
        let mut lines = vec![
            VERSION.to_string(),
            self.first_dirty_offset.to_string(),
            self.swapping.unwrap_or(-1).to_string(),
            self.compacted.len().to_string(),
        ];
        for (base_offset, segment) in &self.compacted {
            lines.push(format!(
                "{base_offset} {} {}",
                segment.end_offset, segment.size
            ));
        }
        let text = lines.join("\n") + "\n";
        let checksum = crc32c::crc32c(text.as_bytes());
        text + &format!("{checksum}\n")
    }

    /// `None` where it is damaged.
    fn decode(text: &str) -> Option<Self> {
        let body_length = text.trim_end_matches('\n').rfind('\n')? + 1;
        let (body, checksum) = text.split_at_checked(body_length)?;
        if checksum.trim_end().parse() != Ok(crc32c::crc32c(body.as_bytes())) {
            return None;
        }
        let mut lines = body.lines();
        if lines.next()?.parse() != Ok(VERSION) {
            return None;
        }
        let first_dirty_offset = lines.next()?.parse().ok()?;
        let swapping = Some(lines.next()?.parse().ok()?).filter(|base: &i64| *base >= 0);
        let count: usize = lines.next()?.parse().ok()?;
        let mut compacted = BTreeMap::new();
        for line in lines {
            let mut numbers = line.split(' ');
            let base_offset = numbers.next()?.parse().ok()?;
            let segment = CompactedSegment {
                end_offset: numbers.next()?.parse().ok()?,
                size: numbers.next()?.parse().ok()?,
            };
            compacted.insert(base_offset, segment);
        }
        (compacted.len() == count).then_some(Self {
            first_dirty_offset,
            swapping,
            compacted,
        })
    }

    /// Reads that of a partition; one that was never cleaned has none.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> Result<Self, LogError> {
        let path = path(dir);
        let Some(bytes) = read_small_file(disk, &path)? else {
            return Ok(Self::default());
        };
        let text = String::from_utf8(bytes).ok();
        text.and_then(|text| Self::decode(&text)).ok_or_else(|| {
            let reason = "the cleaner's checkpoint is damaged: it says which segments have gaps. Restore the data \
                          directory from a copy";
            LogError::corrupt(&path, 0, reason)
        })
    }

    /// Replaces it; it is durable on return.
    pub(crate) fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
        replace_file(disk, &path(dir), self.encode().as_bytes())
    }

    /// At a start: gives the files of a segment that was being put in its place their names, and removes those it
    /// replaces. Nothing here needs to be durable, it would be done again.
    pub(crate) fn finish_swap(&self, disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
        let Some(base_offset) = self.swapping else {
            return Ok(());
        };
        let Some(segment) = self.compacted.get(&base_offset) else {
            return Ok(());
        };
        let names = disk.list(dir).map_err(LogError::io("list", dir))?;
        for path in segment_paths(dir, base_offset) {
            let waiting = path.with_added_extension(SWAP);
            if names.iter().any(|name| waiting.ends_with(name)) {
                disk.rename(&waiting, &path)
                    .map_err(LogError::io("rename", &waiting))?;
            }
        }
        let replaced = names.iter().filter_map(|name| base_offset_of(name));
        for base in replaced.filter(|base| (base_offset + 1..segment.end_offset).contains(base)) {
            for path in segment_paths(dir, base) {
                remove_if_there(disk, &path)?;
            }
        }
        Ok(())
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("cleaner-checkpoint")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn checkpoints() -> impl Strategy<Value = CleanerCheckpoint> {
        let segment = (0..i64::MAX, any::<u64>())
            .prop_map(|(end_offset, size)| CompactedSegment { end_offset, size });
        (
            0..i64::MAX,
            proptest::option::of(0..i64::MAX),
            proptest::collection::btree_map(0..i64::MAX, segment, 0..4),
        )
            .prop_map(
                |(first_dirty_offset, swapping, compacted)| CleanerCheckpoint {
                    first_dirty_offset,
                    swapping,
                    compacted,
                },
            )
    }

    proptest! {
        #[test]
        fn cleaner_checkpoints_read_back(checkpoint in checkpoints()) {
            prop_assert_eq!(CleanerCheckpoint::decode(&checkpoint.encode()), Some(checkpoint));
        }

        #[test]
        fn a_changed_character_is_noticed(checkpoint in checkpoints(), at: prop::sample::Index) {
            let mut text = checkpoint.encode().into_bytes();
            let at = at.index(text.len() - 1);
            text[at] = if text[at] == b'1' { b'2' } else { b'1' };
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(CleanerCheckpoint::decode(&text), None);
        }
    }
}
