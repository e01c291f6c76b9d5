//! `InitProducerId`: gives a producer its id and epoch.
//!
//! 3 lets a producer ask for its next epoch (KIP-360), 4 tells fenced producers apart (KIP-588).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=5;
const FLEXIBLE: i16 = 2;

/// A producer that wants an id, or its next epoch.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct InitProducerIdRequest {
    /// Null unless transactional.
    pub transactional_id: Option<String>,
    pub transaction_timeout_ms: i32,
    /// -1: has none yet.
    #[field(versions = 3.., default = -1)]
    pub producer_id: i64,
    #[field(versions = 3.., default = -1)]
    pub producer_epoch: i16,
}

impl Request for InitProducerIdRequest {
    const KEY: ApiKey = ApiKey::InitProducerId;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = InitProducerIdResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> InitProducerIdResponse {
        InitProducerIdResponse {
            error_code: code.into(),
            producer_epoch: -1,
            ..InitProducerIdResponse::default()
        }
    }
}

/// The id and epoch to produce with.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct InitProducerIdResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(default = -1)]
    pub producer_id: i64,
    pub producer_epoch: i16,
}
