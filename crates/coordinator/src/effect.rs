//! What goes into the coordinator besides requests, and what comes out of it.
//!
//! Owns the vocabulary of the contract with the broker; decides nothing.

use bytes::Bytes;
use headwater_protocol::{ErrorCode, Uuid};

use crate::response::Response;
use crate::transaction::PartitionSet;

/// The broker's name for whoever waits for an answer. Opaque here; answered exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// What every request comes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub now_ms: i64,
    /// The version of the API that the client spoke; some behaviour hangs on it.
    pub version: i16,
    pub token: Token,
}

/// Who sends a `JoinGroup`, for the member's description and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client<'a> {
    pub client_id: &'a str,
    /// Kafka writes a slash before the address: `/127.0.0.1`.
    pub client_host: &'a str,
    /// A fresh UUID in its usual 36 characters, used if this join needs a new member id.
    pub new_member_uuid: &'a str,
}

/// A record of `__consumer_offsets`. No value: a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoordinatorRecord {
    pub key: Bytes,
    pub value: Option<Bytes>,
}

/// The producer whose transaction records belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerIdAndEpoch {
    pub producer_id: i64,
    pub producer_epoch: i16,
}

/// How a transaction ended, as its marker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Commit,
    Abort,
}

/// The end of a transaction, to be marked in the partitions that it wrote to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndMarkers {
    pub transactional_id: String,
    pub producer: ProducerIdAndEpoch,
    pub outcome: Outcome,
    /// From 2 on the epoch is above that of the transaction's records (KIP-890).
    pub transaction_version: i16,
    /// Those that have no marker yet.
    pub partitions: PartitionSet,
}

/// A topic that is gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeletedTopic {
    pub name: String,
    /// What was committed to another topic of the same name stays. Zero: all goes.
    pub id: Uuid,
}

/// What the broker has to do; the rules are in the crate's documentation.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Append the records as one batch, then replay them. The first effect of a call, if at all; only
    /// tombstones may come in several batches.
    Append {
        records: Vec<CoordinatorRecord>,
        /// Given: the batch is part of this producer's transaction, without sequence, and its
        /// records are replayed as such.
        producer: Option<ProducerIdAndEpoch>,
    },
    /// Append an end marker to each of the partitions, then tell
    /// [`crate::TransactionCoordinator::markers_written`] and carry out what it says.
    WriteMarkers(EndMarkers),
    /// Answer once the partition's latest append is durable.
    Reply { token: Token, response: Response },
}

/// Why records could not be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendFailure {
    /// Disk full, I/O error, log closed or poisoned: clients look for the coordinator again.
    Storage,
    /// The batch exceeds what the partition takes: trying again will not help.
    TooLarge,
    /// The producer may not append, for this reason: it is fenced, or its transaction is not open.
    Producer(ErrorCode),
}
