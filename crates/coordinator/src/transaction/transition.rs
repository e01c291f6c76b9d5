//! What becomes of a transaction: the changes of its state, each as the whole of the next one.
//!
//! Which change is allowed when is decided by those who ask for it; nothing here reads a request.

use super::partition_set::PartitionSet;
use super::state::TransactionState;
use super::{EPOCH_BUMP_SINCE, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Transaction};
use crate::effect::Outcome;

/// The highest epoch a client is given. One more is kept for fencing it.
pub(super) const LAST_CLIENT_EPOCH: i16 = i16::MAX - 1;

/// Whether an epoch is the last a client may have.
pub(super) fn is_exhausted(producer_epoch: i16) -> bool {
    producer_epoch >= LAST_CLIENT_EPOCH
}

/// How a transaction is to end, and on whose behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// The client's `transaction.version`, or the server's if the server ends it.
    pub(super) version: i16,
    /// The id to go on with, if epochs have run out.
    pub(super) next_producer_id: i64,
    pub(super) started: Started,
}

/// Whether there is anything to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Started {
    /// Partitions were added.
    Yes,
    /// None was added, and its start is not known: a client aborts to be sure (KIP-890).
    No,
}

impl Transaction {
    /// An id that was never used, with a producer id that was never given out. It has no epoch yet.
    pub(super) fn new(producer_id: i64, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            producer_id,
            previous_producer_id: NO_PRODUCER_ID,
            next_producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            last_producer_epoch: NO_PRODUCER_EPOCH,
            timeout_ms,
            state: TransactionState::Empty,
            partitions: PartitionSet::default(),
            start_ms: -1,
            last_update_ms: now_ms,
            client_version: 0,
        }
    }

    pub(super) fn is_epoch_exhausted(&self) -> bool {
        is_exhausted(self.producer_epoch)
    }

    /// The next epoch for a producer. `last`: the one it had, if it is the same producer.
    pub(super) fn with_epoch(&self, epoch: i16, last: i16, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            previous_producer_id: self.producer_id,
            producer_epoch: epoch,
            last_producer_epoch: last,
            ..self.emptied(timeout_ms, now_ms)
        }
    }

    /// Epochs have run out: a new producer id, from epoch 0 on.
    pub(super) fn with_producer_id(
        &self,
        producer_id: i64,
        last: i16,
        timeout_ms: i32,
        now_ms: i64,
    ) -> Self {
        Self {
            producer_id,
            previous_producer_id: self.producer_id,
            producer_epoch: 0,
            last_producer_epoch: last,
            ..self.emptied(timeout_ms, now_ms)
        }
    }

    fn emptied(&self, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            state: TransactionState::Empty,
            timeout_ms,
            partitions: PartitionSet::default(),
            start_ms: -1,
            last_update_ms: now_ms,
            ..self.clone()
        }
    }

    /// More partitions; the first begin the transaction.
    pub(super) fn with_partitions(&self, added: &PartitionSet, version: i16, now_ms: i64) -> Self {
        let mut partitions = self.partitions.clone();
        partitions.extend(added);
        let is_first = self.state != TransactionState::Ongoing;
        Self {
            state: TransactionState::Ongoing,
            previous_producer_id: self.producer_id,
            partitions,
            start_ms: if is_first { now_ms } else { self.start_ms },
            last_update_ms: now_ms,
            client_version: version,
            ..self.clone()
        }
    }

    /// It will end so, whatever happens. From version 2 on the markers carry the next epoch, which
    /// is what fences the records of this one.
    pub(super) fn prepared(&self, ending: Ending, now_ms: i64) -> Self {
        let (producer_epoch, last_producer_epoch) = if ending.version >= EPOCH_BUMP_SINCE {
            let next = self.producer_epoch.saturating_add(1);
            (next, self.producer_epoch)
        } else {
            (self.producer_epoch, self.last_producer_epoch)
        };
        Self {
            state: match ending.outcome {
                Outcome::Commit => TransactionState::PrepareCommit,
                Outcome::Abort => TransactionState::PrepareAbort,
            },
            previous_producer_id: self.producer_id,
            next_producer_id: ending.next_producer_id,
            producer_epoch,
            last_producer_epoch,
            start_ms: match ending.started {
                Started::Yes => self.start_ms,
                Started::No => now_ms,
            },
            last_update_ms: now_ms,
            client_version: ending.version,
            ..self.clone()
        }
    }

    /// Before version 2 only the server raises the epoch, to fence the producer it aborts.
    pub(super) fn fenced(&self) -> Self {
        Self {
            producer_epoch: self.producer_epoch.saturating_add(1),
            last_producer_epoch: NO_PRODUCER_EPOCH,
            ..self.clone()
        }
    }

    /// Every partition has its marker.
    pub(super) fn completed(&self, now_ms: i64) -> Self {
        let rotates =
            self.client_version >= EPOCH_BUMP_SINCE && self.next_producer_id != NO_PRODUCER_ID;
        let (producer_id, producer_epoch) = if rotates {
            (self.next_producer_id, 0)
        } else {
            (self.producer_id, self.producer_epoch)
        };
        Self {
            state: match self.state {
                TransactionState::PrepareCommit => TransactionState::CompleteCommit,
                _ => TransactionState::CompleteAbort,
            },
            producer_id,
            previous_producer_id: self.producer_id,
            next_producer_id: NO_PRODUCER_ID,
            producer_epoch,
            partitions: PartitionSet::default(),
            last_update_ms: now_ms,
            ..self.clone()
        }
    }
}
