//! From time to offset in a segment.

use super::index_file::{IndexEntry, IndexFile};

/// An entry of a `.timeindex` file, big-endian:
///
/// ```text
/// 0 timestamp        i64   greatest timestamp in the segment up to and with ...
/// 8 relative_offset  u32   ... this offset, less the segment's base offset: the last one of the batch that has it
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimestampIndexEntry {
    pub(crate) timestamp: i64,
    pub(crate) relative_offset: u32,
}

impl IndexEntry<12> for TimestampIndexEntry {
    type Key = i64;

    fn key(&self) -> i64 {
        self.timestamp
    }

    fn follows(&self, before: &Self) -> bool {
        self.timestamp > before.timestamp && self.relative_offset > before.relative_offset
    }

    fn encode(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let (timestamp, offset) = bytes.split_at_mut(8);
        timestamp.copy_from_slice(&self.timestamp.to_be_bytes());
        offset.copy_from_slice(&self.relative_offset.to_be_bytes());
        bytes
    }

    fn decode(bytes: [u8; 12]) -> Self {
        let both = bytes
            .iter()
            .fold(0_u128, |both, byte| both << 8 | u128::from(*byte));
        Self {
            timestamp: (both >> 32) as i64,
            relative_offset: both as u32,
        }
    }
}

/// The time index of a segment.
pub(crate) type TimeIndex = IndexFile<TimestampIndexEntry, 12>;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn entries_read_back(timestamp: i64, relative_offset: u32) {
            let entry = TimestampIndexEntry { timestamp, relative_offset };
            prop_assert_eq!(TimestampIndexEntry::decode(entry.encode()), entry);
        }
    }

    #[test]
    fn the_layout_is_kafkas() {
        let entry = TimestampIndexEntry {
            timestamp: 1,
            relative_offset: 0x0203,
        };
        assert_eq!(entry.encode(), [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 2, 3]);
    }
}
