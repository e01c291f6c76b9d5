//! How far a store has come: the row that commits with its changes, and what a restore makes of it.
//!
//! ```text
//! version(1) fingerprint(8) offset(8) clock(8) sequence(4) written_at(8) changelog_id(16)
//! ```
//!
//! The offset is that of the last changelog record the store holds; -1 for none. The store's clock and sequence
//! number travel here too, so all of a store's state is exactly as old as its rows.

use super::layout::{read_i64, read_u32};

const VERSION: u8 = 1;
const LENGTH: usize = 53;

/// How far a store has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The offset of the last changelog record that the store holds; none before the first.
    pub offset: Option<i64>,
    /// The largest time the store has seen; -1 before the first.
    pub clock: i64,
    /// When it was written, in milliseconds since the Unix epoch; 0 if never.
    pub written_at_ms: i64,
    /// The id of the changelog topic, by which one that was deleted and made again is told; none if not known.
    pub changelog_id: Option<[u8; 16]>,
    /// The next sequence number of a store that keeps duplicates.
    pub(crate) sequence: u32,
}

impl Checkpoint {
    /// Of a store that is empty.
    pub(crate) const EMPTY: Self = Self {
        offset: None,
        clock: -1,
        written_at_ms: 0,
        changelog_id: None,
        sequence: 0,
    };

    pub(crate) fn encode(&self, fingerprint: u64) -> [u8; LENGTH] {
        let mut row = [0; LENGTH];
        let mut rest = &mut row[..];
        let mut put = |bytes: &[u8]| {
            let (place, behind) = std::mem::take(&mut rest).split_at_mut(bytes.len());
            place.copy_from_slice(bytes);
            rest = behind;
        };
        put(&[VERSION]);
        put(&fingerprint.to_be_bytes());
        put(&self.offset.unwrap_or(-1).to_be_bytes());
        put(&self.clock.to_be_bytes());
        put(&self.sequence.to_be_bytes());
        put(&self.written_at_ms.to_be_bytes());
        put(&self.changelog_id.unwrap_or_default());
        row
    }

    /// None for a row of another version, or of a store whose rows were laid out otherwise.
    pub(crate) fn decode(row: &[u8], fingerprint: u64) -> Option<Self> {
        if row.len() != LENGTH || row[0] != VERSION || row[1..9] != fingerprint.to_be_bytes() {
            return None;
        }
        let id: [u8; 16] = row[37..53].try_into().ok()?;
        Some(Self {
            offset: read_i64(&row[9..17]).filter(|&offset| offset >= 0),
            clock: read_i64(&row[17..25])?,
            sequence: read_u32(&row[25..29])?,
            written_at_ms: read_i64(&row[29..37])?,
            changelog_id: (id != [0; 16]).then_some(id),
        })
    }
}

/// What is known of a changelog partition when a store is about to be restored from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangelogState {
    /// The first offset that is there.
    pub start_offset: i64,
    /// The offset behind the last record.
    pub end_offset: i64,
    /// The topic's id, if the cluster tells it.
    pub topic_id: Option<[u8; 16]>,
    /// The topic's `delete.retention.ms`: how long a tombstone stays to be read. None where it is not compacted.
    pub delete_retention_ms: Option<i64>,
}

/// How a store is brought up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restore {
    /// From this offset on; what the store holds is kept.
    From(i64),
    /// What the store holds is of no use: wipe it and restore it from `start`.
    Wipe {
        /// The first offset to restore from.
        start: i64,
        /// Why, for the log.
        reason: WipeReason,
    },
}

/// Why a store cannot go on from what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WipeReason {
    /// The topic was deleted and made again.
    #[error("the changelog topic was deleted and made again")]
    Remade,
    /// The changelog is shorter than what the store holds.
    #[error("the changelog ends before what the store holds: records of it were lost")]
    Truncated,
    /// Records that the store has not seen are gone.
    #[error("records of the changelog that the store has not seen are deleted")]
    Deleted,
    /// Tombstones that the store has not seen may be gone, and with them deletes would be.
    #[error("the store is older than the changelog's delete.retention.ms: deletes may be missing")]
    TombstonesGone,
}

