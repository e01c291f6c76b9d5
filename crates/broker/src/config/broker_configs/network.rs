//! Broker configs of the node itself: listeners, connections, requests, threads, metrics.

use super::super::definition::{ConfigDefinition, ConfigType, Constraint, Update};
use super::{honoured, reported};

use ConfigType::{Int, List, Long, String as Text};
use Constraint::{AddressLimits, Any, AtLeast, OneOf};
use Update::{ClusterWide, PerBroker, ReadOnly};

#[rustfmt::skip]
pub(super) const NETWORK_CONFIGS: &[ConfigDefinition] = &[
    honoured(ReadOnly, "advertised.listeners", List, None, Any, "The address clients are told to connect to; by default the one they came in on."),
    reported(ClusterWide, "background.threads", Int, Some("10"), AtLeast(1), "How many threads do work in the background; this node has a fixed set."),
    reported(ReadOnly, "broker.id", Int, Some("-1"), Any, "This node's id; it is always 1."),
    reported(ReadOnly, "broker.rack", Text, None, Any, "The rack this node stands in; it has none."),
    reported(ClusterWide, "config.providers", List, Some(""), Any, "Where values of configs may be looked up; none is built in."),
    honoured(ReadOnly, "connections.max.idle.ms", Long, Some("600000"), Any, "How long a connection may be idle before it is closed."),
    reported(ReadOnly, "delete.records.purgatory.purge.interval.requests", Int, Some("1"), Any, "How often finished DeleteRecords requests are swept; none ever waits here."),
    reported(ReadOnly, "early.start.listeners", List, None, Any, "Listeners that open before the node is ready; the port opens last here."),
    honoured(ReadOnly, "fetch.max.bytes", Int, Some("57671680"), AtLeast(1024), "The most bytes one fetch returns, whatever the client asks for."),
    reported(ReadOnly, "fetch.purgatory.purge.interval.requests", Int, Some("1000"), Any, "How often finished fetches are swept from those that wait; here they go at once."),
    reported(ReadOnly, "inter.broker.listener.name", Text, None, Any, "The listener that brokers use among themselves; there is one broker."),
    reported(ReadOnly, "kafka.metrics.polling.interval.secs", Int, Some("10"), AtLeast(1), "How often Kafka's own reporters are called; there are none here."),
    reported(ReadOnly, "kafka.metrics.reporters", List, Some(""), Any, "Classes that report Kafka's metrics; this node loads no classes."),
    reported(PerBroker, "listener.security.protocol.map", Text, Some("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"), Any, "Which protocol each listener speaks."),
    honoured(PerBroker, "listeners", List, Some("PLAINTEXT://:9092"), Any, "The address this node listens on."),
    honoured(ClusterWide, "max.connection.creation.rate", Int, Some("2147483647"), AtLeast(0), "The most connections accepted in a second; more wait their turn."),
    honoured(ClusterWide, "max.connections.per.ip.overrides", Text, Some(""), AddressLimits, "Limits of their own for single addresses, as address:limit."),
    honoured(ClusterWide, "max.connections.per.ip", Int, Some("2147483647"), AtLeast(0), "The most connections this node holds from one address."),
    honoured(ClusterWide, "max.connections", Int, Some("2147483647"), AtLeast(0), "The most connections this node holds at once."),
    honoured(ReadOnly, "max.incremental.fetch.session.cache.slots", Int, Some("1000"), AtLeast(0), "How many clients may fetch incrementally at once."),
    honoured(ReadOnly, "max.request.partition.size.limit", Int, Some("2000"), AtLeast(1), "The most partitions one DescribeTopicPartitions response holds."),
    reported(ClusterWide, "metric.reporters", List, Some("org.apache.kafka.common.metrics.JmxReporter"), Any, "Classes that report metrics; this node loads no classes."),
    reported(ReadOnly, "metrics.num.samples", Int, Some("2"), AtLeast(1), "How many samples a metric is made of."),
    reported(ReadOnly, "metrics.recording.level", Text, Some("INFO"), Any, "How much is measured."),
    reported(ReadOnly, "metrics.sample.window.ms", Long, Some("30000"), AtLeast(1), "How long a sample of a metric lasts."),
    reported(ReadOnly, "node.id", Int, None, AtLeast(0), "This node's id; it is always 1."),
    reported(ClusterWide, "num.io.threads", Int, Some("8"), AtLeast(1), "How many threads handle requests; the runtime has one per processor."),
    reported(ClusterWide, "num.network.threads", Int, Some("3"), AtLeast(1), "How many threads serve sockets; the runtime has one per processor."),
    reported(ReadOnly, "process.roles", List, None, OneOf(&["broker", "controller"]), "What this node is: broker and controller in one."),
    reported(ReadOnly, "producer.purgatory.purge.interval.requests", Int, Some("1000"), Any, "How often finished produce requests are swept from those that wait; here they go at once."),
    honoured(ReadOnly, "queued.max.request.bytes", Long, Some("-1"), Any, "The most bytes of requests held in memory at once; Kafka's default sets no bound."),
    reported(ReadOnly, "queued.max.requests", Int, Some("500"), AtLeast(1), "How many requests may wait for a thread; here memory is what is bounded."),
    reported(ReadOnly, "request.timeout.ms", Int, Some("30000"), Any, "How long this broker waits for an answer from another."),
    reported(ReadOnly, "socket.connection.setup.timeout.max.ms", Long, Some("30000"), Any, "The longest this broker waits for a connection to another."),
    reported(ReadOnly, "socket.connection.setup.timeout.ms", Long, Some("10000"), Any, "How long this broker first waits for a connection to another."),
    honoured(ReadOnly, "socket.listen.backlog.size", Int, Some("50"), AtLeast(1), "How many connections may wait to be accepted."),
    honoured(ReadOnly, "socket.receive.buffer.bytes", Int, Some("102400"), Any, "The size of a socket's receive buffer; -1 leaves it to the system."),
    honoured(ReadOnly, "socket.request.max.bytes", Int, Some("104857600"), AtLeast(1), "The largest request accepted."),
    honoured(ReadOnly, "socket.send.buffer.bytes", Int, Some("102400"), Any, "The size of a socket's send buffer; -1 leaves it to the system."),
    reported(ReadOnly, "telemetry.max.bytes", Int, Some("1048576"), AtLeast(1), "The most bytes of metrics a client may push; none are taken here."),
];
