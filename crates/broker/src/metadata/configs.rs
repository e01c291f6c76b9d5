//! Configs of topics, of the broker, of groups and of client metrics subscriptions: described, and
//! changed live.

use std::collections::BTreeMap;

use headwater_log::Position;
use headwater_protocol::ErrorCode;

use super::features::ELIGIBLE_LEADER_REPLICAS;
use super::image::{Image, ResourceType};
use super::record::{ConfigRecord, MetadataRecord};
use super::topic_name::validate_topic_name;
use super::{Change, Metadata, Refused};
use crate::config::{
    AlterOperation, BrokerScope, ConfigEntry, ConfigError, DynamicConfigs, StaticConfigs, Use,
    alter, broker_config, broker_default_entries, broker_entries, broker_value, group_config,
    group_entries, replace, subscription_entries, topic_config, topic_entries,
    validate_broker_configs, validate_group_configs, validate_subscription_configs,
    validate_topic_configs,
};
use crate::error::StartError;
use crate::security::SecuritySettings;
use crate::settings::{NODE_ID, Settings};

/// What Kafka's own settings for a single node say, and the bounds that this node sets where Kafka has none.
const SINGLE_NODE: &[(&str, &str)] = &[
    ("broker.id", "1"),
    ("group.coordinator.rebalance.protocols", "classic,consumer"),
    ("max.connections", "10000"),
    ("node.id", "1"),
    ("offsets.topic.replication.factor", "1"),
    ("process.roles", "broker,controller"),
    ("queued.max.request.bytes", "268435456"),
    ("share.coordinator.state.topic.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("socket.listen.backlog.size", "1024"),
    ("socket.receive.buffer.bytes", "-1"),
    ("socket.send.buffer.bytes", "-1"),
    ("transaction.state.log.min.isr", "1"),
    ("transaction.state.log.replication.factor", "1"),
];
/// Fixed, whatever is asked for.
const IDENTITY: &[&str] = &["broker.id", "node.id", "process.roles"];
const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// What to do to a resource's configs.
#[derive(Debug, Clone)]
pub(crate) enum Alteration {
    /// These operations, and everything else stays.
    Operations(Vec<(String, AlterOperation, Option<String>)>),
    /// These values, and everything else goes back to its default.
    Values(Vec<(String, Option<String>)>),
}

/// The broker configs given at start, by their Kafka names.
pub(super) fn fixed_configs(settings: &Settings) -> Result<StaticConfigs, StartError> {
    let broker = &settings.broker;
    let mut values = broker.overrides.clone();
    for name in values.keys() {
        if broker_config(name).is_some_and(|config| config.used == Use::Reported) {
            tracing::info!(
                name,
                "this config is accepted and told, and changes nothing here"
            );
        }
    }
    for (name, value) in SINGLE_NODE {
        if IDENTITY.contains(name) {
            values.remove(*name);
        }
        values
            .entry((*name).into())
            .or_insert_with(|| (*value).into());
    }
    values
        .entry("num.partitions".into())
        .or_insert_with(|| broker.num_partitions.to_string());
    let protocol = settings.security.protocol.name();
    values.insert(
        "listeners".into(),
        format!("{protocol}://{}", broker.listen),
    );
    if let Some((host, port)) = &broker.advertised {
        let listener = format!("{protocol}://{host}:{port}");
        values.insert("advertised.listeners".into(), listener);
    }
    if let Some(directory) = &broker.data_dir {
        values.insert("log.dirs".into(), directory.display().to_string());
    }
    for (name, value) in &values {
        if SecuritySettings::is_own_config(name) {
            continue;
        }
        let refuse = |reason: String| StartError::InvalidConfig {
            name: name.clone(),
            value: value.clone(),
            reason,
        };
        broker_config(name)
            .ok_or_else(|| "there is no such broker config".to_owned())
            .and_then(|config| config.validate(value))
            .map_err(refuse)?;
    }
    Ok(StaticConfigs::new(values))
}

impl Metadata {
    /// The value of a broker config that is a number; one that is null is -1.
    pub(crate) fn number(&self, name: &str) -> i64 {
        self.text(name)
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(-1)
    }

    /// The value of a broker config that is a switch.
    pub(crate) fn is_enabled(&self, name: &str) -> bool {
        self.text(name)
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }

    /// The value of a broker config as it was given; `None` where it is null.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        broker_value(name, self.image().dynamic_configs(&self.fixed))
    }

    /// Whether the data directory takes no new partitions (KIP-1066).
    pub(crate) fn is_cordoned(&self) -> bool {
        self.text("cordoned.log.dirs")
            .is_some_and(|directories| !directories.trim().is_empty())
    }

    /// Every config of a resource, and the position the description depends on. Log levels are not
    /// metadata.
    pub(crate) fn describe_configs(
        &self,
        resource: ResourceType,
        name: &str,
    ) -> Result<(Vec<ConfigEntry>, Position), Refused> {
        let image = self.image();
        let dynamic = image.dynamic_configs(&self.fixed);
        let own = image.configs(resource, name);
        let entries = match resource {
            ResourceType::Topic => {
                validate_topic_name(name).map_err(invalid_topic)?;
                image.topic(name).ok_or_else(|| no_such_topic(name))?;
                topic_entries(own, dynamic)
            }
            ResourceType::Broker => match broker_scope(name)? {
                BrokerScope::Default => broker_default_entries(dynamic),
                BrokerScope::Broker => broker_entries(dynamic),
            },
            ResourceType::BrokerLogger => Vec::new(),
            ResourceType::ClientMetrics if name.is_empty() => {
                return Err(invalid_request(
                    "Client metrics subscription name must not be empty",
                ));
            }
            ResourceType::ClientMetrics => subscription_entries(own),
            ResourceType::Group if name.is_empty() => {
                return Err(invalid_request("Group name must not be empty"));
            }
            ResourceType::Group => group_entries(own, dynamic),
        };
        Ok((entries, image.position()))
    }

    /// Changes a resource's configs, all or none, and has the open partitions obey the result.
    pub(crate) fn alter_configs(
        &self,
        resource: ResourceType,
        name: &str,
        alteration: &Alteration,
        change: Change,
    ) -> Result<Position, Refused> {
        let mut writer = self.writer();
        let image = self.image();
        let own = image.configs(resource, name);
        let changed = match alteration {
            Alteration::Operations(operations) => alter(own, operations, |name| match resource {
                ResourceType::Topic => topic_config(name),
                ResourceType::Broker => broker_config(name),
                ResourceType::Group => group_config(name),
                ResourceType::ClientMetrics | ResourceType::BrokerLogger => None,
            }),
            Alteration::Values(values) => replace(own, values),
        }
        .map_err(refused)?;
        let next = with_changes(own, &changed);
        check(
            &image,
            image.dynamic_configs(&self.fixed),
            resource,
            name,
            &next,
        )?;
        if resource == ResourceType::Broker {
            check_min_insync_replicas(&image, name, &changed)?;
        }
        if change == Change::Validate {
            return Ok(Position::ZERO);
        }
        let records: Vec<MetadataRecord> = changed
            .into_iter()
            .map(|(config, value)| {
                MetadataRecord::Config(ConfigRecord {
                    resource_type: resource as i8,
                    resource_name: name.to_owned(),
                    name: config,
                    value,
                })
            })
            .collect();
        let position = self.commit(&mut writer, &image, &records)?;
        match resource {
            ResourceType::Topic => self.open_topic(name),
            ResourceType::Broker => self.open_partitions(),
            ResourceType::BrokerLogger | ResourceType::ClientMetrics | ResourceType::Group => {}
        }
        Ok(position)
    }
}

