//! What an operator sees of its task while it handles a record.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::collector::Collector;
use crate::error::{BoxError, Failure, Policy, RecordError, Stage, StreamsError};
use crate::graph::Graph;
use crate::record::Headers;
use crate::runtime::dead_letter;
use crate::runtime::task::TaskId;
use crate::serde::{SerdeCause, SerdeError};
use crate::store::Stores;
use crate::topology::NodeId;

/// Where the record at hand came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The input topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// The bytes of an input record, as the client or the test driver holds them.
pub trait SourceRecord: Send {
    /// The key's bytes, or null.
    fn key(&self) -> Option<&[u8]>;
    /// The value's bytes, or null.
    fn value(&self) -> Option<&[u8]>;
    /// The record's timestamp in milliseconds; negative if it has none.
    fn timestamp(&self) -> i64;
    /// The offset.
    fn offset(&self) -> i64;
    /// The headers.
    fn headers(&self) -> Headers;
}

/// Why a record was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// It has no key, and one is needed.
    NullKey,
    /// It has no value, and one is needed.
    NullValue,
    /// It came after its window's grace.
    Late,
    /// It is older than what the store keeps.
    Expired,
    /// It came out of order into a versioned table, and only the latest version counts.
    OutOfOrder,
    /// It answers a question that was asked of a value since replaced.
    Stale,
    /// It could not be read.
    Deserialization,
    /// An operator failed on it.
    Processing,
    /// A result could not be written.
    Production,
    /// Its timestamp extractor said so.
    Timestamp,
}

/// A clock that only goes forward, over the timestamps shown to it. It is kept with the offsets, so it survives a
/// restart exactly as far as they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockId(pub(crate) usize);

/// How a task treats errors.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policies {
    pub(crate) deserialization: Policy,
    pub(crate) processing: Policy,
    pub(crate) production: Policy,
    /// The topic of dead letters.
    pub(crate) dead_letter: Option<Arc<str>>,
}

impl Policies {
    /// Whether any of them makes dead letters.
    pub(crate) fn send_dead_letters(&self) -> bool {
        let sends = |mut policy: &Policy| {
            while let Policy::Retry { then, .. } = policy {
                policy = then;
            }
            *policy == Policy::DeadLetter
        };
        [&self.deserialization, &self.processing, &self.production]
            .into_iter()
            .any(sends)
    }

    fn of(&self, stage: Stage) -> &Policy {
        match stage {
            Stage::Deserialization => &self.deserialization,
            Stage::Processing => &self.processing,
            Stage::Production => &self.production,
        }
    }
}

/// What a task keeps between records, apart from its graph and its stores.
pub(crate) struct TaskState {
    pub(crate) id: TaskId,
    pub(crate) application: Arc<str>,
    pub(crate) origin: Origin,
    /// The largest timestamp of a record that the task has taken; -1 before the first.
    pub(crate) stream_time: i64,
    /// Milliseconds since the Unix epoch, as of the batch at hand.
    pub(crate) wall_clock: i64,
    /// Whether there was nothing left to read, as of the punctuation at hand.
    pub(crate) caught_up: bool,
    pub(crate) clocks: Vec<i64>,
    pub(crate) node_names: Arc<[String]>,
    pub(crate) policies: Policies,
    pub(crate) drops: BTreeMap<(NodeId, DropReason), u64>,
    /// The record that is being tried again, and how often it has been.
    pub(crate) retried: Option<(Origin, u32)>,
    pub(crate) punctuators: crate::processor::Punctuators,
}

/// What an operator sees of its task while it handles a record: where the record came from, the clocks, the stores,
/// and the way on.
pub struct Context<'a> {
    pub(crate) graph: &'a mut Graph,
    pub(crate) stores: &'a mut Stores,
    pub(crate) collector: &'a mut dyn Collector,
    pub(crate) state: &'a mut TaskState,
    /// The input record as it came; none in a punctuation or at a commit.
    pub(crate) source: Option<&'a dyn SourceRecord>,
}

