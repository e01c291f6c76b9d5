//! The way to Kafka: client configuration, topics, records as they are consumed.
//!
//! Owns every librdkafka property. Never holds what a service does with a record.

mod cluster;
mod consumer;
pub(crate) mod context;
mod own_thread;

pub(crate) use cluster::Cluster;
pub(crate) use consumer::{BatchHandler, ClusterSeen, Consumed, consume};
pub(crate) use context::Positions;
pub(crate) use own_thread::OwnThread;

use std::collections::BTreeMap;

use rdkafka::ClientConfig;

use crate::contracts::Topic;
use crate::service::Service;
use crate::settings::OrderingSettings;

/// Defaults of every client; settings win over them.
const CLIENT: [(&str, &str); 4] = [
    ("reconnect.backoff.ms", "50"),
    // The store may be restarted at any time: be back within a second.
    ("reconnect.backoff.max.ms", "1000"),
    ("socket.keepalive.enable", "true"),
    ("topic.metadata.refresh.interval.ms", "30000"),
];

const CONSUMER: [(&str, &str); 10] = [
    ("auto.offset.reset", "earliest"),
    ("isolation.level", "read_committed"),
    // A service that does not come back is missed after this time: the shortest that brokers allow by default.
    ("session.timeout.ms", "6000"),
    // Nor does a rebalance wait longer than this for anyone.
    ("max.poll.interval.ms", "60000"),
    ("heartbeat.interval.ms", "1500"),
    ("queued.max.messages.kbytes", "4096"),
    ("queued.min.messages", "500"),
    ("fetch.max.bytes", "4194304"),
    ("max.partition.fetch.bytes", "1048576"),
    ("fetch.error.backoff.ms", "100"),
];

/// What the consumer loop relies on; settings do not win over it.
const CONSUMER_FIXED: [(&str, &str); 3] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("allow.auto.create.topics", "false"),
];

const PRODUCER: [(&str, &str); 5] = [
    ("linger.ms", "5"),
    // Java's, so that our topics can be joined with those that Java's clients and stream processors write.
    ("partitioner", "murmur2_random"),
    ("queue.buffering.max.kbytes", "8192"),
    ("retry.backoff.ms", "100"),
    ("retry.backoff.max.ms", "1000"),
];

/// What the relay relies on.
const PRODUCER_FIXED: [(&str, &str); 2] = [("enable.idempotence", "true"), ("acks", "all")];

/// The configuration of a service's consumer. As a static member of its group it takes its place again at once after a
/// kill; any other new member would wait until the dead one is missed, and for minutes if it died while joining.
pub(crate) fn consumer_config(
    settings: &OrderingSettings,
    service: Service,
    instance_id: &str,
) -> ClientConfig {
    let group = settings.group_id(service);
    let mut config = config(&settings.kafka, service, &CONSUMER, &CONSUMER_FIXED);
    config.set("group.id", group);
    if !settings.kafka.contains_key("group.instance.id") {
        config.set("group.instance.id", instance_id);
    }
    config
}

/// The configuration of a service's producer.
pub(crate) fn producer_config(settings: &OrderingSettings, service: Service) -> ClientConfig {
    let mut own = settings.kafka.clone();
    own.retain(|name, _| !is_for_consumers_only(name));
    config(&own, service, &PRODUCER, &PRODUCER_FIXED)
}

/// The configuration of an admin client.
pub(crate) fn admin_config(settings: &OrderingSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in CLIENT {
        config.set(name, value);
    }
    config.set("client.id", "headwater-ordering");
    for (name, value) in &settings.kafka {
        if !is_for_consumers_only(name) && !is_for_producers_only(name) {
            config.set(name, value);
        }
    }
    config
}

/// A topic's name on this cluster.
pub(crate) fn topic_name(settings: &OrderingSettings, topic: Topic) -> String {
    format!("{}{}", settings.topic_prefix, topic.name())
}

fn config(
    own: &BTreeMap<String, String>,
    service: Service,
    defaults: &[(&str, &str)],
    fixed: &[(&str, &str)],
) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in CLIENT.iter().chain(defaults) {
        config.set(*name, *value);
    }
    config.set("client.id", format!("headwater-{service}"));
    for (name, value) in own {
        config.set(name, value);
    }
    for (name, value) in fixed {
        config.set(*name, *value);
    }
    config
}

fn is_for_consumers_only(name: &str) -> bool {
    const PREFIXES: [&str; 9] = [
        "group.",
        "auto.offset.",
        "fetch.",
        "session.",
        "heartbeat.",
        "isolation.",
        "partition.assignment.",
        "max.poll.",
        "auto.commit.",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn is_for_producers_only(name: &str) -> bool {
    const PREFIXES: [&str; 7] = [
        "acks",
        "linger.",
        "batch.",
        "compression.",
        "enable.idempotence",
        "transactional.",
        "delivery.",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{consumer_config, producer_config};
    use crate::{OrderingSettings, Service};

    #[test]
    fn settings_win_over_defaults_but_not_over_guarantees() {
        let kafka = BTreeMap::from(
            [
                ("bootstrap.servers", "k:1"),
                ("session.timeout.ms", "45000"),
                ("enable.auto.commit", "true"),
                ("acks", "1"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let settings = OrderingSettings::new(kafka, "x");
        let consumer = consumer_config(&settings, Service::Emails, "i");
        assert_eq!(consumer.get("session.timeout.ms"), Some("45000"));
        assert_eq!(consumer.get("enable.auto.commit"), Some("false"));
        assert_eq!(consumer.get("group.id"), Some("headwater-emails"));
        let producer = producer_config(&settings, Service::Emails);
        assert_eq!(producer.get("acks"), Some("all"));
        assert_eq!(producer.get("session.timeout.ms"), None);
        assert_eq!(producer.get("bootstrap.servers"), Some("k:1"));
    }
}
