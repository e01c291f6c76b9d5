//! `Produce`: appends record batches to partitions.
//!
//! Versions below 3 carry older record formats and are not served, only advertised (KAFKA-18659).
//! 8 tells which records were at fault (KIP-467), 10 who leads now (KIP-951), 12 adds partitions to
//! a transaction by itself (KIP-890), 13 names topics by id (KIP-516).

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::{ApiKey, ErrorCode, Message, Request, Uuid};

const VERSIONS: RangeInclusive<i16> = 3..=13;
const FLEXIBLE: i16 = 9;

/// Batches for partitions of several topics.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ProduceRequest {
    /// Null unless transactional.
    pub transactional_id: Option<String>,
    /// 0: answer nothing; 1: when the leader has it; -1: when all in-sync replicas have it.
    pub acks: i16,
    pub timeout_ms: i32,
    pub topic_data: Vec<TopicProduceData>,
}

impl Request for ProduceRequest {
    const KEY: ApiKey = ApiKey::Produce;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = ProduceResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> ProduceResponse {
        let responses = self
            .topic_data
            .iter()
            .map(|topic| TopicProduceResponse {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partition_responses: topic
                    .partition_data
                    .iter()
                    .map(|partition| PartitionProduceResponse {
                        index: partition.index,
                        error_code: code.into(),
                        base_offset: -1,
                        ..PartitionProduceResponse::default()
                    })
                    .collect(),
            })
            .collect();
        ProduceResponse {
            responses,
            ..ProduceResponse::default()
        }
    }
}

/// The batches for one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct TopicProduceData {
    #[field(versions = ..=12, ignorable)]
    pub name: String,
    #[field(versions = 13.., ignorable)]
    pub topic_id: Uuid,
    pub partition_data: Vec<PartitionProduceData>,
}

/// The batches for one partition.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct PartitionProduceData {
    pub index: i32,
    /// Exactly one batch from version 3 on.
    pub records: Option<Bytes>,
}

/// What became of each partition's batches.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ProduceResponse {
    pub responses: Vec<TopicProduceResponse>,
    pub throttle_time_ms: i32,
    #[field(versions = 10.., tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// The outcome for one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct TopicProduceResponse {
    #[field(versions = ..=12, ignorable)]
    pub name: String,
    #[field(versions = 13.., ignorable)]
    pub topic_id: Uuid,
    pub partition_responses: Vec<PartitionProduceResponse>,
}

/// The outcome for one partition.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct PartitionProduceResponse {
    pub index: i32,
    pub error_code: i16,
    pub base_offset: i64,
    /// -1 unless the topic stamps records itself.
    #[field(default = -1)]
    pub log_append_time_ms: i64,
    #[field(versions = 5.., default = -1, ignorable)]
    pub log_start_offset: i64,
    #[field(versions = 8.., ignorable)]
    pub record_errors: Vec<BatchIndexAndErrorMessage>,
    #[field(versions = 8.., ignorable)]
    pub error_message: Option<String>,
    #[field(versions = 10.., tag = 0)]
    pub current_leader: LeaderIdAndEpoch,
}

/// A record that made its batch be refused.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct BatchIndexAndErrorMessage {
    pub batch_index: i32,
    pub batch_index_error_message: Option<String>,
}

/// Who leads a partition, told along with an error.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct LeaderIdAndEpoch {
    /// -1: not known.
    #[field(default = -1)]
    pub leader_id: i32,
    #[field(default = -1)]
    pub leader_epoch: i32,
}

/// Where a leader named in the response is reached.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct NodeEndpoint {
    pub node_id: i32,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
}