impl Checkpoint {
    /// How to go on from here: keep what the store holds, or wipe it first.
    ///
    /// A compacted changelog drops a tombstone after `delete.retention.ms`: a store that was away for longer would
    /// not hear of the delete, and the key would come back. Half of that time is allowed, since the restore itself
    /// takes some; a store whose changelog has nothing new has missed nothing however old it is.
    pub fn restore(&self, changelog: &ChangelogState, now_ms: i64) -> Restore {
        let start = changelog.start_offset;
        let Some(offset) = self.offset else {
            return Restore::From(start);
        };
        let wipe = |reason| Restore::Wipe { start, reason };
        if let (Some(ours), Some(theirs)) = (self.changelog_id, changelog.topic_id)
            && ours != theirs
        {
            return wipe(WipeReason::Remade);
        }
        let next = offset + 1;
        if next > changelog.end_offset {
            return wipe(WipeReason::Truncated);
        }
        if next < start {
            return wipe(WipeReason::Deleted);
        }
        let age = now_ms.saturating_sub(self.written_at_ms);
        if next < changelog.end_offset
            && changelog
                .delete_retention_ms
                .is_some_and(|retention| age > retention / 2)
        {
            return wipe(WipeReason::TombstonesGone);
        }
        Restore::From(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            offset: Some(41),
            clock: 7,
            written_at_ms: 10 * DAY,
            changelog_id: Some([1; 16]),
            sequence: 3,
        }
    }

    fn changelog() -> ChangelogState {
        ChangelogState {
            start_offset: 0,
            end_offset: 100,
            topic_id: Some([1; 16]),
            delete_retention_ms: Some(DAY),
        }
    }

    #[test]
    fn a_checkpoint_comes_back_as_it_was_and_not_for_another_layout() {
        for checkpoint in [checkpoint(), Checkpoint::EMPTY] {
            let row = checkpoint.encode(9);
            assert_eq!(Checkpoint::decode(&row, 9), Some(checkpoint));
            assert_eq!(Checkpoint::decode(&row, 8), None);
            assert_eq!(Checkpoint::decode(&row[1..], 9), None);
        }
    }

    #[test]
    fn a_store_goes_on_behind_what_it_holds_and_an_empty_one_from_the_start() {
        let now = 10 * DAY + DAY / 2;
        assert_eq!(checkpoint().restore(&changelog(), now), Restore::From(42));
        let later = ChangelogState {
            start_offset: 12,
            ..changelog()
        };
        assert_eq!(Checkpoint::EMPTY.restore(&later, now), Restore::From(12));
    }

    #[test]
    fn state_older_than_the_changelogs_tombstones_is_wiped_before_a_restore() {
        let wiped = Restore::Wipe {
            start: 0,
            reason: WipeReason::TombstonesGone,
        };
        let now = 10 * DAY + DAY / 2 + 1;
        assert_eq!(checkpoint().restore(&changelog(), now), wiped);
        let uncompacted = ChangelogState {
            delete_retention_ms: None,
            ..changelog()
        };
        assert_eq!(checkpoint().restore(&uncompacted, now), Restore::From(42));
        let nothing_new = ChangelogState {
            end_offset: 42,
            ..changelog()
        };
        assert_eq!(checkpoint().restore(&nothing_new, now), Restore::From(42));
    }

    #[test]
    fn a_truncated_deleted_or_remade_changelog_wipes_the_store() {
        let now = 10 * DAY;
        let reason = |changelog: ChangelogState| match checkpoint().restore(&changelog, now) {
            Restore::Wipe { reason, start } => {
                assert_eq!(start, changelog.start_offset);
                Some(reason)
            }
            Restore::From(_) => None,
        };
        let with = |start_offset, end_offset, id| ChangelogState {
            start_offset,
            end_offset,
            topic_id: id,
            ..changelog()
        };
        let ours = Some([1; 16]);
        assert_eq!(reason(with(0, 41, ours)), Some(WipeReason::Truncated));
        assert_eq!(reason(with(43, 100, ours)), Some(WipeReason::Deleted));
        assert_eq!(reason(with(42, 100, ours)), None);
        let other = Some([2; 16]);
        assert_eq!(reason(with(0, 100, other)), Some(WipeReason::Remade));
        assert_eq!(reason(with(0, 100, None)), None);
    }
}
