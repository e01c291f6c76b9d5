//! The fixed head of a batch.

use bytes::Bytes;

use crate::batch::covered_crc;
use crate::{Attributes, RecordError};

/// Bytes before the records: the whole fixed head.
pub const HEADER_SIZE: usize = 61;
/// Bytes of base offset and length, which the length field does not count.
pub const LOG_OVERHEAD: usize = 12;
/// The only format of batches served.
pub const MAGIC: i8 = 2;
/// `producer_id` of a batch whose producer is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;
/// `base_sequence` of a batch whose producer is not idempotent.
pub const NO_SEQUENCE: i32 = -1;

/// The head of a batch, all integers big-endian:
///
/// ```text
///  0 base_offset             i64
///  8 batch_length            i32   bytes after this field
/// 12 partition_leader_epoch  i32   set by the broker, outside the CRC
/// 16 magic                   i8    2
/// 17 crc                     u32   CRC-32C of all from attributes to the end
/// 21 attributes              i16
/// 23 last_offset_delta       i32
/// 27 base_timestamp          i64   ms since the epoch
/// 35 max_timestamp           i64   ms since the epoch
/// 43 producer_id             i64   -1: not idempotent
/// 51 producer_epoch          i16
/// 53 base_sequence           i32
/// 57 record_count            i32
/// 61 records
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is explained in the layout above")]
pub struct BatchHeader {
    pub base_offset: i64,
    pub batch_length: i32,
    pub partition_leader_epoch: i32,
    pub magic: i8,
    pub crc: u32,
    pub attributes: Attributes,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub record_count: i32,
}

/// Where a field begins in the head.
pub(crate) mod at {
    pub(crate) const BASE_OFFSET: usize = 0;
    pub(crate) const BATCH_LENGTH: usize = 8;
    pub(crate) const LEADER_EPOCH: usize = 12;
    pub(crate) const MAGIC: usize = 16;
    pub(crate) const CRC: usize = 17;
    pub(crate) const ATTRIBUTES: usize = 21;
    pub(crate) const LAST_OFFSET_DELTA: usize = 23;
    pub(crate) const BASE_TIMESTAMP: usize = 27;
    pub(crate) const MAX_TIMESTAMP: usize = 35;
    pub(crate) const PRODUCER_ID: usize = 43;
    pub(crate) const PRODUCER_EPOCH: usize = 51;
    pub(crate) const BASE_SEQUENCE: usize = 53;
    pub(crate) const RECORD_COUNT: usize = 57;
}

impl BatchHeader {
    /// Reads the head and checks that its length and magic can be those of a batch. The records need not be there.
    ///
    /// # Errors
    /// `Truncated` for fewer than 61 bytes, `BadLength`, `UnsupportedMagic`.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        // The magic sits at the same place in every format: told first, so that an old producer gets the right remedy.
        if let Some(&magic) = bytes.get(at::MAGIC)
            && magic.cast_signed() != MAGIC
        {
            return Err(RecordError::UnsupportedMagic(magic.cast_signed()));
        }
        let head = bytes
            .first_chunk::<HEADER_SIZE>()
            .ok_or(RecordError::Truncated {
                needed: HEADER_SIZE,
                available: bytes.len(),
            })?;
        let header = Self {
            base_offset: i64::from_be_bytes(field::<{ at::BASE_OFFSET }, 8>(head)),
            batch_length: i32::from_be_bytes(field::<{ at::BATCH_LENGTH }, 4>(head)),
            partition_leader_epoch: i32::from_be_bytes(field::<{ at::LEADER_EPOCH }, 4>(head)),
            magic: MAGIC,
            crc: u32::from_be_bytes(field::<{ at::CRC }, 4>(head)),
            attributes: Attributes(i16::from_be_bytes(field::<{ at::ATTRIBUTES }, 2>(head))),
            last_offset_delta: i32::from_be_bytes(field::<{ at::LAST_OFFSET_DELTA }, 4>(head)),
            base_timestamp: i64::from_be_bytes(field::<{ at::BASE_TIMESTAMP }, 8>(head)),
            max_timestamp: i64::from_be_bytes(field::<{ at::MAX_TIMESTAMP }, 8>(head)),
            producer_id: i64::from_be_bytes(field::<{ at::PRODUCER_ID }, 8>(head)),
            producer_epoch: i16::from_be_bytes(field::<{ at::PRODUCER_EPOCH }, 2>(head)),
            base_sequence: i32::from_be_bytes(field::<{ at::BASE_SEQUENCE }, 4>(head)),
            record_count: i32::from_be_bytes(field::<{ at::RECORD_COUNT }, 4>(head)),
        };
        if header.batch_length < (HEADER_SIZE - LOG_OVERHEAD) as i32 {
            return Err(RecordError::BadLength {
                base_offset: header.base_offset,
                length: header.batch_length,
            });
        }
        Ok(header)
    }

    /// Writes the batch that has this head and `payload`; length, magic and checksum are worked out.
    pub(crate) fn encode(&self, payload: &[u8]) -> Bytes {
        let mut batch = Vec::with_capacity(HEADER_SIZE + payload.len());
        batch.extend_from_slice(&self.base_offset.to_be_bytes());
        let length = (HEADER_SIZE - LOG_OVERHEAD + payload.len()) as i32;
        batch.extend_from_slice(&length.to_be_bytes());
        batch.extend_from_slice(&self.partition_leader_epoch.to_be_bytes());
        batch.push(MAGIC.cast_unsigned());
        let crc_at = batch.len();
        batch.extend_from_slice(&[0; 4]);
        batch.extend_from_slice(&self.attributes.0.to_be_bytes());
        batch.extend_from_slice(&self.last_offset_delta.to_be_bytes());
        batch.extend_from_slice(&self.base_timestamp.to_be_bytes());
        batch.extend_from_slice(&self.max_timestamp.to_be_bytes());
        batch.extend_from_slice(&self.producer_id.to_be_bytes());
        batch.extend_from_slice(&self.producer_epoch.to_be_bytes());
        batch.extend_from_slice(&self.base_sequence.to_be_bytes());
        batch.extend_from_slice(&self.record_count.to_be_bytes());
        batch.extend_from_slice(payload);
        let crc = covered_crc(&batch).to_be_bytes();
        for (to, from) in batch.iter_mut().skip(crc_at).zip(crc) {
            *to = from;
        }
        Bytes::from(batch)
    }

    /// Bytes of the whole batch, head included.
    pub fn size_in_bytes(&self) -> usize {
        // `parse` refused lengths below the head's.
        self.batch_length as usize + LOG_OVERHEAD
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset
            .saturating_add(i64::from(self.last_offset_delta))
    }

    /// Offset that follows the batch.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// Sequence of the last record; sequences wrap from `i32::MAX` to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        let last = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        (last & i64::from(i32::MAX)) as i32
    }

    /// The batch holds a transaction marker.
    pub fn is_control(&self) -> bool {
        self.attributes.is_control()
    }

    /// The batch is part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes.is_transactional()
    }

    /// From when on the cleaner may drop the batch's tombstones, or its marker (KIP-534).
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.attributes
            .has_delete_horizon()
            .then_some(self.base_timestamp)
    }

    /// The producer is idempotent or transactional.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }
}

/// The `N` bytes from `AT` on. Both are constants within the head, so the range always exists.
fn field<const AT: usize, const N: usize>(head: &[u8; HEADER_SIZE]) -> [u8; N] {
    const { assert!(AT + N <= HEADER_SIZE) };
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(head.iter().skip(AT)) {
        *to = *from;
    }
    out
}
