//! The markers of a transaction that ends: which partitions still need theirs, and what follows when
//! all of them have it.

use super::Transaction;
use super::coordinator::{Timer, TransactionCoordinator, Turn};
use super::partition_set::PartitionSet;
use super::state::TransactionState;
use crate::effect::{Effect, EndMarkers, Outcome, ProducerIdAndEpoch};

impl TransactionCoordinator {
    /// Markers were appended to all of the partitions but `remaining`, where a later attempt may
    /// succeed. The transaction is complete when none remains.
    pub fn markers_written(
        &mut self,
        now_ms: i64,
        markers: &EndMarkers,
        remaining: PartitionSet,
    ) -> Vec<Effect> {
        let transactional_id = &markers.transactional_id;
        let mut turn = Turn::default();
        let Some(transaction) = self.transactions.get(transactional_id) else {
            return turn.finish();
        };
        if !transaction.state.is_prepared() || transaction.marker_producer() != markers.producer {
            return turn.finish();
        }
        let is_complete = remaining.is_empty();
        let complete = transaction.completed(now_ms);
        self.unmarked.insert(transactional_id.clone(), remaining);
        if is_complete {
            self.append(&mut turn, transactional_id, &complete);
        } else {
            self.retry_markers(transactional_id.clone(), now_ms);
        }
        turn.finish()
    }

    /// Whether markers of the transaction are still to be written.
    pub(super) fn is_ending(&self, transactional_id: &str) -> bool {
        self.transactions
            .get(transactional_id)
            .is_some_and(|transaction| transaction.state.is_prepared())
    }

    /// Tries the rest of the markers again later.
    pub(super) fn retry_markers(&mut self, transactional_id: String, now_ms: i64) {
        let delay_ms = self.config.marker_retry_ms;
        self.schedule_in(Timer::WriteMarkers { transactional_id }, now_ms, delay_ms);
    }

    /// Has the markers written that a prepared transaction still needs, if any.
    pub(super) fn write_outstanding_markers(&mut self, turn: &mut Turn, transactional_id: &str) {
        let Some(transaction) = self.transactions.get(transactional_id) else {
            return;
        };
        if let Some(unmarked) = self.unmarked.get(transactional_id) {
            turn.write_markers(transaction.end_markers(transactional_id, unmarked));
        }
    }
}

impl Transaction {
    /// The id and epoch that the markers carry.
    fn marker_producer(&self) -> ProducerIdAndEpoch {
        ProducerIdAndEpoch {
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
        }
    }

    pub(super) fn end_markers(
        &self,
        transactional_id: &str,
        partitions: &PartitionSet,
    ) -> EndMarkers {
        EndMarkers {
            transactional_id: transactional_id.to_owned(),
            producer: self.marker_producer(),
            outcome: match self.state {
                TransactionState::PrepareCommit => Outcome::Commit,
                _ => Outcome::Abort,
            },
            transaction_version: self.client_version,
            partitions: partitions.clone(),
        }
    }
}
