//! `EndTxn`: a transaction is committed or aborted.
//!
//! Up to version 4 the producer goes on with its epoch. From 5 on (KIP-890) each end raises it, and
//! the answer brings the new one; a client that did not hear it asks again with the old epoch and
//! gets the same answer. Only such a client may abort what has not begun, to be sure.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::end_txn::{EndTxnRequest, EndTxnResponse};

use super::coordinator::{TransactionCoordinator, Turn};
use super::init::NewProducerId;
use super::state::TransactionState;
use super::transition::{Ending, LAST_CLIENT_EPOCH, Started};
use super::{EPOCH_BUMP_SINCE, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Transaction};
use crate::effect::{Call, Effect, Outcome, ProducerIdAndEpoch};

/// The first version that raises the epoch.
const BUMP_SINCE: i16 = 5;
/// The first version whose clients know `PRODUCER_FENCED` here.
const FENCED_SINCE: i16 = 2;
/// What is written for clients that do not know of raised epochs.
const OLD_CLIENT: i16 = 0;

/// What an `EndTxn` leads to.
#[derive(Debug)]
enum End {
    Prepare(Transaction),
    /// It has ended so before.
    Already(ProducerIdAndEpoch),
}

impl TransactionCoordinator {
    /// The answer comes after the markers, so that whoever hears of the end can read what it brought.
    pub fn end_txn(
        &mut self,
        call: Call,
        request: &EndTxnRequest,
        new_producer_id: NewProducerId<'_>,
    ) -> Vec<Effect> {
        let mut turn = Turn::default();
        match self.decide_end(call, request, new_producer_id) {
            Ok(End::Prepare(next)) => {
                self.prepare(&mut turn, &request.transactional_id, &next);
                // What it will be when it is complete, which nothing can change any more.
                turn.reply(call, ended(&next.completed(call.now_ms), call.version));
            }
            Ok(End::Already(producer)) => turn.reply(call, answer(producer, call.version)),
            Err(ErrorCode::ProducerFenced) if call.version < FENCED_SINCE => {
                turn.reply(call, refused(ErrorCode::InvalidProducerEpoch));
            }
            Err(code) => turn.reply(call, refused(code)),
        }
        turn.finish()
    }

    fn decide_end(
        &self,
        call: Call,
        request: &EndTxnRequest,
        new_producer_id: NewProducerId<'_>,
    ) -> Result<End, ErrorCode> {
        if request.transactional_id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        self.check_serving()?;
        let transaction = self.transactions.get(&request.transactional_id);
        let transaction = transaction.ok_or(ErrorCode::InvalidProducerIdMapping)?;
        let outcome = if request.committed {
            Outcome::Commit
        } else {
            Outcome::Abort
        };
        let producer = ProducerIdAndEpoch {
            producer_id: request.producer_id,
            producer_epoch: request.producer_epoch,
        };
        if call.version < BUMP_SINCE {
            return transaction.end_as_before(producer, outcome, call.now_ms);
        }
        let started = transaction.may_end(producer, outcome)?;
        let Some(started) = started else {
            return Ok(End::Already(transaction.producer()));
        };
        let next_producer_id = if transaction.is_epoch_exhausted() {
            new_producer_id()?
        } else {
            NO_PRODUCER_ID
        };
        let ending = Ending {
            outcome,
            version: EPOCH_BUMP_SINCE,
            next_producer_id,
            started,
        };
        Ok(End::Prepare(transaction.prepared(ending, call.now_ms)))
    }

    /// Aborts what is under way on the server's behalf, and fences its producer.
    pub(super) fn abort_and_fence(&mut self, turn: &mut Turn, transactional_id: &str, now_ms: i64) {
        let Some(transaction) = self.transactions.get(transactional_id) else {
            return;
        };
        if transaction.state != TransactionState::Ongoing {
            return;
        }
        let ending = |version| Ending {
            outcome: Outcome::Abort,
            version,
            next_producer_id: NO_PRODUCER_ID,
            started: Started::Yes,
        };
        let next = if self.version >= EPOCH_BUMP_SINCE {
            transaction.prepared(ending(EPOCH_BUMP_SINCE), now_ms)
        } else {
            transaction.fenced().prepared(ending(OLD_CLIENT), now_ms)
        };
        self.prepare(turn, transactional_id, &next);
    }

