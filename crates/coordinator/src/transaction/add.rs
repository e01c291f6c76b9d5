//! Partitions that become part of a transaction, and whether one is.
//!
//! Before `transaction.version` 2 clients add partitions before they write to them, and a write is
//! only verified; from 2 on a write adds its partition by itself (KIP-890).

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::add_offsets_to_txn::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse,
};
use headwater_protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResponse, AddPartitionsToTxnResult,
    AddPartitionsToTxnTopic, AddPartitionsToTxnTopicResult, AddPartitionsToTxnTransaction,
};

use super::coordinator::{TransactionCoordinator, Turn};
use super::partition_set::PartitionSet;
use super::state::TransactionState;
use super::{EPOCH_BUMP_SINCE, Transaction};
use crate::effect::{Call, Effect, ProducerIdAndEpoch};

/// The first version whose clients know `PRODUCER_FENCED` here.
const FENCED_SINCE: i16 = 2;
/// From this version on a request comes from a broker on behalf of a client of version 2.
const ADD_BY_BROKER_SINCE: i16 = 4;
/// A client that adds partitions itself.
const FIRST_VERSION: i16 = 0;

/// Whose transaction is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionalProducer<'a> {
    pub transactional_id: &'a str,
    pub producer: ProducerIdAndEpoch,
}

impl TransactionCoordinator {
    /// One transaction of an `AddPartitionsToTxn`, answered in the form of version 4: the broker takes
    /// older requests for one of these and puts answers together. `verify_only` adds nothing.
    pub fn add_partitions_to_txn(
        &mut self,
        call: Call,
        transaction: &AddPartitionsToTxnTransaction,
    ) -> Vec<Effect> {
        let producer = TransactionalProducer {
            transactional_id: &transaction.transactional_id,
            producer: ProducerIdAndEpoch {
                producer_id: transaction.producer_id,
                producer_epoch: transaction.producer_epoch,
            },
        };
        let mut turn = Turn::default();
        let result = if transaction.verify_only {
            results(transaction, |topic, partition| {
                self.verify(producer, topic, partition)
            })
        } else {
            let version = if call.version >= ADD_BY_BROKER_SINCE {
                EPOCH_BUMP_SINCE
            } else {
                FIRST_VERSION
            };
            let partitions = partitions(&transaction.topics);
            let added = self.add(&mut turn, producer, &partitions, version, call.now_ms);
            let added = added.map_err(|code| known_fence(code, call.version));
            results(transaction, |_, _| added)
        };
        turn.reply(
            call,
            AddPartitionsToTxnResponse {
                results_by_transaction: vec![result],
                ..AddPartitionsToTxnResponse::default()
            },
        );
        turn.finish()
    }

    /// The partition of `__consumer_offsets` that holds the group becomes part of the transaction.
    pub fn add_offsets_to_txn(
        &mut self,
        call: Call,
        request: &AddOffsetsToTxnRequest,
        offsets: &PartitionSet,
    ) -> Vec<Effect> {
        let producer = TransactionalProducer {
            transactional_id: &request.transactional_id,
            producer: ProducerIdAndEpoch {
                producer_id: request.producer_id,
                producer_epoch: request.producer_epoch,
            },
        };
        let mut turn = Turn::default();
        let added = self.add(&mut turn, producer, offsets, FIRST_VERSION, call.now_ms);
        let error_code = match added {
            Ok(()) => 0,
            Err(code) => known_fence(code, call.version).into(),
        };
        turn.reply(
            call,
            AddOffsetsToTxnResponse {
                error_code,
                ..AddOffsetsToTxnResponse::default()
            },
        );
        turn.finish()
    }

    /// A write of a client of `transaction.version` 2 that is about to be appended, under the lock that
    /// keeps the transaction from ending: it adds its partitions by itself. Once the effects are
    /// carried out, [`Self::verify`] tells whether it may be; an error refuses it as a whole.
    pub fn add_written_partitions(
        &mut self,
        now_ms: i64,
        producer: TransactionalProducer<'_>,
        partitions: &PartitionSet,
    ) -> Result<Vec<Effect>, ErrorCode> {
        let mut turn = Turn::default();
        self.add(&mut turn, producer, partitions, EPOCH_BUMP_SINCE, now_ms)?;
        Ok(turn.finish())
    }

    /// Whether the producer may write to the partition now: it is part of its transaction.
    pub fn verify(
        &self,
        producer: TransactionalProducer<'_>,
        topic: &str,
        partition: i32,
    ) -> Result<(), ErrorCode> {
        let transaction = self.of_producer(producer)?;
        match transaction.state {
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => {
                Err(ErrorCode::ConcurrentTransactions)
            }
            _ if transaction.partitions.contains(topic, partition) => Ok(()),
            _ => Err(ErrorCode::TransactionAbortable),
        }
    }

    fn add(
        &mut self,
        turn: &mut Turn,
        producer: TransactionalProducer<'_>,
        partitions: &PartitionSet,
        version: i16,
        now_ms: i64,
    ) -> Result<(), ErrorCode> {
        // Before anything else: where epochs run out, a client has heard of its next producer id while
        // the end that brings it is still being carried out.
        if self.is_ending(producer.transactional_id) {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        let transaction = self.of_producer(producer)?;
        match transaction.state {
            TransactionState::PrepareCommit
            | TransactionState::PrepareAbort
            | TransactionState::Dead
            | TransactionState::PrepareEpochFence => Err(ErrorCode::UnknownServerError),
            TransactionState::Ongoing if transaction.partitions.contains_all(partitions) => Ok(()),
            _ => {
                let next = transaction.with_partitions(partitions, version, now_ms);
                self.append(turn, producer.transactional_id, &next);
                Ok(())
            }
        }
    }

    /// The transaction, if it is the producer's.
    fn of_producer(&self, producer: TransactionalProducer<'_>) -> Result<&Transaction, ErrorCode> {
        if producer.transactional_id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        self.check_serving()?;
        let transaction = self.transactions.get(producer.transactional_id);
        let transaction = transaction.ok_or(ErrorCode::InvalidProducerIdMapping)?;
        if transaction.producer_id != producer.producer.producer_id {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        if transaction.producer_epoch != producer.producer.producer_epoch {
            return Err(ErrorCode::ProducerFenced);
        }
        Ok(transaction)
    }
}

/// Older clients have another word for it.
fn known_fence(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::ProducerFenced if version < FENCED_SINCE => ErrorCode::InvalidProducerEpoch,
        code => code,
    }
}

fn partitions(topics: &[AddPartitionsToTxnTopic]) -> PartitionSet {
    topics
        .iter()
        .flat_map(|topic| {
            let partitions = topic.partitions.iter();
            partitions.map(|&partition| (topic.name.as_str(), partition))
        })
        .collect()
}

fn results(
    transaction: &AddPartitionsToTxnTransaction,
    outcome: impl Fn(&str, i32) -> Result<(), ErrorCode>,
) -> AddPartitionsToTxnResult {
    let topic_results = transaction.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter();
        AddPartitionsToTxnTopicResult {
            name: topic.name.clone(),
            results_by_partition: partitions
                .map(|&partition_index| AddPartitionsToTxnPartitionResult {
                    partition_index,
                    partition_error_code: match outcome(&topic.name, partition_index) {
                        Ok(()) => 0,
                        Err(code) => code.into(),
                    },
                })
                .collect(),
        }
    });
    AddPartitionsToTxnResult {
        transactional_id: transaction.transactional_id.clone(),
        topic_results: topic_results.collect(),
    }
}
