//! Metadata, versions 0 to 13: which topics there are and who leads them.
//!
//! Version 0 takes an empty list for all topics, later ones take null for all and an empty list
//! for none. From version 4 on the client says whether an unknown topic may be created; version 10
//! adds topic ids, and 12 asking by them. The address told is the one the client came in on,
//! unless the settings name another. A reply waits until what it shows is on disk.

use headwater_log::Position;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};

use super::authorized_operations;
use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::{CLUSTER_METADATA, Image, Topic};
use crate::quotas::Strictness;
use crate::reply::Reply;
use crate::settings::NODE_ID;

pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    request: MetadataRequest,
) -> Reply<MetadataResponse> {
    let wanted = match &request.topics {
        Some(topics) if version == 0 && topics.is_empty() => None,
        topics => topics.as_deref(),
    };
    let refused = create_missing(context, connection, version, &request);
    let image = context.metadata.image();
    let mut position = Position::ZERO;
    let topics = match wanted {
        None => {
            position = image.position();
            image
                .topics()
                .map(|topic| describe(topic, &request))
                .collect()
        }
        Some(topics) => {
            if !topics.is_empty() {
                position = image.position();
            }
            let by_ids = topics.iter().any(|topic| !topic.topic_id.is_zero());
            topics
                .iter()
                // Where one has an id, names are not looked at: the Java client sends the name "" beside an id.
                .filter(|topic| !by_ids || !topic.topic_id.is_zero())
                .map(|topic| find(&image, version, topic, &request, &refused))
                .collect()
        }
    };
    let (host, port) = context.settings.advertised(connection);
    let mut response = MetadataResponse {
        brokers: vec![MetadataResponseBroker {
            node_id: NODE_ID,
            host,
            port: i32::from(port),
            rack: None,
        }],
        cluster_id: Some(context.partitions.cluster_id().to_owned()),
        controller_id: NODE_ID,
        topics,
        ..MetadataResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = authorized_operations::CLUSTER;
    }
    when_durable(context, position, version, request, response)
}

/// Creates the topics asked for by name that are not there, if request and broker allow it, and
/// returns those that could not be created with the reason. They count for the client's quota.
fn create_missing(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    request: &MetadataRequest,
) -> Vec<(String, ErrorCode)> {
    let allowed = version < 4 || request.allow_auto_topic_creation;
    if !allowed || !context.metadata.is_enabled("auto.create.topics.enable") {
        return Vec::new();
    }
    let image = context.metadata.image();
    let names = request.topics.iter().flatten().filter_map(|topic| {
        let name = topic.name.as_deref()?;
        let is_missing = name != CLUSTER_METADATA && image.topic(name).is_none();
        (topic.topic_id.is_zero() && is_missing).then_some(name)
    });
    let mut mutations = context.quotas.mutations(connection, Strictness::Refuse);
    names
        .filter_map(|name| {
            let metadata = &context.metadata;
            let created = mutations
                .allow(|| metadata.check_auto_create(name))
                .and_then(|()| metadata.auto_create(name));
            Some((name.to_owned(), known_refusal(created.err()?.code)))
        })
        .collect()
}

/// As on Kafka, a client above its quota is not told: the topic is not there yet, and it asks again.
fn known_refusal(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::ThrottlingQuotaExceeded => ErrorCode::UnknownTopicOrPartition,
        code => code,
    }
}

fn find(
    image: &Image,
    version: i16,
    wanted: &MetadataRequestTopic,
    request: &MetadataRequest,
    refused: &[(String, ErrorCode)],
) -> MetadataResponseTopic {
    let topic = match &wanted.name {
        _ if !wanted.topic_id.is_zero() => image.topic_by_id(wanted.topic_id),
        Some(name) => image.topic(name),
        None => None,
    };
    let code = match (&wanted.name, topic) {
        // Before version 12 a topic is asked for by its name only.
        (None, _) if version < 12 => ErrorCode::InvalidRequest,
        _ if version < 12 && !wanted.topic_id.is_zero() => ErrorCode::InvalidRequest,
        (_, Some(topic)) => return describe(topic, request),
        _ if !wanted.topic_id.is_zero() => ErrorCode::UnknownTopicId,
        (Some(name), _) => refused
            .iter()
            .find(|(other, _)| other == name)
            .map_or_else(|| code_of_unknown(name), |(_, code)| *code),
        (None, _) => ErrorCode::InvalidRequest,
    };
    let name = match &wanted.name {
        Some(name) if wanted.topic_id.is_zero() => Some(name.clone()),
        // A null name cannot be said before version 12.
        name if version < 12 => Some(name.clone().unwrap_or_default()),
        _ => None,
    };
    MetadataResponseTopic {
        error_code: code.into(),
        name,
        topic_id: wanted.topic_id,
        ..MetadataResponseTopic::default()
    }
}

fn code_of_unknown(name: &str) -> ErrorCode {
    match crate::metadata::validate_topic_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    }
}

fn describe(topic: &Topic, request: &MetadataRequest) -> MetadataResponseTopic {
    let partitions = topic
        .partitions
        .iter()
        .enumerate()
        .map(|(index, partition)| MetadataResponsePartition {
            partition_index: index as i32,
            leader_id: NODE_ID,
            leader_epoch: partition.leader_epoch,
            replica_nodes: vec![NODE_ID],
            isr_nodes: vec![NODE_ID],
            ..MetadataResponsePartition::default()
        })
        .collect();
    MetadataResponseTopic {
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: topic.internal,
        partitions,
        topic_authorized_operations: if request.include_topic_authorized_operations {
            authorized_operations::TOPIC
        } else {
            authorized_operations::NOT_ASKED
        },
        ..MetadataResponseTopic::default()
    }
}
