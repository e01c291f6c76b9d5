//! The table of client metrics subscriptions (KIP-714). They are kept and told; no client pushes
//! metrics here, since telemetry is not served.

use std::collections::BTreeMap;

use regex::Regex;

use super::alter::ConfigError;
use super::definition::{ConfigDefinition, ConfigType, Constraint, Update, Use, list_items};

/// What a `match` may look at.
const MATCHED: &[&str] = &[
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// Checks all of a subscription's configs together.
pub(crate) fn validate_subscription_configs(
    own: &BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    for (name, value) in own {
        let definition = SUBSCRIPTION_CONFIGS
            .iter()
            .find(|config| config.name == name)
            .ok_or_else(|| {
                ConfigError::InvalidRequest(format!("Unknown client metrics configuration: {name}"))
            })?;
        definition
            .validate(value)
            .map_err(ConfigError::InvalidConfig)?;
    }
    let interval = own
        .get("interval.ms")
        .and_then(|value| value.trim().parse::<i64>().ok());
    if let Some(interval) = interval.filter(|interval| !(100..=3_600_000).contains(interval)) {
        return Err(ConfigError::InvalidRequest(format!(
            "Invalid value {interval} for interval.ms, interval must be between 100 and 3600000 (1 hour)"
        )));
    }
    let is_pattern = |item: &str| {
        item.split_once('=').is_some_and(|(name, pattern)| {
            MATCHED.contains(&name.trim()) && Regex::new(pattern.trim()).is_ok()
        })
    };
    let patterns = own.get("match").map_or("", String::as_str);
    match list_items(patterns).find(|item| !is_pattern(item)) {
        Some(item) => Err(ConfigError::InvalidConfig(format!(
            "Illegal client matching pattern: {item}"
        ))),
        None => Ok(()),
    }
}

const fn row(
    name: &'static str,
    kind: ConfigType,
    default: &'static str,
    documentation: &'static str,
) -> ConfigDefinition {
    ConfigDefinition {
        name,
        kind,
        default: Some(default),
        constraint: Constraint::Any,
        update: Update::Resource,
        used: Use::Reported,
        broker_synonym: None,
        documentation,
    }
}

/// Every config of a subscription, by name.
#[rustfmt::skip]
pub(crate) const SUBSCRIPTION_CONFIGS: &[ConfigDefinition] = &[
    row("interval.ms", ConfigType::Int, "300000", "How often a client of this subscription pushes its metrics."),
    row("match", ConfigType::List, "", "Which clients the subscription is for, as name=pattern; empty for all."),
    row("metrics", ConfigType::List, "", "The prefixes of the metrics wanted; * for all, empty for none."),
];
