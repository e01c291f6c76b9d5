//! The bytes of a store's rows, and how they map to the keys and values of its changelog topic.
//!
//! Owns every physical format of the stores. Never reads or writes a store.
//!
//! ```text
//! kind                    row in the store                              key in the changelog (Java's)
//! key-value               key                                           key
//! window, time first      start(8) key                                  key start(8) 0(4)
//! window, key first       segment(8) key start(8)                       key start(8) 0(4)
//! session                 segment of end(8) key end(8) start(8)         key end(8) start(8)
//! stream-stream join      segment(8) key timestamp(8) sequence(4)       key timestamp(8) sequence(4)
//! versioned, latest       ff(8) key                                     key, timestamp of the record
//! versioned, older        segment of valid_to(8) key valid_from(8)      -
//! buffer                  time(8) group(1) key sequence(4)              the same
//! buffer, by key          ff(8) key                                     -
//!
//! value                   timestamp(8) value                            value, timestamp of the record
//! ```
//!
//! All numbers are big endian and not negative, so rows sort by time. Rows that a store forgets by time begin with
//! that time or its segment: whatever sorts before a point in time is dead, and is dropped from the front.

use super::spec::{StoreKind, WindowLayout};

/// The first eight bytes of rows that no clock makes old.
pub(crate) const TIMELESS: [u8; 8] = [0xff; 8];

/// The longest row: the database on disk takes no more than 65,535 bytes.
pub(crate) const LONGEST_ROW: usize = 65_000;

/// How a store's rows are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The key.
    Plain,
    /// Window start, key.
    TimeFirst,
    /// Segment, key, window start.
    KeyFirst {
        /// How many milliseconds a segment spans.
        segment_ms: i64,
    },
    /// Segment of the end, key, end, start.
    Session {
        /// How many milliseconds a segment spans.
        segment_ms: i64,
    },
    /// Segment, key, timestamp, sequence number.
    Join {
        /// How many milliseconds a segment spans.
        segment_ms: i64,
    },
    /// Latest values by key, older ones by segment.
    Versioned {
        /// How many milliseconds a segment spans.
        segment_ms: i64,
    },
    /// Time, group, key, sequence number.
    Buffer,
}

/// The row that a record of a changelog stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Restored {
    /// The row's key.
    pub(crate) row: Vec<u8>,
    /// The time that the store's clock has seen when it saw this row.
    pub(crate) time: Option<i64>,
    /// The sequence number in it.
    pub(crate) sequence: Option<u32>,
}

impl Layout {
    /// The layout of a store of this kind.
    pub(crate) fn of(kind: StoreKind) -> Self {
        match kind {
            StoreKind::KeyValue => Self::Plain,
            StoreKind::Window {
                layout: WindowLayout::TimeFirst,
                ..
            } => Self::TimeFirst,
            StoreKind::Window {
                layout: WindowLayout::KeyFirst,
                retention_ms,
            } => Self::KeyFirst {
                segment_ms: segment_interval(retention_ms),
            },
            StoreKind::Session { retention_ms } => Self::Session {
                segment_ms: segment_interval(retention_ms),
            },
            StoreKind::JoinWindow { retention_ms } => Self::Join {
                segment_ms: segment_interval(retention_ms),
            },
            StoreKind::Versioned { history_ms } => Self::Versioned {
                segment_ms: segment_interval(history_ms),
            },
            StoreKind::Buffer => Self::Buffer,
        }
    }

    /// A number that changes when rows of one version of a store cannot be read by another.
    pub(crate) fn fingerprint(self) -> u64 {
        let (tag, segment_ms) = match self {
            Self::Plain => (1, 0),
            Self::TimeFirst => (2, 0),
            Self::KeyFirst { segment_ms } => (3, segment_ms),
            Self::Session { segment_ms } => (4, segment_ms),
            Self::Join { segment_ms } => (5, segment_ms),
            Self::Versioned { segment_ms } => (6, segment_ms),
            Self::Buffer => (7, 0),
        };
        (tag << 56) | (segment_ms as u64 & 0x00ff_ffff_ffff_ffff)
    }