fn with_changes(
    own: &BTreeMap<String, String>,
    changed: &BTreeMap<String, Option<String>>,
) -> BTreeMap<String, String> {
    let mut next = own.clone();
    for (name, value) in changed {
        match value {
            Some(value) => next.insert(name.clone(), value.clone()),
            None => next.remove(name),
        };
    }
    next
}

/// Checks a resource's name and its values as they would be.
fn check(
    image: &Image,
    dynamic: DynamicConfigs<'_>,
    resource: ResourceType,
    name: &str,
    next: &BTreeMap<String, String>,
) -> Result<(), Refused> {
    let invalid_config = |reason| Refused::new(ErrorCode::InvalidConfig, reason);
    match resource {
        ResourceType::Topic if name.is_empty() => {
            Err(invalid_request("Default topic resources are not allowed."))
        }
        ResourceType::Topic => {
            validate_topic_name(name).map_err(invalid_topic)?;
            validate_topic_configs(next).map_err(invalid_config)?;
            match image.topic(name) {
                Some(_) => Ok(()),
                None => Err(no_such_topic(name)),
            }
        }
        ResourceType::Broker => {
            let scope = broker_scope(name)?;
            // INVALID_REQUEST where INVALID_CONFIG would fit better, as in Kafka (KAFKA-13609).
            validate_broker_configs(next, scope, dynamic).map_err(invalid_request)
        }
        ResourceType::Group if name.is_empty() => {
            Err(invalid_request("Default group resources are not allowed."))
        }
        ResourceType::Group => validate_group_configs(next, dynamic).map_err(invalid_config),
        ResourceType::ClientMetrics if name.is_empty() => {
            Err(invalid_request("Subscription name can't be empty"))
        }
        ResourceType::ClientMetrics => validate_subscription_configs(next).map_err(refused),
        ResourceType::BrokerLogger => Err(invalid_request("Unknown resource type 8")),
    }
}

