//! Decisions about topics: which records a request to create, grow or delete one leads to, or why
//! it is refused. Pure: nothing is written here.

use std::collections::{BTreeMap, BTreeSet};

use headwater_protocol::{ErrorCode, Uuid};

use super::Refused;
use super::image::{
    CLUSTER_METADATA, CONSUMER_OFFSETS, Image, ResourceType, TRANSACTION_STATE, Topic,
};
use super::record::{
    ConfigRecord, MetadataRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
};
use super::topic_name::{topic_names_collide, validate_topic_name};
use crate::config::validate_topic_configs;
use crate::settings::NODE_ID;

/// As many partitions as one request may ask for in all, as in Kafka.
const MAX_PARTITIONS_PER_REQUEST: i64 = 10_000;
/// The epoch of every leader: on one node there is no second election.
const LEADER_EPOCH: i32 = 0;

/// A topic to be created.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewTopic {
    pub(crate) name: String,
    /// -1: `num.partitions`, or as many as there are assignments.
    pub(crate) partitions: i32,
    /// -1: `default.replication.factor`.
    pub(crate) replication_factor: i16,
    /// Partition and its replicas; empty leaves it to the node.
    pub(crate) assignments: Vec<(i32, Vec<i32>)>,
    pub(crate) configs: BTreeMap<String, String>,
}

/// The broker's defaults for a topic that leaves them open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TopicDefaults {
    pub(crate) partitions: i32,
    pub(crate) replication_factor: i16,
}

/// Whether that many partitions in all may be asked for at once.
pub(super) fn check_partitions_per_request(
    partitions: impl Iterator<Item = i64>,
) -> Result<(), Refused> {
    if partitions.sum::<i64>() <= MAX_PARTITIONS_PER_REQUEST {
        return Ok(());
    }
    Err(Refused::new(
        ErrorCode::PolicyViolation,
        format!(
            "Excessively large number of partitions per request: the limit is {MAX_PARTITIONS_PER_REQUEST}."
        ),
    ))
}

/// The records that create the topic, in the order of KRaft: topic, partitions, configs.
pub(super) fn create(
    image: &Image,
    topic: &NewTopic,
    id: Uuid,
    defaults: TopicDefaults,
) -> Result<Vec<MetadataRecord>, Refused> {
    check_name(image, &topic.name)?;
    let partitions = partition_count(topic, defaults)?;
    validate_topic_configs(&topic.configs)
        .map_err(|reason| Refused::new(ErrorCode::InvalidConfig, reason))?;
    let mut records = vec![MetadataRecord::Topic(TopicRecord {
        name: topic.name.clone(),
        topic_id: id,
    })];
    records.extend((0..partitions).map(|partition| partition_record(id, partition)));
    records.extend(topic.configs.iter().map(|(name, value)| {
        MetadataRecord::Config(ConfigRecord {
            resource_type: ResourceType::Topic as i8,
            resource_name: topic.name.clone(),
            name: name.clone(),
            value: Some(value.clone()),
        })
    }));
    Ok(records)
}

/// The records that bring the topic to `count` partitions.
pub(super) fn grow(
    image: &Image,
    name: &str,
    count: i32,
    assignments: Option<&[Vec<i32>]>,
) -> Result<Vec<MetadataRecord>, Refused> {
    let topic = image.topic(name).ok_or_else(Refused::unknown_topic)?;
    if topic.internal {
        return Err(Refused::new(
            ErrorCode::InvalidTopicException,
            format!(
                "The partitions of {name} cannot change: what it holds is found by their number."
            ),
        ));
    }
    let current = topic.partitions.len() as i32;
    if count == current {
        return Err(Refused::new(
            ErrorCode::InvalidPartitions,
            format!("Topic already has {current} partition(s)."),
        ));
    }
    if count < current {
        return Err(Refused::new(
            ErrorCode::InvalidPartitions,
            format!(
                "The topic {name} currently has {current} partition(s); {count} would not be an increase."
            ),
        ));
    }
    let added = count.saturating_sub(current);
    check_partitions_per_request([i64::from(added)].into_iter())?;
    if let Some(assignments) = assignments {
        if assignments.len() as i32 != added {
            return Err(Refused::new(
                ErrorCode::InvalidReplicaAssignment,
                format!(
                    "Attempted to add {added} additional partition(s), but only {} assignment(s) were specified.",
                    assignments.len()
                ),
            ));
        }
        assignments
            .iter()
            .try_for_each(|replicas| check_replicas(replicas))?;
    }
    Ok((current..count)
        .map(|partition| partition_record(topic.id, partition))
        .collect())
}

/// The record that removes the topic.
pub(super) fn remove(topic: &Topic) -> Result<Vec<MetadataRecord>, Refused> {
    if topic.internal {
        return Err(Refused::new(
            ErrorCode::InvalidTopicException,
            format!("The internal topic {} cannot be deleted.", topic.name),
        ));
    }
    Ok(vec![MetadataRecord::RemoveTopic(RemoveTopicRecord {
        topic_id: topic.id,
    })])
}

