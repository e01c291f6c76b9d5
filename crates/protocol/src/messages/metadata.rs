//! `Metadata`: brokers, topics, partitions and their leaders.
//!
//! Null topics mean all of them (version 0: an empty list does). 4 lets a client forbid creation,
//! 7 adds leader epochs, 10 topic ids, 12 lookups by id alone, 13 an error for the whole answer.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request, Uuid};

const VERSIONS: RangeInclusive<i16> = 0..=13;
const FLEXIBLE: i16 = 9;

/// The topics to describe.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct MetadataRequest {
    /// Null: all of them.
    #[field(nullable = 1.., default = Some(Vec::new()))]
    pub topics: Option<Vec<MetadataRequestTopic>>,
    #[field(versions = 4.., default = true)]
    pub allow_auto_topic_creation: bool,
    #[field(versions = 8..=10)]
    pub include_cluster_authorized_operations: bool,
    #[field(versions = 8..)]
    pub include_topic_authorized_operations: bool,
}

impl Request for MetadataRequest {
    const KEY: ApiKey = ApiKey::Metadata;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = MetadataResponse;

    fn error_response(&self, code: ErrorCode, version: i16) -> MetadataResponse {
        let topics = self
            .topics
            .iter()
            .flatten()
            .map(|topic| MetadataResponseTopic {
                error_code: code.into(),
                // A topic asked for by id has no name, and up to 11 the answer needs one.
                name: topic
                    .name
                    .clone()
                    .or_else(|| (version < 12).then(String::new)),
                topic_id: topic.topic_id,
                ..MetadataResponseTopic::default()
            })
            .collect();
        MetadataResponse {
            topics,
            error_code: code.into(),
            ..MetadataResponse::default()
        }
    }
}

/// A topic by name or, with a null name, by id.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct MetadataRequestTopic {
    #[field(versions = 10.., ignorable)]
    pub topic_id: Uuid,
    #[field(nullable = 10.., default = Some(String::new()))]
    pub name: Option<String>,
}

/// The cluster as this broker sees it.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct MetadataResponse {
    #[field(versions = 3.., ignorable)]
    pub throttle_time_ms: i32,
    pub brokers: Vec<MetadataResponseBroker>,
    #[field(versions = 2.., ignorable)]
    pub cluster_id: Option<String>,
    /// -1: not known.
    #[field(versions = 1.., default = -1, ignorable)]
    pub controller_id: i32,
    pub topics: Vec<MetadataResponseTopic>,
    /// A set of bits; the least integer: not asked for.
    #[field(versions = 8..=10, default = i32::MIN)]
    pub cluster_authorized_operations: i32,
    #[field(versions = 13.., ignorable)]
    pub error_code: i16,
}

/// A broker and where clients reach it.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct MetadataResponseBroker {
    pub node_id: i32,
    pub host: String,
    pub port: i32,
    #[field(versions = 1.., ignorable)]
    pub rack: Option<String>,
}

/// A topic, or why it cannot be described.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct MetadataResponseTopic {
    pub error_code: i16,
    #[field(nullable = 12.., default = Some(String::new()))]
    pub name: Option<String>,
    #[field(versions = 10.., ignorable)]
    pub topic_id: Uuid,
    #[field(versions = 1.., ignorable)]
    pub is_internal: bool,
    pub partitions: Vec<MetadataResponsePartition>,
    /// A set of bits; the least integer: not asked for.
    #[field(versions = 8.., default = i32::MIN)]
    pub topic_authorized_operations: i32,
}

/// A partition and its replicas.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct MetadataResponsePartition {
    pub error_code: i16,
    pub partition_index: i32,
    pub leader_id: i32,
    #[field(versions = 7.., default = -1, ignorable)]
    pub leader_epoch: i32,
    pub replica_nodes: Vec<i32>,
    pub isr_nodes: Vec<i32>,
    #[field(versions = 5.., ignorable)]
    pub offline_replicas: Vec<i32>,
}
