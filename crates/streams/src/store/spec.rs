//! What a state store is declared to be, and the configs of the changelog topic that follow from it.
//!
//! A description only: nothing is opened or created here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::error::StoreError;
use super::store::ChangelogRecord;
use crate::key::Key;

/// What is added to a changelog's retention so that clocks that are apart lose nothing, as Kafka Streams'
/// `windowstore.changelog.additional.retention.ms`: one day.
pub const ADDITIONAL_RETENTION_MS: i64 = 24 * 60 * 60 * 1000;

/// A state store as a topology declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSpec {
    /// The name, unique in the topology: the changelog topic and the data on disk are named after it.
    pub name: String,
    /// What it keeps.
    pub kind: StoreKind,
    /// Where it keeps it.
    pub backend: Backend,
    /// Where its changes go, to be restored from.
    pub changelog: Changelog,
    /// Whether results pass on at each update or at each commit.
    pub caching: Caching,
    /// What its keys are called ([`Key::NAME`]), where that is known: queries over HTTP read them as such.
    pub key: Option<&'static str>,
    /// Of a store that is restored from its source topic, which records of that made rows.
    pub(crate) check: Option<RestoreCheck>,
}

/// Whether a record of the topic that a store was filled from made a row: one that could not be read was skipped, or
/// became a dead letter, and must be no row after a restore either.
#[derive(Clone)]
pub(crate) struct RestoreCheck(Arc<dyn Fn(&ChangelogRecord<'_>) -> bool + Send + Sync>);

impl RestoreCheck {
    pub(crate) fn new(
        check: impl Fn(&ChangelogRecord<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(check))
    }

    pub(crate) fn accepts(&self, record: &ChangelogRecord<'_>) -> bool {
        self.0(record)
    }
}

impl fmt::Debug for RestoreCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RestoreCheck")
    }
}

/// It follows from the topic, which is compared.
impl PartialEq for RestoreCheck {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for RestoreCheck {}

/// What a store keeps, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// The latest value of each key.
    KeyValue,
    /// A value per key and window start.
    Window {
        /// How long a window is kept behind the newest one's start.
        retention_ms: i64,
        /// In which order.
        layout: WindowLayout,
    },
    /// A value per key and session.
    Session {
        /// How long a session is kept behind the newest one's end.
        retention_ms: i64,
    },
    /// All values a key had, for some time (KIP-889).
    Versioned {
        /// How long a value is kept after it was replaced, and how late one may come.
        history_ms: i64,
    },
    /// Every record of one side of a stream-stream join, duplicates too.
    JoinWindow {
        /// How long a record is kept behind the newest one.
        retention_ms: i64,
    },
    /// Records waiting for their time: suppressed results, or join results without a partner yet.
    Buffer,
}

/// In which order a window store keeps its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowLayout {
    /// By start, then key: for tumbling and hopping windows, which are written one by one and closed in order.
    TimeFirst,
    /// By key, then start, within segments of time: for sliding windows, where all windows of a key near a time
    /// are looked up.
    KeyFirst,
}

/// Where a store keeps its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// In memory: restored from the changelog at each start.
    Memory,
    /// On disk: after a restart only what is missing is restored.
    #[default]
    Disk,
}

/// Where a store's changes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changelog {
    /// Nowhere: a store that is lost is empty.
    None,
    /// To a topic of the application's own, with these configs above the defaults.
    Topic(BTreeMap<String, String>),
    /// The topic that the store was filled from holds the same already, so it is restored from there.
    SourceTopic(String),
}

/// Whether an aggregation's results pass on at each update, or the latest of each key at each commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Caching {
    /// Each update passes on.
    #[default]
    Off,
    /// The latest result of each key passes on at a commit, or before that when the cache is full.
    On,
}

impl StoreSpec {
    /// A store on disk with a changelog and no cache.
    pub fn new(name: impl Into<String>, kind: StoreKind) -> Self {
        Self {
            name: name.into(),
            kind,
            backend: Backend::default(),
            changelog: Changelog::Topic(BTreeMap::new()),
            caching: Caching::default(),
            key: None,
            check: None,
        }
    }

    /// The same store, with keys of this type.
    pub fn keyed<K: Key>(mut self) -> Self {
        self.key = Some(K::NAME);
        self
    }

    /// The same store on another backend.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// The same store with its changes going elsewhere.
    pub fn changelog(mut self, changelog: Changelog) -> Self {
        self.changelog = changelog;
        self
    }

    /// The changelog topic that the application `application` owns for it: none if it has none, or is restored
    /// from its source.
    pub fn changelog_topic(&self, application: &str) -> Option<String> {
        match self.changelog {
            Changelog::Topic(_) => Some(format!("{application}-{}-changelog", self.name)),
            Changelog::None | Changelog::SourceTopic(_) => None,
        }
    }

    /// The topic it is restored from, if there is any.
    pub fn restore_topic(&self, application: &str) -> Option<String> {
        match &self.changelog {
            Changelog::SourceTopic(topic) => Some(topic.clone()),
            _ => self.changelog_topic(application),
        }
    }

    /// How long its rows are kept behind its clock; none where they are kept until deleted.
    pub fn retention_ms(&self) -> Option<i64> {
        match self.kind {
            StoreKind::Window { retention_ms, .. }
            | StoreKind::Session { retention_ms }
            | StoreKind::JoinWindow { retention_ms } => Some(retention_ms),
            StoreKind::Versioned { history_ms } => Some(history_ms),
            StoreKind::KeyValue | StoreKind::Buffer => None,
        }
    }
}

