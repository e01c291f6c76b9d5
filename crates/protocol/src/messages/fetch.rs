//! `Fetch`: reads record batches, waiting until there are enough.
//!
//! 7 brings fetch sessions (KIP-227), 11 rack-aware reads (KIP-392), 12 divergence by epoch
//! (KIP-595), 13 names topics by id (KIP-516), 16 tells the endpoints of new leaders (KIP-951).

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::{ApiKey, ErrorCode, Message, Request, Uuid};

const VERSIONS: RangeInclusive<i16> = 4..=18;
const FLEXIBLE: i16 = 12;

/// The partitions to read, or a session's changes to them.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct FetchRequest {
    /// Only metadata replicas send it.
    #[field(versions = 12.., tag = 0, ignorable)]
    pub cluster_id: Option<String>,
    #[field(versions = ..=14, default = -1)]
    pub replica_id: i32,
    #[field(versions = 15.., tag = 1)]
    pub replica_state: ReplicaState,
    pub max_wait_ms: i32,
    /// Answer when this much is there or the wait is over.
    pub min_bytes: i32,
    #[field(default = i32::MAX)]
    pub max_bytes: i32,
    /// 0: read uncommitted, 1: read committed.
    pub isolation_level: i8,
    /// 0: no session.
    #[field(versions = 7.., ignorable)]
    pub session_id: i32,
    /// 0: open a session; -1: close it or do without.
    #[field(versions = 7.., default = -1, ignorable)]
    pub session_epoch: i32,
    pub topics: Vec<FetchTopic>,
    /// What an existing session drops.
    #[field(versions = 7..)]
    pub forgotten_topics_data: Vec<ForgottenTopic>,
    #[field(versions = 11.., ignorable)]
    pub rack_id: String,
}

impl Request for FetchRequest {
    const KEY: ApiKey = ApiKey::Fetch;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = FetchResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> FetchResponse {
        let responses = self
            .topics
            .iter()
            .map(|topic| FetchableTopicResponse {
                topic: topic.topic.clone(),
                topic_id: topic.topic_id,
                partitions: topic
                    .partitions
                    .iter()
                    .map(|partition| PartitionData {
                        partition_index: partition.partition,
                        error_code: code.into(),
                        high_watermark: -1,
                        records: Some(Bytes::new()),
                        ..PartitionData::default()
                    })
                    .collect(),
            })
            .collect();
        FetchResponse {
            responses,
            error_code: code.into(),
            ..FetchResponse::default()
        }
    }
}

/// A follower that fetches; consumers are replica -1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ReplicaState {
    #[field(default = -1)]
    pub replica_id: i32,
    #[field(default = -1)]
    pub replica_epoch: i64,
}

/// The partitions to read of one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct FetchTopic {
    #[field(versions = ..=12, ignorable)]
    pub topic: String,
    #[field(versions = 13.., ignorable)]
    pub topic_id: Uuid,
    pub partitions: Vec<FetchPartition>,
}

/// Where to read in one partition, and how much.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct FetchPartition {
    pub partition: i32,
    #[field(versions = 9.., default = -1, ignorable)]
    pub current_leader_epoch: i32,
    pub fetch_offset: i64,
    /// -1: not known.
    #[field(versions = 12.., default = -1)]
    pub last_fetched_epoch: i32,
    /// Only followers send it.
    #[field(versions = 5.., default = -1, ignorable)]
    pub log_start_offset: i64,
    pub partition_max_bytes: i32,
    #[field(versions = 17.., tag = 0, ignorable)]
    pub replica_directory_id: Uuid,
    #[field(versions = 18.., tag = 1, default = i64::MAX, ignorable)]
    pub high_watermark: i64,
}

/// Partitions that the session no longer includes.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ForgottenTopic {
    #[field(versions = ..=12, ignorable)]
    pub topic: String,
    #[field(versions = 13.., ignorable)]
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
}

/// The records, partition by partition.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct FetchResponse {
    pub throttle_time_ms: i32,
    #[field(versions = 7.., ignorable)]
    pub error_code: i16,
    /// 0: no session.
    #[field(versions = 7..)]
    pub session_id: i32,
    /// In a session, only the partitions with news.
    pub responses: Vec<FetchableTopicResponse>,
    #[field(versions = 16.., tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// The records of one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct FetchableTopicResponse {
    #[field(versions = ..=12, ignorable)]
    pub topic: String,
    #[field(versions = 13.., ignorable)]
    pub topic_id: Uuid,
    pub partitions: Vec<PartitionData>,
}

/// The records of one partition and the ends of its log.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct PartitionData {
    pub partition_index: i32,
    pub error_code: i16,
    pub high_watermark: i64,
    /// Below it every transaction is decided.
    #[field(default = -1)]
    pub last_stable_offset: i64,
    #[field(versions = 5.., default = -1, ignorable)]
    pub log_start_offset: i64,
    #[field(versions = 12.., tag = 0)]
    pub diverging_epoch: EpochEndOffset,
    #[field(versions = 12.., tag = 1)]
    pub current_leader: LeaderIdAndEpoch,
    #[field(versions = 12.., tag = 2)]
    pub snapshot_id: SnapshotId,
    /// Null unless read committed; ordered by first offset.
    #[field(default = Some(Vec::new()))]
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// -1: keep reading here.
    #[field(versions = 11.., default = -1)]
    pub preferred_read_replica: i32,
    pub records: Option<Bytes>,
}

/// The last epoch that a diverged reader shares with the leader.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct EpochEndOffset {
    #[field(default = -1)]
    pub epoch: i32,
    #[field(default = -1)]
    pub end_offset: i64,
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

/// A snapshot to load instead of records; for metadata replicas only.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct SnapshotId {
    #[field(default = -1)]
    pub end_offset: i64,
    #[field(default = -1)]
    pub epoch: i32,
}

/// A transaction whose records a read-committed consumer drops.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AbortedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
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
