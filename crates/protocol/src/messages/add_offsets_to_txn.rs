//! `AddOffsetsToTxn`: makes a group's offsets part of a transaction.
//!
//! 2 tells fenced producers apart (KIP-588), 4 knows `TRANSACTION_ABORTABLE` (KIP-890). Producers of
//! transactions v2 do without it.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=4;
const FLEXIBLE: i16 = 3;

/// The transaction, and the group whose offsets it will commit.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AddOffsetsToTxnRequest {
    pub transactional_id: String,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub group_id: String,
}

impl Request for AddOffsetsToTxnRequest {
    const KEY: ApiKey = ApiKey::AddOffsetsToTxn;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = AddOffsetsToTxnResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> AddOffsetsToTxnResponse {
        AddOffsetsToTxnResponse {
            error_code: code.into(),
            ..AddOffsetsToTxnResponse::default()
        }
    }
}

/// Whether they are part of it now.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AddOffsetsToTxnResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
}