    fn prepare(&mut self, turn: &mut Turn, transactional_id: &str, next: &Transaction) {
        self.append(turn, transactional_id, next);
        turn.write_markers(next.end_markers(transactional_id, &next.partitions));
    }
}

impl Transaction {
    fn producer(&self) -> ProducerIdAndEpoch {
        ProducerIdAndEpoch {
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
        }
    }

    /// Up to version 4: the state alone tells a repeated request.
    fn end_as_before(
        &self,
        producer: ProducerIdAndEpoch,
        outcome: Outcome,
        now_ms: i64,
    ) -> Result<End, ErrorCode> {
        if self.producer_id != producer.producer_id {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        if self.producer_epoch != producer.producer_epoch {
            return Err(ErrorCode::ProducerFenced);
        }
        match (self.state, outcome) {
            (TransactionState::Ongoing, outcome) => {
                let ending = Ending {
                    outcome,
                    version: OLD_CLIENT,
                    next_producer_id: NO_PRODUCER_ID,
                    started: Started::Yes,
                };
                Ok(End::Prepare(self.prepared(ending, now_ms)))
            }
            (TransactionState::CompleteCommit, Outcome::Commit)
            | (TransactionState::CompleteAbort, Outcome::Abort) => Ok(End::Already(producer)),
            (TransactionState::PrepareCommit, Outcome::Commit)
            | (TransactionState::PrepareAbort, Outcome::Abort) => {
                Err(ErrorCode::ConcurrentTransactions)
            }
            _ => Err(ErrorCode::InvalidTxnState),
        }
    }

    /// From version 5 on the epoch tells a repeated request (the one before) from a new one (the
    /// current one). `None`: it has ended so already.
    fn may_end(
        &self,
        producer: ProducerIdAndEpoch,
        outcome: Outcome,
    ) -> Result<Option<Started>, ErrorCode> {
        let is_current = producer.producer_epoch == self.producer_epoch;
        let repeats_bump = i32::from(producer.producer_epoch) + 1 == i32::from(self.producer_epoch);
        let repeats_overflow = producer.producer_id == self.previous_producer_id
            && producer.producer_epoch == LAST_CLIENT_EPOCH
            && self.producer_epoch == 0;
        if self.producer_id != producer.producer_id && !repeats_overflow {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        let is_repeated = repeats_bump || repeats_overflow;
        let is_valid = match self.state {
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => repeats_bump,
            TransactionState::CompleteCommit | TransactionState::CompleteAbort => {
                is_repeated || is_current
            }
            _ => is_current,
        };
        if !is_valid {
            return Err(ErrorCode::ProducerFenced);
        }
        match (self.state, outcome) {
            (TransactionState::Ongoing, _) => Ok(Some(Started::Yes)),
            (TransactionState::CompleteCommit, Outcome::Commit)
            | (TransactionState::CompleteAbort, Outcome::Abort)
                if is_repeated =>
            {
                Ok(None)
            }
            (
                TransactionState::CompleteAbort | TransactionState::CompleteCommit,
                Outcome::Abort,
            ) if !is_repeated => Ok(Some(Started::No)),
            (TransactionState::Empty, Outcome::Abort) => Ok(Some(Started::No)),
            (TransactionState::PrepareCommit, Outcome::Commit)
            | (TransactionState::PrepareAbort, Outcome::Abort) => {
                Err(ErrorCode::ConcurrentTransactions)
            }
            (TransactionState::Dead | TransactionState::PrepareEpochFence, _) => {
                Err(ErrorCode::UnknownServerError)
            }
            _ => Err(ErrorCode::InvalidTxnState),
        }
    }
}

fn ended(transaction: &Transaction, version: i16) -> EndTxnResponse {
    answer(transaction.producer(), version)
}

fn answer(producer: ProducerIdAndEpoch, version: i16) -> EndTxnResponse {
    if version < BUMP_SINCE {
        return EndTxnResponse::default();
    }
    EndTxnResponse {
        producer_id: producer.producer_id,
        producer_epoch: producer.producer_epoch,
        ..EndTxnResponse::default()
    }
}

fn refused(code: ErrorCode) -> EndTxnResponse {
    EndTxnResponse {
        error_code: code.into(),
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        ..EndTxnResponse::default()
    }
}
