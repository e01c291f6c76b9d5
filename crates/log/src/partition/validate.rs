//! What may be appended. Looks at batches only; where they go is the log's business.
//!
//! Records of uncompressed batches are walked. Compressed batches are judged by their header, except on compacted
//! topics, where each record's key counts, and where the header's timestamps contradict each other. What a walk finds
//! the greatest timestamp to be replaces what the header says: retention goes by it.

use bytes::Bytes;
use headwater_records::{
    BatchBuilder, Compression, HEADER_SIZE, Record, RecordBatch, RecordError, TimestampType,
    set_log_append_time, set_max_timestamp,
};

use super::{AppendOptions, Origin};
use crate::{AppendError, CompressionType, InvalidRecordDetail, LogConfig};

/// Timestamp of a record that has none.
const NO_TIMESTAMP: i64 = -1;
/// Errors listed for one batch; the first few tell enough.
const MAX_RECORD_ERRORS: usize = 100;
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
    let compression = batch.header.attributes.compression().map_err(malformed)?;
    let walk = compression == Compression::None
        || config.cleanup_policy.compacts()
        || batch.header.max_timestamp < batch.header.base_timestamp;
    let (faults, max_timestamp) = if walk {
        check_records(&batch, config, options)?
    } else {
        let faults = check_header_timestamps(&batch, config, options);
        (faults, batch.header.max_timestamp)
    };
    faults.into_result(batch.header.record_count)?;
    let batch = with_max_timestamp(batch, max_timestamp)?;
    let batch = recompress(batch, compression, config)?;
    let batch = with_log_append_time(batch, config, options)?;
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
    if header.is_transactional() {
        if !header.has_producer_id() {
            return Err(invalid("a transactional batch needs a producer id"));
        }
        return Err(AppendError::InvalidTxnState {
            producer_id: header.producer_id,
        });
    }
    Ok(())
}

/// What is wrong with single records.
#[derive(Debug, Default)]
struct Faults {
    records: Vec<InvalidRecordDetail>,
    timestamps: Vec<InvalidRecordDetail>,
}

impl Faults {
    fn into_result(self, record_count: i32) -> Result<(), AppendError> {
        if !self.records.is_empty() {
            return Err(AppendError::InvalidRecord {
                message: summary(&self.records, record_count),
                record_errors: self.records,
            });
        }
        if !self.timestamps.is_empty() {
            return Err(AppendError::InvalidTimestamp {
                message: summary(&self.timestamps, record_count),
                record_errors: self.timestamps,
            });
        }
        Ok(())
    }
}

fn summary(details: &[InvalidRecordDetail], record_count: i32) -> String {
    let first = details.first().map_or("", |detail| detail.message.as_str());
    format!(
        "{} of the {record_count} records of the batch were refused: {first}",
        details.len()
    )
}

/// What is wrong with the records, and the greatest of their timestamps.
fn check_records(
    batch: &RecordBatch,
    config: &LogConfig,
    options: &AppendOptions,
) -> Result<(Faults, i64), AppendError> {
    let mut faults = Faults::default();
    let mut max_timestamp = NO_TIMESTAMP;
    let records = batch
        .records(config.max_message_bytes.saturating_mul(MAX_DECOMPRESSION))
        .map_err(malformed)?;
    for (batch_index, record) in (0..).zip(records) {
        let record = record.map_err(malformed)?;
        if record.offset != batch.header.base_offset + i64::from(batch_index) {
            return Err(invalid(format!(
                "record {batch_index} has offset delta {}: deltas count from 0 without gaps",
                record.offset - batch.header.base_offset
            )));
        }
        max_timestamp = max_timestamp.max(record.timestamp);
        check_record(batch_index, &record, config, options, &mut faults);
    }
    Ok((faults, max_timestamp))
}

