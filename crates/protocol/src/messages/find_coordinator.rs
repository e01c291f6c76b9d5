//! `FindCoordinator`: which broker coordinates a group or a transactional id.
//!
//! 1 adds the type of key, 4 asks for several keys at once (KIP-699), 6 allows share groups
//! (KIP-932).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=6;
const FLEXIBLE: i16 = 3;

/// The key (up to 3) or keys whose coordinator is wanted.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct FindCoordinatorRequest {
    #[field(versions = ..=3)]
    pub key: String,
    /// 0: group, 1: transactional id, 2: share group.
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

    fn error_response(&self, code: ErrorCode, version: i16) -> FindCoordinatorResponse {
        if version < 4 {
            return FindCoordinatorResponse {
                error_code: code.into(),
                node_id: -1,
                port: -1,
                ..FindCoordinatorResponse::default()
            };
        }
        let coordinators = self
            .coordinator_keys
            .iter()
            .map(|key| Coordinator {
                key: key.clone(),
                node_id: -1,
                port: -1,
                error_code: code.into(),
                ..Coordinator::default()
            })
            .collect();
        FindCoordinatorResponse {
            coordinators,
            ..FindCoordinatorResponse::default()
        }
    }
}

/// The coordinator (up to 3) or one for each key.
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

/// The coordinator of one key.
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
