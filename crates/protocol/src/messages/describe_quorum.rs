//! `DescribeQuorum`: who votes on the metadata log, and how far each replica is (KIP-595).
//!
//! 1 adds when a replica last fetched and was level (KIP-836), 2 messages, directories and the
//! endpoints of the nodes (KIP-853).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request, Uuid};

const VERSIONS: RangeInclusive<i16> = 0..=2;
const FLEXIBLE: i16 = 0;

/// The partitions to describe: `__cluster_metadata-0`.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeQuorumRequest {
    pub topics: Vec<RequestTopicData>,
}

impl Request for DescribeQuorumRequest {
    const KEY: ApiKey = ApiKey::DescribeQuorum;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = DescribeQuorumResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> DescribeQuorumResponse {
        let topics = self
            .topics
            .iter()
            .map(|topic| TopicData {
                topic_name: topic.topic_name.clone(),
                partitions: topic
                    .partitions
                    .iter()
                    .map(|partition| PartitionData {
                        partition_index: partition.partition_index,
                        error_code: code.into(),
                        leader_id: -1,
                        ..PartitionData::default()
                    })
                    .collect(),
            })
            .collect();
        DescribeQuorumResponse {
            error_code: code.into(),
            topics,
            ..DescribeQuorumResponse::default()
        }
    }
}

/// Partitions of one topic; `TopicData` in the schema of the request.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct RequestTopicData {
    pub topic_name: String,
    pub partitions: Vec<RequestPartitionData>,
}

/// One partition; `PartitionData` in the schema of the request.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct RequestPartitionData {
    pub partition_index: i32,
}

/// The quorum.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeQuorumResponse {
    pub error_code: i16,
    #[field(versions = 2.., ignorable)]
    pub error_message: Option<String>,
    pub topics: Vec<TopicData>,
    #[field(versions = 2..)]
    pub nodes: Vec<Node>,
}

/// The quorums of one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct TopicData {
    pub topic_name: String,
    pub partitions: Vec<PartitionData>,
}

/// The quorum of one partition.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct PartitionData {
    pub partition_index: i32,
    pub error_code: i16,
    #[field(versions = 2.., ignorable)]
    pub error_message: Option<String>,
    /// -1: not known.
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub high_watermark: i64,
    pub current_voters: Vec<ReplicaState>,
    pub observers: Vec<ReplicaState>,
}

/// One replica.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ReplicaState {
    pub replica_id: i32,
    #[field(versions = 2..)]
    pub replica_directory_id: Uuid,
    /// -1: not known.
    pub log_end_offset: i64,
    /// In milliseconds; -1: not known.
    #[field(versions = 1.., default = -1, ignorable)]
    pub last_fetch_timestamp: i64,
    /// In milliseconds; -1: not known.
    #[field(versions = 1.., default = -1, ignorable)]
    pub last_caught_up_timestamp: i64,
}

/// A node of the quorum.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct Node {
    pub node_id: i32,
    pub listeners: Vec<Listener>,
}

/// Where a node is reached.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct Listener {
    pub name: String,
    pub host: String,
    pub port: u16,
}
