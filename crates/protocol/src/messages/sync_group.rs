//! SyncGroup.

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=5;
const FLEXIBLE: i16 = 4;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct SyncGroupRequest {
    pub group_id: String,
    pub generation_id: i32,
    pub member_id: String,
    #[field(versions = 3..)]
    pub group_instance_id: Option<String>,
    #[field(versions = 5.., ignorable)]
    pub protocol_type: Option<String>,
    #[field(versions = 5.., ignorable)]
    pub protocol_name: Option<String>,
    pub assignments: Vec<SyncGroupRequestAssignment>,
}

impl Request for SyncGroupRequest {
    const KEY: ApiKey = ApiKey::SyncGroup;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = SyncGroupResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> SyncGroupResponse {
        SyncGroupResponse {
            error_code: code.into(),
            ..Default::default()
        }
    }
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct SyncGroupRequestAssignment {
    pub member_id: String,
    pub assignment: Bytes,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct SyncGroupResponse {
    #[field(versions = 1.., ignorable)]
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(versions = 5.., ignorable)]
    pub protocol_type: Option<String>,
    #[field(versions = 5.., ignorable)]
    pub protocol_name: Option<String>,
    pub assignment: Bytes,
}
