//! Errors, shaped by what the caller does next: refuse the producer's batch, tell the consumer, or stop writing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A log directory cannot do what it was asked to: a fault of the disk or of what lies on it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// The operating system refused an operation.
    #[error("{operation} {}: {source}", path.display())]
    Io {
        /// What was tried: "write", "sync", ...
        operation: &'static str,
        /// File or directory.
        path: PathBuf,
        /// The system's answer.
        source: Arc<io::Error>,
    },
    /// What lies on disk contradicts itself. Never repaired in silence: acknowledged data may be affected.
    #[error("{} is corrupt at position {position}: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Byte position in it.
        position: u64,
        /// What contradicts what.
        reason: String,
    },
    /// A file that must be there is not. Nothing was changed.
    #[error("{} is missing: {reason}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// How it is known to have been there, and the remedy.
        reason: String,
    },
    /// Another process has the data directory open.
    #[error("data directory {} is in use by another process: stop it, or choose another directory", path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// A version that this program does not know wrote the directory.
    #[error("{} has format version {found}, this program reads up to {supported}: use the version that wrote it or a newer one", path.display())]
    UnsupportedFormat {
        /// The file that says so.
        path: PathBuf,
        /// Version found.
        found: u32,
        /// Highest version known.
        supported: u32,
    },
    /// A sync failed earlier, so what is on disk is no longer known. Reads go on, writes end until a restart.
    #[error("no more writes since a sync failed ({reason}): check the disk, then restart")]
    Poisoned {
        /// The first failure.
        reason: String,
    },
    /// Less room than is kept back for deletions and commits.
    #[error("disk is full: {free_bytes} bytes free, {needed_bytes} are kept back: make room")]
    DiskFull {
        /// Bytes free.
        free_bytes: u64,
        /// Bytes that must stay free.
        needed_bytes: u64,
    },
    /// The partition was deleted.
    #[error("the partition was deleted")]
    PartitionDeleted,
    /// The directory was closed.
    #[error("the log directory is closed")]
    Closed,
}

impl LogError {
    /// For `map_err`: an I/O error with what was tried on which path.
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            operation,
            path,
            source: Arc::new(source),
        }
    }

    /// A sync failed, as opposed to something that can be tried again.
    pub(crate) fn is_sync(&self) -> bool {
        matches!(self, Self::Io { operation, .. } if *operation == "sync")
            && !self.is_out_of_handles()
    }

    /// There were too many open files to begin with, so nothing was synced that could have failed: try again.
    pub(crate) fn is_out_of_handles(&self) -> bool {
        let Self::Io { source, .. } = self else {
            return false;
        };
        let limits = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
        limits
            .iter()
            .any(|limit| source.raw_os_error() == Some(limit.raw_os_error()))
    }

    pub(crate) fn missing(path: &Path, reason: impl Into<String>) -> Self {
        Self::Missing {
            path: path.to_path_buf(),
            reason: reason.into(),
        }
    }

    pub(crate) fn corrupt(path: &Path, position: u64, reason: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.to_path_buf(),
            position,
            reason: reason.into(),
        }
    }
}

/// What is wrong with one record of a refused batch (KIP-467).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRecordDetail {
    /// Position in the batch, from 0.
    pub batch_index: i32,
    /// What is wrong with it.
    pub message: String,
}

