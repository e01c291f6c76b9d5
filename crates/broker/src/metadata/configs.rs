//! Configs of topics and of the broker: described, and changed live.

use std::collections::BTreeMap;

use headwater_log::Position;
use headwater_protocol::ErrorCode;

use super::image::{Image, ResourceType};
use super::record::{ConfigRecord, MetadataRecord};
use super::{Change, Metadata, Refused};
use crate::config::{
    AlterOperation, ConfigEntry, ConfigError, StaticConfigs, Update, alter, broker_config,
    broker_default_entries, broker_entries, broker_value, topic_config, topic_entries,
    validate_topic_configs,
};
use crate::error::StartError;
use crate::settings::{NODE_ID, Settings};

/// The broker configs given at start, by their Kafka names.
pub(super) fn fixed_configs(settings: &Settings) -> Result<StaticConfigs, StartError> {
    let broker = &settings.broker;
    let mut values = broker.overrides.clone();
    values
        .entry("num.partitions".into())
        .or_insert_with(|| broker.num_partitions.to_string());
    values.insert("listeners".into(), format!("PLAINTEXT://{}", broker.listen));
    values.insert("node.id".into(), NODE_ID.to_string());
    values.insert("broker.id".into(), NODE_ID.to_string());
    if let Some((host, port)) = &broker.advertised {
        let listener = format!("PLAINTEXT://{host}:{port}");
        values.insert("advertised.listeners".into(), listener);
    }
    if let Some(directory) = &broker.data_dir {
        values.insert("log.dirs".into(), directory.display().to_string());
    }
    for (name, value) in &values {
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
        let image = self.image();
        broker_value(name, image.dynamic_configs(&self.fixed))
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(-1)
    }

    /// The value of a broker config that is a switch.
    pub(crate) fn is_enabled(&self, name: &str) -> bool {
        let image = self.image();
        broker_value(name, image.dynamic_configs(&self.fixed))
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }

    /// Every config of a resource, and the position the description depends on.
    pub(crate) fn describe_configs(
        &self,
        resource_type: i8,
        name: &str,
    ) -> Result<(Vec<ConfigEntry>, Position), Refused> {
        let image = self.image();
        let dynamic = image.dynamic_configs(&self.fixed);
        let entries = match check_resource(&image, resource_type, name)? {
            ResourceType::Topic => topic_entries(image.configs(ResourceType::Topic, name), dynamic),
            ResourceType::Broker if name.is_empty() => broker_default_entries(dynamic),
            ResourceType::Broker => broker_entries(dynamic),
        };
        Ok((entries, image.position()))
    }

    /// Applies the operations to a resource, all or none, and the result to the open partitions.
    pub(crate) fn alter_configs(
        &self,
        resource_type: i8,
        name: &str,
        operations: &[(String, AlterOperation, Option<String>)],
        change: Change,
    ) -> Result<Position, Refused> {
        let mut writer = self.writer();
        let image = self.image();
        let resource = check_resource(&image, resource_type, name)?;
        let own = image.configs(resource, name);
        let changed = match resource {
            ResourceType::Topic => alter(own, operations, topic_config),
            ResourceType::Broker => alter(own, operations, broker_config),
        }
        .map_err(refused)?;
        match resource {
            ResourceType::Topic => check_topic(own, &changed)?,
            ResourceType::Broker => check_broker(&changed)?,
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
        }
        Ok(position)
    }
}

fn check_resource(image: &Image, resource_type: i8, name: &str) -> Result<ResourceType, Refused> {
    let invalid = |reason: String| Refused::new(ErrorCode::InvalidRequest, reason);
    match ResourceType::from_wire(resource_type) {
        Some(ResourceType::Topic) if image.topic(name).is_none() => Err(Refused::new(
            ErrorCode::UnknownTopicOrPartition,
            format!("The topic '{name}' does not exist."),
        )),
        Some(ResourceType::Broker) if !name.is_empty() && name != NODE_ID.to_string() => {
            Err(invalid(format!(
                "Unexpected broker id, expected {NODE_ID} or empty string, but received {name}"
            )))
        }
        Some(resource) => Ok(resource),
        None => Err(invalid(format!(
            "Resource type {resource_type} has no configs here: topics (2) and brokers (4) have."
        ))),
    }
}

fn check_topic(
    own: &BTreeMap<String, String>,
    changed: &BTreeMap<String, Option<String>>,
) -> Result<(), Refused> {
    let mut next = own.clone();
    for (name, value) in changed {
        match value {
            Some(value) => next.insert(name.clone(), value.clone()),
            None => next.remove(name),
        };
    }
    validate_topic_configs(&next).map_err(|reason| Refused::new(ErrorCode::InvalidConfig, reason))
}

fn check_broker(changed: &BTreeMap<String, Option<String>>) -> Result<(), Refused> {
    let invalid = |reason: String| Refused::new(ErrorCode::InvalidRequest, reason);
    for (name, value) in changed {
        let config = broker_config(name)
            .ok_or_else(|| invalid(format!("Unknown broker config name: {name}")))?;
        if config.update == Update::ReadOnly {
            return Err(invalid(format!(
                "Cannot update these configs dynamically: [{name}]"
            )));
        }
        if let Some(value) = value {
            config.validate(value).map_err(invalid)?;
        }
    }
    Ok(())
}

fn refused(error: ConfigError) -> Refused {
    match error {
        ConfigError::InvalidConfig(reason) => Refused::new(ErrorCode::InvalidConfig, reason),
        ConfigError::InvalidRequest(reason) => Refused::new(ErrorCode::InvalidRequest, reason),
    }
}
