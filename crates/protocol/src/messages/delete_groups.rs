//! `DeleteGroups`: deletes empty groups with their offsets.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=2;
const FLEXIBLE: i16 = 2;

/// The groups to delete.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DeleteGroupsRequest {
    pub groups_names: Vec<String>,
}

impl Request for DeleteGroupsRequest {
    const KEY: ApiKey = ApiKey::DeleteGroups;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = DeleteGroupsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> DeleteGroupsResponse {
        let results = self
            .groups_names
            .iter()
            .map(|group_id| DeletableGroupResult {
                group_id: group_id.clone(),
                error_code: code.into(),
            })
            .collect();
        DeleteGroupsResponse {
            results,
            ..DeleteGroupsResponse::default()
        }
    }
}

/// Which groups were deleted.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DeleteGroupsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<DeletableGroupResult>,
}

/// The outcome for one group.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DeletableGroupResult {
    pub group_id: String,
    pub error_code: i16,
}
