//! One partition: its segments with their indexes, its producers and leader epochs, and what may be done with it.
//!
//! It owns everything below `partitions/<topic-id>-<n>/`. It never decides when something is synced or committed: see
//! [`LogDir`](crate::LogDir).

mod append;
mod capture;
mod cleaner;
mod cleaner_checkpoint;
mod end_marker;
mod flush;
mod header_reader;
mod index_file;
mod leader_epochs;
mod log;
mod offset_index;
mod producer_state;
mod read;
mod recover;
mod retention;
mod segment;
mod state;
mod time_index;
mod timestamps;
mod transaction_index;
mod transactions;
mod validate;

pub(crate) use capture::{Capture, remove_if_there};
pub(crate) use cleaner::Extent;
pub use cleaner::{Clean, CleanStats, CleanStep, CleanerOptions};
pub use end_marker::{EndMarker, TransactionOutcome};
pub use log::PartitionLog;
pub use producer_state::ActiveProducer;
pub(crate) use recover::{Applied, RecoverError};
pub use transactions::AbortedTransaction;

use crate::Position;

/// On whose behalf an append is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A producer's: everything is checked, and it is refused when the disk is nearly full.
    Client,
    /// The broker's own (group coordinator, metadata, transaction markers): it goes on while there is room at all. Of
    /// a producer id in it only the epoch is checked.
    Coordinator,
}

/// What an append needs to know besides the batches.
#[derive(Debug, Clone, Copy)]
pub struct AppendOptions {
    /// On whose behalf.
    pub origin: Origin,
    /// Written into each batch.
    pub leader_epoch: i32,
    /// The time now.
    pub now_ms: i64,
}

/// Where an append went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Time given to the records, -1 unless the topic has `LogAppendTime`.
    pub log_append_time_ms: i64,
    /// First offset of the log.
    pub log_start_offset: i64,
    /// What to wait for before it is acknowledged.
    pub position: Position,
    /// The producer had sent it before: the offsets are those of then, and nothing was written.
    pub duplicate: bool,
}

/// Answer to `delete_records`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletedRecords {
    /// The new log start.
    pub low_watermark: i64,
    /// What to wait for before it is acknowledged.
    pub position: Position,
}

/// How far a read may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadBound {
    /// To the end of what is durable: consumers.
    HighWatermark,
    /// To the first open transaction at most: consumers with `read_committed`.
    LastStable,
    /// To the end of what was appended: loading a coordinator.
    LogEnd,
}

/// Whether a first batch above the limit is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMinimum {
    /// Yes, so that a consumer always gets on.
    OneBatch,
    /// No: there is something in the response already.
    Nothing,
}

/// A record found by its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp.
    pub timestamp: i64,
    /// Leader epoch of its batch.
    pub leader_epoch: i32,
}
