//! Which value holds: the topic's own, then the dynamic one of this broker, the dynamic default
//! of all brokers, the one fixed at start, and Kafka's default.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::broker_configs::{broker_config, broker_config_of_listener, broker_configs};
use super::definition::{ConfigDefinition, ConfigType, Update};
use super::group_configs::GROUP_CONFIGS;
use super::subscription_configs::SUBSCRIPTION_CONFIGS;
use super::topic_configs::TOPIC_CONFIGS;

/// Where a value comes from, numbered as in `DescribeConfigsResponse`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum ConfigSource {
    Topic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
    BrokerLogger = 6,
    ClientMetrics = 7,
    Group = 8,
}

/// A value that would hold if those before it were not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synonym {
    pub(crate) name: Cow<'static, str>,
    /// Absent where it is kept from clients.
    pub(crate) value: Option<String>,
    pub(crate) source: ConfigSource,
}

/// One config as described to a client.
#[derive(Debug, Clone)]
pub(crate) struct ConfigEntry {
    pub(crate) name: Cow<'static, str>,
    /// Absent where it is null or kept from clients.
    pub(crate) value: Option<String>,
    pub(crate) source: ConfigSource,
    pub(crate) read_only: bool,
    pub(crate) is_sensitive: bool,
    /// Absent where the name is not known.
    pub(crate) kind: Option<ConfigType>,
    pub(crate) documentation: Option<&'static str>,
    pub(crate) synonyms: Vec<Synonym>,
}

impl ConfigEntry {
    /// An entry of what belongs to a topic, a group or a subscription.
    fn of_resource(
        definition: &'static ConfigDefinition,
        value: Option<String>,
        synonyms: Vec<Synonym>,
    ) -> ConfigEntry {
        ConfigEntry {
            name: definition.name.into(),
            value,
            source: source(&synonyms),
            read_only: false,
            is_sensitive: false,
            kind: Some(definition.kind),
            documentation: Some(definition.documentation),
            synonyms,
        }
    }
}

fn source(synonyms: &[Synonym]) -> ConfigSource {
    synonyms
        .first()
        .map_or(ConfigSource::Default, |first| first.source)
}

/// The broker configs fixed at start, each checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct StaticConfigs(BTreeMap<String, String>);

impl StaticConfigs {
    /// The values, which the caller has checked.
    pub(crate) fn new(values: BTreeMap<String, String>) -> StaticConfigs {
        StaticConfigs(values)
    }
}

/// Everything a broker config's value can come from, besides its default.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DynamicConfigs<'a> {
    /// Set for this broker by name.
    pub(crate) broker: &'a BTreeMap<String, String>,
    /// Set for all brokers, under the empty name.
    pub(crate) default_broker: &'a BTreeMap<String, String>,
    pub(crate) fixed: &'a StaticConfigs,
}

impl DynamicConfigs<'_> {
    fn layers(&self) -> [(&BTreeMap<String, String>, ConfigSource); 3] {
        [
            (self.broker, ConfigSource::DynamicBroker),
            (self.default_broker, ConfigSource::DynamicDefaultBroker),
            (&self.fixed.0, ConfigSource::StaticBroker),
        ]
    }
}

/// A config that is also known under coarser units: name and milliseconds in one of them.
type Unit = (&'static str, i64);

/// The names under which a broker config's value may be given, finest unit first.
fn units(name: &str) -> &'static [Unit] {
    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    match name {
        "log.retention.ms" => &[
            ("log.retention.ms", 1),
            ("log.retention.minutes", MINUTE),
            ("log.retention.hours", HOUR),
        ],
        "log.roll.ms" => &[("log.roll.ms", 1), ("log.roll.hours", HOUR)],
        "log.roll.jitter.ms" => &[("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", HOUR)],
        "log.flush.interval.ms" => &[
            ("log.flush.interval.ms", 1),
            ("log.flush.scheduler.interval.ms", 1),
        ],
        _ => &[],
    }
}

