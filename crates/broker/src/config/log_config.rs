//! A topic's configs as far as its logs obey them.

use std::collections::BTreeMap;

use headwater_log::{
    CleanupPolicy, Compression, CompressionLevels, CompressionType, LogConfig, TimestampType,
};

use super::definition::list_items;
use super::effective::{DynamicConfigs, broker_value, topic_value};
use super::topic_configs::topic_config;

/// The configuration of the logs of a topic with these values of its own.
pub(crate) fn log_config(own: &BTreeMap<String, String>, dynamic: DynamicConfigs<'_>) -> LogConfig {
    let value = |name: &str| {
        let definition = topic_config(name).expect("a name of the table");
        topic_value(definition, own, dynamic)
    };
    let number = |name: &str| number(&value(name));
    let (cleanup_policy, retained_for_good) = cleanup_policy(&value("cleanup.policy"));
    let defaults = LogConfig::default();
    LogConfig {
        segment_bytes: number("segment.bytes") as usize,
        segment_ms: number("segment.ms"),
        segment_jitter_ms: number("segment.jitter.ms"),
        segment_index_bytes: number("segment.index.bytes") as usize,
        retention_bytes: if retained_for_good {
            -1
        } else {
            number("retention.bytes").max(-1)
        },
        retention_ms: if retained_for_good {
            -1
        } else {
            number("retention.ms")
        },
        index_interval_bytes: number("index.interval.bytes") as usize,
        max_message_bytes: number("max.message.bytes") as usize,
        message_timestamp_type: match value("message.timestamp.type").trim() {
            "LogAppendTime" => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        message_timestamp_before_max_ms: number("message.timestamp.before.max.ms"),
        message_timestamp_after_max_ms: number("message.timestamp.after.max.ms"),
        cleanup_policy,
        compression_type: compression_type(&value("compression.type")),
        compression_levels: CompressionLevels {
            gzip: number("compression.gzip.level") as i32,
            zstd: number("compression.zstd.level") as i32,
        },
        flush_messages: number("flush.messages"),
        flush_ms: number("flush.ms"),
        min_cleanable_dirty_ratio: value("min.cleanable.dirty.ratio")
            .trim()
            .parse()
            .expect("checked when it was set"),
        min_compaction_lag_ms: number("min.compaction.lag.ms"),
        max_compaction_lag_ms: number("max.compaction.lag.ms"),
        delete_retention_ms: number("delete.retention.ms"),
        producer_id_expiration_ms: broker_value("producer.id.expiration.ms", dynamic)
            .map_or(defaults.producer_id_expiration_ms, |value| {
                self::number(&value)
            }),
    }
}

/// Values are checked before they are kept, so that one that is no number is our own mistake.
fn number(value: &str) -> i64 {
    value.trim().parse().expect("checked when it was set")
}

/// The policy, and whether neither deletion nor compaction was asked for.
fn cleanup_policy(value: &str) -> (CleanupPolicy, bool) {
    let has = |policy: &str| list_items(value).any(|item| item == policy);
    match (has("compact"), has("delete")) {
        (true, true) => (CleanupPolicy::CompactDelete, false),
        (true, false) => (CleanupPolicy::Compact, false),
        (false, true) => (CleanupPolicy::Delete, false),
        (false, false) => (CleanupPolicy::Delete, true),
    }
}

fn compression_type(value: &str) -> CompressionType {
    match value.trim() {
        "uncompressed" => CompressionType::Codec(Compression::None),
        "gzip" => CompressionType::Codec(Compression::Gzip),
        "snappy" => CompressionType::Codec(Compression::Snappy),
        "lz4" => CompressionType::Codec(Compression::Lz4),
        "zstd" => CompressionType::Codec(Compression::Zstd),
        _ => CompressionType::Producer,
    }
}
