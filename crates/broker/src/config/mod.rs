//! Configuration: every topic config of Kafka and the broker configs that mean something on one
//! node, as two tables; the rules that accept or refuse a value; and the order in which a topic's
//! value, a dynamic broker value, a static one and the default override each other.
//!
//! It never stores anything: topic values and dynamic broker values live in the metadata image,
//! static ones in the broker's settings.

mod alter;
mod broker_configs;
mod definition;
mod effective;
mod log_config;
mod topic_configs;

#[cfg(test)]
mod tests;

pub(crate) use alter::{AlterOperation, ConfigError, alter};
pub(crate) use broker_configs::broker_config;
pub(crate) use definition::Update;
pub(crate) use effective::{
    ConfigEntry, DynamicConfigs, StaticConfigs, broker_default_entries, broker_entries,
    broker_value, topic_entries,
};
pub(crate) use log_config::log_config;
pub(crate) use topic_configs::{topic_config, validate_topic_configs};
