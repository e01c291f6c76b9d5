//! `OffsetForLeaderEpoch`: where the log of a leader epoch ends.
//!
//! 2 checks the epoch the client knows (KIP-320), 3 carries the replica asking.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 2..=4;
const FLEXIBLE: i16 = 4;

/// Leader epochs to look up.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetForLeaderEpochRequest {
    /// -1: a consumer, -2: not told.
    #[field(versions = 3.., default = -2, ignorable)]
    pub replica_id: i32,
    pub topics: Vec<OffsetForLeaderTopic>,
}

impl Request for OffsetForLeaderEpochRequest {
    const KEY: ApiKey = ApiKey::OffsetForLeaderEpoch;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = OffsetForLeaderEpochResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> OffsetForLeaderEpochResponse {
        let topics = self
            .topics
            .iter()
            .map(|topic| OffsetForLeaderTopicResult {
                topic: topic.topic.clone(),
                partitions: topic
                    .partitions
                    .iter()
                    .map(|partition| EpochEndOffset {
                        error_code: code.into(),
                        partition: partition.partition,
                        ..EpochEndOffset::default()
                    })
                    .collect(),
            })
            .collect();
        OffsetForLeaderEpochResponse {
            topics,
            ..OffsetForLeaderEpochResponse::default()
        }
    }
}

/// The lookups in one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetForLeaderTopic {
    pub topic: String,
    pub partitions: Vec<OffsetForLeaderPartition>,
}

/// The lookup in one partition.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetForLeaderPartition {
    pub partition: i32,
    #[field(default = -1)]
    pub current_leader_epoch: i32,
    pub leader_epoch: i32,
}

/// The ends found.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetForLeaderEpochResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<OffsetForLeaderTopicResult>,
}

/// The ends found in one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetForLeaderTopicResult {
    pub topic: String,
    pub partitions: Vec<EpochEndOffset>,
}

/// The end found in one partition; -1 where the epoch is unknown.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct EpochEndOffset {
    pub error_code: i16,
    pub partition: i32,
    #[field(default = -1)]
    pub leader_epoch: i32,
    #[field(default = -1)]
    pub end_offset: i64,
}