/// Kafka keeps this one for the whole cluster while it keeps eligible leader replicas (KIP-966).
fn check_min_insync_replicas(
    image: &Image,
    name: &str,
    changed: &BTreeMap<String, Option<String>>,
) -> Result<(), Refused> {
    let reason = match (changed.get(MIN_INSYNC_REPLICAS), name.is_empty()) {
        _ if image.feature(ELIGIBLE_LEADER_REPLICAS) == 0 => return Ok(()),
        (None, _) | (Some(Some(_)), true) => return Ok(()),
        (Some(None), true) => "The cluster's min.insync.replicas cannot be removed",
        (Some(_), false) => "A broker's own min.insync.replicas cannot be altered",
    };
    Err(Refused::new(
        ErrorCode::InvalidConfig,
        format!("{reason} while {ELIGIBLE_LEADER_REPLICAS} is above 0."),
    ))
}

/// Which broker a resource's name stands for: this one, or all of them.
pub(super) fn broker_scope(name: &str) -> Result<BrokerScope, Refused> {
    match name.parse::<i32>() {
        _ if name.is_empty() => Ok(BrokerScope::Default),
        Ok(NODE_ID) => Ok(BrokerScope::Broker),
        Ok(_) => Err(invalid_request(format!(
            "Unexpected broker id, expected {NODE_ID} or empty string, but received {name}"
        ))),
        Err(_) => Err(invalid_request(format!(
            "Broker id must be an integer, but it is: {name}"
        ))),
    }
}

fn invalid_request(reason: impl Into<String>) -> Refused {
    Refused::new(ErrorCode::InvalidRequest, reason)
}

fn invalid_topic(reason: String) -> Refused {
    Refused::new(ErrorCode::InvalidTopicException, reason)
}

fn no_such_topic(name: &str) -> Refused {
    Refused::new(
        ErrorCode::UnknownTopicOrPartition,
        format!("The topic '{name}' does not exist."),
    )
}

fn refused(error: ConfigError) -> Refused {
    match error {
        ConfigError::InvalidConfig(reason) => Refused::new(ErrorCode::InvalidConfig, reason),
        ConfigError::InvalidRequest(reason) => invalid_request(reason),
    }
}