/// The topic of committed offsets, as Kafka sets it up.
pub(super) fn consumer_offsets(partitions: i32, segment_bytes: String) -> NewTopic {
    NewTopic {
        name: CONSUMER_OFFSETS.to_owned(),
        partitions,
        replication_factor: -1,
        assignments: Vec::new(),
        configs: BTreeMap::from([
            ("cleanup.policy".to_owned(), "compact".to_owned()),
            ("compression.type".to_owned(), "producer".to_owned()),
            ("segment.bytes".to_owned(), segment_bytes),
        ]),
    }
}

/// The topic of transactions, as Kafka sets it up.
pub(super) fn transaction_state(partitions: i32, segment_bytes: String) -> NewTopic {
    NewTopic {
        name: TRANSACTION_STATE.to_owned(),
        partitions,
        replication_factor: -1,
        assignments: Vec::new(),
        configs: BTreeMap::from([
            ("cleanup.policy".to_owned(), "compact".to_owned()),
            ("compression.type".to_owned(), "uncompressed".to_owned()),
            ("segment.bytes".to_owned(), segment_bytes),
        ]),
    }
}

fn check_name(image: &Image, name: &str) -> Result<(), Refused> {
    let invalid = |reason| Refused::new(ErrorCode::InvalidTopicException, reason);
    validate_topic_name(name).map_err(invalid)?;
    if name == CLUSTER_METADATA {
        return Err(Refused::new(
            ErrorCode::InvalidRequest,
            format!("Creation of internal topic {name} is prohibited."),
        ));
    }
    if image.topic(name).is_some() {
        return Err(Refused::new(
            ErrorCode::TopicAlreadyExists,
            format!("Topic '{name}' already exists."),
        ));
    }
    match image
        .topics()
        .find(|topic| topic_names_collide(&topic.name, name))
    {
        Some(other) => Err(invalid(format!(
            "Topic '{name}' collides with existing topic: {}",
            other.name
        ))),
        None => Ok(()),
    }
}

fn partition_count(topic: &NewTopic, defaults: TopicDefaults) -> Result<i32, Refused> {
    if !topic.assignments.is_empty() {
        return assigned_count(topic);
    }
    match topic.replication_factor {
        -1 => check_replication_factor(defaults.replication_factor)?,
        given => check_replication_factor(given)?,
    }
    match topic.partitions {
        -1 => Ok(defaults.partitions),
        ..=0 => Err(Refused::new(
            ErrorCode::InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.",
        )),
        partitions => Ok(partitions),
    }
}

fn assigned_count(topic: &NewTopic) -> Result<i32, Refused> {
    if topic.partitions != -1 || topic.replication_factor != -1 {
        return Err(Refused::new(
            ErrorCode::InvalidRequest,
            "With a manual assignment, the number of partitions and the replication factor must be -1.",
        ));
    }
    let count = topic.assignments.len() as i32;
    let partitions: BTreeSet<i32> = topic.assignments.iter().map(|(index, _)| *index).collect();
    if !partitions.into_iter().eq(0..count) {
        return Err(Refused::new(
            ErrorCode::InvalidReplicaAssignment,
            "partitions should be a consecutive 0-based integer sequence",
        ));
    }
    topic
        .assignments
        .iter()
        .try_for_each(|(_, replicas)| check_replicas(replicas))?;
    Ok(count)
}

fn check_replicas(replicas: &[i32]) -> Result<(), Refused> {
    let reason = match replicas {
        [NODE_ID] => return Ok(()),
        [] => "The manual partition assignment includes an empty replica list.".to_owned(),
        _ => match replicas.iter().find(|broker| **broker != NODE_ID) {
            Some(broker) => format!(
                "The manual partition assignment includes broker {broker}, but no such broker is registered."
            ),
            None => format!(
                "The manual partition assignment includes the broker {NODE_ID} more than once."
            ),
        },
    };
    Err(Refused::new(ErrorCode::InvalidReplicaAssignment, reason))
}

fn check_replication_factor(factor: i16) -> Result<(), Refused> {
    let reason = match factor {
        1 => return Ok(()),
        ..=0 => {
            "Replication factor must be larger than 0, or -1 to use the default value.".to_owned()
        }
        _ => format!(
            "Unable to replicate the partition {factor} time(s): this is a single node, and one replica is all it can hold."
        ),
    };
    Err(Refused::new(ErrorCode::InvalidReplicationFactor, reason))
}

fn partition_record(topic_id: Uuid, partition_id: i32) -> MetadataRecord {
    MetadataRecord::Partition(PartitionRecord {
        partition_id,
        topic_id,
        replicas: vec![NODE_ID],
        isr: vec![NODE_ID],
        leader: NODE_ID,
        leader_epoch: LEADER_EPOCH,
        partition_epoch: 0,
        directories: vec![Uuid::ZERO],
        ..PartitionRecord::default()
    })
}
