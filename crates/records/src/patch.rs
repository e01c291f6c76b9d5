//! The few fields that a broker changes in a batch it was given, in place.
//!
//! Base offset and leader epoch lie outside the checksum, so most appends patch them and nothing else.
//! All of them expect a batch that [`BatchHeader::parse`](crate::BatchHeader::parse) accepted.

use crate::batch::covered_crc;
use crate::header::at;
use crate::{Attributes, HEADER_SIZE, TimestampType};

/// Gives the batch its place in the log.
pub fn set_base_offset(batch: &mut [u8], base_offset: i64) {
    put(batch, at::BASE_OFFSET, &base_offset.to_be_bytes());
}

/// Says under which leader epoch the batch was appended.
pub fn set_leader_epoch(batch: &mut [u8], leader_epoch: i32) {
    put(batch, at::LEADER_EPOCH, &leader_epoch.to_be_bytes());
}

/// Makes `timestamp_ms` the time of every record: timestamp type, `max_timestamp` and the checksum change.
pub fn set_log_append_time(batch: &mut [u8], timestamp_ms: i64) {
    assert!(
        batch.len() >= HEADER_SIZE,
        "a batch is never shorter than its head"
    );
    let bits = batch
        .iter()
        .skip(at::ATTRIBUTES)
        .take(2)
        .fold(0_i16, |bits, byte| bits << 8 | i16::from(*byte));
    let attributes = Attributes(bits).with_timestamp_type(TimestampType::LogAppendTime);
    put(batch, at::ATTRIBUTES, &attributes.0.to_be_bytes());
    set_max_timestamp(batch, timestamp_ms);
}

/// Says which of its records' timestamps is the greatest: `max_timestamp` and the checksum change.
pub fn set_max_timestamp(batch: &mut [u8], timestamp_ms: i64) {
    put(batch, at::MAX_TIMESTAMP, &timestamp_ms.to_be_bytes());
    let crc = covered_crc(batch);
    put(batch, at::CRC, &crc.to_be_bytes());
}

fn put(batch: &mut [u8], at: usize, value: &[u8]) {
    batch
        .get_mut(at..at + value.len())
        .expect("a batch is never shorter than its head")
        .copy_from_slice(value);
}