fn check_record(
    batch_index: i32,
    record: &Record,
    config: &LogConfig,
    options: &AppendOptions,
    faults: &mut Faults,
) {
    if config.cleanup_policy.compacts()
        && record.key.is_none()
        && faults.records.len() < MAX_RECORD_ERRORS
    {
        faults.records.push(InvalidRecordDetail {
            batch_index,
            message: "a compacted topic does not accept a record without a key".to_owned(),
        });
    }
    if let Some(message) = timestamp_fault(record.timestamp, config, options)
        && faults.timestamps.len() < MAX_RECORD_ERRORS
    {
        faults.timestamps.push(InvalidRecordDetail {
            batch_index,
            message,
        });
    }
}

fn check_header_timestamps(
    batch: &RecordBatch,
    config: &LogConfig,
    options: &AppendOptions,
) -> Faults {
    let mut faults = Faults::default();
    for timestamp in [batch.header.base_timestamp, batch.header.max_timestamp] {
        if let Some(message) = timestamp_fault(timestamp, config, options) {
            faults.timestamps.push(InvalidRecordDetail {
                batch_index: 0,
                message,
            });
            break;
        }
    }
    faults
}

/// What the broker appends itself is not judged: when the clock is set back, groups must still be able to write.
fn timestamp_fault(timestamp: i64, config: &LogConfig, options: &AppendOptions) -> Option<String> {
    if options.origin != Origin::Client
        || config.message_timestamp_type == TimestampType::LogAppendTime
        || timestamp == NO_TIMESTAMP
    {
        return None;
    }
    let now = options.now_ms;
    let before = now.saturating_sub(config.message_timestamp_before_max_ms);
    let after = now.saturating_add(config.message_timestamp_after_max_ms);
    (timestamp < before || timestamp > after)
        .then(|| format!("timestamp {timestamp} is outside the accepted range {before} to {after}"))
}

/// The batch with the right greatest timestamp. Most have it, and are not copied.
fn with_max_timestamp(batch: RecordBatch, max_timestamp: i64) -> Result<RecordBatch, AppendError> {
    if batch.header.max_timestamp == max_timestamp {
        return Ok(batch);
    }
    let mut bytes = batch.bytes.to_vec();
    set_max_timestamp(&mut bytes, max_timestamp);
    RecordBatch::parse(&Bytes::from(bytes)).map_err(malformed)
}

/// Rewrites the batch where the topic wants another codec than the producer used.
fn recompress(
    batch: RecordBatch,
    compression: Compression,
    config: &LogConfig,
) -> Result<RecordBatch, AppendError> {
    let CompressionType::Codec(wanted) = config.compression_type else {
        return Ok(batch);
    };
    if wanted == compression {
        return Ok(batch);
    }
    let header = &batch.header;
    let mut builder = BatchBuilder::new().compression(wanted).producer(
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
    );
    if header.is_control() {
        builder = builder.control();
    }
    if header.is_transactional() {
        builder = builder.transactional();
    }
    let limit = config.max_message_bytes.saturating_mul(MAX_DECOMPRESSION);
    for record in batch.records(limit).map_err(malformed)? {
        let record = record.map_err(malformed)?;
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder.append(record.timestamp, key, value, &record.headers);
    }
    RecordBatch::parse(&builder.build(header.base_offset)).map_err(malformed)
}

fn with_log_append_time(
    batch: RecordBatch,
    config: &LogConfig,
    options: &AppendOptions,
) -> Result<RecordBatch, AppendError> {
    match config.message_timestamp_type {
        TimestampType::LogAppendTime => {
            let mut bytes = batch.bytes.to_vec();
            set_log_append_time(&mut bytes, options.now_ms);
            RecordBatch::parse(&Bytes::from(bytes)).map_err(malformed)
        }
        TimestampType::CreateTime => {
            if batch.header.attributes.timestamp_type() == TimestampType::LogAppendTime {
                return Err(invalid("only the broker may mark a batch as LogAppendTime"));
            }
            Ok(batch)
        }
    }
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
