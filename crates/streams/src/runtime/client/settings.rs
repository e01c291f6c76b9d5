//! The clients' settings: ours by default, the user's over them, and a few that nobody may change.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::ClientConfig;

use crate::runtime::ending::Ending;

/// What a client is for. A user's setting is for all of them, or for one by its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientRole {
    /// The member of the group, which reads the inputs.
    Group,
    /// Reads changelogs and global tables from explicit offsets.
    Restore,
    /// Writes.
    Producer,
    /// Creates and describes topics.
    Admin,
}

impl ClientRole {
    /// The prefixes of settings for this client, the most special one last.
    fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Group => &["consumer.", "main.consumer."],
            Self::Restore => &["consumer.", "restore.consumer."],
            Self::Producer => &["producer."],
            Self::Admin => &["admin."],
        }
    }

    fn defaults(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Group => GROUP_DEFAULTS,
            Self::Restore => RESTORE_DEFAULTS,
            Self::Producer => PRODUCER_DEFAULTS,
            Self::Admin => &[],
        }
    }
}

const PREFIXES: &[&str] = &[
    "consumer.",
    "main.consumer.",
    "restore.consumer.",
    "producer.",
    "admin.",
];

/// What the runtime relies on: a user's value for one of these is refused.
const OURS: &[&str] = &[
    "delivery.report.only.error",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "isolation.level",
    "transactional.id",
];

const GROUP_DEFAULTS: &[(&str, &str)] = &[
    // A restarted process is back, with its tasks, before the group notices that it was gone.
    ("session.timeout.ms", "10000"),
    ("heartbeat.interval.ms", "500"),
    // Keeps the partitions of one number of all topics together, as a task needs them.
    ("partition.assignment.strategy", "range"),
    // An offset that is not there is told, and goes where its topic's reset says.
    ("auto.offset.reset", "error"),
    // How soon a topic is found that did not exist, or has more partitions.
    ("topic.metadata.refresh.interval.ms", "30000"),
    // Per partition: what is not polled stays here, and then with the broker.
    ("queued.max.messages.kbytes", "1024"),
    ("fetch.queue.backoff.ms", "10"),
    // The end of a partition is told after at most this long.
    ("fetch.wait.max.ms", "100"),
];

const RESTORE_DEFAULTS: &[(&str, &str)] = &[
    // An offset that is not there means a truncated changelog: never to be passed over.
    ("auto.offset.reset", "error"),
    ("queued.max.messages.kbytes", "4096"),
    // A record costs librdkafka 400 bytes above its own, which that limit does not know: 100,000 are its default.
    ("queued.min.messages", "10000"),
    ("fetch.queue.backoff.ms", "5"),
    ("fetch.wait.max.ms", "50"),
];

const PRODUCER_DEFAULTS: &[(&str, &str)] = &[
    ("linger.ms", "5"),
    // What is with librdkafka stays in the processor's cache: 100,000 records, its default, cost twice the time each.
    // Half of it is what waits in front of it.
    ("queue.buffering.max.messages", "20000"),
    ("queue.buffering.max.kbytes", "16384"),
    // An idempotent partition has one request under way, and librdkafka spins while a next batch is full: so none is
    // full before its time.
    ("batch.num.messages", "100000"),
    ("transaction.timeout.ms", "10000"),
];

/// librdkafka's.
const DEFAULT_BATCH_SIZE: usize = 1_000_000;

/// What belongs to the classic group protocol, and is refused with that of KIP-848.
const CLASSIC_ONLY: &[&str] = &[
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "partition.assignment.strategy",
];

/// The settings of an application's clients.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientSettings {
    user: BTreeMap<String, String>,
    /// Tells the clients when the application gives up what they wait for.
    pub(crate) ending: Arc<Ending>,
}

impl ClientSettings {
    /// The settings that reach a cluster at `bootstrap`.
    pub(crate) fn new(bootstrap: &str) -> Self {
        let mut settings = Self::default();
        settings
            .user
            .insert("bootstrap.servers".to_owned(), bootstrap.to_owned());
        settings
    }

