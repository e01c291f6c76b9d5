//! What a topic's configuration makes of a batch before it is stored: its codec, its timestamps.

use bytes::Bytes;
use headwater_records::{
    BatchBuilder, RecordBatch, TimestampType, set_log_append_time, set_max_timestamp,
};

use super::{MAX_DECOMPRESSION, invalid, malformed};
use crate::partition::AppendOptions;
use crate::{AppendError, CompressionType, LogConfig};

/// The batch as the topic wants it. Most are as they should be, and are not copied.
pub(super) fn as_configured(
    batch: RecordBatch,
    max_timestamp: i64,
    config: &LogConfig,
    options: &AppendOptions,
) -> Result<RecordBatch, AppendError> {
    let batch = with_max_timestamp(batch, max_timestamp)?;
    let batch = recompress(batch, config)?;
    with_log_append_time(batch, config, options)
}

/// The batch with the right greatest timestamp: retention goes by it, and producers get it wrong.
fn with_max_timestamp(batch: RecordBatch, max_timestamp: i64) -> Result<RecordBatch, AppendError> {
    if batch.header.max_timestamp == max_timestamp {
        return Ok(batch);
    }
    let mut bytes = batch.bytes.to_vec();
    set_max_timestamp(&mut bytes, max_timestamp);
    RecordBatch::parse(&Bytes::from(bytes)).map_err(malformed)
}

/// Rewrites the batch where the topic wants another codec than the producer used.
fn recompress(batch: RecordBatch, config: &LogConfig) -> Result<RecordBatch, AppendError> {
    let CompressionType::Codec(wanted) = config.compression_type else {
        return Ok(batch);
    };
    if wanted == batch.header.attributes.compression().map_err(malformed)? {
        return Ok(batch);
    }
    let header = &batch.header;
    let mut builder = BatchBuilder::new()
        .compression(wanted)
        .compression_levels(config.compression_levels)
        .producer(
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
