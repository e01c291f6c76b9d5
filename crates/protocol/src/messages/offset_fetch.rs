//! `OffsetFetch`: how far groups have come.
//!
//! 2 allows all topics (null) and one error for the group, 7 asks for stable offsets only
//! (KIP-447), 8 asks for several groups at once and moves everything into them (KIP-709), 9 carries member and
//! epoch (KIP-848), 10 names topics by id.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request, Uuid};

const VERSIONS: RangeInclusive<i16> = 1..=10;
const FLEXIBLE: i16 = 6;

/// The partitions to look up, of one group (up to 7) or of several.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchRequest {
    #[field(versions = ..=7)]
    pub group_id: String,
    /// Null: all of them.
    #[field(versions = ..=7, nullable = 2.., default = Some(Vec::new()))]
    pub topics: Option<Vec<OffsetFetchRequestTopic>>,
    #[field(versions = 8..)]
    pub groups: Vec<OffsetFetchRequestGroup>,
    /// Refuse offsets that an open transaction may still replace.
    #[field(versions = 7..)]
    pub require_stable: bool,
}

impl Request for OffsetFetchRequest {
    const KEY: ApiKey = ApiKey::OffsetFetch;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = OffsetFetchResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> OffsetFetchResponse {
        let topics = self
            .topics
            .iter()
            .flatten()
            .map(|topic| OffsetFetchResponseTopic {
                name: topic.name.clone(),
                partitions: topic
                    .partition_indexes
                    .iter()
                    .map(|index| OffsetFetchResponsePartition {
                        partition_index: *index,
                        committed_offset: -1,
                        metadata: Some(String::new()),
                        error_code: code.into(),
                        ..OffsetFetchResponsePartition::default()
                    })
                    .collect(),
            })
            .collect();
        let groups = self
            .groups
            .iter()
            .map(|group| OffsetFetchResponseGroup {
                group_id: group.group_id.clone(),
                error_code: code.into(),
                ..OffsetFetchResponseGroup::default()
            })
            .collect();
        OffsetFetchResponse {
            topics,
            groups,
            error_code: code.into(),
            ..OffsetFetchResponse::default()
        }
    }
}

/// Partitions of one topic, up to version 7.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchRequestTopic {
    pub name: String,
    pub partition_indexes: Vec<i32>,
}

/// The partitions to look up for one group.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchRequestGroup {
    pub group_id: String,
    #[field(versions = 9.., ignorable)]
    pub member_id: Option<String>,
    #[field(versions = 9.., default = -1, ignorable)]
    pub member_epoch: i32,
    /// Null: all of them.
    #[field(default = Some(Vec::new()))]
    pub topics: Option<Vec<OffsetFetchRequestTopics>>,
}

/// Partitions of one topic, from version 8 on.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchRequestTopics {
    #[field(versions = ..=9, ignorable)]
    pub name: String,
    #[field(versions = 10.., ignorable)]
    pub topic_id: Uuid,
    pub partition_indexes: Vec<i32>,
}

/// The offsets stored.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchResponse {
    #[field(versions = 3.., ignorable)]
    pub throttle_time_ms: i32,
    #[field(versions = ..=7)]
    pub topics: Vec<OffsetFetchResponseTopic>,
    #[field(versions = 2..=7, ignorable)]
    pub error_code: i16,
    #[field(versions = 8..)]
    pub groups: Vec<OffsetFetchResponseGroup>,
}

/// The offsets of one topic, up to version 7.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchResponseTopic {
    pub name: String,
    pub partitions: Vec<OffsetFetchResponsePartition>,
}

/// The offset of one partition, up to version 7; -1 where none is stored.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchResponsePartition {
    pub partition_index: i32,
    pub committed_offset: i64,
    #[field(versions = 5.., default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    pub metadata: Option<String>,
    pub error_code: i16,
}

/// The offsets of one group.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchResponseGroup {
    pub group_id: String,
    pub topics: Vec<OffsetFetchResponseTopics>,
    pub error_code: i16,
}

/// The offsets of one topic, from version 8 on.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchResponseTopics {
    #[field(versions = ..=9, ignorable)]
    pub name: String,
    #[field(versions = 10.., ignorable)]
    pub topic_id: Uuid,
    pub partitions: Vec<OffsetFetchResponsePartitions>,
}

/// The offset of one partition, from version 8 on; -1 where none is stored.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchResponsePartitions {
    pub partition_index: i32,
    pub committed_offset: i64,
    #[field(default = -1)]
    pub committed_leader_epoch: i32,
    pub metadata: Option<String>,
    pub error_code: i16,
}
