//! The one map from the errors of the crates below to what a client branches on,
//! and the errors of starting and stopping a node.

use std::io;
use std::net::SocketAddr;

use headwater_log::{AppendError, LogError, ReadError};
use headwater_protocol::ErrorCode;

/// Why a node did not start. Every message names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else listens there.
    #[error(
        "{address} is in use by another process: stop it, or choose another port (0 takes any free one)"
    )]
    PortInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Listening failed for another reason.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A config has a value it cannot have.
    #[error("config {name}={value}: {reason}")]
    InvalidConfig {
        /// Its Kafka name.
        name: String,
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No temporary data directory could be made, or no thread started.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The metadata log cannot be understood or written.
    #[error("metadata: {reason}")]
    Metadata {
        /// What is wrong.
        reason: String,
    },
}

/// Why a node did not stop cleanly. Nothing acknowledged is lost: the next start recovers from the journal.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The clean mark could not be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A thread of the node had panicked.
    #[error("the {thread} thread had panicked; its message is in the log")]
    Thread {
        /// Which one.
        thread: &'static str,
    },
}

/// What a client is told of an error of a crate below.
pub(crate) trait ToErrorCode {
    /// Kafka's code for it.
    fn to_error_code(&self) -> ErrorCode;
}

impl ToErrorCode for LogError {
    fn to_error_code(&self) -> ErrorCode {
        match self {
            LogError::PartitionDeleted => ErrorCode::UnknownTopicOrPartition,
            LogError::Io { .. }
            | LogError::Corrupt { .. }
            | LogError::Missing { .. }
            | LogError::Locked { .. }
            | LogError::UnsupportedFormat { .. }
            | LogError::Poisoned { .. }
            | LogError::DiskFull { .. }
            | LogError::Closed => ErrorCode::KafkaStorageError,
        }
    }
}

impl ToErrorCode for AppendError {
    fn to_error_code(&self) -> ErrorCode {
        match self {
            AppendError::CorruptMessage(_) => ErrorCode::CorruptMessage,
            AppendError::InvalidRecord { .. } => ErrorCode::InvalidRecord,
            AppendError::InvalidTimestamp { .. } => ErrorCode::InvalidTimestamp,
            AppendError::UnsupportedForMessageFormat { .. } => {
                ErrorCode::UnsupportedForMessageFormat
            }
            AppendError::UnsupportedCompressionType { .. } => ErrorCode::UnsupportedCompressionType,
            AppendError::MessageTooLarge { .. } => ErrorCode::MessageTooLarge,
            AppendError::RecordListTooLarge { .. } => ErrorCode::RecordListTooLarge,
            AppendError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
            AppendError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            AppendError::UnknownProducerId { .. } => ErrorCode::UnknownProducerId,
            AppendError::InvalidTxnState { .. } => ErrorCode::InvalidTxnState,
            AppendError::TransactionCoordinatorFenced { .. } => {
                ErrorCode::TransactionCoordinatorFenced
            }
            // Nothing was changed and a retry will find room.
            AppendError::JournalFull { .. } => ErrorCode::RequestTimedOut,
            AppendError::Storage(error) => error.to_error_code(),
        }
    }
}

impl ToErrorCode for ReadError {
    fn to_error_code(&self) -> ErrorCode {
        match self {
            ReadError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            ReadError::Storage(error) => error.to_error_code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;

    fn io_error() -> LogError {
        LogError::Io {
            operation: "sync",
            path: PathBuf::from("x"),
            source: Arc::new(io::Error::other("broken")),
        }
    }

    #[test]
    fn a_fault_of_the_disk_is_a_storage_error() {
        let path = PathBuf::from("x");
        for error in [
            io_error(),
            LogError::Corrupt {
                path: path.clone(),
                position: 0,
                reason: "torn".to_owned(),
            },
            LogError::Missing {
                path: path.clone(),
                reason: "it was there".to_owned(),
            },
            LogError::Locked { path: path.clone() },
            LogError::UnsupportedFormat {
                path,
                found: 2,
                supported: 1,
            },
            LogError::Poisoned {
                reason: "sync failed".to_owned(),
            },
            LogError::DiskFull {
                free_bytes: 0,
                needed_bytes: 1,
            },
            LogError::Closed,
        ] {
            assert_eq!(
                error.to_error_code(),
                ErrorCode::KafkaStorageError,
                "{error}"
            );
            assert_eq!(
                AppendError::Storage(error.clone()).to_error_code(),
                ErrorCode::KafkaStorageError
            );
            assert_eq!(
                ReadError::Storage(error).to_error_code(),
                ErrorCode::KafkaStorageError
            );
        }
    }

    #[test]
    fn a_deleted_partition_is_unknown() {
        assert_eq!(
            LogError::PartitionDeleted.to_error_code(),
            ErrorCode::UnknownTopicOrPartition
        );
    }

    #[test]
    fn every_refusal_of_an_append_has_kafkas_code() {
        let cases = [
            (
                AppendError::CorruptMessage("crc".to_owned()),
                ErrorCode::CorruptMessage,
            ),
            (
                AppendError::InvalidRecord {
                    message: "no key".to_owned(),
                    record_errors: Vec::new(),
                },
                ErrorCode::InvalidRecord,
            ),
            (
                AppendError::InvalidTimestamp {
                    message: "too old".to_owned(),
                    record_errors: Vec::new(),
                },
                ErrorCode::InvalidTimestamp,
            ),
            (
                AppendError::UnsupportedForMessageFormat { magic: 1 },
                ErrorCode::UnsupportedForMessageFormat,
            ),
            (
                AppendError::UnsupportedCompressionType { id: 7 },
                ErrorCode::UnsupportedCompressionType,
            ),
            (
                AppendError::MessageTooLarge { size: 2, limit: 1 },
                ErrorCode::MessageTooLarge,
            ),
            (
                AppendError::RecordListTooLarge { size: 2, limit: 1 },
                ErrorCode::RecordListTooLarge,
            ),
            (
                AppendError::OutOfOrderSequence {
                    producer_id: 1,
                    producer_epoch: 0,
                    found: 5,
                    last: 2,
                },
                ErrorCode::OutOfOrderSequenceNumber,
            ),
            (
                AppendError::InvalidProducerEpoch {
                    producer_id: 1,
                    found: 0,
                    current: 1,
                },
                ErrorCode::InvalidProducerEpoch,
            ),
            (
                AppendError::UnknownProducerId { producer_id: 1 },
                ErrorCode::UnknownProducerId,
            ),
            (
                AppendError::InvalidTxnState { producer_id: 1 },
                ErrorCode::InvalidTxnState,
            ),
            (
                AppendError::JournalFull { queued_bytes: 1 },
                ErrorCode::RequestTimedOut,
            ),
        ];
        for (error, code) in cases {
            assert_eq!(error.to_error_code(), code, "{error}");
        }
    }

    #[test]
    fn an_offset_outside_the_log_is_out_of_range() {
        let error = ReadError::OffsetOutOfRange {
            offset: 9,
            log_start_offset: 0,
            end_offset: 3,
        };
        assert_eq!(error.to_error_code(), ErrorCode::OffsetOutOfRange);
    }
}
