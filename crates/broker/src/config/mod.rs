//! Configuration: every config of topics, brokers, groups and client metrics subscriptions that
//! Kafka documents, as tables; the rules that accept or refuse a value; and the order in which a
//! resource's own value, a dynamic broker value, a static one and the default override each other.
//!
//! It never stores anything: what was set lives in the metadata image, what was fixed at start in
//! the broker's settings. `docs/configs.md` is written from the tables, and a test holds it to them.

mod alter;
mod broker_configs;
mod definition;
mod effective;
mod group_configs;
mod log_config;
mod subscription_configs;
mod topic_configs;

#[cfg(test)]
mod tests;

pub(crate) use alter::{AlterOperation, ConfigError, alter, replace};
pub(crate) use broker_configs::{BrokerScope, broker_config, validate_broker_configs};
pub(crate) use definition::{Use, address_limits};
pub(crate) use effective::{
    ConfigEntry, ConfigSource, DynamicConfigs, StaticConfigs, broker_default_entries,
    broker_entries, broker_value, group_entries, subscription_entries, topic_entries,
};
pub(crate) use group_configs::{group_config, validate_group_configs};
pub(crate) use log_config::log_config;
pub(crate) use subscription_configs::validate_subscription_configs;
pub(crate) use topic_configs::{topic_config, validate_topic_configs};
