//! `AddPartitionsToTxn`: makes partitions part of a transaction, or asks whether they are.
//!
//! 2 tells fenced producers apart (KIP-588), 4 asks for several transactions at once, as brokers do
//! to verify (KIP-890), 5 knows `TRANSACTION_ABORTABLE`.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=5;
const FLEXIBLE: i16 = 3;

/// One transaction (up to 3) or several.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AddPartitionsToTxnRequest {
    #[field(versions = 4..)]
    pub transactions: Vec<AddPartitionsToTxnTransaction>,
    #[field(versions = ..=3)]
    pub v3_and_below_transactional_id: String,
    #[field(versions = ..=3)]
    pub v3_and_below_producer_id: i64,
    #[field(versions = ..=3)]
    pub v3_and_below_producer_epoch: i16,
    #[field(versions = ..=3)]
    pub v3_and_below_topics: Vec<AddPartitionsToTxnTopic>,
}

impl Request for AddPartitionsToTxnRequest {
    const KEY: ApiKey = ApiKey::AddPartitionsToTxn;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = AddPartitionsToTxnResponse;

    fn error_response(&self, code: ErrorCode, version: i16) -> AddPartitionsToTxnResponse {
        let results = |topics: &[AddPartitionsToTxnTopic]| {
            topics
                .iter()
                .map(|topic| AddPartitionsToTxnTopicResult {
                    name: topic.name.clone(),
                    results_by_partition: topic
                        .partitions
                        .iter()
                        .map(|&partition_index| AddPartitionsToTxnPartitionResult {
                            partition_index,
                            partition_error_code: code.into(),
                        })
                        .collect(),
                })
                .collect()
        };
        if version < 4 {
            return AddPartitionsToTxnResponse {
                results_by_topic_v3_and_below: results(&self.v3_and_below_topics),
                ..AddPartitionsToTxnResponse::default()
            };
        }
        let results_by_transaction = self
            .transactions
            .iter()
            .map(|transaction| AddPartitionsToTxnResult {
                transactional_id: transaction.transactional_id.clone(),
                topic_results: results(&transaction.topics),
            })
            .collect();
        AddPartitionsToTxnResponse {
            error_code: code.into(),
            results_by_transaction,
            ..AddPartitionsToTxnResponse::default()
        }
    }
}

/// The partitions of one transaction.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AddPartitionsToTxnTransaction {
    pub transactional_id: String,
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// Ask, and add nothing.
    pub verify_only: bool,
    pub topics: Vec<AddPartitionsToTxnTopic>,
}

/// Partitions of one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AddPartitionsToTxnTopic {
    pub name: String,
    pub partitions: Vec<i32>,
}

/// The outcome by topic (up to 3) or by transaction.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AddPartitionsToTxnResponse {
    pub throttle_time_ms: i32,
    #[field(versions = 4.., ignorable)]
    pub error_code: i16,
    #[field(versions = 4..)]
    pub results_by_transaction: Vec<AddPartitionsToTxnResult>,
    #[field(versions = ..=3)]
    pub results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult>,
}

/// The outcome for one transaction.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AddPartitionsToTxnResult {
    pub transactional_id: String,
    pub topic_results: Vec<AddPartitionsToTxnTopicResult>,
}

/// The outcome for one topic.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AddPartitionsToTxnTopicResult {
    pub name: String,
    pub results_by_partition: Vec<AddPartitionsToTxnPartitionResult>,
}

/// The outcome for one partition.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AddPartitionsToTxnPartitionResult {
    pub partition_index: i32,
    pub partition_error_code: i16,
}
