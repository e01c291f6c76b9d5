//! The table of topic configs, those of Kafka 4.3.

use std::collections::BTreeMap;

use super::definition::{ConfigDefinition, ConfigType, Constraint, Update, Use};

/// The codecs a topic's data may be kept in, besides the producer's own.
pub(super) const COMPRESSION_TYPES: &[&str] =
    &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
pub(super) const CLEANUP_POLICIES: &[&str] = &["compact", "delete"];
pub(super) const TIMESTAMP_TYPES: &[&str] = &["CreateTime", "LogAppendTime"];

/// The topic config of that name.
pub(crate) fn topic_config(name: &str) -> Option<&'static ConfigDefinition> {
    TOPIC_CONFIGS.iter().find(|config| config.name == name)
}

/// Checks all of a topic's own configs together; the error is fit for a client.
pub(crate) fn validate_topic_configs(configs: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in configs {
        topic_config(name)
            .ok_or_else(|| format!("Unknown topic config name: {name}"))?
            .validate(value)?;
    }
    let is_true = |name: &str| {
        configs
            .get(name)
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    };
    if is_true("remote.storage.enable") {
        return Err(
            "Tiered storage is not available here: remote.storage.enable must be false".into(),
        );
    }
    let number = |name: &str| {
        configs
            .get(name)
            .map_or_else(|| default_of(name), String::as_str)
            .trim()
            .parse::<i64>()
            .unwrap_or_default()
    };
    let (min_lag, max_lag) = (
        number("min.compaction.lag.ms"),
        number("max.compaction.lag.ms"),
    );
    if min_lag > max_lag {
        return Err(format!(
            "conflict topic config setting min.compaction.lag.ms ({min_lag}) > max.compaction.lag.ms ({max_lag})"
        ));
    }
    Ok(())
}

fn default_of(name: &str) -> &'static str {
    topic_config(name)
        .and_then(|config| config.default)
        .unwrap_or_default()
}

const fn row(
    name: &'static str,
    kind: ConfigType,
    default: &'static str,
    constraint: Constraint,
    broker_synonym: Option<&'static str>,
    documentation: &'static str,
) -> ConfigDefinition {
    ConfigDefinition {
        name,
        kind,
        default: Some(default),
        constraint,
        update: Update::Resource,
        used: Use::Honoured,
        broker_synonym,
        documentation,
    }
}

/// A row of a config that means nothing on one node.
const fn told(
    name: &'static str,
    kind: ConfigType,
    default: &'static str,
    constraint: Constraint,
    broker_synonym: Option<&'static str>,
    documentation: &'static str,
) -> ConfigDefinition {
    ConfigDefinition {
        used: Use::Reported,
        ..row(
            name,
            kind,
            default,
            constraint,
            broker_synonym,
            documentation,
        )
    }
}

use ConfigType::{Boolean, Double, Int, List, Long, String as Text};
use Constraint::{Any, AtLeast, Between, BetweenOr, OneOf, Ratio, ThrottledReplicas};

const FOREVER: &str = "9223372036854775807";

