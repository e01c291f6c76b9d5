//! `DescribeProducers`: the producers a partition knows, with their open transactions (KIP-664).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=0;
const FLEXIBLE: i16 = 0;

/// The partitions to look into.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeProducersRequest {
    pub topics: Vec<TopicRequest>,
}

impl Request for DescribeProducersRequest {
    const KEY: ApiKey = ApiKey::DescribeProducers;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = DescribeProducersResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> DescribeProducersResponse {
        let topics = self
            .topics
            .iter()
            .map(|topic| TopicResponse {
                name: topic.name.clone(),
                partitions: topic
                    .partition_indexes
                    .iter()
                    .map(|&partition_index| PartitionResponse {
                        partition_index,
                        error_code: code.into(),
                        ..PartitionResponse::default()
                    })
                    .collect(),
            })
            .collect();
        DescribeProducersResponse {
            topics,
            ..DescribeProducersResponse::default()
        }
    }
}

/// Partitions of one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct TopicRequest {
    pub name: String,
    pub partition_indexes: Vec<i32>,
}

/// Their producers.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeProducersResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<TopicResponse>,
}

/// The producers of one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct TopicResponse {
    pub name: String,
    pub partitions: Vec<PartitionResponse>,
}

/// The producers of one partition.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct PartitionResponse {
    pub partition_index: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub active_producers: Vec<ProducerState>,
}

/// A producer that wrote to the partition.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ProducerState {
    pub producer_id: i64,
    pub producer_epoch: i32,
    /// -1: none.
    #[field(default = -1)]
    pub last_sequence: i32,
    /// In milliseconds; -1: none.
    #[field(default = -1)]
    pub last_timestamp: i64,
    pub coordinator_epoch: i32,
    /// -1: no transaction is open.
    #[field(default = -1)]
    pub current_txn_start_offset: i64,
}
