//! What may be appended. Looks at batches only; where they go is the log's business.
//!
//! Here are the checks of the batch as a whole; `records` walks what is in it, `rewrite` changes what the topic wants
//! otherwise.

mod records;
mod rewrite;

use bytes::Bytes;
use headwater_records::{HEADER_SIZE, RecordBatch, RecordError};

use super::{AppendOptions, Origin};
use crate::{AppendError, LogConfig};

/// A batch may grow to this many times `max.message.bytes` when it is decompressed.
const MAX_DECOMPRESSION: usize = 64;

/// Checks `batches` against the topic's configuration and returns them as they are to be stored, but for base offset
/// and leader epoch.
pub(crate) fn validate(
    batches: &Bytes,
    config: &LogConfig,
    options: &AppendOptions,
) -> Result<Vec<RecordBatch>, AppendError> {
    let mut accepted = Vec::new();
    let mut rest = batches.clone();
    while !rest.is_empty() {
        if options.origin == Origin::Client && !accepted.is_empty() {
            return Err(invalid(
                "a produce request holds one record batch per partition",
            ));
        }
        let batch = RecordBatch::parse(&rest).map_err(malformed)?;
        rest = rest.slice(batch.bytes.len()..);
        accepted.push(validate_batch(batch, config, options)?);
    }
    if accepted.is_empty() {
        return Err(invalid("there is no record batch"));
    }
    let size = accepted.iter().map(|batch| batch.bytes.len()).sum();
    if size > config.segment_bytes {
        return Err(AppendError::RecordListTooLarge {
            size,
            limit: config.segment_bytes,
        });
    }
    Ok(accepted)
}

fn validate_batch(
    batch: RecordBatch,
    config: &LogConfig,
    options: &AppendOptions,
) -> Result<RecordBatch, AppendError> {
    check_size(&batch, config)?;
    batch.check_crc().map_err(malformed)?;
    check_header(&batch, options)?;
    let max_timestamp = records::check(&batch, config, options)?;
    let batch = rewrite::as_configured(batch, max_timestamp, config, options)?;
    // Once more: another codec may have made it larger.
    check_size(&batch, config)?;
    Ok(batch)
}

fn check_size(batch: &RecordBatch, config: &LogConfig) -> Result<(), AppendError> {
    let size = batch.bytes.len();
    let limit = config.max_message_bytes;
    if size > limit {
        return Err(AppendError::MessageTooLarge { size, limit });
    }
    Ok(())
}

fn check_header(batch: &RecordBatch, options: &AppendOptions) -> Result<(), AppendError> {
    let header = &batch.header;
    let (count, last) = (header.record_count, header.last_offset_delta);
    if count <= 0 || last.checked_add(1) != Some(count) {
        return Err(invalid(format!(
            "the batch says {count} records, its last offset delta is {last}"
        )));
    }
    if options.origin != Origin::Client {
        return Ok(());
    }
    if header.base_offset != 0 {
        return Err(invalid(format!(
            "the base offset of a produced batch is 0, this one has {}",
            header.base_offset
        )));
    }
    if header.is_control() {
        return Err(invalid("clients may not write control batches"));
    }
    if header.has_producer_id() && (header.base_sequence < 0 || header.producer_epoch < 0) {
        return Err(invalid(format!(
            "producer {} sent sequence {} at epoch {}: neither may be negative",
            header.producer_id, header.base_sequence, header.producer_epoch
        )));
    }
    if header.is_transactional() && !header.has_producer_id() {
        return Err(invalid("a transactional batch needs a producer id"));
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> AppendError {
    AppendError::InvalidRecord {
        message: message.into(),
        record_errors: Vec::new(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn malformed(error: RecordError) -> AppendError {
    match error {
        RecordError::UnsupportedMagic(magic @ 0..=1) => {
            AppendError::UnsupportedForMessageFormat { magic }
        }
        RecordError::UnknownCompression(id) => AppendError::UnsupportedCompressionType { id },
        RecordError::MalformedRecord { .. } => invalid(error.to_string()),
        RecordError::UnsupportedMagic(_)
        | RecordError::Truncated { .. }
        | RecordError::BadLength { .. }
        | RecordError::BadCrc { .. }
        | RecordError::Decompression { .. }
        | RecordError::TooLarge { .. } => AppendError::CorruptMessage(error.to_string()),
    }
}

/// The bytes to store: a copy of the head, patched, and the rest as the producer sent it, not copied.
pub(crate) fn place(batch: &RecordBatch, base_offset: i64, leader_epoch: i32) -> [Bytes; 2] {
    let mut head = batch.bytes.slice(..HEADER_SIZE).to_vec();
    headwater_records::set_base_offset(&mut head, base_offset);
    headwater_records::set_leader_epoch(&mut head, leader_epoch);
    [Bytes::from(head), batch.bytes.slice(HEADER_SIZE..)]
}

#[cfg(test)]
#[path = "validate/tests.rs"]
mod tests;
