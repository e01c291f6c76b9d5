//! `JoinGroup`: enters a classic group and waits for its next generation.
//!
//! 1 adds the rebalance timeout, 4 the two-step join (KIP-394), 5 static members (KIP-345), 7 the
//! protocol type (KIP-559), 8 a reason (KIP-800), 9 a leader that need not assign (KIP-814).

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=9;
const FLEXIBLE: i16 = 6;

/// A member and the assignment protocols it supports.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct JoinGroupRequest {
    pub group_id: String,
    pub session_timeout_ms: i32,
    /// -1: not told, the session timeout counts.
    #[field(versions = 1.., default = -1, ignorable)]
    pub rebalance_timeout_ms: i32,
    /// Empty: not known yet.
    pub member_id: String,
    #[field(versions = 5..)]
    pub group_instance_id: Option<String>,
    pub protocol_type: String,
    /// The preferred one first.
    pub protocols: Vec<JoinGroupRequestProtocol>,
    #[field(versions = 8.., ignorable)]
    pub reason: Option<String>,
}

impl Request for JoinGroupRequest {
    const KEY: ApiKey = ApiKey::JoinGroup;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = JoinGroupResponse;

    fn error_response(&self, code: ErrorCode, version: i16) -> JoinGroupResponse {
        JoinGroupResponse {
            error_code: code.into(),
            protocol_name: (version < 7).then(String::new),
            ..JoinGroupResponse::default()
        }
    }
}

/// A protocol and what the member tells its leader under it.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct JoinGroupRequestProtocol {
    pub name: String,
    pub metadata: Bytes,
}

/// The generation joined; for its leader also the members.
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
    /// Null on errors from version 7 on, empty before.
    #[field(nullable = 7.., default = Some(String::new()))]
    pub protocol_name: Option<String>,
    pub leader: String,
    /// The leader keeps the assignment there is.
    #[field(versions = 9..)]
    pub skip_assignment: bool,
    pub member_id: String,
    /// Empty for all but the leader.
    pub members: Vec<JoinGroupResponseMember>,
}

/// A member, as the leader needs it to assign partitions.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct JoinGroupResponseMember {
    pub member_id: String,
    #[field(versions = 5.., ignorable)]
    pub group_instance_id: Option<String>,
    pub metadata: Bytes,
}