    /// Sets one of librdkafka's settings, for all clients or, with a prefix as `producer.`, for one.
    ///
    /// # Errors
    /// The setting is one that the runtime depends on.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let bare = PREFIXES
            .iter()
            .find_map(|prefix| key.strip_prefix(prefix))
            .unwrap_or(key);
        if bare == "auto.offset.reset" {
            // For all clients it would have restores pass over what a changelog has lost.
            return Err(format!(
                "`{bare}` is a matter of each input: give its topic `.reset(OffsetReset::Latest)`, say"
            ));
        }
        if OURS.contains(&bare) {
            return Err(format!(
                "`{bare}` is set by the runtime and cannot be changed"
            ));
        }
        self.user.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    /// The same settings with batches of this size at most: a topic refuses a larger one, whatever is in it.
    pub(crate) fn with_batches_of(&self, bytes: usize) -> Self {
        let config = self.config(ClientRole::Producer, &[]);
        let size = config.get("batch.size").and_then(|size| size.parse().ok());
        let mut settings = self.clone();
        if bytes < size.unwrap_or(DEFAULT_BATCH_SIZE) {
            let key = "producer.batch.size".to_owned();
            settings.user.insert(key, bytes.max(1).to_string());
        }
        settings
    }

    /// The settings of one client; `required` goes over everything.
    pub(crate) fn config(&self, role: ClientRole, required: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (key, value) in role.defaults() {
            config.set(*key, *value);
        }
        let general = self
            .user
            .iter()
            .filter(|(key, _)| !PREFIXES.iter().any(|prefix| key.starts_with(prefix)));
        for (key, value) in general {
            config.set(key, value);
        }
        for prefix in role.prefixes() {
            for (key, value) in &self.user {
                if let Some(bare) = key.strip_prefix(prefix) {
                    config.set(bare, value);
                }
            }
        }
        for (key, value) in required {
            config.set(*key, *value);
        }
        if role == ClientRole::Group && config.get("group.protocol") == Some("consumer") {
            for key in CLASSIC_ONLY {
                config.remove(key);
            }
            if config.get("group.remote.assignor").is_none() {
                config.set("group.remote.assignor", "range");
            }
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_with_a_prefix_is_for_that_client_only() {
        let mut settings = ClientSettings::new("127.0.0.1:9");
        settings.set("linger.ms", "7").unwrap();
        settings.set("producer.linger.ms", "9").unwrap();
        settings.set("consumer.fetch.wait.max.ms", "3").unwrap();
        settings
            .set("restore.consumer.fetch.wait.max.ms", "4")
            .unwrap();
        let get = |role, key: &str| settings.config(role, &[]).get(key).map(str::to_owned);
        assert_eq!(get(ClientRole::Producer, "linger.ms").as_deref(), Some("9"));
        assert_eq!(get(ClientRole::Admin, "linger.ms").as_deref(), Some("7"));
        assert_eq!(
            get(ClientRole::Group, "fetch.wait.max.ms").as_deref(),
            Some("3")
        );
        assert_eq!(
            get(ClientRole::Restore, "fetch.wait.max.ms").as_deref(),
            Some("4")
        );
        assert_eq!(get(ClientRole::Producer, "fetch.wait.max.ms"), None);
    }

    #[test]
    fn what_the_runtime_depends_on_cannot_be_set() {
        let mut settings = ClientSettings::new("127.0.0.1:9");
        for key in ["enable.auto.commit", "consumer.isolation.level"] {
            let refused = settings.set(key, "true").unwrap_err();
            assert!(refused.contains("is set by the runtime"), "{refused}");
        }
    }

    #[test]
    fn where_inputs_begin_is_their_topics_matter_and_no_client_setting() {
        let mut settings = ClientSettings::new("127.0.0.1:9");
        for key in ["auto.offset.reset", "consumer.auto.offset.reset"] {
            let refused = settings.set(key, "latest").unwrap_err();
            assert!(refused.contains("OffsetReset::Latest"), "{refused}");
        }
        let restore = settings.config(ClientRole::Restore, &[]);
        assert_eq!(restore.get("auto.offset.reset"), Some("error"));
    }

    #[test]
    fn batches_are_made_smaller_for_a_topic_that_takes_no_larger_ones_and_never_larger() {
        let mut settings = ClientSettings::new("127.0.0.1:9");
        let size = |settings: &ClientSettings| {
            let config = settings.config(ClientRole::Producer, &[]);
            config.get("batch.size").map(str::to_owned)
        };
        assert_eq!(size(&settings.with_batches_of(1_048_588)), None);
        assert_eq!(
            size(&settings.with_batches_of(2000)).as_deref(),
            Some("2000")
        );
        settings.set("producer.batch.size", "500").unwrap();
        assert_eq!(
            size(&settings.with_batches_of(2000)).as_deref(),
            Some("500")
        );
    }

    #[test]
    fn the_group_protocol_of_kip_848_goes_without_the_classic_settings() {
        let mut settings = ClientSettings::new("127.0.0.1:9");
        settings.set("group.protocol", "consumer").unwrap();
        let config = settings.config(ClientRole::Group, &[]);
        assert_eq!(config.get("session.timeout.ms"), None);
        assert_eq!(config.get("group.remote.assignor"), Some("range"));
    }
}
