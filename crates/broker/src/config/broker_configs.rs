//! The table of broker configs: those of Kafka 4.3 that mean something on one node, and those
//! that give topic configs their defaults.

use super::definition::{ConfigDefinition, ConfigType, Constraint, Update};
use super::topic_configs::{CLEANUP_POLICIES, COMPRESSION_TYPES, TIMESTAMP_TYPES};

/// The broker config of that name.
pub(crate) fn broker_config(name: &str) -> Option<&'static ConfigDefinition> {
    BROKER_CONFIGS.iter().find(|config| config.name == name)
}

const fn fixed(
    name: &'static str,
    kind: ConfigType,
    default: Option<&'static str>,
    constraint: Constraint,
    documentation: &'static str,
) -> ConfigDefinition {
    ConfigDefinition {
        name,
        kind,
        default,
        constraint,
        update: Update::ReadOnly,
        broker_synonym: None,
        documentation,
    }
}

const fn dynamic(
    name: &'static str,
    kind: ConfigType,
    default: Option<&'static str>,
    constraint: Constraint,
    documentation: &'static str,
) -> ConfigDefinition {
    ConfigDefinition {
        name,
        kind,
        default,
        constraint,
        update: Update::Dynamic,
        broker_synonym: None,
        documentation,
    }
}

use ConfigType::{Boolean, Double, Int, List, Long, Short, String as Text};
use Constraint::{Any, AtLeast, Between, BetweenOr, OneOf, Ratio};

const FOREVER: &str = "9223372036854775807";

