//! `ListOffsets`: offsets by timestamp, or by one of the special timestamps below zero.
//!
//! 2 adds isolation levels, 4 leader epochs, 7 the offset of the largest timestamp (-3, KIP-734),
//! 8 the local log's start (-4, KIP-405), 9 the last tiered offset (-5, KIP-1005), 10 a timeout.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 1..=11;
const FLEXIBLE: i16 = 6;

/// Timestamps to look up.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ListOffsetsRequest {
    /// -1: a consumer.
    pub replica_id: i32,
    /// 0: read uncommitted, 1: read committed.
    #[field(versions = 2..)]
    pub isolation_level: i8,
    pub topics: Vec<ListOffsetsTopic>,
    #[field(versions = 10.., ignorable)]
    pub timeout_ms: i32,
}

impl Request for ListOffsetsRequest {
    const KEY: ApiKey = ApiKey::ListOffsets;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = ListOffsetsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> ListOffsetsResponse {
        let topics = self
            .topics
            .iter()
            .map(|topic| ListOffsetsTopicResponse {
                name: topic.name.clone(),
                partitions: topic
                    .partitions
                    .iter()
                    .map(|partition| ListOffsetsPartitionResponse {
                        partition_index: partition.partition_index,
                        error_code: code.into(),
                        ..ListOffsetsPartitionResponse::default()
                    })
                    .collect(),
            })
            .collect();
        ListOffsetsResponse {
            topics,
            ..ListOffsetsResponse::default()
        }
    }
}

/// The lookups in one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ListOffsetsTopic {
    pub name: String,
    pub partitions: Vec<ListOffsetsPartition>,
}

/// The lookup in one partition.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ListOffsetsPartition {
    pub partition_index: i32,
    #[field(versions = 4.., default = -1, ignorable)]
    pub current_leader_epoch: i32,
    /// -1: log end, -2: log start, -3: largest timestamp, -4: local log start, -5: last tiered.
    pub timestamp: i64,
}

/// The offsets found.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ListOffsetsResponse {
    #[field(versions = 2.., ignorable)]
    pub throttle_time_ms: i32,
    pub topics: Vec<ListOffsetsTopicResponse>,
}

/// The offsets found in one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ListOffsetsTopicResponse {
    pub name: String,
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

/// The offset found in one partition; -1 where there is none.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ListOffsetsPartitionResponse {
    pub partition_index: i32,
    pub error_code: i16,
    #[field(default = -1)]
    pub timestamp: i64,
    #[field(default = -1)]
    pub offset: i64,
    #[field(versions = 4.., default = -1)]
    pub leader_epoch: i32,
}
