//! `Heartbeat`: a classic group's member is alive.
//!
//! 3 adds static members (KIP-345).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=4;
const FLEXIBLE: i16 = 4;

/// A member and the generation it believes to be current.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct HeartbeatRequest {
    pub group_id: String,
    pub generation_id: i32,
    pub member_id: String,
    #[field(versions = 3..)]
    pub group_instance_id: Option<String>,
}

impl Request for HeartbeatRequest {
    const KEY: ApiKey = ApiKey::Heartbeat;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = HeartbeatResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> HeartbeatResponse {
        HeartbeatResponse {
            error_code: code.into(),
            ..HeartbeatResponse::default()
        }
    }
}

/// Whether to go on or to rejoin.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct HeartbeatResponse {
    #[field(versions = 1.., ignorable)]
    pub throttle_time_ms: i32,
    pub error_code: i16,
}