/// The broker configs, by name.
#[rustfmt::skip]
pub(crate) const BROKER_CONFIGS: &[ConfigDefinition] = &[
    fixed("advertised.listeners", List, None, Any, "The address clients are told to connect to; by default the one they came in on."),
    fixed("auto.create.topics.enable", Boolean, Some("true"), Any, "Whether asking for the metadata of an unknown topic creates it."),
    fixed("broker.id", Int, Some("1"), Any, "This node's id; it is always 1."),
    fixed("broker.rack", Text, None, Any, "The rack this node stands in; it has none."),
    dynamic("compression.gzip.level", Int, Some("-1"), BetweenOr(1, 9, -1), "The gzip level for topics whose compression.type is gzip; -1 leaves it to the codec."),
    dynamic("compression.lz4.level", Int, Some("9"), Between(1, 17), "The lz4 level for topics whose compression.type is lz4."),
    dynamic("compression.type", Text, Some("producer"), OneOf(COMPRESSION_TYPES), "The codec in which batches are kept; producer keeps each as it was sent."),
    dynamic("compression.zstd.level", Int, Some("3"), Between(-131_072, 22), "The zstd level for topics whose compression.type is zstd."),
    fixed("connections.max.idle.ms", Long, Some("600000"), Any, "How long a connection may be idle before it is closed."),
    fixed("default.replication.factor", Int, Some("1"), AtLeast(1), "How many replicas a topic made by use gets; a single node holds one."),
    fixed("delete.topic.enable", Boolean, Some("true"), Any, "Whether topics can be deleted."),
    fixed("fetch.max.bytes", Int, Some("57671680"), AtLeast(1024), "The most bytes one fetch returns, whatever the client asks for."),
    fixed("group.coordinator.rebalance.protocols", List, Some("classic"), OneOf(&["classic"]), "The rebalance protocols groups may use here."),
    fixed("group.initial.rebalance.delay.ms", Int, Some("3000"), AtLeast(0), "How long the first rebalance of an empty group waits for more members."),
    fixed("group.max.session.timeout.ms", Int, Some("1800000"), AtLeast(0), "The longest session timeout a group member may ask for."),
    fixed("group.max.size", Int, Some("2147483647"), AtLeast(1), "The most members a group may have."),
    fixed("group.min.session.timeout.ms", Int, Some("6000"), AtLeast(0), "The shortest session timeout a group member may ask for."),
    fixed("listeners", List, None, Any, "The address this node listens on."),
    dynamic("log.cleaner.delete.retention.ms", Long, Some("86400000"), AtLeast(0), "How long compacted topics keep tombstones."),
    fixed("log.cleaner.enable", Boolean, Some("true"), Any, "Whether compacted topics are compacted."),
    dynamic("log.cleaner.max.compaction.lag.ms", Long, Some(FOREVER), AtLeast(1), "The longest a record may wait to be compacted."),
    dynamic("log.cleaner.min.cleanable.ratio", Double, Some("0.5"), Ratio, "The uncompacted share of a log at which it is worth compacting."),
    dynamic("log.cleaner.min.compaction.lag.ms", Long, Some("0"), AtLeast(0), "How long a record stays safe from compaction."),
    dynamic("log.cleanup.policy", List, Some("delete"), OneOf(CLEANUP_POLICIES), "What happens to old segments of topics that do not say: delete, compact or both."),
    fixed("log.dirs", Text, None, Any, "The data directory."),
    dynamic("log.flush.interval.messages", Long, Some(FOREVER), AtLeast(1), "After how many records Kafka forces a sync; here durability is the journal's and this has no effect."),
    dynamic("log.flush.interval.ms", Long, None, Any, "After how long Kafka forces a sync; here durability is the journal's and this has no effect."),
    fixed("log.flush.scheduler.interval.ms", Long, Some(FOREVER), Any, "How often Kafka looks for logs to sync; here durability is the journal's and this has no effect."),
    dynamic("log.index.interval.bytes", Int, Some("4096"), AtLeast(0), "How many bytes of records lie between two entries of the offset index."),
    dynamic("log.index.size.max.bytes", Int, Some("10485760"), AtLeast(4), "The size of an index at which a new segment is begun."),
    dynamic("log.local.retention.bytes", Long, Some("-2"), AtLeast(-2), "The local size of tiered partitions; -2 follows log.retention.bytes."),
    dynamic("log.local.retention.ms", Long, Some("-2"), AtLeast(-2), "The local age of tiered partitions; -2 follows log.retention.ms."),
    dynamic("log.message.timestamp.after.max.ms", Long, Some("3600000"), AtLeast(0), "How far ahead of the broker's clock a record's own timestamp may be."),
    dynamic("log.message.timestamp.before.max.ms", Long, Some(FOREVER), AtLeast(0), "How far behind the broker's clock a record's own timestamp may be."),
    dynamic("log.message.timestamp.type", Text, Some("CreateTime"), OneOf(TIMESTAMP_TYPES), "Whether records keep the producer's timestamp or get that of their append."),
    dynamic("log.preallocate", Boolean, Some("false"), Any, "Whether a new segment's file is given its full size at once."),
    dynamic("log.retention.bytes", Long, Some("-1"), Any, "The size at which a partition starts to lose its oldest segments; -1 sets no limit."),
    fixed("log.retention.check.interval.ms", Long, Some("300000"), AtLeast(1), "How often partitions are checked against their retention."),
    fixed("log.retention.hours", Int, Some("168"), Any, "The age in hours at which segments are deleted, unless minutes or milliseconds are set."),
    fixed("log.retention.minutes", Int, None, Any, "The age in minutes at which segments are deleted, unless milliseconds are set."),
    dynamic("log.retention.ms", Long, None, AtLeast(-1), "The age in milliseconds at which segments are deleted; -1 keeps them for good."),
    fixed("log.roll.hours", Int, Some("168"), AtLeast(1), "The age in hours at which a segment is closed, unless milliseconds are set."),
    fixed("log.roll.jitter.hours", Int, Some("0"), AtLeast(0), "The random hours by which a segment is closed early, unless milliseconds are set."),
    dynamic("log.roll.jitter.ms", Long, None, AtLeast(0), "The random milliseconds by which a segment is closed early."),
    dynamic("log.roll.ms", Long, None, AtLeast(1), "The age in milliseconds at which a segment is closed."),
    dynamic("log.segment.bytes", Int, Some("1073741824"), AtLeast(1_048_576), "The size at which a segment is closed and a new one begun."),
    dynamic("log.segment.delete.delay.ms", Long, Some("60000"), AtLeast(0), "How long a deleted segment's files stay on disk."),
    fixed("max.connections", Int, Some("10000"), AtLeast(1), "The most connections this node holds at once."),
    fixed("max.incremental.fetch.session.cache.slots", Int, Some("1000"), AtLeast(0), "How many clients may fetch incrementally at once."),
    fixed("max.request.partition.size.limit", Int, Some("2000"), AtLeast(1), "The most partitions one DescribeTopicPartitions response holds."),
    dynamic("message.max.bytes", Int, Some("1048588"), AtLeast(0), "The largest record batch accepted, after compression."),
    dynamic("min.insync.replicas", Int, Some("1"), AtLeast(1), "How many replicas must hold a record before acks=all is answered."),
    fixed("node.id", Int, Some("1"), Any, "This node's id; it is always 1."),
    fixed("num.partitions", Int, Some("1"), AtLeast(1), "How many partitions a topic gets that does not say."),
    fixed("offset.metadata.max.bytes", Int, Some("4096"), Any, "The longest note a consumer may commit with an offset."),
    fixed("offsets.retention.check.interval.ms", Long, Some("600000"), AtLeast(1), "How often expired offsets are looked for."),
    fixed("offsets.retention.minutes", Int, Some("10080"), AtLeast(1), "How long the offsets of a group without members are kept."),
    fixed("offsets.topic.num.partitions", Int, Some("50"), AtLeast(1), "How many partitions the topic of committed offsets has."),
    fixed("offsets.topic.replication.factor", Short, Some("1"), AtLeast(1), "How many replicas the topic of committed offsets has."),
    fixed("offsets.topic.segment.bytes", Int, Some("104857600"), AtLeast(1), "The segment size of the topic of committed offsets."),
    fixed("process.roles", List, Some("broker,controller"), Any, "What this node is: broker and controller in one."),
    dynamic("producer.id.expiration.ms", Int, Some("86400000"), AtLeast(1), "How long the state of an idle producer is kept."),
    fixed("queued.max.request.bytes", Long, Some("268435456"), AtLeast(1), "The most bytes of requests held in memory at once."),
    fixed("socket.request.max.bytes", Int, Some("104857600"), AtLeast(1), "The largest request accepted."),
    fixed("transaction.max.timeout.ms", Int, Some("900000"), AtLeast(1), "The longest timeout a transaction may ask for."),
    fixed("transactional.id.expiration.ms", Int, Some("604800000"), AtLeast(1), "How long an unused transactional id is kept."),
    dynamic("unclean.leader.election.enable", Boolean, Some("false"), Any, "Whether a replica that fell behind may lead; a single node has no other replica."),
];
