//! Transactions as a pure state machine: one per partition of `__transaction_state`.
//!
//! Owns who may write under a transactional id, which partitions its transaction has, and when it
//! ends and how. It never sees records of a transaction, nor does it write markers: it says where
//! they have to go. The contract with the broker is that of the groups (see the crate), with one
//! effect more:
//!
//! [`crate::Effect::WriteMarkers`]: append an end marker to each of the partitions, and tell
//! [`TransactionCoordinator::markers_written`] which of them have to be tried again. The whole end of
//! a transaction (prepare record, markers, complete record) may go to the journal at once, since the
//! journal keeps their order: whatever prefix of it survives, a transaction that is found prepared
//! when the partition is loaded is driven to its end.

mod add;
mod config;
mod coordinator;
mod describe;
mod end;
mod expire;
mod init;
mod markers;
mod partition_set;
mod record;
mod state;
mod transition;

pub use add::TransactionalProducer;
pub use config::TransactionConfig;
pub use coordinator::TransactionCoordinator;
pub use init::NewProducerId;
pub use partition_set::PartitionSet;
pub use record::{PartitionsSchema, TransactionLogValue, TransactionRecord};
pub use state::TransactionState;

/// No producer has it.
pub(crate) const NO_PRODUCER_ID: i64 = -1;
/// No epoch was given out.
pub(crate) const NO_PRODUCER_EPOCH: i16 = -1;
/// From this level of `transaction.version` on the epoch is raised at every end (KIP-890).
const EPOCH_BUMP_SINCE: i16 = 2;
/// A transaction of an outside coordinator, which has no time-out of its own (KIP-939).
const TWO_PHASE_COMMIT_TIMEOUT_MS: i32 = i32::MAX;

/// All that is known of one transactional id. Only `last_producer_epoch` is not in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    pub producer_id: i64,
    /// The id before the latest change, to know a retry by.
    pub previous_producer_id: i64,
    /// The id to go on with once the transaction has ended.
    pub next_producer_id: i64,
    pub producer_epoch: i16,
    /// The epoch before, if the producer that had it is the one that has the current epoch.
    pub last_producer_epoch: i16,
    pub timeout_ms: i32,
    pub state: TransactionState,
    pub partitions: PartitionSet,
    /// When the first partition was added; -1: none is under way.
    pub start_ms: i64,
    pub last_update_ms: i64,
    /// The `transaction.version` that the client spoke.
    pub client_version: i16,
}
