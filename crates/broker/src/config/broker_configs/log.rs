//! Broker configs of logs and topics: what gives topics their defaults, the cleaner, retention.

use super::super::definition::{ConfigDefinition, ConfigType, Constraint, Update};
use super::super::topic_configs::{CLEANUP_POLICIES, COMPRESSION_TYPES, TIMESTAMP_TYPES};
use super::{FOREVER, honoured, reported};

use ConfigType::{Boolean, Double, Int, List, Long, String as Text};
use Constraint::{Any, AtLeast, Between, BetweenOr, OneOf, Ratio};
use Update::{ClusterWide, PerBroker, ReadOnly};

#[rustfmt::skip]
pub(super) const LOG_CONFIGS: &[ConfigDefinition] = &[
    honoured(ReadOnly, "auto.create.topics.enable", Boolean, Some("true"), Any, "Whether asking for the metadata of an unknown topic creates it."),
    honoured(ClusterWide, "compression.gzip.level", Int, Some("-1"), BetweenOr(1, 9, -1), "The gzip level for topics whose compression.type is gzip; -1 leaves it to the codec."),
    reported(ClusterWide, "compression.lz4.level", Int, Some("9"), Between(1, 17), "The lz4 level for topics whose compression.type is lz4; there is one level here."),
    honoured(ClusterWide, "compression.type", Text, Some("producer"), OneOf(COMPRESSION_TYPES), "The codec in which batches are kept; producer keeps each as it was sent."),
    honoured(ClusterWide, "compression.zstd.level", Int, Some("3"), Between(-131_072, 22), "The zstd level for topics whose compression.type is zstd."),
    honoured(PerBroker, "cordoned.log.dirs", List, Some(""), Any, "Data directories that get no new partitions; with the only one in it, no topic can be made."),
    honoured(ReadOnly, "default.replication.factor", Int, Some("1"), Any, "How many replicas a topic made by use gets; one is all a single node can hold."),
    honoured(ReadOnly, "delete.topic.enable", Boolean, Some("true"), Any, "Whether topics can be deleted."),
    honoured(ClusterWide, "log.cleaner.backoff.ms", Long, Some("15000"), AtLeast(0), "How long the cleaner waits before it looks again when there was nothing to compact."),
    honoured(ClusterWide, "log.cleaner.dedupe.buffer.size", Long, Some("134217728"), Any, "The most memory the cleaner uses to tell which record of a key is the last."),
    honoured(ClusterWide, "log.cleaner.delete.retention.ms", Long, Some("86400000"), AtLeast(0), "How long compacted topics keep tombstones."),
    honoured(ReadOnly, "log.cleaner.enable", Boolean, Some("true"), Any, "Whether compacted topics are compacted."),
    honoured(ClusterWide, "log.cleaner.io.buffer.load.factor", Double, Some("0.9"), Any, "How full the cleaner's table of keys may get."),
    honoured(ClusterWide, "log.cleaner.io.buffer.size", Int, Some("524288"), AtLeast(0), "How much the cleaner reads at once; a larger batch is read as a whole."),
    honoured(ClusterWide, "log.cleaner.io.max.bytes.per.second", Double, Some("1.7976931348623157E308"), Any, "How fast the cleaner may read and write."),
    honoured(ClusterWide, "log.cleaner.max.compaction.lag.ms", Long, Some(FOREVER), AtLeast(1), "The longest a record may wait to be compacted."),
    honoured(ClusterWide, "log.cleaner.min.cleanable.ratio", Double, Some("0.5"), Ratio, "The uncompacted share of a log at which it is worth compacting."),
    honoured(ClusterWide, "log.cleaner.min.compaction.lag.ms", Long, Some("0"), AtLeast(0), "How long a record stays safe from compaction."),
    reported(ClusterWide, "log.cleaner.threads", Int, Some("1"), AtLeast(0), "How many threads compact; here it is always one."),
    honoured(ClusterWide, "log.cleanup.policy", List, Some("delete"), OneOf(CLEANUP_POLICIES), "What happens to old segments of topics that do not say: delete, compact or both."),
    reported(ReadOnly, "log.dir.failure.timeout.ms", Long, Some("30000"), AtLeast(1), "How long a broker that lost a data directory goes on before it stops; with one directory there is nothing to wait for."),
    honoured(ReadOnly, "log.dirs", List, None, Any, "The data directory."),
    reported(ReadOnly, "log.dir", List, Some("/tmp/kafka-logs"), Any, "The data directory if log.dirs is not set; here it is given when the node starts."),
    honoured(ClusterWide, "log.flush.interval.messages", Long, Some(FOREVER), AtLeast(1), "After how many records a partition is synced in relaxed mode; otherwise durability is the journal's."),
    honoured(ClusterWide, "log.flush.interval.ms", Long, None, Any, "After how long a record is synced in relaxed mode; otherwise durability is the journal's."),
    reported(ReadOnly, "log.flush.offset.checkpoint.interval.ms", Int, Some("60000"), AtLeast(0), "How often recovery points are written; here a checkpoint follows what the journal needs."),
    honoured(ReadOnly, "log.flush.scheduler.interval.ms", Long, Some(FOREVER), Any, "The value of log.flush.interval.ms where that is not set."),
    reported(ReadOnly, "log.flush.start.offset.checkpoint.interval.ms", Int, Some("60000"), AtLeast(0), "How often log starts are written; here they go through the journal at once."),
    honoured(ClusterWide, "log.index.interval.bytes", Int, Some("4096"), AtLeast(0), "How many bytes of records lie between two entries of the offset index."),
    honoured(ClusterWide, "log.index.size.max.bytes", Int, Some("10485760"), AtLeast(4), "The size of an index at which a new segment is begun."),
    reported(ClusterWide, "log.local.retention.bytes", Long, Some("-2"), AtLeast(-2), "The local size of tiered partitions; -2 follows log.retention.bytes."),
    reported(ClusterWide, "log.local.retention.ms", Long, Some("-2"), AtLeast(-2), "The local age of tiered partitions; -2 follows log.retention.ms."),
    honoured(ClusterWide, "log.message.timestamp.after.max.ms", Long, Some("3600000"), AtLeast(0), "How far ahead of the broker's clock a record's own timestamp may be."),
    honoured(ClusterWide, "log.message.timestamp.before.max.ms", Long, Some(FOREVER), AtLeast(0), "How far behind the broker's clock a record's own timestamp may be."),
    honoured(ClusterWide, "log.message.timestamp.type", Text, Some("CreateTime"), OneOf(TIMESTAMP_TYPES), "Whether records keep the producer's timestamp or get that of their append."),
    reported(ClusterWide, "log.preallocate", Boolean, Some("false"), Any, "Whether a new segment's file is given its full size at once; here the journal is what is allocated ahead."),
    honoured(ClusterWide, "log.retention.bytes", Long, Some("-1"), Any, "The size at which a partition starts to lose its oldest segments; -1 sets no limit."),
    honoured(ReadOnly, "log.retention.check.interval.ms", Long, Some("300000"), AtLeast(1), "How often partitions are checked against their retention."),
    honoured(ReadOnly, "log.retention.hours", Int, Some("168"), Any, "The age in hours at which segments are deleted, unless minutes or milliseconds are set."),
    honoured(ReadOnly, "log.retention.minutes", Int, None, Any, "The age in minutes at which segments are deleted, unless milliseconds are set."),
    honoured(ClusterWide, "log.retention.ms", Long, None, Any, "The age in milliseconds at which segments are deleted; -1 keeps them for good."),
    honoured(ReadOnly, "log.roll.hours", Int, Some("168"), AtLeast(1), "The age in hours at which a segment is closed, unless milliseconds are set."),
    honoured(ReadOnly, "log.roll.jitter.hours", Int, Some("0"), AtLeast(0), "The random hours by which a segment is closed early, unless milliseconds are set."),
    honoured(ClusterWide, "log.roll.jitter.ms", Long, None, Any, "The random milliseconds by which a segment is closed early."),
    honoured(ClusterWide, "log.roll.ms", Long, None, Any, "The age in milliseconds at which a segment is closed."),
    honoured(ClusterWide, "log.segment.bytes", Int, Some("1073741824"), AtLeast(1_048_576), "The size at which a segment is closed and a new one begun."),
    reported(ClusterWide, "log.segment.delete.delay.ms", Long, Some("60000"), AtLeast(0), "How long a deleted segment's files stay on disk; here they go as soon as the new log start is durable."),
    honoured(ClusterWide, "message.max.bytes", Int, Some("1048588"), AtLeast(0), "The largest record batch accepted, after compression."),
    reported(ClusterWide, "min.insync.replicas", Int, Some("1"), AtLeast(1), "How many replicas must hold a record before acks=all is answered; it never counts for more than the one replica there is."),
    honoured(ReadOnly, "num.partitions", Int, Some("1"), AtLeast(1), "How many partitions a topic gets that does not say."),
    reported(ClusterWide, "num.recovery.threads.per.data.dir", Int, Some("2"), AtLeast(1), "How many threads recover logs at start; the journal makes one enough."),
    reported(ClusterWide, "unclean.leader.election.enable", Boolean, Some("false"), Any, "Whether a replica that fell behind may lead; a single node has no other replica."),
];
