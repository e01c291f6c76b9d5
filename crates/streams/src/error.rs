//! What can go wrong while a topology is built or run, and what is to be done about it.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::runtime::TopicPartition;
use crate::serde::SerdeError;
use crate::store::StoreError;

/// What an operator's closure may fail with: any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where in a record's way an error arose: each stage has its own [`Policy`] (KIP-161, KIP-210, KIP-1033).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The record's bytes, or its timestamp, could not be read.
    Deserialization,
    /// An operator's closure, or a store, returned an error.
    Processing,
    /// A result could not be serialised, or is not taken: too large for the topic, say, without a key for a compacted
    /// one, or to a topic that is not there. What only the cluster finds, after the record was sent, rolls back to the
    /// last commit; when the same result comes again it is refused while its input is at hand. A changelog's record
    /// that is refused ends the application whatever the policy, and so does a cluster that does not let the
    /// application write.
    Production,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deserialization => "deserialization",
            Self::Processing => "processing",
            Self::Production => "production",
        })
    }
}

/// What becomes of a record that could not be processed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Policy {
    /// The application stops with the error, nothing of the record is committed. The default.
    #[default]
    Fail,
    /// The record is dropped and counted.
    Skip,
    /// The input record goes, byte for byte, to the dead letter topic with the headers of KIP-1034, and is counted.
    DeadLetter,
    /// What is not committed is rolled back and processed again after a pause; when the attempts are used up,
    /// `then` is done.
    Retry {
        /// How often a record is tried again.
        attempts: u32,
        /// The pause before each further attempt.
        backoff: Duration,
        /// What follows the last attempt; a `Retry` in it counts as `Fail`.
        then: Box<Policy>,
    },
}

impl Policy {
    /// Whether the application stops in the end, and so never goes past such a record.
    pub(crate) fn stops(&self) -> bool {
        match self {
            Self::Fail => true,
            Self::Skip | Self::DeadLetter => false,
            Self::Retry { then, .. } => !matches!(**then, Self::Skip | Self::DeadLetter),
        }
    }
}

/// A record that could not be processed: which, where, and why.
#[derive(Debug, thiserror::Error)]
#[error(
    "{stage} failed in {node} for the record at offset {offset} of {topic}-{partition}: {source}"
)]
pub struct RecordError {
    /// Where in the record's way.
    pub stage: Stage,
    /// The operator's name.
    pub node: String,
    /// The topic of the input record.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The cause.
    pub source: BoxError,
}

/// Why a task cannot go on with the record it is at.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The application has to stop.
    #[error(transparent)]
    Fatal(RecordError),
    /// Roll back to the last commit, pause, and process again.
    #[error("{error}, to be tried again")]
    Retry {
        /// The pause.
        backoff: Duration,
        /// What the record failed with.
        error: RecordError,
    },
}

/// Something wrong with a topology, found when it is built.
#[derive(Debug, Clone)]
pub struct TopologyError {
    /// What is wrong and what to do.
    pub reason: String,
    /// Where in the program.
    pub location: &'static Location<'static>,
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.reason)
    }
}

/// An error of a streams application.
#[derive(Debug, thiserror::Error)]
pub enum StreamsError {
    /// The topology is not sound: all that is wrong with it, each with its place in the program.
    #[error("the topology is not sound:\n{}", list(.0))]
    Topology(Vec<TopologyError>),
    /// A record could not be processed and its policy is [`Policy::Fail`].
    #[error(transparent)]
    Record(#[from] Box<RecordError>),
    /// Bytes of a store or a topic of the application itself could not be read.
    #[error(transparent)]
    Serde(#[from] SerdeError),
    /// A state store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The topics are not as the topology needs them: missing, or with the wrong number of partitions.
    #[error("{0}")]
    Topics(String),
    /// The cluster, through the client.
    #[error("{action}: {reason}")]
    Client {
        /// What was being done, with the topic and partition.
        action: String,
        /// What the client says.
        reason: String,
        /// Whether another attempt can succeed.
        retriable: bool,
    },
    /// The settings of the application.
    #[error("{0}")]
    Settings(String),
    /// A closure of the program panicked.
    #[error("a worker panicked: {0}")]
    Panic(String),
    /// The application was to stop, and the cluster or the program's own closures did not let it in time
    /// ([`App::stop_timeout`](crate::App::stop_timeout)). Nothing is lost: what was not committed is processed again
    /// by whoever has the tasks next.
    #[error(
        "stopped after {} ms without a last commit: {}; nothing is lost, it is processed again", .waited.as_millis(),
        not_committed(.uncommitted)
    )]
    StopTimeout {
        /// How long it was waited.
        waited: Duration,
        /// What was processed and is not committed; empty where that is not known.
        uncommitted: Vec<Uncommitted>,
    },
    /// What a running application failed with.
    #[error(transparent)]
    Failed(std::sync::Arc<StreamsError>),
}

/// Records of an input that were processed, and whose processing is not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncommitted {
    /// The input's partition.
    pub partition: TopicPartition,
    /// The committed offset, with which it is gone on; none where nothing was committed yet.
    pub from: Option<i64>,
    /// The offset behind the last record that was processed.
    pub to: i64,
}

impl fmt::Display for Uncommitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from {
            Some(from) => write!(f, "{} from offset {from} to {}", self.partition, self.to),
            None => write!(f, "{} up to offset {}", self.partition, self.to),
        }
    }
}

fn not_committed(uncommitted: &[Uncommitted]) -> String {
    if uncommitted.is_empty() {
        return "what was not committed is not known".to_owned();
    }
    let listed: Vec<_> = uncommitted.iter().map(ToString::to_string).collect();
    format!("not committed are {}", listed.join(", "))
}

fn list(errors: &[TopologyError]) -> String {
    let lines: Vec<_> = errors.iter().map(|error| format!("  {error}")).collect();
    lines.join("\n")
}