    /// The segment that a time lies in; the time itself where rows are in order of it.
    pub(crate) fn segment(self, time: i64) -> u64 {
        match self {
            Self::KeyFirst { segment_ms }
            | Self::Session { segment_ms }
            | Self::Join { segment_ms }
            | Self::Versioned { segment_ms } => (time.max(0) / segment_ms) as u64,
            Self::Plain | Self::TimeFirst | Self::Buffer => time.max(0) as u64,
        }
    }

    /// Where live rows begin: rows whose first eight bytes are less are too old when `oldest` is the oldest time
    /// that is kept.
    pub(crate) fn front(self, oldest: i64) -> u64 {
        match self {
            Self::Plain | Self::Buffer => 0,
            _ => self.segment(oldest),
        }
    }

    /// Whether a part of the row that comes before the time identifies its rows: what lookups by key ask for.
    pub(crate) fn prefix_of(self, row: &[u8]) -> Option<&[u8]> {
        let suffix = match self {
            Self::KeyFirst { .. } | Self::Versioned { .. } => 8,
            Self::Session { .. } => 16,
            Self::Join { .. } => 12,
            Self::Plain | Self::TimeFirst | Self::Buffer => return None,
        };
        if row.starts_with(&TIMELESS) {
            return None;
        }
        row.get(..row.len().checked_sub(suffix)?)
    }

    /// Appends the changelog key of a row. False for rows that are derived from others, or logged in another way.
    pub(crate) fn write_changelog_key(self, row: &[u8], into: &mut Vec<u8>) -> bool {
        match self {
            Self::Plain => into.extend_from_slice(row),
            Self::TimeFirst => {
                let (start, key) = row.split_at(8.min(row.len()));
                into.extend_from_slice(key);
                into.extend_from_slice(start);
                into.extend_from_slice(&[0; 4]);
            }
            Self::KeyFirst { .. } => {
                into.extend_from_slice(row.get(8..).unwrap_or_default());
                into.extend_from_slice(&[0; 4]);
            }
            Self::Session { .. } | Self::Join { .. } => {
                into.extend_from_slice(row.get(8..).unwrap_or_default());
            }
            Self::Versioned { .. } => return false,
            Self::Buffer => {
                if row.starts_with(&TIMELESS) {
                    return false;
                }
                into.extend_from_slice(row);
            }
        }
        true
    }

    /// The row of a changelog key; none for a key that is none of this kind.
    pub(crate) fn restored(self, key: &[u8]) -> Option<Restored> {
        let time_at = |from_end: usize| -> Option<i64> {
            let start = key.len().checked_sub(from_end)?;
            read_i64(key.get(start..start + 8)?)
        };
        let within = |time: i64, rest: &[u8]| {
            let mut row = Vec::with_capacity(8 + rest.len());
            row.extend_from_slice(&self.segment(time).to_be_bytes());
            row.extend_from_slice(rest);
            row
        };
        match self {
            Self::Plain | Self::Versioned { .. } => Some(Restored {
                row: key.to_vec(),
                time: None,
                sequence: None,
            }),
            Self::TimeFirst => {
                let time = time_at(12)?;
                Some(Restored {
                    row: within(time, &key[..key.len() - 12]),
                    time: Some(time),
                    sequence: None,
                })
            }
            Self::KeyFirst { .. } => {
                let time = time_at(12)?;
                Some(Restored {
                    row: within(time, &key[..key.len() - 4]),
                    time: Some(time),
                    sequence: None,
                })
            }
            Self::Session { .. } => {
                let end = time_at(16)?;
                Some(Restored {
                    row: within(end, key),
                    time: Some(end),
                    sequence: None,
                })
            }
            Self::Join { .. } => {
                let time = time_at(12)?;
                Some(Restored {
                    row: within(time, key),
                    time: Some(time),
                    sequence: read_u32(&key[key.len() - 4..]),
                })
            }
            Self::Buffer => (key.len() >= 13).then(|| Restored {
                row: key.to_vec(),
                time: None,
                sequence: read_u32(&key[key.len() - 4..]),
            }),
        }
    }
}

/// Kafka Streams' default: half of the retention, at least a minute.
fn segment_interval(retention_ms: i64) -> i64 {
    (retention_ms / 2).max(60_000)
}

/// A big-endian number of exactly eight bytes.
pub(crate) fn read_i64(bytes: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(bytes.try_into().ok()?))
}

