//! `InitProducerId` for a transactional id: who writes under it from here on.
//!
//! Each new producer gets the next epoch, which fences the ones before. One that gives the id and
//! epoch it had goes on after an error (KIP-360), and is fenced if somebody else came in between. A
//! transaction that is under way is aborted first, and the client asked to come again.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::init_producer_id::{
    InitProducerIdRequest, InitProducerIdResponse,
};

use super::coordinator::{TransactionCoordinator, Turn};
use super::state::TransactionState;
use super::transition::is_exhausted;
use super::{NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Transaction};
use crate::effect::{Call, Effect, ProducerIdAndEpoch};

/// The first version whose clients know `PRODUCER_FENCED` here.
const FENCED_SINCE: i16 = 4;

/// Gives out a producer id that was never given out before.
pub type NewProducerId<'a> = &'a mut dyn FnMut() -> Result<i64, ErrorCode>;

/// What an `InitProducerId` leads to.
enum Init {
    Give(Transaction),
    /// The transaction of the producer before is aborted first.
    AbortFirst,
}

impl TransactionCoordinator {
    /// `new_producer_id` is asked for an id only if one is needed, and the reply then depends on it.
    pub fn init_producer_id(
        &mut self,
        call: Call,
        request: &InitProducerIdRequest,
        new_producer_id: NewProducerId<'_>,
    ) -> Vec<Effect> {
        let transactional_id = request.transactional_id.as_deref().unwrap_or_default();
        let decided = self.decide_init(call.now_ms, transactional_id, request, new_producer_id);
        let mut turn = Turn::default();
        match decided {
            Ok(Init::Give(next)) => {
                self.append(&mut turn, transactional_id, &next);
                turn.reply(call, given(&next));
            }
            Ok(Init::AbortFirst) => {
                self.abort_and_fence(&mut turn, transactional_id, call.now_ms);
                turn.reply(call, refused(ErrorCode::ConcurrentTransactions));
            }
            Err(ErrorCode::ProducerFenced) if call.version < FENCED_SINCE => {
                turn.reply(call, refused(ErrorCode::InvalidProducerEpoch));
            }
            Err(code) => turn.reply(call, refused(code)),
        }
        turn.finish()
    }

    fn decide_init(
        &self,
        now_ms: i64,
        transactional_id: &str,
        request: &InitProducerIdRequest,
        new_producer_id: NewProducerId<'_>,
    ) -> Result<Init, ErrorCode> {
        let expected = expected_producer(request)?;
        if transactional_id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        let timeout_ms = request.transaction_timeout_ms;
        if timeout_ms <= 0 || timeout_ms > self.config.max_timeout_ms {
            return Err(ErrorCode::InvalidTransactionTimeout);
        }
        self.check_serving()?;
        if self.is_ending(transactional_id) {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        let created;
        let transaction = match self.transactions.get(transactional_id) {
            Some(transaction) => transaction,
            None if self.transactions.len() >= self.config.max_transactional_ids => {
                return Err(ErrorCode::UnknownServerError);
            }
            None => {
                created = Transaction::new(new_producer_id()?, timeout_ms, now_ms);
                &created
            }
        };
        if expected.is_some_and(|expected| !transaction.knows(expected)) {
            return Err(ErrorCode::ProducerFenced);
        }
        match transaction.state {
            TransactionState::Ongoing => Ok(Init::AbortFirst),
            TransactionState::Empty
            | TransactionState::CompleteCommit
            | TransactionState::CompleteAbort => transaction
                .given_to(expected, timeout_ms, now_ms, new_producer_id)
                .map(Init::Give),
            TransactionState::PrepareCommit
            | TransactionState::PrepareAbort
            | TransactionState::Dead
            | TransactionState::PrepareEpochFence => Err(ErrorCode::UnknownServerError),
        }
    }
}

impl Transaction {
    /// Whether a producer may be the one that has the id: it has it now, or it had the id before and
    /// may not have heard of the change.
    fn knows(&self, producer: ProducerIdAndEpoch) -> bool {
        self.producer_epoch == NO_PRODUCER_EPOCH
            || producer.producer_id == self.producer_id
            || (producer.producer_id == self.previous_producer_id
                && is_exhausted(producer.producer_epoch))
    }

    fn given_to(
        &self,
        expected: Option<ProducerIdAndEpoch>,
        timeout_ms: i32,
        now_ms: i64,
        new_producer_id: NewProducerId<'_>,
    ) -> Result<Transaction, ErrorCode> {
        let expected_epoch = expected.map(|expected| expected.producer_epoch);
        let current = self.producer_epoch;
        if self.is_epoch_exhausted() && expected_epoch.is_none_or(|epoch| epoch == current) {
            let last = expected_epoch.unwrap_or(NO_PRODUCER_EPOCH);
            return Ok(self.with_producer_id(new_producer_id()?, last, timeout_ms, now_ms));
        }
        let (epoch, last) = match expected_epoch {
            None => (current + 1, NO_PRODUCER_EPOCH),
            Some(_) if current == NO_PRODUCER_EPOCH => (0, NO_PRODUCER_EPOCH),
            Some(epoch) if epoch == current => (current + 1, current),
            // It did not hear the answer to its last attempt.
            Some(epoch) if epoch == self.last_producer_epoch => (current, epoch),
            Some(_) => return Err(ErrorCode::ProducerFenced),
        };
        Ok(self.with_epoch(epoch, last, timeout_ms, now_ms))
    }
}

/// The producer that a client says it was. Both of id and epoch, or neither.
fn expected_producer(
    request: &InitProducerIdRequest,
) -> Result<Option<ProducerIdAndEpoch>, ErrorCode> {
    match (request.producer_id, request.producer_epoch) {
        (NO_PRODUCER_ID, NO_PRODUCER_EPOCH) => Ok(None),
        (NO_PRODUCER_ID, _) | (_, NO_PRODUCER_EPOCH) => Err(ErrorCode::InvalidRequest),
        (producer_id, producer_epoch) => Ok(Some(ProducerIdAndEpoch {
            producer_id,
            producer_epoch,
        })),
    }
}

fn given(transaction: &Transaction) -> InitProducerIdResponse {
    InitProducerIdResponse {
        producer_id: transaction.producer_id,
        producer_epoch: transaction.producer_epoch,
        ..InitProducerIdResponse::default()
    }
}

fn refused(code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code: code.into(),
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        ..InitProducerIdResponse::default()
    }
}
