//! OffsetFetch.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request, Uuid};

const VERSIONS: RangeInclusive<i16> = 1..=10;
const FLEXIBLE: i16 = 6;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchRequest {
    #[field(versions = ..=7)]
    pub group_id: String,
    #[field(versions = ..=7, nullable = 2.., default = Some(Vec::new()))]
    pub topics: Option<Vec<OffsetFetchRequestTopic>>,
    #[field(versions = 8..)]
    pub groups: Vec<OffsetFetchRequestGroup>,
    #[field(versions = 7..)]
    pub require_stable: bool,
}

impl Request for OffsetFetchRequest {
    const KEY: ApiKey = ApiKey::OffsetFetch;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = OffsetFetchResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> OffsetFetchResponse {
        OffsetFetchResponse {
            error_code: code.into(),
            ..Default::default()
        }
    }
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchRequestTopic {
    pub name: String,
    pub partition_indexes: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchRequestGroup {
    pub group_id: String,
    #[field(versions = 9.., ignorable)]
    pub member_id: Option<String>,
    #[field(versions = 9.., default = -1, ignorable)]
    pub member_epoch: i32,
    #[field(default = Some(Vec::new()))]
    pub topics: Option<Vec<OffsetFetchRequestTopics>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchRequestTopics {
    #[field(versions = ..=9, ignorable)]
    pub name: String,
    #[field(versions = 10.., ignorable)]
    pub topic_id: Uuid,
    pub partition_indexes: Vec<i32>,
}

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

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchResponseTopic {
    pub name: String,
    pub partitions: Vec<OffsetFetchResponsePartition>,
}

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

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchResponseGroup {
    pub group_id: String,
    pub topics: Vec<OffsetFetchResponseTopics>,
    pub error_code: i16,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OffsetFetchResponseTopics {
    #[field(versions = ..=9, ignorable)]
    pub name: String,
    #[field(versions = 10.., ignorable)]
    pub topic_id: Uuid,
    pub partitions: Vec<OffsetFetchResponsePartitions>,
}

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
