//! The attribute bits of a batch.

use crate::{Compression, RecordError};

const COMPRESSION_MASK: i16 = 0b0000_0111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
const DELETE_HORIZON: i16 = 1 << 6;

/// Who gave the records of a batch their timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The producer, per record.
    #[default]
    CreateTime,
    /// The broker, one time for the whole batch: its `max_timestamp`.
    LogAppendTime,
}

/// Attributes of a batch, 16 bits:
///
/// ```text
/// 15 ............ 7 | 6              | 5       | 4             | 3              | 2 .. 0
/// unused            | delete horizon | control | transactional | timestamp type | codec
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    /// Codec of the records behind the header.
    pub fn compression(self) -> Result<Compression, RecordError> {
        Compression::from_id((self.0 & COMPRESSION_MASK) as u8)
    }

    /// Who set the timestamps.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// The batch belongs to a transaction (KIP-98).
    pub fn is_transactional(self) -> bool {
        self.0 & TRANSACTIONAL != 0
    }

    /// The batch holds a marker, not data (KIP-98).
    pub fn is_control(self) -> bool {
        self.0 & CONTROL != 0
    }

    /// `base_timestamp` is the time from which the cleaner may drop the tombstones (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & DELETE_HORIZON != 0
    }

    /// The same bits with another codec.
    pub fn with_compression(self, compression: Compression) -> Self {
        Self(self.0 & !COMPRESSION_MASK | i16::from(compression.id()))
    }

    /// The same bits with another timestamp type.
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        match timestamp_type {
            TimestampType::CreateTime => Self(self.0 & !LOG_APPEND_TIME),
            TimestampType::LogAppendTime => Self(self.0 | LOG_APPEND_TIME),
        }
    }

    /// The same bits, saying whether `base_timestamp` is a delete horizon.
    pub(crate) fn with_delete_horizon(self, horizon: Option<i64>) -> Self {
        match horizon {
            Some(_) => Self(self.0 | DELETE_HORIZON),
            None => Self(self.0 & !DELETE_HORIZON),
        }
    }

    /// The same bits, marked as part of a transaction.
    pub fn with_transactional(self) -> Self {
        Self(self.0 | TRANSACTIONAL)
    }

    /// The same bits, marked as a control batch.
    pub fn with_control(self) -> Self {
        Self(self.0 | CONTROL)
    }
}
