//! From offset to position in a segment, every few KiB.

use super::index_file::{IndexEntry, IndexFile};

/// An entry of an `.index` file, big-endian:
///
/// ```text
/// 0 relative_offset  u32   last offset of a batch, less the segment's base offset
/// 4 position         u32   where that batch begins in the segment
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetPosition {
    pub(crate) relative_offset: u32,
    pub(crate) position: u32,
}

impl IndexEntry<8> for OffsetPosition {
    type Key = u32;

    fn key(&self) -> u32 {
        self.relative_offset
    }

    fn follows(&self, before: &Self) -> bool {
        self.relative_offset > before.relative_offset && self.position > before.position
    }

    fn encode(&self) -> [u8; 8] {
        (u64::from(self.relative_offset) << 32 | u64::from(self.position)).to_be_bytes()
    }

    fn decode(bytes: [u8; 8]) -> Self {
        let both = u64::from_be_bytes(bytes);
        Self {
            relative_offset: (both >> 32) as u32,
            position: both as u32,
        }
    }
}

/// The offset index of a segment.
pub(crate) type OffsetIndex = IndexFile<OffsetPosition, 8>;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn entries_read_back(relative_offset: u32, position: u32) {
            let entry = OffsetPosition { relative_offset, position };
            prop_assert_eq!(OffsetPosition::decode(entry.encode()), entry);
        }
    }

    #[test]
    fn the_layout_is_kafkas() {
        let entry = OffsetPosition {
            relative_offset: 1,
            position: 0x0203,
        };
        assert_eq!(entry.encode(), [0, 0, 0, 1, 0, 0, 2, 3]);
    }
}