/// The names that can set a broker config, its own first.
fn names(name: &str) -> Vec<Cow<'static, str>> {
    let behind_listener = broker_config_of_listener(name).map(|config| config.name);
    match units(name) {
        [] => {
            let suffix = behind_listener.filter(|suffix| *suffix != name);
            let own = Cow::Owned(name.to_owned());
            std::iter::once(own)
                .chain(suffix.map(Cow::Borrowed))
                .collect()
        }
        units => units.iter().map(|(name, _)| Cow::Borrowed(*name)).collect(),
    }
}

/// The value of a broker config under exactly this name; `None` where it is null.
pub(crate) fn broker_value(name: &str, dynamic: DynamicConfigs<'_>) -> Option<String> {
    for (values, _) in dynamic.layers() {
        if let Some(value) = values.get(name) {
            return Some(value.clone());
        }
    }
    broker_config(name)
        .and_then(|definition| definition.default)
        .map(str::to_owned)
}

/// What a broker config gives the topics: coarser units are turned into milliseconds.
fn default_for_topics(name: &str, dynamic: DynamicConfigs<'_>) -> Option<String> {
    for (unit, factor) in units(name) {
        let Some(value) = broker_value(unit, dynamic) else {
            continue;
        };
        return match value.trim().parse::<i64>() {
            Ok(number) if number >= 0 => Some(number.saturating_mul(*factor).to_string()),
            _ => Some(value),
        };
    }
    broker_value(name, dynamic)
}

/// Every value under any of a broker config's names, in the order in which they hold. Empty
/// where the first is not under the config's own name, as Kafka shows it.
fn synonyms(name: &str, dynamic: DynamicConfigs<'_>) -> Vec<Synonym> {
    let names = names(name);
    let is_sensitive = broker_config_of_listener(name).is_none_or(ConfigDefinition::is_sensitive);
    let synonym = |name: &Cow<'static, str>, value: &str, source| Synonym {
        name: name.clone(),
        value: (!is_sensitive).then(|| value.to_owned()),
        source,
    };
    let mut found = Vec::new();
    for (values, source) in dynamic.layers() {
        for name in &names {
            if let Some(value) = values.get(&**name) {
                found.push(synonym(name, value, source));
            }
        }
    }
    for name in &names {
        if let Some(value) = broker_config(name).and_then(|definition| definition.default) {
            found.push(synonym(name, value, ConfigSource::Default));
        }
    }
    found.into_iter().skip_while(|s| s.name != name).collect()
}

/// The value a topic works with.
pub(crate) fn topic_value(
    definition: &ConfigDefinition,
    own: &BTreeMap<String, String>,
    dynamic: DynamicConfigs<'_>,
) -> String {
    if let Some(value) = own.get(definition.name) {
        return value.clone();
    }
    definition
        .broker_synonym
        .and_then(|name| default_for_topics(name, dynamic))
        .or_else(|| definition.default.map(str::to_owned))
        .unwrap_or_default()
}

/// Every config of a topic, as described to a client.
pub(crate) fn topic_entries(
    own: &BTreeMap<String, String>,
    dynamic: DynamicConfigs<'_>,
) -> Vec<ConfigEntry> {
    let entry = |definition: &'static ConfigDefinition| {
        let value = Some(topic_value(definition, own, dynamic));
        let given = set(definition, own, ConfigSource::Topic);
        let inherited = definition
            .broker_synonym
            .map(|name| synonyms(name, dynamic))
            .unwrap_or_default();
        ConfigEntry::of_resource(definition, value, given.chain(inherited).collect())
    };
    TOPIC_CONFIGS.iter().map(entry).collect()
}

/// The value a group works with.
pub(crate) fn group_value(
    definition: &ConfigDefinition,
    own: &BTreeMap<String, String>,
    dynamic: DynamicConfigs<'_>,
) -> String {
    own.get(definition.name)
        .cloned()
        .or_else(|| broker_value(definition.broker_synonym?, dynamic))
        .or_else(|| definition.default.map(str::to_owned))
        .unwrap_or_default()
}

