//! `CreateTopics`, versions 2 to 7.
//!
//! Every topic is decided on its own; the reply waits until all that were made are on disk.
//! Version 5 adds partitions, replication factor and configs to the answer, 7 the topic id. From
//! version 6 on a client above its quota is refused, before that it waits (KIP-599).
//! `timeout_ms` has no use here: nothing waits for other nodes.

use std::collections::{BTreeMap, HashMap};

use headwater_log::Position;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest,
    CreateTopicsResponse,
};

use super::durable::when_durable;
use crate::config::ConfigEntry;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::{Change, CreatedTopic, NewTopic, Refused};
use crate::quotas::Strictness;
use crate::reply::Reply;

/// From here on clients know `THROTTLING_QUOTA_EXCEEDED`.
const REFUSED_BY_QUOTA: i16 = 6;

pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    request: CreateTopicsRequest,
) -> Reply<CreateTopicsResponse> {
    let change = if request.validate_only {
        Change::Validate
    } else {
        Change::Apply
    };
    let mut times_named = HashMap::new();
    for topic in &request.topics {
        *times_named.entry(topic.name.as_str()).or_insert(0) += 1;
    }
    let within_limit = context
        .metadata
        .check_partitions_per_request(request.topics.iter().map(wanted_partitions));
    let mut mutations = context
        .quotas
        .mutations(connection, Strictness::since(REFUSED_BY_QUOTA, version));
    let mut position = Position::ZERO;
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request
        .topics
        .iter()
        .filter(|topic| times_named[topic.name.as_str()] == 1)
    {
        let created = within_limit
            .clone()
            .and_then(|()| new_topic(topic))
            .and_then(|topic| {
                let metadata = &context.metadata;
                mutations.allow(|| {
                    let checked = metadata.create_topic(&topic, Change::Validate)?;
                    Ok(checked.partitions.max(0) as usize)
                })?;
                metadata.create_topic(&topic, change)
            });
        if let Ok(created) = &created {
            position = position.max(created.position);
        }
        topics.push(result(topic.name.clone(), created));
    }
    // However often it was named, a topic is answered once.
    times_named.retain(|_, times| *times > 1);
    topics.extend(times_named.into_keys().map(|name| {
        let reason = "Duplicate topic name in the request.";
        let duplicate = Refused::new(ErrorCode::InvalidRequest, reason);
        result(name.to_owned(), Err(duplicate))
    }));
    let response = CreateTopicsResponse {
        throttle_time_ms: mutations.throttle_time_ms(),
        topics,
    };
    when_durable(context, position, version, request, response)
}

/// -1 leaves it to the broker.
fn wanted_partitions(topic: &CreatableTopic) -> i32 {
    match topic.assignments.len() {
        0 => topic.num_partitions,
        assigned => assigned as i32,
    }
}

fn new_topic(topic: &CreatableTopic) -> Result<NewTopic, Refused> {
    let mut configs = BTreeMap::new();
    for config in &topic.configs {
        let value = config.value.clone().ok_or_else(|| {
            let reason = format!(
                "Null value not supported for topic configs: {}",
                config.name
            );
            Refused::new(ErrorCode::InvalidConfig, reason)
        })?;
        configs.insert(config.name.clone(), value);
    }
    Ok(NewTopic {
        name: topic.name.clone(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: topic
            .assignments
            .iter()
            .map(|assignment| (assignment.partition_index, assignment.broker_ids.clone()))
            .collect(),
        configs,
    })
}

fn result(name: String, created: Result<CreatedTopic, Refused>) -> CreatableTopicResult {
    match created {
        Ok(created) => CreatableTopicResult {
            name,
            topic_id: created.id,
            num_partitions: created.partitions,
            replication_factor: 1,
            configs: Some(created.configs.into_iter().map(config).collect()),
            ..CreatableTopicResult::default()
        },
        Err(refused) => CreatableTopicResult {
            name,
            error_code: refused.code.into(),
            error_message: Some(refused.message),
            ..CreatableTopicResult::default()
        },
    }
}

fn config(entry: ConfigEntry) -> CreatableTopicConfigs {
    CreatableTopicConfigs {
        name: entry.name.into_owned(),
        value: entry.value,
        read_only: entry.read_only,
        config_source: entry.source as i8,
        is_sensitive: entry.is_sensitive,
    }
}
