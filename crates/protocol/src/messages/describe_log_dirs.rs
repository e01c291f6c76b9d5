//! `DescribeLogDirs`: the directories of partitions and what they take on disk (KIP-113).
//!
//! 3 adds an error for the whole answer, 4 the size of the volume (KIP-827), 5 cordoned directories
//! (KIP-1066).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 1..=5;
const FLEXIBLE: i16 = 2;

/// The partitions to look for.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeLogDirsRequest {
    /// Null: all of them.
    #[field(default = Some(Vec::new()))]
    pub topics: Option<Vec<DescribableLogDirTopic>>,
}

impl Request for DescribeLogDirsRequest {
    const KEY: ApiKey = ApiKey::DescribeLogDirs;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = DescribeLogDirsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> DescribeLogDirsResponse {
        DescribeLogDirsResponse {
            error_code: code.into(),
            ..DescribeLogDirsResponse::default()
        }
    }
}

/// Partitions of one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribableLogDirTopic {
    pub topic: String,
    pub partitions: Vec<i32>,
}

/// The directories.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeLogDirsResponse {
    pub throttle_time_ms: i32,
    #[field(versions = 3.., ignorable)]
    pub error_code: i16,
    pub results: Vec<DescribeLogDirsResult>,
}

/// One directory.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeLogDirsResult {
    pub error_code: i16,
    pub log_dir: String,
    pub topics: Vec<DescribeLogDirsTopic>,
    /// Of the volume; -1: not known.
    #[field(versions = 4.., default = -1, ignorable)]
    pub total_bytes: i64,
    /// Of the volume; -1: not known.
    #[field(versions = 4.., default = -1, ignorable)]
    pub usable_bytes: i64,
    /// Takes no new partitions.
    #[field(versions = 5.., ignorable)]
    pub is_cordoned: bool,
}

/// Partitions of one topic in it.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeLogDirsTopic {
    pub name: String,
    pub partitions: Vec<DescribeLogDirsPartition>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeLogDirsPartition {
    pub partition_index: i32,
    pub partition_size: i64,
    /// How far it is behind the high watermark.
    pub offset_lag: i64,
    /// It will replace the partition elsewhere once it has caught up.
    pub is_future_key: bool,
}
