//! JoinGroup.

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=9;
const FLEXIBLE: i16 = 6;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct JoinGroupRequest {
    pub group_id: String,
    pub session_timeout_ms: i32,
    #[field(versions = 1.., default = -1, ignorable)]
    pub rebalance_timeout_ms: i32,
    pub member_id: String,
    #[field(versions = 5..)]
    pub group_instance_id: Option<String>,
    pub protocol_type: String,
    pub protocols: Vec<JoinGroupRequestProtocol>,
    #[field(versions = 8.., ignorable)]
    pub reason: Option<String>,
}

impl Request for JoinGroupRequest {
    const KEY: ApiKey = ApiKey::JoinGroup;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = JoinGroupResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> JoinGroupResponse {
        JoinGroupResponse {
            error_code: code.into(),
            ..Default::default()
        }
    }
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct JoinGroupRequestProtocol {
    pub name: String,
    pub metadata: Bytes,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct JoinGroupResponse {
    #[field(versions = 2.., ignorable)]
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(default = -1)]
    pub generation_id: i32,
    #[field(versions = 7.., ignorable)]
    pub protocol_type: Option<String>,
    #[field(nullable = 7.., default = Some(String::new()))]
    pub protocol_name: Option<String>,
    pub leader: String,
    #[field(versions = 9..)]
    pub skip_assignment: bool,
    pub member_id: String,
    pub members: Vec<JoinGroupResponseMember>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct JoinGroupResponseMember {
    pub member_id: String,
    #[field(versions = 5.., ignorable)]
    pub group_instance_id: Option<String>,
    pub metadata: Bytes,
}
