//! The settings of an application, as the runtime uses them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::client::ClientSettings;
use super::consumer::Isolation;
use super::instances::Queries;
use super::progress::OnRestore;
use super::task::TaskConfig;
use crate::error::StreamsError;
use crate::store::MemoryBudget;

/// Within the 30 s that Kubernetes leaves a process after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// What a crash may do to results and state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guarantee {
    /// Nothing is lost; what was not committed is processed again.
    #[default]
    AtLeastOnce,
    /// Results, state and progress are as if nothing had happened.
    ExactlyOnce,
}

impl Guarantee {
    /// What consumers of the application may see.
    pub(crate) fn isolation(self) -> Isolation {
        match self {
            Self::AtLeastOnce => Isolation::ReadUncommitted,
            Self::ExactlyOnce => Isolation::ReadCommitted,
        }
    }
}

/// How the group knows a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Membership {
    /// By the id in its state directory: one that is back within the session's time-out goes on with its tasks, and
    /// nobody else stops. Its tasks wait that long when it stays away.
    #[default]
    Static,
    /// Anew at each start: it leaves when it stops, and its tasks go to others at once.
    Dynamic,
}

/// What becomes of the application when a worker fails: Kafka Streams' `StreamThreadExceptionResponse` (KIP-671).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WorkerFailure {
    /// This process stops, with the error. The default.
    #[default]
    ShutDown,
    /// The worker begins again at the last commit.
    Replace,
}

/// What is done about topics that come to match a pattern while the application runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum NewTopics {
    /// They are told in the log, and read after the next start.
    #[default]
    Tell,
    /// The application stops in order, and is started again with them.
    BeginAgain,
}

/// Decides what becomes of a failure.
pub(crate) type OnFailure = Arc<dyn Fn(&StreamsError) -> WorkerFailure + Send + Sync>;

/// The settings of an application.
#[derive(Clone)]
pub(crate) struct AppConfig {
    pub(crate) application: Arc<str>,
    pub(crate) guarantee: Guarantee,
    pub(crate) membership: Membership,
    pub(crate) threads: usize,
    pub(crate) clients: ClientSettings,
    pub(crate) state_dir: PathBuf,
    /// None: 30 s, or 100 ms under exactly-once.
    pub(crate) commit_interval: Option<Duration>,
    pub(crate) task: TaskConfig,
    /// Of internal topics; -1 leaves it to the cluster.
    pub(crate) replication_factor: i32,
    /// Configs of internal topics, over those of their kind.
    pub(crate) topic_configs: Vec<(String, String)>,
    pub(crate) memory: MemoryBudget,
    /// How many records of an input wait in a task.
    pub(crate) buffered_records: usize,
    /// How often repartition topics are emptied of what is processed.
    pub(crate) purge_interval: Duration,
    /// How long local state that nobody needs is kept.
    pub(crate) state_cleanup_delay: Duration,
    pub(crate) on_failure: OnFailure,
    pub(crate) new_topics: NewTopics,
    pub(crate) queries: Queries,
    /// How many other instances keep a copy of each store.
    pub(crate) standby_replicas: usize,
    pub(crate) on_restore: OnRestore,
    /// How long a stop may take.
    pub(crate) stop_timeout: Duration,
}

impl AppConfig {
    pub(crate) fn new(application: &str) -> Self {
        Self {
            application: application.into(),
            guarantee: Guarantee::default(),
            membership: Membership::default(),
            threads: 1,
            clients: ClientSettings::new("127.0.0.1:9092"),
            state_dir: PathBuf::from("headwater-state"),
            commit_interval: None,
            task: TaskConfig::default(),
            replication_factor: -1,
            topic_configs: Vec::new(),
            memory: MemoryBudget::default(),
            buffered_records: 1000,
            purge_interval: Duration::from_secs(30),
            state_cleanup_delay: Duration::from_mins(10),
            new_topics: NewTopics::default(),
            on_failure: Arc::new(|_| WorkerFailure::ShutDown),
            queries: Queries::default(),
            standby_replicas: 0,
            on_restore: Arc::new(|_| ()),
            stop_timeout: STOP_TIMEOUT,
        }
    }

    /// How often is committed: Kafka Streams' `commit.interval.ms`.
    pub(crate) fn commit_interval(&self) -> Duration {
        self.commit_interval.unwrap_or(match self.guarantee {
            Guarantee::AtLeastOnce => Duration::from_secs(30),
            Guarantee::ExactlyOnce => Duration::from_millis(100),
        })
    }

