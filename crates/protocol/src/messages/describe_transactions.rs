//! `DescribeTransactions`: the state of transactions (KIP-664).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=0;
const FLEXIBLE: i16 = 0;

/// The transactional ids to describe.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeTransactionsRequest {
    pub transactional_ids: Vec<String>,
}

impl Request for DescribeTransactionsRequest {
    const KEY: ApiKey = ApiKey::DescribeTransactions;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = DescribeTransactionsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> DescribeTransactionsResponse {
        let transaction_states = self
            .transactional_ids
            .iter()
            .map(|id| TransactionState {
                error_code: code.into(),
                transactional_id: id.clone(),
                ..TransactionState::default()
            })
            .collect();
        DescribeTransactionsResponse {
            transaction_states,
            ..DescribeTransactionsResponse::default()
        }
    }
}

/// Their transactions.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeTransactionsResponse {
    pub throttle_time_ms: i32,
    pub transaction_states: Vec<TransactionState>,
}

/// The current or last transaction of one transactional id.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct TransactionState {
    pub error_code: i16,
    pub transactional_id: String,
    pub transaction_state: String,
    pub transaction_timeout_ms: i32,
    /// -1: none is under way.
    pub transaction_start_time_ms: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub topics: Vec<TopicData>,
}

/// Partitions of one topic that are part of it and not yet ended.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct TopicData {
    pub topic: String,
    pub partitions: Vec<i32>,
}