impl Context<'_> {
    /// The same context, for a shorter time.
    pub(crate) fn reborrow(&mut self) -> Context<'_> {
        Context {
            graph: self.graph,
            stores: self.stores,
            collector: self.collector,
            state: self.state,
            source: self.source,
        }
    }

    /// The task: sub-topology and partition.
    pub fn task_id(&self) -> TaskId {
        self.state.id
    }

    /// The application's id.
    pub fn application_id(&self) -> &str {
        &self.state.application
    }

    /// Where the record at hand came from; in a punctuation, the last record.
    pub fn origin(&self) -> &Origin {
        &self.state.origin
    }

    /// The headers of the input record; none in a punctuation.
    pub fn headers(&self) -> Headers {
        self.source.map(SourceRecord::headers).unwrap_or_default()
    }

    /// The largest timestamp of any record this task has taken, in milliseconds; -1 before the first.
    pub fn stream_time(&self) -> i64 {
        self.state.stream_time
    }

    /// The wall clock in milliseconds since the Unix epoch, as of the batch at hand.
    pub fn wall_clock(&self) -> i64 {
        self.state.wall_clock
    }

    /// Whether there was nothing left to read in any of the task's inputs, as of the punctuation at hand.
    pub(crate) fn caught_up(&self) -> bool {
        self.state.caught_up
    }

    /// Moves an operator's clock forward to `timestamp` if that is later, and returns where it is now.
    pub(crate) fn advance(&mut self, clock: ClockId, timestamp: i64) -> i64 {
        let now = &mut self.state.clocks[clock.0];
        *now = (*now).max(timestamp);
        *now
    }

    /// Where an operator's clock is: -1 before the first record.
    pub(crate) fn clock(&self, clock: ClockId) -> i64 {
        self.state.clocks[clock.0]
    }

    /// Counts a record that `node` drops.
    pub(crate) fn dropped(&mut self, node: NodeId, reason: DropReason) {
        *self.state.drops.entry((node, reason)).or_default() += 1;
    }

    /// Treats an error of `node` as the stage's policy says: `Ok` if the record is dealt with, and the operator goes
    /// on with the next one.
    pub(crate) fn failed(
        &mut self,
        node: NodeId,
        stage: Stage,
        error: impl Into<BoxError>,
    ) -> Result<(), Failure> {
        let error = self.record_error(node, stage, error);
        if is_passing(stage, &error.source) {
            // A policy that drops the record would drop what the next attempt delivers.
            return Err(Failure::Fatal(error));
        }
        let tried = match &self.state.retried {
            Some((origin, tried)) if *origin == self.state.origin => *tried,
            _ => 0,
        };
        let policy = self.state.policies.of(stage).clone();
        match policy {
            Policy::Retry {
                attempts, backoff, ..
            } if tried < attempts => Err(Failure::Retry { backoff, error }),
            Policy::Retry { then, .. } => self.settle(node, &then, error),
            other => self.settle(node, &other, error),
        }
    }

    /// As [`failed`](Self::failed), of an operator that has made all the attempts itself.
    pub(crate) fn failed_for_good(
        &mut self,
        node: NodeId,
        stage: Stage,
        error: impl Into<BoxError>,
    ) -> Result<(), Failure> {
        let error = self.record_error(node, stage, error);
        let policy = match self.state.policies.of(stage) {
            Policy::Retry { then, .. } => Policy::clone(then),
            other => other.clone(),
        };
        self.settle(node, &policy, error)
    }

    fn record_error(&self, node: NodeId, stage: Stage, error: impl Into<BoxError>) -> RecordError {
        RecordError {
            stage,
            node: self.state.node_names[node.0].clone(),
            topic: self.state.origin.topic.to_string(),
            partition: self.state.origin.partition,
            offset: self.state.origin.offset,
            source: error.into(),
        }
    }

    /// The failure of a store, or of bytes that are the application's own: nothing can be skipped past it.
    pub(crate) fn fatal(&self, node: NodeId, error: impl Into<BoxError>) -> Failure {
        Failure::Fatal(self.record_error(node, Stage::Processing, error))
    }

    fn settle(&mut self, node: NodeId, policy: &Policy, error: RecordError) -> Result<(), Failure> {
        if is_of_surroundings(&error.source) {
            // Nothing is wrong with the record: to drop it would lose it.
            return Err(Failure::Fatal(error));
        }
        match policy {
            Policy::Fail | Policy::Retry { .. } => return Err(Failure::Fatal(error)),
            Policy::Skip => tracing::warn!(%error, "record skipped"),
            Policy::DeadLetter => {
                dead_letter::send(self, &error)?;
                tracing::warn!(%error, "record sent to the dead letter topic");
            }
        }
        self.dropped(
            node,
            match error.stage {
                Stage::Deserialization => DropReason::Deserialization,
                Stage::Processing => DropReason::Processing,
                Stage::Production => DropReason::Production,
            },
        );
        Ok(())
    }
}

/// Whether a result could not be written since the cluster is away, or since its transaction is lost: the worker goes
/// back to the last commit, whatever the policy.
fn is_passing(stage: Stage, error: &BoxError) -> bool {
    let client = error.downcast_ref();
    stage == Stage::Production
        && matches!(
            client,
            Some(StreamsError::Client {
                retriable: true,
                ..
            })
        )
}

/// Whether somebody whom a serde has to ask is away.
fn is_of_surroundings(error: &BoxError) -> bool {
    let first: &(dyn std::error::Error + 'static) = error.as_ref();
    std::iter::successors(Some(first), |error| error.source()).any(|error| {
        let error = error.downcast_ref::<SerdeError>();
        error.is_some_and(|error| error.cause == SerdeCause::Surroundings)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_is_away_is_no_fault_of_the_record_that_a_policy_would_drop() {
        let told = |retriable| -> BoxError {
            Box::new(StreamsError::Client {
                action: "writing to results-0".to_owned(),
                reason: "as the test says".to_owned(),
                retriable,
            })
        };
        assert!(is_passing(Stage::Production, &told(true)));
        assert!(
            !is_passing(Stage::Production, &told(false)),
            "too large, say"
        );
        assert!(
            !is_passing(Stage::Processing, &told(true)),
            "the program's own calls"
        );
        assert!(!is_passing(Stage::Production, &"not text".into()));
    }
}
