//! `SyncGroup`: the leader hands in the assignment, every member gets its share.
//!
//! 3 adds static members (KIP-345), 5 the protocol chosen, to be checked (KIP-559).

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=5;
const FLEXIBLE: i16 = 4;

/// A member; from the leader also everyone's assignment.
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
    /// Empty for all but the leader.
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
            ..SyncGroupResponse::default()
        }
    }
}

/// The assignment of one member.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct SyncGroupRequestAssignment {
    pub member_id: String,
    pub assignment: Bytes,
}

/// The member's own assignment.
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