/// A big-endian number of exactly four bytes.
pub(crate) fn read_u32(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Writes a value as stores keep it: its timestamp, then its bytes.
pub(crate) fn write_stamped(timestamp: i64, value: &[u8], into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(&timestamp.to_be_bytes());
    into.extend_from_slice(value);
}

/// A stored value's timestamp and bytes.
pub(crate) fn split_stamped(value: &[u8]) -> Option<(i64, &[u8])> {
    let (timestamp, value) = value.split_at_checked(8)?;
    Some((read_i64(timestamp)?, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [StoreKind; 7] = [
        StoreKind::KeyValue,
        StoreKind::Window {
            retention_ms: 100,
            layout: WindowLayout::TimeFirst,
        },
        StoreKind::Window {
            retention_ms: 100,
            layout: WindowLayout::KeyFirst,
        },
        StoreKind::Session { retention_ms: 100 },
        StoreKind::JoinWindow { retention_ms: 100 },
        StoreKind::Versioned { history_ms: 100 },
        StoreKind::Buffer,
    ];

    fn changelog_key(layout: Layout, row: &[u8]) -> Vec<u8> {
        let mut key = Vec::new();
        assert!(layout.write_changelog_key(row, &mut key));
        key
    }

    #[test]
    fn window_keys_in_the_changelog_are_javas() {
        let expected = b"key\0\0\0\0\0\0\x03\xe8\0\0\0\0";
        let time_first = Layout::of(KINDS[1]);
        assert_eq!(
            changelog_key(time_first, b"\0\0\0\0\0\0\x03\xe8key"),
            expected
        );
        let key_first = Layout::of(KINDS[2]);
        assert_eq!(
            changelog_key(key_first, b"\0\0\0\0\0\0\0\0key\0\0\0\0\0\0\x03\xe8"),
            expected
        );
    }

    #[test]
    fn session_and_join_keys_in_the_changelog_are_javas() {
        let session = Layout::of(KINDS[3]);
        let key = b"key\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\x07";
        let restored = session.restored(key).expect("a session");
        assert_eq!(restored.time, Some(65_536));
        assert_eq!(
            restored.row[..8],
            1_u64.to_be_bytes(),
            "in the second minute"
        );
        assert_eq!(changelog_key(session, &restored.row), key);

        let join = Layout::of(KINDS[4]);
        let key = b"key\0\0\0\0\0\0\0\x05\0\0\0\x09";
        let restored = join.restored(key).expect("a record");
        assert_eq!((restored.time, restored.sequence), (Some(5), Some(9)));
        assert_eq!(changelog_key(join, &restored.row), key);
    }

    proptest! {
        #[test]
        fn every_changelog_key_comes_back_as_it_was(
            kind in 0..KINDS.len(),
            key in prop::collection::vec(any::<u8>(), 0..6),
            time in 0..i64::MAX,
            other in 0..i64::MAX,
            sequence in any::<u32>(),
        ) {
            let layout = Layout::of(KINDS[kind]);
            let mut changelog = key;
            match layout {
                Layout::Plain | Layout::Versioned { .. } => {}
                Layout::TimeFirst | Layout::KeyFirst { .. } => {
                    changelog.extend_from_slice(&time.to_be_bytes());
                    changelog.extend_from_slice(&[0; 4]);
                }
                Layout::Session { .. } => {
                    changelog.extend_from_slice(&time.to_be_bytes());
                    changelog.extend_from_slice(&other.to_be_bytes());
                }
                Layout::Join { .. } => {
                    changelog.extend_from_slice(&time.to_be_bytes());
                    changelog.extend_from_slice(&sequence.to_be_bytes());
                }
                Layout::Buffer => {
                    let mut full = time.to_be_bytes().to_vec();
                    full.push(1);
                    full.append(&mut changelog);
                    full.extend_from_slice(&sequence.to_be_bytes());
                    changelog = full;
                }
            }
            let restored = layout.restored(&changelog).expect("a key of this kind");
            let mut again = Vec::new();
            if layout.write_changelog_key(&restored.row, &mut again) {
                prop_assert_eq!(again, changelog);
            } else {
                prop_assert_eq!(restored.row, changelog);
            }
        }

        #[test]
        fn keys_of_any_bytes_are_read_or_refused(
            kind in 0..KINDS.len(),
            key in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = Layout::of(KINDS[kind]).restored(&key);
        }
    }
}
