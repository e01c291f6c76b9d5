//! The tables of broker configs: every one that Apache Kafka 4.3 documents, by theme.
//!
//! Each row says how a value may change and whether this node obeys it; what it only accepts and
//! reports stays visible to tools with Kafka's default.

mod agreement;
mod cluster;
mod groups;
mod log;
mod network;
mod security;
mod transactions;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::definition::{ConfigDefinition, ConfigType, Constraint, Update, Use};
use super::effective::DynamicConfigs;

const FOREVER: &str = "9223372036854775807";

static BY_NAME: LazyLock<BTreeMap<&str, &ConfigDefinition>> = LazyLock::new(|| {
    [
        log::LOG_CONFIGS,
        network::NETWORK_CONFIGS,
        groups::GROUP_CONFIGS,
        transactions::TRANSACTION_CONFIGS,
        cluster::CLUSTER_CONFIGS,
        security::SECURITY_CONFIGS,
    ]
    .into_iter()
    .flatten()
    .map(|config| (config.name, config))
    .collect()
});

/// The broker config of that name.
pub(crate) fn broker_config(name: &str) -> Option<&'static ConfigDefinition> {
    BY_NAME.get(name).copied()
}

/// The broker config that a name stands for: its own, or that behind a listener's prefix.
pub(crate) fn broker_config_of_listener(name: &str) -> Option<&'static ConfigDefinition> {
    broker_config(name).or_else(|| broker_config(without_listener(name)?))
}

/// What stands behind `listener.name.<listener>.`, if the name begins so.
fn without_listener(name: &str) -> Option<&str> {
    let (_, suffix) = name.strip_prefix("listener.name.")?.split_once('.')?;
    Some(suffix)
}

/// Every broker config, by name.
pub(crate) fn broker_configs() -> impl Iterator<Item = &'static ConfigDefinition> {
    BY_NAME.values().copied()
}

/// Configs that Kafka changes at run time for one listener only.
const PER_LISTENER: &[&str] = &[
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// Rates of replication, which have no static form: they are only ever set at run time.
const RATES: &[ConfigDefinition] = &[
    rate("follower.replication.throttled.rate"),
    rate("leader.replication.throttled.rate"),
    rate("replica.alter.log.dirs.io.max.bytes.per.second"),
];

const fn rate(name: &'static str) -> ConfigDefinition {
    let least = Constraint::AtLeast(0);
    reported(Update::ClusterWide, name, ConfigType::Long, None, least, "")
}

/// Whom a change at run time is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrokerScope {
    /// This broker, by its id.
    Broker,
    /// All brokers, by the empty name.
    Default,
}

/// Checks the values of a broker resource as they would be after a change, in Kafka's order; the
/// error is fit for a client. A name that is not known is kept, as in Kafka: a plug-in may want it.
pub(crate) fn validate_broker_configs(
    configs: &BTreeMap<String, String>,
    scope: BrokerScope,
    current: DynamicConfigs<'_>,
) -> Result<(), String> {
    let named = |is_bad: &dyn Fn(&str) -> bool, reason: &str| {
        let bad: Vec<&str> = configs
            .keys()
            .map(String::as_str)
            .filter(|name| is_bad(name))
            .collect();
        match bad.as_slice() {
            [] => Ok(()),
            bad => Err(format!("{reason}: [{}]", bad.join(", "))),
        }
    };
    let update = |name: &str| broker_config(name).map(|config| config.update);
    named(
        &|name| update(name) == Some(Update::ReadOnly),
        "Cannot update these configs dynamically",
    )?;
    named(
        &|name| PER_LISTENER.contains(&name),
        "These security configs can be dynamically updated only per-listener using the listener prefix",
    )?;
    for (name, value) in configs {
        let config =
            broker_config_of_listener(name).or_else(|| RATES.iter().find(|rate| rate.name == name));
        if let Some(config) = config {
            config.validate(value)?;
        }
    }
    if scope == BrokerScope::Default {
        named(
            &|name| {
                broker_config_of_listener(name)
                    .is_some_and(|config| config.update == Update::PerBroker)
            },
            "Cannot update these configs at default cluster level, broker id must be specified",
        )?;
    }
    agreement::check(configs, current)
}

/// A row of a config that this node obeys.
const fn honoured(
    update: Update,
    name: &'static str,
    kind: ConfigType,
    default: Option<&'static str>,
    constraint: Constraint,
    documentation: &'static str,
) -> ConfigDefinition {
    ConfigDefinition {
        name,
        kind,
        default,
        constraint,
        update,
        used: Use::Honoured,
        broker_synonym: None,
        documentation,
    }
}

/// A row of a config that means nothing on one node, or nothing yet.
const fn reported(
    update: Update,
    name: &'static str,
    kind: ConfigType,
    default: Option<&'static str>,
    constraint: Constraint,
    documentation: &'static str,
) -> ConfigDefinition {
    ConfigDefinition {
        used: Use::Reported,
        ..honoured(update, name, kind, default, constraint, documentation)
    }
}
