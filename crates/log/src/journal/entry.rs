//! What a commit is made of: one change of one partition each.

use bytes::{Buf, BufMut, Bytes};

use crate::PartitionId;

const APPEND: u8 = 1;
const LOG_START: u8 = 2;
const SYNCED: u8 = 3;
const DELETE: u8 = 4;

/// Where batches lie in their partition's segments. Recovery puts them there again, so it needs no configuration
/// to decide where segments begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Offset of the first record.
    pub(crate) base_offset: i64,
    /// Base offset of the segment; equal to `base_offset` where the segment begins with these batches.
    pub(crate) segment_base: i64,
    /// Byte position in the segment.
    pub(crate) position: u32,
}

/// What happened to the partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Batches were appended; these are their bytes, in any number of pieces.
    Append { place: Place, batches: Vec<Bytes> },
    /// Everything before this offset is gone.
    LogStart { log_start_offset: i64 },
    /// Batches were appended that are too large for the journal: their segment has been synced instead.
    Synced {
        place: Place,
        length: u32,
        end_offset: i64,
    },
    /// The partition was deleted. What the journal says about it before this is void.
    Delete,
}

/// A change of a partition, all integers big-endian:
///
/// ```text
///  0 kind          u8    1 append, 2 log start, 3 synced, 4 delete
///  1 topic_id      16 bytes
/// 17 partition     i32
///    append and synced:
/// 21 base_offset   i64
/// 29 segment_base  i64
/// 37 position      u32
/// 41 length        u32   bytes of the batches
///    append:               synced:
/// 45 batches            45 end_offset  i64
///    log start:
/// 21 log_start_offset  i64
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Whose.
    pub(crate) partition: PartitionId,
    /// What.
    pub(crate) change: Change,
}

impl Entry {
    /// Bytes before the batches of an append: more than any other entry has besides `synced`.
    pub(crate) const APPEND_HEAD: usize = 45;
    /// Bytes of a `synced` entry.
    pub(crate) const SYNCED_SIZE: usize = 53;

    /// Bytes of the encoded entry.
    pub(crate) fn size_in_bytes(&self) -> usize {
        match &self.change {
            Change::Append { .. } => Self::APPEND_HEAD + self.batch_bytes(),
            Change::LogStart { .. } => 29,
            Change::Synced { .. } => Self::SYNCED_SIZE,
            Change::Delete => 21,
        }
    }

    /// Bytes of the batches in an append, 0 otherwise.
    pub(crate) fn batch_bytes(&self) -> usize {
        match &self.change {
            Change::Append { batches, .. } => batches.iter().map(Bytes::len).sum(),
            _ => 0,
        }
    }

    /// The entry that stands for an append whose segment was synced.
    pub(crate) fn synced(&self, end_offset: i64) -> Self {
        let change = match &self.change {
            Change::Append { place, .. } => Change::Synced {
                place: *place,
                length: self.batch_bytes() as u32,
                end_offset,
            },
            other => other.clone(),
        };
        Self {
            partition: self.partition,
            change,
        }
    }

    /// Writes all but the batches of an append, which follow.
    pub(crate) fn encode_head(&self, out: &mut Vec<u8>) {
        let kind = match &self.change {
            Change::Append { .. } => APPEND,
            Change::LogStart { .. } => LOG_START,
            Change::Synced { .. } => SYNCED,
            Change::Delete => DELETE,
        };
        out.put_u8(kind);
        out.put_slice(&self.partition.topic_id);
        out.put_i32(self.partition.partition);
        match &self.change {
            Change::Append { place, .. } => {
                put_place(out, place);
                out.put_u32(self.batch_bytes() as u32);
            }
            Change::LogStart { log_start_offset } => out.put_i64(*log_start_offset),
            Change::Synced {
                place,
                length,
                end_offset,
            } => {
                put_place(out, place);
                out.put_u32(*length);
                out.put_i64(*end_offset);
            }
            Change::Delete => {}
        }
    }

    /// Takes an entry from the front. `None` where the bytes are not one.
    pub(crate) fn decode(input: &mut Bytes) -> Option<Self> {
        let kind = input.try_get_u8().ok()?;
        let mut topic_id = [0; 16];
        input.try_copy_to_slice(&mut topic_id).ok()?;
        let partition = PartitionId {
            topic_id,
            partition: input.try_get_i32().ok()?,
        };
        let change = match kind {
            APPEND => {
                let place = get_place(input)?;
                let length = input.try_get_u32().ok()? as usize;
                if length > input.len() {
                    return None;
                }
                Change::Append {
                    place,
                    batches: vec![input.split_to(length)],
                }
            }
            LOG_START => Change::LogStart {
                log_start_offset: input.try_get_i64().ok()?,
            },
            SYNCED => Change::Synced {
                place: get_place(input)?,
                length: input.try_get_u32().ok()?,
                end_offset: input.try_get_i64().ok()?,
            },
            DELETE => Change::Delete,
            _ => return None,
        };
        Some(Self { partition, change })
    }
}

fn put_place(out: &mut Vec<u8>, place: &Place) {
    out.put_i64(place.base_offset);
    out.put_i64(place.segment_base);
    out.put_u32(place.position);
}

fn get_place(input: &mut Bytes) -> Option<Place> {
    Some(Place {
        base_offset: input.try_get_i64().ok()?,
        segment_base: input.try_get_i64().ok()?,
        position: input.try_get_u32().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn changes() -> impl Strategy<Value = Change> {
        let place = || {
            (any::<i64>(), any::<i64>(), any::<u32>()).prop_map(
                |(base_offset, segment_base, position)| Place {
                    base_offset,
                    segment_base,
                    position,
                },
            )
        };
        prop_oneof![
            (place(), proptest::collection::vec(any::<u8>(), 0..200)).prop_map(|(place, bytes)| {
                Change::Append {
                    place,
                    batches: vec![Bytes::from(bytes)],
                }
            }),
            any::<i64>().prop_map(|log_start_offset| Change::LogStart { log_start_offset }),
            (place(), any::<u32>(), any::<i64>()).prop_map(|(place, length, end_offset)| {
                Change::Synced {
                    place,
                    length,
                    end_offset,
                }
            }),
            Just(Change::Delete),
        ]
    }

    proptest! {
        #[test]
        fn entries_read_back(topic_id: [u8; 16], partition: i32, change in changes()) {
            let entry = Entry { partition: PartitionId { topic_id, partition }, change };
            let mut bytes = Vec::new();
            entry.encode_head(&mut bytes);
            if let Change::Append { batches, .. } = &entry.change {
                for part in batches {
                    bytes.extend_from_slice(part);
                }
            }
            prop_assert_eq!(bytes.len(), entry.size_in_bytes());
            let mut input = Bytes::from(bytes);
            prop_assert_eq!(Entry::decode(&mut input), Some(entry));
            prop_assert!(input.is_empty());
        }

        #[test]
        fn any_bytes_are_safe_to_decode(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Entry::decode(&mut Bytes::from(bytes));
        }
    }
}
