//! Broker configs of producers, transactions and quotas.

use super::super::definition::{ConfigDefinition, ConfigType, Constraint, Update};
use super::{honoured, reported};

use ConfigType::{Boolean, Class, Int, Short};
use Constraint::{Any, AtLeast};
use Update::{ClusterWide, ReadOnly};

#[rustfmt::skip]
pub(super) const TRANSACTION_CONFIGS: &[ConfigDefinition] = &[
    reported(ReadOnly, "add.partitions.to.txn.retry.backoff.max.ms", Int, Some("100"), AtLeast(0), "The longest wait before a broker asks the coordinator again for a transaction that is still ending."),
    reported(ReadOnly, "add.partitions.to.txn.retry.backoff.ms", Int, Some("20"), AtLeast(1), "The first wait before a broker asks the coordinator again for a transaction that is still ending."),
    reported(ReadOnly, "alter.log.dirs.replication.quota.window.num", Int, Some("11"), AtLeast(1), "How many windows moves between directories are measured over; there is one directory."),
    reported(ReadOnly, "alter.log.dirs.replication.quota.window.size.seconds", Int, Some("1"), AtLeast(1), "How long a window of moves between directories lasts; there is one directory."),
    reported(ReadOnly, "client.quota.callback.class", Class, None, Any, "A class that decides on quotas; this node loads no classes."),
    honoured(ReadOnly, "controller.quota.window.num", Int, Some("11"), AtLeast(1), "How many windows the quota on topic changes is measured over."),
    honoured(ReadOnly, "controller.quota.window.size.seconds", Int, Some("1"), AtLeast(1), "How long a window of the quota on topic changes lasts."),
    honoured(ClusterWide, "producer.id.expiration.ms", Int, Some("86400000"), AtLeast(1), "How long the state of an idle producer is kept."),
    honoured(ReadOnly, "quota.window.num", Int, Some("11"), AtLeast(1), "How many windows a client's quota is measured over."),
    honoured(ReadOnly, "quota.window.size.seconds", Int, Some("1"), AtLeast(1), "How long a window of a client's quota lasts."),
    reported(ReadOnly, "replication.quota.window.num", Int, Some("11"), AtLeast(1), "How many windows replication is measured over; there is none."),
    reported(ReadOnly, "replication.quota.window.size.seconds", Int, Some("1"), AtLeast(1), "How long a window of replication lasts; there is none."),
    honoured(ReadOnly, "transaction.abort.timed.out.transaction.cleanup.interval.ms", Int, Some("10000"), AtLeast(1), "How often transactions past their timeout are looked for."),
    honoured(ReadOnly, "transaction.max.timeout.ms", Int, Some("900000"), AtLeast(1), "The longest timeout a transaction may ask for."),
    reported(ClusterWide, "transaction.partition.verification.enable", Boolean, Some("true"), Any, "Whether a transactional write is checked with the coordinator first; here it always is."),
    honoured(ReadOnly, "transaction.remove.expired.transaction.cleanup.interval.ms", Int, Some("3600000"), AtLeast(1), "How often transactional ids without use are looked for."),
    reported(ReadOnly, "transaction.state.log.load.buffer.size", Int, Some("5242880"), AtLeast(1), "How much of the transactions' log is read at a time when it is loaded."),
    reported(ReadOnly, "transaction.state.log.min.isr", Int, Some("2"), AtLeast(1), "How many replicas of the transactions' topic must be in sync; there is one."),
    honoured(ReadOnly, "transaction.state.log.num.partitions", Int, Some("50"), AtLeast(1), "How many partitions the topic of transactions has."),
    reported(ReadOnly, "transaction.state.log.replication.factor", Short, Some("3"), AtLeast(1), "How many replicas the topic of transactions has; a single node holds one."),
    honoured(ReadOnly, "transaction.state.log.segment.bytes", Int, Some("104857600"), AtLeast(1), "The segment size of the topic of transactions."),
    reported(ReadOnly, "transaction.two.phase.commit.enable", Boolean, Some("false"), Any, "Whether a transaction may be part of a commit in two phases, without a timeout."),
    honoured(ReadOnly, "transactional.id.expiration.ms", Int, Some("604800000"), AtLeast(1), "How long an unused transactional id is kept."),
];
