//! `DescribeTopicPartitions`: partitions of topics, a page at a time (KIP-966).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request, Uuid};

const VERSIONS: RangeInclusive<i16> = 0..=0;
const FLEXIBLE: i16 = 0;

/// The topics to describe; none means all.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeTopicPartitionsRequest {
    pub topics: Vec<TopicRequest>,
    #[field(default = 2000)]
    pub response_partition_limit: i32,
    pub cursor: Option<Cursor>,
}

impl Request for DescribeTopicPartitionsRequest {
    const KEY: ApiKey = ApiKey::DescribeTopicPartitions;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = DescribeTopicPartitionsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> DescribeTopicPartitionsResponse {
        let topics = self
            .topics
            .iter()
            .map(|topic| DescribeTopicPartitionsResponseTopic {
                error_code: code.into(),
                name: Some(topic.name.clone()),
                ..DescribeTopicPartitionsResponseTopic::default()
            })
            .collect();
        DescribeTopicPartitionsResponse {
            topics,
            ..DescribeTopicPartitionsResponse::default()
        }
    }
}

/// A topic by name.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct TopicRequest {
    pub name: String,
}

/// Where a page begins: the first partition not yet told.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct Cursor {
    pub topic_name: String,
    pub partition_index: i32,
}

/// A page of topics, and where the next begins.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeTopicPartitionsResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<DescribeTopicPartitionsResponseTopic>,
    pub next_cursor: Option<Cursor>,
}

/// A topic with those of its partitions that are on this page.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeTopicPartitionsResponseTopic {
    pub error_code: i16,
    pub name: Option<String>,
    pub topic_id: Uuid,
    pub is_internal: bool,
    pub partitions: Vec<DescribeTopicPartitionsResponsePartition>,
    /// A set of bits; the least integer: not asked for.
    #[field(default = i32::MIN)]
    pub topic_authorized_operations: i32,
}

/// A partition and its replicas.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeTopicPartitionsResponsePartition {
    pub error_code: i16,
    pub partition_index: i32,
    pub leader_id: i32,
    #[field(default = -1)]
    pub leader_epoch: i32,
    pub replica_nodes: Vec<i32>,
    pub isr_nodes: Vec<i32>,
    /// Replicas that may lead although not in sync.
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// The last such set known, if there is none now.
    pub last_known_elr: Option<Vec<i32>>,
    pub offline_replicas: Vec<i32>,
}
