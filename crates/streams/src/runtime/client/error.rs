//! Errors of librdkafka, by what the runtime does next.

use std::ffi::CStr;

use rdkafka::bindings as native;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;

use crate::error::StreamsError;

/// What an error asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The same call may succeed later; librdkafka itself goes on trying.
    Retriable,
    /// The transaction cannot be committed: abort it, drop what is uncommitted, and go back to the last commit.
    AbortTransaction,
    /// A record that was sent before is not taken: go back to the last commit, and it is refused when it is sent again.
    Refused,
    /// Another instance has taken over: drop what is uncommitted and hand the tasks over.
    Fenced,
    /// The offset to read from is not in the partition.
    OffsetOutOfRange,
    /// The topic or the partition does not exist.
    UnknownTopic,
    /// The client is of no use any more, or the call never succeeds.
    Fatal,
}

/// An error of librdkafka, or of the cluster through it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{action}: {reason} ({code})")]
pub(crate) struct ClientError {
    /// What to do about it.
    pub(crate) kind: ErrorKind,
    /// What was being done, with the topic and partition it was done to.
    pub(crate) action: String,
    /// librdkafka's name of the error.
    pub(crate) code: String,
    /// Its description.
    pub(crate) reason: String,
}

impl ClientError {
    /// An error of a call that returns a bare code.
    pub(crate) fn of_code(action: impl Into<String>, code: Code) -> Self {
        Self {
            kind: kind_of(code),
            action: action.into(),
            code: name(code),
            reason: describe(code),
        }
    }

    /// The same with librdkafka's own explanation, where it gives one.
    pub(crate) fn explained(action: impl Into<String>, code: Code, reason: &str) -> Self {
        let mut error = Self::of_code(action, code);
        if !reason.is_empty() {
            reason.clone_into(&mut error.reason);
        }
        error
    }

    /// An error of the runtime's own making.
    pub(crate) fn own(
        kind: ErrorKind,
        action: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            action: action.into(),
            code: "local".to_owned(),
            reason: reason.into(),
        }
    }

    /// Checks the code that a call returned.
    pub(crate) fn check(code: Code, action: impl FnOnce() -> String) -> Result<(), Self> {
        if code == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            Ok(())
        } else {
            Err(Self::of_code(action(), code))
        }
    }

    /// Checks the error object that a call returned, and destroys it.
    ///
    /// # Safety
    /// `error` is null or what the call returned, and is not used again.
    pub(crate) unsafe fn check_object(
        error: *mut native::rd_kafka_error_t,
        action: impl FnOnce() -> String,
    ) -> Result<(), Self> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: not null, and ours by the caller's promise; the string is copied before it is destroyed.
        unsafe {
            let code = native::rd_kafka_error_code(error);
            let reason = CStr::from_ptr(native::rd_kafka_error_string(error)).to_string_lossy();
            let by_code = kind_of(code);
            let kind = if by_code == ErrorKind::Fenced {
                by_code
            } else if native::rd_kafka_error_is_fatal(error) != 0 {
                ErrorKind::Fatal
            } else if native::rd_kafka_error_txn_requires_abort(error) != 0 {
                ErrorKind::AbortTransaction
            } else if native::rd_kafka_error_is_retriable(error) != 0 {
                ErrorKind::Retriable
            } else {
                by_code
            };
            let told = Self {
                kind,
                action: action(),
                code: name(code),
                reason: reason.into_owned(),
            };
            native::rd_kafka_error_destroy(error);
            Err(told)
        }
    }

    /// The application gave up waiting for the answer.
    pub(crate) fn given_up(action: impl Into<String>) -> Self {
        let reason = "the application ends, and waits for it no longer";
        Self::own(ErrorKind::Retriable, action, reason)
    }

    /// Whether the answer took longer than the call was to wait.
    pub(crate) fn is_time_out(&self) -> bool {
        self.code == "_TIMED_OUT"
    }

    /// Whether another attempt can succeed.
    pub(crate) fn is_retriable(&self) -> bool {
        self.kind == ErrorKind::Retriable
    }
}

impl From<ClientError> for StreamsError {
    fn from(error: ClientError) -> Self {
        Self::Client {
            retriable: matches!(
                error.kind,
                ErrorKind::Retriable | ErrorKind::AbortTransaction | ErrorKind::Refused
            ),
            reason: format!("{} ({})", error.reason, error.code),
            action: error.action,
        }
    }
}

fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::RD_KAFKA_RESP_ERR__FENCED
        | Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED
        | Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH
        | Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING
        | Code::RD_KAFKA_RESP_ERR_TRANSACTION_COORDINATOR_FENCED
        | Code::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID
        | Code::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION
        | Code::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID
        | Code::RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH
        | Code::RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH
        // A commit after the partitions were taken away, or in the middle of a rebalance.
        | Code::RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST
        | Code::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS => ErrorKind::Fenced,
        Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET
        | Code::RD_KAFKA_RESP_ERR__LOG_TRUNCATION
        | Code::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE => ErrorKind::OffsetOutOfRange,
        Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
        | Code::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
        | Code::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION => ErrorKind::UnknownTopic,
        Code::RD_KAFKA_RESP_ERR__TRANSPORT
        | Code::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
        | Code::RD_KAFKA_RESP_ERR__RESOLVE
        | Code::RD_KAFKA_RESP_ERR__TIMED_OUT
        | Code::RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE
        | Code::RD_KAFKA_RESP_ERR__MSG_TIMED_OUT
        | Code::RD_KAFKA_RESP_ERR__QUEUE_FULL
        | Code::RD_KAFKA_RESP_ERR__WAIT_COORD
        | Code::RD_KAFKA_RESP_ERR__IN_PROGRESS
        | Code::RD_KAFKA_RESP_ERR__RETRY
        | Code::RD_KAFKA_RESP_ERR__NO_OFFSET
        | Code::RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED
        | Code::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT
        | Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION
        | Code::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
        | Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS
        | Code::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE
        | Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR
        | Code::RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION
        | Code::RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT
        | Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS
        | Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND
        | Code::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR
        | Code::RD_KAFKA_RESP_ERR_NOT_CONTROLLER
        | Code::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS => ErrorKind::Retriable,
        _ => ErrorKind::Fatal,
    }
}

fn name(code: Code) -> String {
    // SAFETY: both return static strings, for codes they do not know too.
    unsafe { CStr::from_ptr(native::rd_kafka_err2name(code)) }
        .to_string_lossy()
        .into_owned()
}

fn describe(code: Code) -> String {
    // SAFETY: as above.
    unsafe { CStr::from_ptr(native::rd_kafka_err2str(code)) }
        .to_string_lossy()
        .into_owned()
}
