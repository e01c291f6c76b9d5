//! Partitions on disk and the journal that makes them durable.
//!
//! [`LogDir`] is a data directory, [`PartitionLog`] one partition in it. Bytes go where Kafka puts them, into segments
//! with offset and time indexes; what makes them durable is one journal for the whole node, in which a single write
//! and sync covers everything that queued up meanwhile.
//!
//! No threads, no clock, no randomness: whoever owns a [`LogDir`] calls [`LogDir::commit_pending`] when told that
//! something waits ([`LogDir::set_notify`]), [`LogDir::checkpoint`], [`LogDir::prepare_journal`] and
//! [`LogDir::apply_retention`] now and then, and passes in the time and the [`disk::Disk`].
// A test that panics has failed; anything else must not.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod disk;

mod checkpoint;
mod config;
mod error;
mod journal;
mod log_dir;
mod loss;
mod meta;
mod node;
mod partition;
mod partition_id;
mod poison;
mod recovery;

pub use config::{CleanupPolicy, CompressionType, LogConfig};
pub use error::{AppendError, InvalidRecordDetail, LogError, ReadError};
pub use headwater_records::{Compression, CompressionLevels, TimestampType};
pub use journal::{Durability, JournalSizes, Position};
pub use log_dir::{Commit, JournalStep, LogDir, LogDirOptions, PartitionCut, RecoveryReport};
pub use partition::{
    AbortedTransaction, ActiveProducer, AppendOptions, Appended, Clean, CleanStats, CleanStep,
    CleanerOptions, DeletedRecords, EndMarker, Origin, PartitionLog, ReadBound, ReadMinimum,
    TimestampOffset, TransactionOutcome,
};
pub use partition_id::PartitionId;
