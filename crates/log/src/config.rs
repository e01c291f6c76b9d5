//! The topic configurations that a partition's log obeys, with Kafka's names and defaults.

use headwater_records::{Compression, CompressionLevels, TimestampType};

/// `cleanup.policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CleanupPolicy {
    /// Old segments are deleted.
    #[default]
    Delete,
    /// The newest record of each key is kept.
    Compact,
    /// Both.
    CompactDelete,
}

impl CleanupPolicy {
    /// Records need keys.
    pub fn compacts(self) -> bool {
        self != Self::Delete
    }

    /// Retention by time and size applies.
    pub fn deletes(self) -> bool {
        self != Self::Compact
    }
}

/// `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CompressionType {
    /// As the producer sent it.
    #[default]
    Producer,
    /// Always this codec; batches in another are rewritten.
    Codec(Compression),
}

/// A topic's configuration as far as its logs need it.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`
    pub segment_bytes: usize,
    /// `segment.ms`
    pub segment_ms: i64,
    /// `segment.jitter.ms`: a segment is rolled by time up to this much earlier, so that not all are at once
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`
    pub segment_index_bytes: usize,
    /// `retention.bytes`, -1: no limit
    pub retention_bytes: i64,
    /// `retention.ms`, -1: no limit
    pub retention_ms: i64,
    /// `index.interval.bytes`
    pub index_interval_bytes: usize,
    /// `max.message.bytes`
    pub max_message_bytes: usize,
    /// `message.timestamp.type`
    pub message_timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`
    pub message_timestamp_after_max_ms: i64,
    /// `cleanup.policy`
    pub cleanup_policy: CleanupPolicy,
    /// `compression.type`
    pub compression_type: CompressionType,
    /// `compression.gzip.level` and `.zstd.level`
    pub compression_levels: CompressionLevels,
    /// `flush.messages`: in relaxed mode the partition is synced after so many records
    pub flush_messages: i64,
    /// `flush.ms`: in relaxed mode no record waits longer than this for a sync
    pub flush_ms: i64,
    /// `min.cleanable.dirty.ratio`
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: younger records are not compacted
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: older ones are, whatever the dirty ratio
    pub max_compaction_lag_ms: i64,
    /// `delete.retention.ms`: how long a tombstone outlives the first compaction that meets it
    pub delete_retention_ms: i64,
    /// `producer.id.expiration.ms`, a broker configuration
    pub producer_id_expiration_ms: i64,
}

impl Default for LogConfig {
    fn default() -> Self {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            retention_bytes: -1,
            retention_ms: 7 * DAY_MS,
            index_interval_bytes: 4096,
            max_message_bytes: 1_048_588,
            message_timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: DAY_MS / 24,
            cleanup_policy: CleanupPolicy::Delete,
            compression_type: CompressionType::Producer,
            compression_levels: CompressionLevels::default(),
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: DAY_MS,
            producer_id_expiration_ms: DAY_MS,
        }
    }
}

impl LogConfig {
    /// Time after which the active segment is rolled: `segment.ms`, or `max.compaction.lag.ms` where a compacted topic
    /// asks for less, since the cleaner leaves the active segment alone.
    pub(crate) fn roll_after_ms(&self) -> i64 {
        if self.cleanup_policy.compacts() && self.max_compaction_lag_ms > 0 {
            return self.segment_ms.min(self.max_compaction_lag_ms);
        }
        self.segment_ms
    }
}
