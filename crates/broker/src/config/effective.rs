//! Which value holds: the topic's own, then the dynamic one of this broker, the dynamic default
//! of all brokers, the one fixed at start, and Kafka's default.

use std::collections::BTreeMap;

use super::broker_configs::{BROKER_CONFIGS, broker_config};
use super::definition::{ConfigDefinition, Update};
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
}

/// A value that would hold if those before it were not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synonym {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) source: ConfigSource,
}

/// One config as described to a client.
#[derive(Debug, Clone)]
pub(crate) struct ConfigEntry {
    pub(crate) definition: &'static ConfigDefinition,
    pub(crate) value: Option<String>,
    pub(crate) source: ConfigSource,
    pub(crate) read_only: bool,
    pub(crate) synonyms: Vec<Synonym>,
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
fn units(name: &'static str) -> &'static [Unit] {
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
fn names(name: &'static str) -> Vec<&'static str> {
    match units(name) {
        [] => vec![name],
        units => units.iter().map(|(name, _)| *name).collect(),
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
fn default_for_topics(name: &'static str, dynamic: DynamicConfigs<'_>) -> Option<String> {
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
fn synonyms(name: &'static str, dynamic: DynamicConfigs<'_>) -> Vec<Synonym> {
    let names = names(name);
    let mut found = Vec::new();
    for (values, source) in dynamic.layers() {
        for &name in &names {
            if let Some(value) = values.get(name) {
                found.push(Synonym {
                    name,
                    value: value.clone(),
                    source,
                });
            }
        }
    }
    for &name in &names {
        if let Some(value) = broker_config(name).and_then(|definition| definition.default) {
            found.push(Synonym {
                name,
                value: value.to_owned(),
                source: ConfigSource::Default,
            });
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
    TOPIC_CONFIGS
        .iter()
        .map(|definition| {
            let mut entry = ConfigEntry {
                definition,
                value: Some(topic_value(definition, own, dynamic)),
                source: ConfigSource::Default,
                read_only: false,
                synonyms: definition
                    .broker_synonym
                    .map(|name| synonyms(name, dynamic))
                    .unwrap_or_default(),
            };
            if let Some(value) = own.get(definition.name) {
                let own = Synonym {
                    name: definition.name,
                    value: value.clone(),
                    source: ConfigSource::Topic,
                };
                entry.synonyms.insert(0, own);
            }
            if let Some(first) = entry.synonyms.first() {
                entry.source = first.source;
            }
            entry
        })
        .collect()
}

/// Every config of this broker, as described to a client.
pub(crate) fn broker_entries(dynamic: DynamicConfigs<'_>) -> Vec<ConfigEntry> {
    BROKER_CONFIGS
        .iter()
        .map(|definition| {
            let synonyms = synonyms(definition.name, dynamic);
            ConfigEntry {
                definition,
                value: broker_value(definition.name, dynamic),
                source: synonyms
                    .first()
                    .map_or(ConfigSource::Default, |first| first.source),
                read_only: definition.update == Update::ReadOnly,
                synonyms,
            }
        })
        .collect()
}

/// The dynamic defaults of all brokers: what describing the broker resource without a name shows.
pub(crate) fn broker_default_entries(dynamic: DynamicConfigs<'_>) -> Vec<ConfigEntry> {
    dynamic
        .default_broker
        .iter()
        .filter_map(|(name, value)| {
            let definition = broker_config(name)?;
            let source = ConfigSource::DynamicDefaultBroker;
            Some(ConfigEntry {
                definition,
                value: Some(value.clone()),
                source,
                read_only: definition.update == Update::ReadOnly,
                synonyms: vec![Synonym {
                    name: definition.name,
                    value: value.clone(),
                    source,
                }],
            })
        })
        .collect()
}
