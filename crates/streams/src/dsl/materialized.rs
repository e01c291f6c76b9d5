//! How an aggregation or a table keeps its rows: under which name, where, and with which codec. Kafka Streams'
//! `Materialized`.

use std::collections::BTreeMap;

use crate::serde::{Codec, Value};
use crate::store::{Backend, Caching, Changelog, RestoreCheck, StoreKind, StoreSpec};
use crate::topology::Builder;

/// A state store as a topology names it, by its name alone or with options:
///
/// ```
/// use headwater_streams::{Builder, Materialized, Topic};
///
/// const WORDS: Topic<String, String> = Topic::string("words");
/// const COUNTS: Topic<String, u64> = Topic::json("counts");
///
/// fn topology(b: &Builder) {
///     b.stream(WORDS).count(Materialized::named("counts").in_memory().cached()).to(COUNTS);
/// }
/// # headwater_streams::Topology::build("words", topology).unwrap();
/// ```
///
/// The name is a part of the changelog topic's name and of the place on disk, so it keeps the state when the rest of
/// the topology is edited.
#[derive(Debug, Clone)]
pub struct Materialized<V: 'static> {
    name: String,
    codec: Codec<V>,
    backend: Backend,
    changelog: Changelog,
    caching: Caching,
    check: Option<RestoreCheck>,
}

impl<V: Value> Materialized<V> {
    /// A store on disk with a changelog, which hands on every update.
    pub fn named(name: impl Into<String>) -> Self {
        Self::with_codec(name, V::codec())
    }
}

impl<V: 'static> Materialized<V> {
    /// [`named`](Self::named), with values of a codec of their own.
    pub fn with_codec(name: impl Into<String>, codec: Codec<V>) -> Self {
        Self {
            name: name.into(),
            codec,
            backend: Backend::Disk,
            changelog: Changelog::Topic(BTreeMap::new()),
            caching: Caching::Off,
            check: None,
        }
    }

    /// Keeps the rows in memory: they are restored from the changelog at each start.
    pub fn in_memory(mut self) -> Self {
        self.backend = Backend::Memory;
        self
    }

    /// Hands on the latest result of each key at each commit, or when too many wait, in place of every update.
    pub fn cached(mut self) -> Self {
        self.caching = Caching::On;
        self
    }

    /// Writes no changelog: state that is lost begins empty again.
    pub fn without_changelog(mut self) -> Self {
        self.changelog = Changelog::None;
        self
    }

    /// Sets a config of the changelog topic, above what the kind of store asks for.
    pub fn changelog_config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Changelog::Topic(configs) = &mut self.changelog {
            configs.insert(name.into(), value.into());
        }
        self
    }

    /// The same store, filled by a topic that serves as its changelog; `check` knows which of its records make rows.
    pub(crate) fn filled_by(mut self, topic: &str, check: RestoreCheck) -> Self {
        if matches!(self.changelog, Changelog::Topic(_)) {
            self.changelog = Changelog::SourceTopic(topic.to_owned());
            self.check = Some(check);
        }
        self
    }

    /// The same store, with values of another codec.
    pub(crate) fn coded(mut self, codec: Codec<V>) -> Self {
        self.codec = codec;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn caching(&self) -> Caching {
        self.caching
    }

    /// The description of the store, and the topic that its codec is told.
    pub(crate) fn spec(&self, builder: &Builder, kind: StoreKind) -> (StoreSpec, String) {
        let spec = StoreSpec {
            name: self.name.clone(),
            kind,
            backend: self.backend,
            changelog: self.changelog.clone(),
            caching: self.caching,
            key: None,
            check: self.check.clone(),
        };
        let topic = spec
            .restore_topic(builder.application())
            .unwrap_or_else(|| format!("{}-{}-changelog", builder.application(), self.name));
        (spec, topic)
    }

    pub(crate) fn codec(&self) -> Codec<V> {
        self.codec.clone()
    }
}

impl<V: Value> From<&str> for Materialized<V> {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

impl<V: Value> From<String> for Materialized<V> {
    fn from(name: String) -> Self {
        Self::named(name)
    }
}
