//! What can be set about the ordering system, with the defaults of the demo.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::service::Service;

/// Settings shared by all services.
#[derive(Debug, Clone)]
pub struct OrderingSettings {
    /// librdkafka properties, `bootstrap.servers` among them. They win over the defaults of the services.
    pub kafka: BTreeMap<String, String>,
    /// Where `<service>.db` files live. Made when missing.
    pub data_dir: PathBuf,
    /// Where mails go.
    pub smtp: Smtp,
    /// Where the orders service listens when it runs alone.
    pub http: Option<SocketAddr>,
    /// Put before every topic name. Empty unless a cluster is shared.
    pub topic_prefix: String,
    /// Put before every consumer group's name.
    pub group_prefix: String,
    /// How topics are created when they are missing.
    pub topics: TopicSettings,
    /// The drivers and how long they take.
    pub drivers: DriverSettings,
    /// What an account may be charged within one hour (UTC), in cents; an order above what is left is rejected.
    pub account_limit_cents: i64,
    /// How long services keep what is only there to catch doubles or to be looked at.
    pub retention: Retention,
}

impl OrderingSettings {
    /// The defaults, on this Kafka and in this directory.
    pub fn new(kafka: BTreeMap<String, String>, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            kafka,
            data_dir: data_dir.into(),
            smtp: Smtp::Embedded,
            http: None,
            topic_prefix: String::new(),
            group_prefix: "headwater-".to_owned(),
            topics: TopicSettings::default(),
            drivers: DriverSettings::default(),
            account_limit_cents: 2_000_000,
            retention: Retention::default(),
        }
    }

    /// For a demo that runs for days: topics, inboxes, mails and facts are kept for hours. Orders and payments are never
    /// pruned, for `verify` holds them against each other: `orders.db` and `transactions.db` grow with every order.
    pub fn demo(kafka: BTreeMap<String, String>, data_dir: impl Into<PathBuf>) -> Self {
        const HOUR: Duration = Duration::from_hours(1);
        let mut settings = Self::new(kafka, data_dir);
        settings
            .topics
            .configs
            .insert("retention.ms".to_owned(), HOUR.as_millis().to_string());
        // A record may be redelivered for as long as its topic keeps it, plus the time a segment takes to be deleted.
        settings.retention.inbox = 3 * HOUR;
        settings.retention.facts = Some(2 * HOUR);
        settings
    }

    /// The consumer group of a service.
    pub fn group_id(&self, service: Service) -> String {
        format!("{}{service}", self.group_prefix)
    }

    /// The database file of a service.
    pub fn database(&self, service: Service) -> PathBuf {
        database_file(&self.data_dir, service)
    }
}

/// The database file of a service in this directory.
pub(crate) fn database_file(data_dir: &Path, service: Service) -> PathBuf {
    data_dir.join(format!("{service}.db"))
}

/// Where mails go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Smtp {
    /// A catcher on a free loopback port, which keeps the newest mails in the database of the emails service.
    Embedded,
    /// A server, as `smtp://host:port` (no TLS), `smtp://user:password@host:port?tls=required` or `smtps://...`.
    Url(String),
}

/// How topics are created when they are missing.
#[derive(Debug, Clone)]
pub struct TopicSettings {
    /// Partitions of each topic.
    pub partitions: i32,
    /// Copies of each partition; -1 is the broker's default.
    pub replication_factor: i32,
    /// Topic configurations, such as `retention.ms`.
    pub configs: BTreeMap<String, String>,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self {
            partitions: 6,
            replication_factor: -1,
            configs: BTreeMap::new(),
        }
    }
}

/// The drivers and how long they take.
#[derive(Debug, Clone)]
pub struct DriverSettings {
    /// How many drivers there are. Orders wait for a free one.
    pub pool: u32,
    /// How long a delivery takes, drawn evenly from this range.
    pub delivery: RangeInclusive<Duration>,
}

impl Default for DriverSettings {
    fn default() -> Self {
        Self {
            pool: 120,
            delivery: Duration::from_secs(1)..=Duration::from_secs(3),
        }
    }
}

/// How long services keep what is only there to catch doubles or to be looked at.
#[derive(Debug, Clone)]
pub struct Retention {
    /// Event ids in inboxes, and mails that were sent or refused. Must exceed the time a record can be redelivered after: the retention of the topics.
    pub inbox: Duration,
    /// Facts and finished orders in the analytics database; `None` keeps them for ever.
    pub facts: Option<Duration>,
    /// How many mails the embedded catcher keeps.
    pub caught_mails: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            inbox: Duration::from_hours(192),
            facts: None,
            caught_mails: 1000,
        }
    }
}
