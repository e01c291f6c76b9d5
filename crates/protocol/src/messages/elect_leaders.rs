//! `ElectLeaders`: has partitions elect their leaders anew.
//!
//! 1 lets replicas that are not in sync be elected (KIP-460).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=2;
const FLEXIBLE: i16 = 2;

/// The partitions whose leader is to be elected.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ElectLeadersRequest {
    /// 0: the preferred replica, 1: any that lives.
    #[field(versions = 1..)]
    pub election_type: i8,
    /// Null: all of them.
    #[field(default = Some(Vec::new()))]
    pub topic_partitions: Option<Vec<TopicPartitions>>,
    #[field(default = 60000)]
    pub timeout_ms: i32,
}

impl Request for ElectLeadersRequest {
    const KEY: ApiKey = ApiKey::ElectLeaders;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = ElectLeadersResponse;

    fn error_response(&self, code: ErrorCode, version: i16) -> ElectLeadersResponse {
        let replica_election_results = self
            .topic_partitions
            .iter()
            .flatten()
            .map(|topic| ReplicaElectionResult {
                topic: topic.topic.clone(),
                partition_result: topic
                    .partitions
                    .iter()
                    .map(|&partition_id| PartitionResult {
                        partition_id,
                        error_code: code.into(),
                        ..PartitionResult::default()
                    })
                    .collect(),
            })
            .collect(); // Version 0 has no place for it, and refuses one that is not there.
        let error_code = if version == 0 { 0 } else { code.into() };
        ElectLeadersResponse {
            error_code,
            replica_election_results,
            ..ElectLeadersResponse::default()
        }
    }
}

/// Partitions of one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct TopicPartitions {
    pub topic: String,
    pub partitions: Vec<i32>,
}

/// The outcome of the elections.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ElectLeadersResponse {
    pub throttle_time_ms: i32,
    #[field(versions = 1..)]
    pub error_code: i16,
    pub replica_election_results: Vec<ReplicaElectionResult>,
}

/// The outcome for one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ReplicaElectionResult {
    pub topic: String,
    pub partition_result: Vec<PartitionResult>,
}

/// The outcome for one partition.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct PartitionResult {
    pub partition_id: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
}
