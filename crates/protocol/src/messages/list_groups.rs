//! `ListGroups`: the groups this broker coordinates.
//!
//! 4 filters by state (KIP-518), 5 by type (KIP-848).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=5;
const FLEXIBLE: i16 = 3;

/// Filters; an empty one lets everything through.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ListGroupsRequest {
    #[field(versions = 4..)]
    pub states_filter: Vec<String>,
    #[field(versions = 5..)]
    pub types_filter: Vec<String>,
}

impl Request for ListGroupsRequest {
    const KEY: ApiKey = ApiKey::ListGroups;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = ListGroupsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> ListGroupsResponse {
        ListGroupsResponse {
            error_code: code.into(),
            ..ListGroupsResponse::default()
        }
    }
}

/// The groups that pass the filters.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ListGroupsResponse {
    #[field(versions = 1.., ignorable)]
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub groups: Vec<ListedGroup>,
}

/// A group by name.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ListedGroup {
    pub group_id: String,
    pub protocol_type: String,
    #[field(versions = 4.., ignorable)]
    pub group_state: String,
    #[field(versions = 5.., ignorable)]
    pub group_type: String,
}