    /// Takes a setting by Kafka Streams' name, or hands it to the clients.
    ///
    /// # Errors
    /// The value cannot be read, or the setting cannot be changed.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "num.stream.threads" => self.threads = number(key, value)?,
            "commit.interval.ms" => {
                self.commit_interval = Some(Duration::from_millis(number(key, value)?));
            }
            "processing.guarantee" => {
                self.guarantee = match value {
                    "at_least_once" => Guarantee::AtLeastOnce,
                    "exactly_once" | "exactly_once_v2" => Guarantee::ExactlyOnce,
                    other => {
                        return Err(format!(
                            "`{key}` is at_least_once or exactly_once_v2, not `{other}`"
                        ));
                    }
                };
            }
            "num.standby.replicas" => self.standby_replicas = number(key, value)?,
            "repartition.purge.interval.ms" => {
                self.purge_interval = Duration::from_millis(number(key, value)?);
            }
            "queries.token" => self.queries.token = Some(value.into()),
            "stop.timeout.ms" => {
                self.stop_timeout = Duration::from_millis(number(key, value)?);
            }
            "state.cleanup.delay.ms" => {
                self.state_cleanup_delay = Duration::from_millis(number(key, value)?);
            }
            "state.dir" => self.state_dir = PathBuf::from(value),
            "max.task.idle.ms" => self.task.max_idle_ms = number(key, value)?,
            "replication.factor" => self.replication_factor = number(key, value)?,
            "buffered.records.per.partition" => {
                self.buffered_records = number::<usize>(key, value)?.max(1);
            }
            "application.id" => {
                return Err("the application's id is given to `App::new`".to_owned());
            }
            _ => match key.strip_prefix("topic.") {
                Some(config) if !key.starts_with("topic.metadata.") => {
                    self.topic_configs
                        .push((config.to_owned(), value.to_owned()));
                }
                _ => self.clients.set(key, value)?,
            },
        }
        Ok(())
    }

    /// Checks what only all settings together tell.
    pub(crate) fn check(&self) -> Result<(), String> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let id = &self.application;
        if id.is_empty() || id.len() > 200 || !id.chars().all(legal) || id.starts_with('.') {
            return Err(format!(
                "the application's id `{id}` becomes part of topic names and a directory: letters, digits, `.`, `_` \
                 and `-`, 200 at most"
            ));
        }
        let policies = &self.task.policies;
        if policies.dead_letter.is_none() && policies.send_dead_letters() {
            return Err(
                "the policy is DeadLetter and no dead letter topic is set: name one with App::dead_letter"
                    .to_owned(),
            );
        }
        if !(1..=256).contains(&self.threads) {
            return Err(format!("{} threads: 1 to 256 are possible", self.threads));
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(key: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("`{key}` is a number, not `{value}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Policy;

    #[test]
    fn commits_come_every_30_seconds_and_under_exactly_once_every_100_ms() {
        let mut config = AppConfig::new("shop");
        assert_eq!(config.commit_interval(), Duration::from_secs(30));
        config
            .set("processing.guarantee", "exactly_once_v2")
            .unwrap();
        assert_eq!(config.commit_interval(), Duration::from_millis(100));
        config.set("commit.interval.ms", "250").unwrap();
        assert_eq!(config.commit_interval(), Duration::from_millis(250));
    }

    #[test]
    fn dead_letters_without_a_topic_for_them_are_refused_at_the_start() {
        let mut config = AppConfig::new("shop");
        config.task.policies.processing = Policy::Retry {
            attempts: 3,
            backoff: Duration::ZERO,
            then: Box::new(Policy::DeadLetter),
        };
        let refused = config.check().unwrap_err();
        assert!(refused.contains("App::dead_letter"), "{refused}");
        config.task.policies.dead_letter = Some("shop.dlq".into());
        config.check().unwrap();
    }

    #[test]
    fn under_exactly_once_every_read_is_read_committed() {
        assert_eq!(Guarantee::ExactlyOnce.isolation(), Isolation::ReadCommitted);
        let mut config = AppConfig::new("shop");
        config
            .set("consumer.isolation.level", "read_uncommitted")
            .unwrap_err();
    }

    #[test]
    fn a_wrong_setting_is_told_with_its_name() {
        let mut config = AppConfig::new("shop");
        for (key, value) in [
            ("num.stream.threads", "many"),
            ("processing.guarantee", "twice"),
            ("application.id", "other"),
        ] {
            config.set(key, value).unwrap_err();
        }
        for id in ["", "a b", "../x", ".hidden"] {
            AppConfig::new(id).check().unwrap_err();
        }
        AppConfig::new("shop-2.orders_v1").check().unwrap();
    }
}
