//! `CreateTopics`: makes topics.
//!
//! 4 allows the broker's defaults (-1, KIP-464), 5 answers with the configuration (KIP-525), 7 with
//! the topic's id.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request, Uuid};

const VERSIONS: RangeInclusive<i16> = 2..=7;
const FLEXIBLE: i16 = 5;

/// The topics to make.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct CreateTopicsRequest {
    pub topics: Vec<CreatableTopic>,
    #[field(default = 60_000)]
    pub timeout_ms: i32,
    /// Check, and change nothing.
    pub validate_only: bool,
}

impl Request for CreateTopicsRequest {
    const KEY: ApiKey = ApiKey::CreateTopics;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = CreateTopicsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> CreateTopicsResponse {
        let topics = self
            .topics
            .iter()
            .map(|topic| CreatableTopicResult {
                name: topic.name.clone(),
                error_code: code.into(),
                ..CreatableTopicResult::default()
            })
            .collect();
        CreateTopicsResponse {
            topics,
            ..CreateTopicsResponse::default()
        }
    }
}

/// A topic: its partitions, counted or assigned, and its configuration.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct CreatableTopic {
    pub name: String,
    /// -1: the broker's default, or counted from the assignments.
    pub num_partitions: i32,
    /// -1: the broker's default, or counted from the assignments.
    pub replication_factor: i16,
    /// Empty unless given by hand.
    pub assignments: Vec<CreatableReplicaAssignment>,
    pub configs: Vec<CreatableTopicConfig>,
}

/// The replicas of one partition.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct CreatableReplicaAssignment {
    pub partition_index: i32,
    pub broker_ids: Vec<i32>,
}

/// A setting of the new topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct CreatableTopicConfig {
    pub name: String,
    pub value: Option<String>,
}

/// Which topics were made.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct CreateTopicsResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<CreatableTopicResult>,
}

/// The outcome for one topic; from version 5 on with what it was made with.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct CreatableTopicResult {
    pub name: String,
    #[field(versions = 7.., ignorable)]
    pub topic_id: Uuid,
    pub error_code: i16,
    pub error_message: Option<String>,
    /// Why `configs` is null.
    #[field(versions = 5.., tag = 0, ignorable)]
    pub topic_config_error_code: i16,
    #[field(versions = 5.., default = -1, ignorable)]
    pub num_partitions: i32,
    #[field(versions = 5.., default = -1, ignorable)]
    pub replication_factor: i16,
    /// Null: not allowed to see it.
    #[field(versions = 5.., default = Some(Vec::new()), ignorable)]
    pub configs: Option<Vec<CreatableTopicConfigs>>,
}

/// A setting in force.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct CreatableTopicConfigs {
    pub name: String,
    pub value: Option<String>,
    pub read_only: bool,
    /// 1: topic, 2: broker, 3: all brokers, 4: the broker's file, 5: default; -1: not told.
    #[field(default = -1)]
    pub config_source: i8,
    pub is_sensitive: bool,
}
