//! `LeaveGroup`: members leave a classic group.
//!
//! Up to 2 one member by its id; from 3 several, by id or instance (KIP-345); 5 adds a reason
//! (KIP-800).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=5;
const FLEXIBLE: i16 = 4;

/// The member (up to 2) or members that leave.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct LeaveGroupRequest {
    pub group_id: String,
    #[field(versions = ..=2)]
    pub member_id: String,
    #[field(versions = 3..)]
    pub members: Vec<MemberIdentity>,
}

impl Request for LeaveGroupRequest {
    const KEY: ApiKey = ApiKey::LeaveGroup;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = LeaveGroupResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> LeaveGroupResponse {
        LeaveGroupResponse {
            error_code: code.into(),
            ..LeaveGroupResponse::default()
        }
    }
}

/// A member by its id, its instance, or both.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct MemberIdentity {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    #[field(versions = 5.., ignorable)]
    pub reason: Option<String>,
}

/// Who has left.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct LeaveGroupResponse {
    #[field(versions = 1.., ignorable)]
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(versions = 3..)]
    pub members: Vec<MemberResponse>,
}

/// The outcome for one member.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct MemberResponse {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub error_code: i16,
}
