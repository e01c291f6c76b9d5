//! What `IncrementalAlterConfigs` does to the values of one resource, before anything is written.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use thiserror::Error;

use super::definition::{ConfigDefinition, ConfigType, list_items};

/// What to do with one config, numbered as in `IncrementalAlterConfigsRequest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AlterOperation {
    Set,
    Delete,
    Append,
    Subtract,
}

impl AlterOperation {
    /// The operation of that number.
    pub(crate) fn from_wire(number: i8) -> Option<AlterOperation> {
        match number {
            0 => Some(Self::Set),
            1 => Some(Self::Delete),
            2 => Some(Self::Append),
            3 => Some(Self::Subtract),
            _ => None,
        }
    }

    /// Kafka's word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Set => "SET",
            Self::Delete => "DELETE",
            Self::Append => "APPEND",
            Self::Subtract => "SUBTRACT",
        }
    }
}

/// Why a change was refused; each is a sentence fit for a client.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ConfigError {
    /// The value or its name: `INVALID_CONFIG`.
    #[error("{0}")]
    InvalidConfig(String),
    /// The shape of the request: `INVALID_REQUEST`.
    #[error("{0}")]
    InvalidRequest(String),
}

/// Applies the operations to a resource's own values, and returns those that changed: a new
/// value, or `None` where the config goes back to its default. Values are not checked here.
pub(crate) fn alter(
    own: &BTreeMap<String, String>,
    operations: &[(String, AlterOperation, Option<String>)],
    definition: impl Fn(&str) -> Option<&'static ConfigDefinition>,
) -> Result<BTreeMap<String, Option<String>>, ConfigError> {
    let mut seen = BTreeSet::new();
    if !operations.iter().all(|(name, ..)| seen.insert(name)) {
        return Err(duplicate_keys());
    }
    let mut changed = BTreeMap::new();
    for (name, operation, value) in operations {
        let current = own.get(name).map(String::as_str);
        let next = match (operation, value) {
            (AlterOperation::Delete, _) => None,
            (_, None) => {
                return Err(null_value(name));
            }
            (AlterOperation::Set, Some(value)) => Some(value.clone()),
            (AlterOperation::Append, Some(value)) => {
                let list = current_list(name, *operation, current, &definition)?;
                Some(appended(list, value))
            }
            (AlterOperation::Subtract, Some(value)) => {
                let list = current_list(name, *operation, current, &definition)?;
                Some(subtracted(list, value))
            }
        };
        if next.as_deref() != current {
            changed.insert(name.clone(), next);
        }
    }
    Ok(changed)
}

/// What changes where exactly these values are to be a resource's own: the rest goes back to its
/// default. Values are not checked here.
pub(crate) fn replace(
    own: &BTreeMap<String, String>,
    given: &[(String, Option<String>)],
) -> Result<BTreeMap<String, Option<String>>, ConfigError> {
    let mut next = BTreeMap::new();
    for (name, value) in given {
        let value = value.as_ref().ok_or_else(|| null_value(name))?;
        if next.insert(name, value).is_some() {
            return Err(duplicate_keys());
        }
    }
    let gone = own.keys().filter(|name| !next.contains_key(name));
    let mut changed: BTreeMap<String, Option<String>> =
        gone.map(|name| (name.clone(), None)).collect();
    for (name, value) in next {
        if own.get(name) != Some(value) {
            changed.insert(name.clone(), Some(value.clone()));
        }
    }
    Ok(changed)
}

fn duplicate_keys() -> ConfigError {
    ConfigError::InvalidRequest("Error due to duplicate config keys".into())
}

fn null_value(name: &str) -> ConfigError {
    ConfigError::InvalidRequest(format!("Null value not supported for : {name}"))
}

fn current_list<'a>(
    name: &str,
    operation: AlterOperation,
    current: Option<&'a str>,
    definition: &impl Fn(&str) -> Option<&'static ConfigDefinition>,
) -> Result<&'a str, ConfigError> {
    match definition(name) {
        Some(definition) if definition.kind == ConfigType::List => {
            Ok(current.unwrap_or_else(|| definition.default.unwrap_or_default()))
        }
        _ => Err(ConfigError::InvalidConfig(format!(
            "Can't {} to key {name} because its type is not LIST.",
            operation.name()
        ))),
    }
}

fn appended(list: &str, value: &str) -> String {
    let mut items: Vec<&str> = list_items(list).collect();
    let mut known: HashSet<&str> = items.iter().copied().collect();
    items.extend(list_items(value).filter(|item| known.insert(item)));
    items.join(",")
}

fn subtracted(list: &str, value: &str) -> String {
    let gone: HashSet<&str> = list_items(value).collect();
    let kept: Vec<&str> = list_items(list)
        .filter(|item| !gone.contains(item))
        .collect();
    kept.join(",")
}
