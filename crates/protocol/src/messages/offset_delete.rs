//! `OffsetDelete`: removes a group's offsets of some partitions (KIP-496).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=0;

/// The partitions whose offsets go.
#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetDeleteRequest {
    pub group_id: String,
    pub topics: Vec<OffsetDeleteRequestTopic>,
}

impl Request for OffsetDeleteRequest {
    const KEY: ApiKey = ApiKey::OffsetDelete;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = None;
    type Response = OffsetDeleteResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> OffsetDeleteResponse {
        let topics = self
            .topics
            .iter()
            .map(|topic| OffsetDeleteResponseTopic {
                name: topic.name.clone(),
                partitions: topic
                    .partitions
                    .iter()
                    .map(|partition| OffsetDeleteResponsePartition {
                        partition_index: partition.partition_index,
                        error_code: code.into(),
                    })
                    .collect(),
            })
            .collect();
        OffsetDeleteResponse {
            error_code: code.into(),
            topics,
            ..OffsetDeleteResponse::default()
        }
    }
}

/// Partitions of one topic.
#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetDeleteRequestTopic {
    pub name: String,
    pub partitions: Vec<OffsetDeleteRequestPartition>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetDeleteRequestPartition {
    pub partition_index: i32,
}

/// Which offsets are gone.
#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetDeleteResponse {
    pub error_code: i16,
    pub throttle_time_ms: i32,
    pub topics: Vec<OffsetDeleteResponseTopic>,
}

/// The outcome for one topic.
#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetDeleteResponseTopic {
    pub name: String,
    pub partitions: Vec<OffsetDeleteResponsePartition>,
}

/// The outcome for one partition.
#[derive(Debug, Clone, PartialEq, Message)]
pub struct OffsetDeleteResponsePartition {
    pub partition_index: i32,
    pub error_code: i16,
}