/// Every config of a group, as described to a client, whether there is such a group or not.
pub(crate) fn group_entries(
    own: &BTreeMap<String, String>,
    dynamic: DynamicConfigs<'_>,
) -> Vec<ConfigEntry> {
    let entry = |definition: &'static ConfigDefinition| {
        let value = Some(group_value(definition, own, dynamic));
        let given = set(definition, own, ConfigSource::Group);
        let inherited = match definition.broker_synonym {
            Some(name) => synonyms(name, dynamic),
            None => default(definition),
        };
        ConfigEntry::of_resource(definition, value, given.chain(inherited).collect())
    };
    GROUP_CONFIGS.iter().map(entry).collect()
}

/// Every config of a client metrics subscription, as described to a client. It has no synonyms.
pub(crate) fn subscription_entries(own: &BTreeMap<String, String>) -> Vec<ConfigEntry> {
    let entry = |definition: &'static ConfigDefinition| {
        let given = own.get(definition.name);
        let value = given.map(String::as_str).or(definition.default);
        let mut entry = ConfigEntry::of_resource(definition, value.map(str::to_owned), Vec::new());
        if given.is_some() {
            entry.source = ConfigSource::ClientMetrics;
        }
        entry
    };
    SUBSCRIPTION_CONFIGS.iter().map(entry).collect()
}

/// Every config of this broker, as described to a client: those of the table, and whatever else
/// was set.
pub(crate) fn broker_entries(dynamic: DynamicConfigs<'_>) -> Vec<ConfigEntry> {
    let mut names: BTreeSet<&str> = broker_configs().map(|config| config.name).collect();
    for (values, _) in dynamic.layers() {
        names.extend(values.keys().map(String::as_str));
    }
    names
        .into_iter()
        .map(|name| broker_entry(name, broker_value(name, dynamic), synonyms(name, dynamic)))
        .collect()
}

/// The dynamic defaults of all brokers: what describing the broker resource without a name shows.
pub(crate) fn broker_default_entries(dynamic: DynamicConfigs<'_>) -> Vec<ConfigEntry> {
    dynamic
        .default_broker
        .iter()
        .map(|(name, value)| {
            let mut synonyms = synonyms(name, dynamic);
            synonyms.retain(|synonym| synonym.source == ConfigSource::DynamicDefaultBroker);
            broker_entry(name, Some(value.clone()), synonyms)
        })
        .collect()
}

fn broker_entry(name: &str, value: Option<String>, synonyms: Vec<Synonym>) -> ConfigEntry {
    let definition = broker_config(name);
    let typed = broker_config_of_listener(name);
    // What a name that is not known stands for may be a secret.
    let is_sensitive = typed.is_none_or(ConfigDefinition::is_sensitive);
    ConfigEntry {
        name: definition.map_or_else(|| Cow::Owned(name.to_owned()), |known| known.name.into()),
        value: value.filter(|_| !is_sensitive),
        source: source(&synonyms),
        read_only: definition.is_none_or(|known| known.update == Update::ReadOnly),
        is_sensitive,
        kind: typed.map(|known| known.kind),
        documentation: definition.map(|known| known.documentation),
        synonyms,
    }
}

fn set(
    definition: &'static ConfigDefinition,
    own: &BTreeMap<String, String>,
    source: ConfigSource,
) -> impl Iterator<Item = Synonym> {
    own.get(definition.name)
        .into_iter()
        .map(move |value| Synonym {
            name: definition.name.into(),
            value: Some(value.clone()),
            source,
        })
}

fn default(definition: &'static ConfigDefinition) -> Vec<Synonym> {
    let synonym = |value: &str| Synonym {
        name: definition.name.into(),
        value: Some(value.to_owned()),
        source: ConfigSource::Default,
    };
    definition.default.map(synonym).into_iter().collect()
}
