//! Which transactions were aborted: an index beside each segment, of those whose markers lie in it.

use std::path::{Path, PathBuf};

use super::index_file::{Flushed, IndexEntry, IndexFile};
use crate::LogError;
use crate::disk::Disk;

const ENTRY_BYTES: usize = 34;
const VERSION: i16 = 0;
/// Entries read from the file at a time.
const BLOCK_ENTRIES: usize = 128;

/// An entry of a `.txnindex` file, big-endian, Kafka's `AbortedTxn`:
///
/// ```text
///  0 version             i16   0
///  2 producer_id         i64
/// 10 first_offset        i64   of the transaction
/// 18 last_offset         i64   of its marker
/// 26 last_stable_offset  i64   when it had ended
/// ```
///
/// Every transaction that began before `last_stable_offset` has its marker at or before `last_offset`, so that a
/// search for what was aborted below an offset may end at the first entry that reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AbortedEntry {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) last_stable_offset: i64,
}

impl AbortedEntry {
    /// Whether it can be an entry of a segment that begins at `base_offset`: a marker lies behind what it ends.
    fn is_sound(&self, base_offset: i64) -> bool {
        self.first_offset < self.last_offset && self.last_offset >= base_offset
    }
}

impl IndexEntry<ENTRY_BYTES> for AbortedEntry {
    type Key = i64;

    fn key(&self) -> i64 {
        self.last_offset
    }

    fn follows(&self, before: &Self) -> bool {
        self.last_offset > before.last_offset
    }

    fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let numbers = [
            self.producer_id,
            self.first_offset,
            self.last_offset,
            self.last_stable_offset,
        ];
        let (version, rest) = bytes.split_at_mut(2);
        version.copy_from_slice(&VERSION.to_be_bytes());
        for (place, number) in rest.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    fn decode(bytes: [u8; ENTRY_BYTES]) -> Self {
        let (_version, rest) = bytes.split_at(2);
        let mut numbers = rest
            .chunks_exact(8)
            .map(|chunk| i64::from_be_bytes(chunk.try_into().unwrap_or_default()));
        let mut next = || numbers.next().unwrap_or(-1);
        Self {
            producer_id: next(),
            first_offset: next(),
            last_offset: next(),
            last_stable_offset: next(),
        }
    }
}

/// The transaction index of a segment.
pub(crate) type TransactionIndex = IndexFile<AbortedEntry, ENTRY_BYTES>;

/// Opens the index of a segment that is not written to any more; `None` if it is not there or cannot be whole.
pub(crate) fn open_sealed(
    disk: &dyn Disk,
    dir: &Path,
    base_offset: i64,
) -> Result<Option<TransactionIndex>, LogError> {
    let path = transaction_index_path(dir, base_offset);
    let index = TransactionIndex::open_sealed(disk, path)?;
    Ok(index.filter(|index| index.last().is_none_or(|last| last.is_sound(base_offset))))
}

/// Opens the part of the index that is about offsets below `end_offset`.
pub(crate) fn open_prefix(
    disk: &dyn Disk,
    dir: &Path,
    base_offset: i64,
    end_offset: i64,
) -> Result<TransactionIndex, LogError> {
    let path = transaction_index_path(dir, base_offset);
    TransactionIndex::open_prefix(disk, path, |entry| {
        entry.last_offset < end_offset && entry.is_sound(base_offset)
    })
}

/// What a search needs of one segment's index. Entries never change, so it can be read while others are added.
#[derive(Debug)]
pub(crate) struct AbortedView {
    flushed: Flushed,
    pending: Vec<AbortedEntry>,
}

impl AbortedView {
    /// The entries with markers at or behind `from`; those in the file are left to be read.
    pub(crate) fn of(index: &TransactionIndex, from: i64) -> Self {
        let pending = index.pending();
        let first = pending.partition_point(|entry| entry.last_offset < from);
        Self {
            flushed: index.flushed(),
            pending: pending.get(first..).unwrap_or_default().to_vec(),
        }
    }

    /// Shows the entries with markers at or behind `from`, in their order, until `visit` has had enough.
    pub(crate) fn visit(
        &self,
        disk: &dyn Disk,
        from: i64,
        mut visit: impl FnMut(&AbortedEntry) -> Search,
    ) -> Result<Search, LogError> {
        let flushed = &self.flushed;
        let mut at = flushed.first_at_least::<AbortedEntry, ENTRY_BYTES>(disk, &from)?;
        while at < flushed.entries() {
            let entries = flushed.read::<AbortedEntry, ENTRY_BYTES>(disk, at, BLOCK_ENTRIES)?;
            for entry in &entries {
                if visit(entry) == Search::Complete {
                    return Ok(Search::Complete);
                }
            }
            at += entries.len();
        }
        let complete = self
            .pending
            .iter()
            .any(|entry| visit(entry) == Search::Complete);
        Ok(if complete {
            Search::Complete
        } else {
            Search::GoesOn
        })
    }
}

/// Whether a search has found all there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    /// No later entry is about what is wanted.
    Complete,
    /// Later ones may be.
    GoesOn,
}

/// Name of a segment's transaction index.
pub(crate) fn transaction_index_path(dir: &Path, base_offset: i64) -> PathBuf {
    dir.join(format!("{base_offset:020}.txnindex"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_layout_is_kafkas() {
        let entry = AbortedEntry {
            producer_id: 1,
            first_offset: 2,
            last_offset: 3,
            last_stable_offset: 4,
        };
        let mut expected = vec![0, 0];
        for number in [1_i64, 2, 3, 4] {
            expected.extend_from_slice(&number.to_be_bytes());
        }
        assert_eq!(entry.encode().to_vec(), expected);
    }

    proptest! {
        #[test]
        fn entries_read_back(producer_id: i64, first_offset: i64, last_offset: i64, last_stable_offset: i64) {
            let entry = AbortedEntry { producer_id, first_offset, last_offset, last_stable_offset };
            prop_assert_eq!(AbortedEntry::decode(entry.encode()), entry);
        }
    }
}
