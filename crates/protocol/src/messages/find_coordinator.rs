//! FindCoordinator.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=6;
const FLEXIBLE: i16 = 3;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct FindCoordinatorRequest {
    #[field(versions = ..=3)]
    pub key: String,
    #[field(versions = 1..)]
    pub key_type: i8,
    #[field(versions = 4..)]
    pub coordinator_keys: Vec<String>,
}

impl Request for FindCoordinatorRequest {
    const KEY: ApiKey = ApiKey::FindCoordinator;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = FindCoordinatorResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> FindCoordinatorResponse {
        FindCoordinatorResponse {
            error_code: code.into(),
            ..Default::default()
        }
    }
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct FindCoordinatorResponse {
    #[field(versions = 1.., ignorable)]
    pub throttle_time_ms: i32,
    #[field(versions = ..=3)]
    pub error_code: i16,
    #[field(versions = 1..=3, ignorable)]
    pub error_message: Option<String>,
    #[field(versions = ..=3)]
    pub node_id: i32,
    #[field(versions = ..=3)]
    pub host: String,
    #[field(versions = ..=3)]
    pub port: i32,
    #[field(versions = 4..)]
    pub coordinators: Vec<Coordinator>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct Coordinator {
    pub key: String,
    pub node_id: i32,
    pub host: String,
    pub port: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
}
