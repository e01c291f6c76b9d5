//! `OffsetCommit`: stores how far a group has come.
//!
//! 5 drops retention times, 6 adds leader epochs (KIP-320), 7 static members, 9 the consumer
//! protocol's errors (KIP-848), 10 names topics by id.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request, Uuid};

const VERSIONS: RangeInclusive<i16> = 2..=10;
const FLEXIBLE: i16 = 8;

/// Offsets to store for a group.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetCommitRequest {
    pub group_id: String,
    /// -1: the group has no members, offsets are all it is used for.
    #[field(default = -1)]
    pub generation_id_or_member_epoch: i32,
    pub member_id: String,
    #[field(versions = 7..)]
    pub group_instance_id: Option<String>,
    #[field(versions = ..=4, default = -1, ignorable)]
    pub retention_time_ms: i64,
    pub topics: Vec<OffsetCommitRequestTopic>,
}

impl Request for OffsetCommitRequest {
    const KEY: ApiKey = ApiKey::OffsetCommit;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = OffsetCommitResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> OffsetCommitResponse {
        let topics = self
            .topics
            .iter()
            .map(|topic| OffsetCommitResponseTopic {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partitions: topic
                    .partitions
                    .iter()
                    .map(|partition| OffsetCommitResponsePartition {
                        partition_index: partition.partition_index,
                        error_code: code.into(),
                    })
                    .collect(),
            })
            .collect();
        OffsetCommitResponse {
            topics,
            ..OffsetCommitResponse::default()
        }
    }
}

/// The offsets of one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetCommitRequestTopic {
    #[field(versions = ..=9, ignorable)]
    pub name: String,
    #[field(versions = 10.., ignorable)]
    pub topic_id: Uuid,
    pub partitions: Vec<OffsetCommitRequestPartition>,
}

/// The offset of one partition: the next one to read.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetCommitRequestPartition {
    pub partition_index: i32,
    pub committed_offset: i64,
    #[field(versions = 6.., default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    pub committed_metadata: Option<String>,
}

/// Which offsets were stored.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetCommitResponse {
    #[field(versions = 3.., ignorable)]
    pub throttle_time_ms: i32,
    pub topics: Vec<OffsetCommitResponseTopic>,
}

/// The outcome for one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetCommitResponseTopic {
    #[field(versions = ..=9, ignorable)]
    pub name: String,
    #[field(versions = 10.., ignorable)]
    pub topic_id: Uuid,
    pub partitions: Vec<OffsetCommitResponsePartition>,
}

/// The outcome for one partition.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetCommitResponsePartition {
    pub partition_index: i32,
    pub error_code: i16,
}
