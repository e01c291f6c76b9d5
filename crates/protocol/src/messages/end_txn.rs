//! `EndTxn`: commits or aborts a transaction.
//!
//! 2 tells fenced producers apart (KIP-588), 4 knows `TRANSACTION_ABORTABLE`, 5 gives the producer its
//! next epoch with every transaction (KIP-890).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=5;
const FLEXIBLE: i16 = 3;

/// The transaction to end.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct EndTxnRequest {
    pub transactional_id: String,
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// False: aborted.
    pub committed: bool,
}

impl Request for EndTxnRequest {
    const KEY: ApiKey = ApiKey::EndTxn;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = EndTxnResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> EndTxnResponse {
        EndTxnResponse {
            error_code: code.into(),
            ..EndTxnResponse::default()
        }
    }
}

/// Whether it ended, and the id and epoch to go on with.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct EndTxnResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    /// -1: as before.
    #[field(versions = 5.., default = -1, ignorable)]
    pub producer_id: i64,
    /// -1: as before.
    #[field(versions = 5.., default = -1, ignorable)]
    pub producer_epoch: i16,
}