/// The configs that a store's changelog topic is created with.
///
/// Kafka Streams' own: `compact`; for windows and sessions `compact,delete`, kept for the retention and a day; for
/// the windows of a stream-stream join `delete`, since every row has a key of its own; for versioned stores
/// `compact` with a lag of the history and a day, so that no version is compacted away that is still asked for.
/// What the spec names itself goes before. A store without a topic of its own has none.
pub fn changelog_configs(spec: &StoreSpec) -> BTreeMap<String, String> {
    let Changelog::Topic(own) = &spec.changelog else {
        return BTreeMap::new();
    };
    let kept = |ms: i64| ms.saturating_add(ADDITIONAL_RETENTION_MS).to_string();
    let mut configs =
        BTreeMap::from([("message.timestamp.type".to_owned(), "CreateTime".to_owned())]);
    let mut set = |name: &str, value: String| configs.insert(name.to_owned(), value);
    match spec.kind {
        StoreKind::KeyValue | StoreKind::Buffer => {
            set("cleanup.policy", "compact".to_owned());
        }
        StoreKind::Window { retention_ms, .. } | StoreKind::Session { retention_ms } => {
            set("cleanup.policy", "compact,delete".to_owned());
            set("retention.ms", kept(retention_ms));
        }
        StoreKind::JoinWindow { retention_ms } => {
            set("cleanup.policy", "delete".to_owned());
            set("retention.ms", kept(retention_ms));
        }
        StoreKind::Versioned { history_ms } => {
            set("cleanup.policy", "compact".to_owned());
            set("min.compaction.lag.ms", kept(history_ms));
        }
    }
    configs.extend(own.clone());
    configs
}

/// Checks that a windowed store keeps its windows until no record can change them any more.
pub fn check_retention(
    store: &str,
    retention_ms: i64,
    size_ms: i64,
    grace_ms: i64,
) -> Result<(), StoreError> {
    let least = size_ms.saturating_add(grace_ms);
    if retention_ms >= least {
        return Ok(());
    }
    Err(StoreError::Invalid {
        store: store.to_owned(),
        reason: format!(
            "a retention of {retention_ms} ms is shorter than the windows live: their size of {size_ms} ms and \
             grace of {grace_ms} ms need {least} ms"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn configs(kind: StoreKind) -> Vec<(String, String)> {
        changelog_configs(&StoreSpec::new("s", kind))
            .into_iter()
            .filter(|(name, _)| name != "message.timestamp.type")
            .collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn changelogs_are_cleaned_as_their_store_forgets() {
        assert_eq!(
            configs(StoreKind::KeyValue),
            pairs(&[("cleanup.policy", "compact")])
        );
        assert_eq!(
            configs(StoreKind::Buffer),
            pairs(&[("cleanup.policy", "compact")])
        );
        let windowed = pairs(&[
            ("cleanup.policy", "compact,delete"),
            ("retention.ms", "90000000"),
        ]);
        for layout in [WindowLayout::TimeFirst, WindowLayout::KeyFirst] {
            let kind = StoreKind::Window {
                retention_ms: HOUR,
                layout,
            };
            assert_eq!(configs(kind), windowed);
        }
        assert_eq!(configs(StoreKind::Session { retention_ms: HOUR }), windowed);
        assert_eq!(
            configs(StoreKind::JoinWindow { retention_ms: HOUR }),
            pairs(&[("cleanup.policy", "delete"), ("retention.ms", "90000000")])
        );
        assert_eq!(
            configs(StoreKind::Versioned { history_ms: HOUR }),
            pairs(&[
                ("cleanup.policy", "compact"),
                ("min.compaction.lag.ms", "90000000")
            ])
        );
        let longest = StoreKind::Session {
            retention_ms: i64::MAX,
        };
        assert_eq!(configs(longest)[1].1, i64::MAX.to_string());
    }

    #[test]
    fn configs_of_the_spec_go_before_the_defaults() {
        let own = BTreeMap::from([("cleanup.policy".to_owned(), "delete".to_owned())]);
        let spec = StoreSpec::new("s", StoreKind::KeyValue).changelog(Changelog::Topic(own));
        assert_eq!(changelog_configs(&spec)["cleanup.policy"], "delete");
    }

    #[test]
    fn a_store_restored_from_its_source_topic_owns_no_changelog() {
        let spec = StoreSpec::new("s", StoreKind::KeyValue)
            .changelog(Changelog::SourceTopic("prices".to_owned()));
        assert_eq!(spec.changelog_topic("shop"), None);
        assert_eq!(spec.restore_topic("shop").as_deref(), Some("prices"));
        assert!(changelog_configs(&spec).is_empty());
        let own = StoreSpec::new("s", StoreKind::KeyValue);
        assert_eq!(
            own.changelog_topic("shop").as_deref(),
            Some("shop-s-changelog")
        );
    }

    #[test]
    fn a_retention_shorter_than_size_and_grace_is_refused() {
        assert!(check_retention("s", 90, 60, 30).is_ok());
        let error = check_retention("s", 89, 60, 30).expect_err("too short");
        assert!(error.to_string().contains("need 90 ms"), "{error}");
        assert!(check_retention("s", i64::MAX, i64::MAX, i64::MAX).is_ok());
    }
}
