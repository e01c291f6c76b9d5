//! `CreatePartitions`: grows topics.
//!
//! 3 tells when a quota was exceeded (KIP-599).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=3;
const FLEXIBLE: i16 = 2;

/// The topics to grow.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct CreatePartitionsRequest {
    pub topics: Vec<CreatePartitionsTopic>,
    pub timeout_ms: i32,
    /// Check, and change nothing.
    pub validate_only: bool,
}

impl Request for CreatePartitionsRequest {
    const KEY: ApiKey = ApiKey::CreatePartitions;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = CreatePartitionsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> CreatePartitionsResponse {
        let results = self
            .topics
            .iter()
            .map(|topic| CreatePartitionsTopicResult {
                name: topic.name.clone(),
                error_code: code.into(),
                ..CreatePartitionsTopicResult::default()
            })
            .collect();
        CreatePartitionsResponse {
            results,
            ..CreatePartitionsResponse::default()
        }
    }
}

/// A topic and the number of partitions it is to have.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct CreatePartitionsTopic {
    pub name: String,
    /// In all, not in addition.
    pub count: i32,
    /// Null: the controller chooses.
    #[field(default = Some(Vec::new()))]
    pub assignments: Option<Vec<CreatePartitionsAssignment>>,
}

/// The replicas of one new partition.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct CreatePartitionsAssignment {
    pub broker_ids: Vec<i32>,
}

/// Which topics have grown.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct CreatePartitionsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<CreatePartitionsTopicResult>,
}

/// The outcome for one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct CreatePartitionsTopicResult {
    pub name: String,
    pub error_code: i16,
    pub error_message: Option<String>,
}