/// Why an append was refused. Nothing of it is in the log. Each variant is one of Kafka's error codes.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// `CORRUPT_MESSAGE`: CRC or structure.
    #[error("corrupt record batch: {0}")]
    CorruptMessage(String),
    /// `INVALID_RECORD`: well-formed, but not allowed.
    #[error("invalid record: {message}")]
    InvalidRecord {
        /// Kafka's `error_message`.
        message: String,
        /// Kafka's `record_errors`; may be empty.
        record_errors: Vec<InvalidRecordDetail>,
    },
    /// `INVALID_TIMESTAMP`: outside `message.timestamp.before.max.ms` / `after.max.ms`.
    #[error("invalid timestamp: {message}")]
    InvalidTimestamp {
        /// Kafka's `error_message`.
        message: String,
        /// Kafka's `record_errors`; may be empty.
        record_errors: Vec<InvalidRecordDetail>,
    },
    /// `UNSUPPORTED_FOR_MESSAGE_FORMAT`: magic 0 or 1.
    #[error("record batch has magic {magic}, only 2 is supported")]
    UnsupportedForMessageFormat {
        /// Magic found.
        magic: i8,
    },
    /// `UNSUPPORTED_COMPRESSION_TYPE`: a codec that does not exist.
    #[error("unknown compression codec {id}")]
    UnsupportedCompressionType {
        /// Codec bits.
        id: u8,
    },
    /// `MESSAGE_TOO_LARGE`: above `max.message.bytes`.
    #[error("record batch of {size} bytes exceeds max.message.bytes {limit}")]
    MessageTooLarge {
        /// Bytes of the batch.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// `RECORD_LIST_TOO_LARGE`: above `segment.bytes`.
    #[error("records of {size} bytes exceed segment.bytes {limit}")]
    RecordListTooLarge {
        /// Bytes of all batches.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// `OUT_OF_ORDER_SEQUENCE_NUMBER`: a batch of this producer is missing in between.
    #[error(
        "out of order sequence of producer {producer_id} at epoch {producer_epoch}: {found} after {last}"
    )]
    OutOfOrderSequence {
        /// Producer.
        producer_id: i64,
        /// Its epoch.
        producer_epoch: i16,
        /// First sequence of the batch.
        found: i32,
        /// Last sequence in the log, -1 for none.
        last: i32,
    },
    /// `INVALID_PRODUCER_EPOCH`: a newer instance of this producer has written.
    #[error("producer {producer_id} has epoch {found}, the log has seen {current}")]
    InvalidProducerEpoch {
        /// Producer.
        producer_id: i64,
        /// Epoch of the batch.
        found: i16,
        /// Epoch in the log.
        current: i16,
    },
    /// `UNKNOWN_PRODUCER_ID`. Kept for the one-to-one map of codes; producers unknown here begin anew, as in Kafka since 2.5.
    #[error("producer {producer_id} is unknown")]
    UnknownProducerId {
        /// Producer.
        producer_id: i64,
    },
    /// `INVALID_TXN_STATE`: a batch outside the transaction that the producer has open.
    #[error("producer {producer_id} has a transaction open, and this batch is not part of it")]
    InvalidTxnState {
        /// Producer.
        producer_id: i64,
    },
    /// `TRANSACTION_COORDINATOR_FENCED`: a later coordinator has ended a transaction of this producer.
    #[error("coordinator epoch {found} for producer {producer_id}, the log has seen {current}")]
    TransactionCoordinatorFenced {
        /// Producer.
        producer_id: i64,
        /// Coordinator epoch of the marker.
        found: i32,
        /// Coordinator epoch in the log.
        current: i32,
    },
    /// The journal's queue is full: 64 MiB wait for the disk. Nothing was changed; try again after the next commit.
    #[error("{queued_bytes} bytes wait for the journal already")]
    JournalFull {
        /// Bytes queued.
        queued_bytes: usize,
    },
    /// `KAFKA_STORAGE_ERROR`: poison, disk full, I/O.
    #[error(transparent)]
    Storage(#[from] LogError),
}

/// Why a read failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// `OFFSET_OUT_OF_RANGE`.
    #[error("offset {offset} is outside {log_start_offset}..={end_offset}")]
    OffsetOutOfRange {
        /// Offset asked for.
        offset: i64,
        /// First offset that can be read.
        log_start_offset: i64,
        /// End of what may be read: the log end.
        end_offset: i64,
    },
    /// `KAFKA_STORAGE_ERROR`.
    #[error(transparent)]
    Storage(#[from] LogError),
}
