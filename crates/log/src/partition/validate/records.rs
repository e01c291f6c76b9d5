//! The records of a produced batch: each is looked at, compressed or not, as Kafka does, but only its frame.
//!
//! Offsets count from 0 without gaps, keys are there where the topic is compacted, timestamps are in range. What is
//! wrong with single records is listed (KIP-467), up to a limit.

use headwater_records::{RecordBatch, RecordOutline, TimestampType};

use super::{MAX_DECOMPRESSION, invalid, malformed};
use crate::partition::{AppendOptions, Origin};
use crate::{AppendError, InvalidRecordDetail, LogConfig};

/// Timestamp of a record that has none.
const NO_TIMESTAMP: i64 = -1;
/// Errors listed for one batch; the first few tell enough.
const MAX_RECORD_ERRORS: usize = 100;

/// Checks every record and returns the greatest timestamp.
pub(super) fn check(
    batch: &RecordBatch,
    config: &LogConfig,
    options: &AppendOptions,
) -> Result<i64, AppendError> {
    let mut faults = Faults::default();
    let mut max_timestamp = NO_TIMESTAMP;
    let limit = config.max_message_bytes.saturating_mul(MAX_DECOMPRESSION);
    let walked = batch.outlines(limit, |outline| {
        max_timestamp = max_timestamp.max(outline.timestamp);
        faults.look_at(outline, config, options);
    });
    walked.map_err(malformed)?;
    faults.into_result(batch.header.record_count)?;
    Ok(max_timestamp)
}

/// What is wrong with single records.
#[derive(Debug, Default)]
struct Faults {
    misplaced: Option<RecordOutline>,
    records: Vec<InvalidRecordDetail>,
    timestamps: Vec<InvalidRecordDetail>,
}

impl Faults {
    fn look_at(&mut self, outline: RecordOutline, config: &LogConfig, options: &AppendOptions) {
        let batch_index = outline.index;
        if outline.offset_delta != batch_index && self.misplaced.is_none() {
            self.misplaced = Some(outline);
        }
        if config.cleanup_policy.compacts()
            && !outline.has_key
            && self.records.len() < MAX_RECORD_ERRORS
        {
            self.records.push(InvalidRecordDetail {
                batch_index,
                message: "a compacted topic does not accept a record without a key".to_owned(),
            });
        }
        if let Some(message) = timestamp_fault(outline.timestamp, config, options)
            && self.timestamps.len() < MAX_RECORD_ERRORS
        {
            self.timestamps.push(InvalidRecordDetail {
                batch_index,
                message,
            });
        }
    }

    fn into_result(self, record_count: i32) -> Result<(), AppendError> {
        if let Some(outline) = self.misplaced {
            return Err(invalid(format!(
                "record {} has offset delta {}: deltas count from 0 without gaps",
                outline.index, outline.offset_delta
            )));
        }
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