/// Every topic config, by name.
#[rustfmt::skip]
pub(crate) const TOPIC_CONFIGS: &[ConfigDefinition] = &[
    row("cleanup.policy", List, "delete", OneOf(CLEANUP_POLICIES), Some("log.cleanup.policy"),
        "What happens to old segments: delete drops them by age and size, compact keeps the last record of each key, both does both, and empty keeps everything."),
    row("compression.gzip.level", Int, "-1", BetweenOr(1, 9, -1), Some("compression.gzip.level"),
        "The level used when this topic's compression.type is gzip; -1 leaves it to the codec."),
    told("compression.lz4.level", Int, "9", Between(1, 17), Some("compression.lz4.level"),
        "The level used when this topic's compression.type is lz4; there is one level here."),
    row("compression.type", Text, "producer", OneOf(COMPRESSION_TYPES), Some("compression.type"),
        "The codec in which the topic's batches are kept; producer keeps each batch as it was sent."),
    row("compression.zstd.level", Int, "3", Between(-131_072, 22), Some("compression.zstd.level"),
        "The level used when this topic's compression.type is zstd."),
    row("delete.retention.ms", Long, "86400000", AtLeast(0), Some("log.cleaner.delete.retention.ms"),
        "How long a compacted topic keeps the tombstone of a deleted key, so that slow readers still see the deletion."),
    told("file.delete.delay.ms", Long, "60000", AtLeast(0), Some("log.segment.delete.delay.ms"),
        "How long a deleted segment's files stay on disk; here they go with the next checkpoint."),
    row("flush.messages", Long, FOREVER, AtLeast(1), Some("log.flush.interval.messages"),
        "After how many records a partition is synced in relaxed mode; otherwise durability is the journal's."),
    row("flush.ms", Long, FOREVER, AtLeast(0), Some("log.flush.interval.ms"),
        "After how long a record is synced in relaxed mode; otherwise durability is the journal's."),
    told("follower.replication.throttled.replicas", List, "", ThrottledReplicas, None,
        "Replicas whose followers are throttled; a single node has none."),
    row("index.interval.bytes", Int, "4096", AtLeast(0), Some("log.index.interval.bytes"),
        "How many bytes of records lie between two entries of the offset index."),
    told("leader.replication.throttled.replicas", List, "", ThrottledReplicas, None,
        "Replicas whose leaders are throttled; a single node has none."),
    told("local.retention.bytes", Long, "-2", AtLeast(-2), Some("log.local.retention.bytes"),
        "The size of a tiered partition's local part; -2 follows retention.bytes."),
    told("local.retention.ms", Long, "-2", AtLeast(-2), Some("log.local.retention.ms"),
        "The age of a tiered partition's local part; -2 follows retention.ms."),
    row("max.compaction.lag.ms", Long, FOREVER, AtLeast(1), Some("log.cleaner.max.compaction.lag.ms"),
        "The longest a record of a compacted topic may wait to be compacted."),
    row("max.message.bytes", Int, "1048588", AtLeast(0), Some("message.max.bytes"),
        "The largest record batch the topic accepts, after compression."),
    row("message.timestamp.after.max.ms", Long, "3600000", AtLeast(0), Some("log.message.timestamp.after.max.ms"),
        "How far ahead of the broker's clock a record's own timestamp may be."),
    row("message.timestamp.before.max.ms", Long, FOREVER, AtLeast(0), Some("log.message.timestamp.before.max.ms"),
        "How far behind the broker's clock a record's own timestamp may be."),
    row("message.timestamp.type", Text, "CreateTime", OneOf(TIMESTAMP_TYPES), Some("log.message.timestamp.type"),
        "Whether a record keeps the producer's timestamp or gets that of its append."),
    row("min.cleanable.dirty.ratio", Double, "0.5", Ratio, Some("log.cleaner.min.cleanable.ratio"),
        "The share of a compacted log that must be uncompacted before it is worth compacting."),
    row("min.compaction.lag.ms", Long, "0", AtLeast(0), Some("log.cleaner.min.compaction.lag.ms"),
        "How long a record of a compacted topic stays safe from compaction."),
    told("min.insync.replicas", Int, "1", AtLeast(1), Some("min.insync.replicas"),
        "How many replicas must hold a record before acks=all is answered; a single node has one."),
    told("preallocate", Boolean, "false", Any, Some("log.preallocate"),
        "Whether a new segment's file is given its full size at once; here the journal is what is allocated ahead."),
    told("remote.log.copy.disable", Boolean, "false", Any, None,
        "Whether a tiered topic stops copying to remote storage; tiered storage is not available here."),
    told("remote.log.delete.on.disable", Boolean, "false", Any, None,
        "Whether a topic's remote data goes when its tiered storage is switched off; tiered storage is not available here."),
    told("remote.storage.enable", Boolean, "false", Any, None,
        "Whether the topic is tiered; only false is accepted here."),
    row("retention.bytes", Long, "-1", Any, Some("log.retention.bytes"),
        "The size at which a partition starts to lose its oldest segments; -1 sets no limit."),
    row("retention.ms", Long, "604800000", AtLeast(-1), Some("log.retention.ms"),
        "The age at which a segment is deleted, by its newest timestamp; -1 keeps it for good."),
    row("segment.bytes", Int, "1073741824", AtLeast(1_048_576), Some("log.segment.bytes"),
        "The size at which a segment is closed and a new one begun."),
    row("segment.index.bytes", Int, "10485760", AtLeast(4), Some("log.index.size.max.bytes"),
        "The size of a segment's index at which a new segment is begun."),
    row("segment.jitter.ms", Long, "0", AtLeast(0), Some("log.roll.jitter.ms"),
        "A random time by which a segment is closed early, so that many partitions do not roll at once."),
    row("segment.ms", Long, "604800000", AtLeast(1), Some("log.roll.ms"),
        "The age at which a segment is closed even if it is not full, so that retention can reach it."),
    told("unclean.leader.election.enable", Boolean, "false", Any, Some("unclean.leader.election.enable"),
        "Whether a replica that fell behind may lead; a single node has no other replica."),
];
