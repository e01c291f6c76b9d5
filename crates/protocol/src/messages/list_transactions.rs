//! `ListTransactions`: the transactional ids that the coordinator knows (KIP-664).
//!
//! 1 filters by duration (KIP-994), 2 by a pattern of the id (KIP-1152).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=2;
const FLEXIBLE: i16 = 0;

/// Filters; empty ones let everything pass.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ListTransactionsRequest {
    pub state_filters: Vec<String>,
    pub producer_id_filters: Vec<i64>,
    /// Only those that run for longer, in milliseconds; negative: all.
    #[field(versions = 1.., default = -1)]
    pub duration_filter: i64,
    /// A regular expression; null or empty: all.
    #[field(versions = 2..)]
    pub transactional_id_pattern: Option<String>,
}

impl Request for ListTransactionsRequest {
    const KEY: ApiKey = ApiKey::ListTransactions;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = ListTransactionsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> ListTransactionsResponse {
        ListTransactionsResponse {
            error_code: code.into(),
            ..ListTransactionsResponse::default()
        }
    }
}

/// What passed the filters.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ListTransactionsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    /// States asked for that there are none of.
    pub unknown_state_filters: Vec<String>,
    pub transaction_states: Vec<TransactionState>,
}

/// The state of one transactional id.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct TransactionState {
    pub transactional_id: String,
    pub producer_id: i64,
    pub transaction_state: String,
}
