//! The coordinator of one partition, with its log and those who wait for an answer.
//!
//! A call runs under the partition's lock: decide, append, replay, hand out the replies. A reply
//! carries the position of the partition's latest append and is released when that is durable.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headwater_coordinator::{
    AppendFailure, Call, CoordinatorRecord, DeletedTopic, Effect, GroupCoordinator, Outcome,
    ProducerIdAndEpoch, RecordError, Response, Token,
};
use headwater_log::{AppendError, EndMarker, Origin, Position, TransactionOutcome};
use headwater_protocol::ErrorCode;
use headwater_records::{BatchBuilder, NO_SEQUENCE};
use tokio::sync::oneshot;

use super::machine::Machine;
use super::markers::{MarkerError, Markers};
use super::timers::Timers;
use crate::clock;
use crate::error::ToErrorCode;
use crate::partition::Partition;
use crate::partitions::Partitions;
use crate::throttle::Throttle;

/// Timers fired under one hold of the lock, so that requests get their turn.
const TIMERS_PER_TURN: usize = 100;

/// Bytes of records that are left to the log to check.
const SMALL_BATCH: usize = 64 << 10;

static NOT_APPENDED: Throttle<Discriminant<AppendError>> = Throttle::new();

/// The coordinator of one partition of an internal topic.
pub(super) struct PartitionCoordinator<M> {
    partitions: Arc<Partitions>,
    partition: Arc<Partition>,
    timers: Arc<Timers>,
    markers: Option<Arc<Markers>>,
    state: Mutex<State<M>>,
}

struct State<M> {
    machine: M,
    /// Of the latest append: what every reply from here on depends on.
    position: Position,
    // Bounded by the requests in flight on all connections.
    waiting: HashMap<Token, oneshot::Sender<Released>>,
    /// The whole log has been replayed.
    loaded: bool,
    unloaded: bool,
}

/// A reply and what has to be on disk before it goes out.
struct Released {
    response: Response,
    position: Position,
}

/// An answer that is to come.
pub(super) struct Waiting<M> {
    coordinator: Arc<PartitionCoordinator<M>>,
    released: oneshot::Receiver<Released>,
}

/// A coordinator that nobody else can ask as long as this is there.
pub(super) struct Held<'a, M> {
    coordinator: &'a PartitionCoordinator<M>,
    state: MutexGuard<'a, State<M>>,
}

impl<M: Machine> Held<'_, M> {
    /// Lets the machine decide on a change, and carries it out.
    pub(super) fn change(&mut self, decide: impl FnOnce(&mut M, i64) -> Vec<Effect>) {
        let effects = decide(&mut self.state.machine, clock::steady_ms());
        self.coordinator.carry_out(&mut self.state, effects);
    }

    pub(super) fn machine(&self) -> &M {
        &self.state.machine
    }
}

impl<M: Machine> Waiting<M> {
    /// The answer, when what it shows is on disk.
    pub(super) async fn answer(self) -> Result<Response, ErrorCode> {
        let Ok(released) = self.released.await else {
            return Err(ErrorCode::NotCoordinator);
        };
        let partitions = &self.coordinator.partitions;
        if partitions.durable(released.position).await.is_ok() {
            return Ok(released.response);
        }
        self.coordinator.unload();
        Ok(released.response.into_error(ErrorCode::NotCoordinator))
    }
}

impl<M: Machine> PartitionCoordinator<M> {
    pub(super) fn new(
        partitions: Arc<Partitions>,
        partition: Arc<Partition>,
        timers: Arc<Timers>,
        markers: Option<Arc<Markers>>,
        machine: M,
    ) -> PartitionCoordinator<M> {
        PartitionCoordinator {
            partitions,
            partition,
            timers,
            markers,
            state: Mutex::new(State {
                machine,
                position: Position::ZERO,
                waiting: HashMap::new(),
                loaded: false,
                unloaded: false,
            }),
        }
    }

    pub(super) fn partition(&self) -> &Partition {
        &self.partition
    }

    /// Lets the coordinator decide on a request and carries it out.
    pub(super) fn ask(
        self: &Arc<Self>,
        version: i16,
        token: Token,
        decide: impl FnOnce(&mut M, Call) -> Vec<Effect>,
    ) -> Waiting<M> {
        let (release, released) = oneshot::channel();
        let mut state = self.lock();
        // Dropping the sender is the answer of a coordinator that is no longer one.
        if !state.unloaded {
            state.waiting.insert(token, release);
            let call = Call {
                now_ms: clock::steady_ms(),
                version,
                token,
            };
            let effects = decide(&mut state.machine, call);
            self.carry_out(&mut state, effects);
        }
        Waiting {
            coordinator: Arc::clone(self),
            released,
        }
    }

    /// Keeps everybody else from the machine, so that what it says stays true meanwhile.
    pub(super) fn hold(&self) -> Result<Held<'_, M>, ErrorCode> {
        let state = self.lock();
        if state.unloaded {
            return Err(ErrorCode::NotCoordinator);
        }
        Ok(Held {
            coordinator: self,
            state,
        })
    }

    /// Replays records read from the log, which may be those of a producer's transaction.
    pub(super) fn replay(
        &self,
        producer: Option<ProducerIdAndEpoch>,
        records: &[CoordinatorRecord],
    ) -> Result<(), String> {
        let mut state = self.lock();
        for record in records {
            replay(&mut state.machine, producer, record).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Replays a marker read from the log.
    pub(super) fn replay_end_marker(&self, producer: ProducerIdAndEpoch, outcome: Outcome) {
        self.lock().machine.replay_end_marker(producer, outcome);
    }

    /// The whole log has been replayed: requests are served from here on.
    pub(super) fn loaded(&self) {
        let mut state = self.lock();
        if !state.unloaded {
            state.loaded = true;
            let effects = state.machine.loaded(clock::steady_ms());
            self.carry_out(&mut state, effects);
        }
    }

    /// Answers whoever waits, and is a coordinator no more.
    pub(super) fn unload(&self) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.unloaded, true) {
            return;
        }
        let effects = state.machine.unload();
        self.carry_out(&mut state, effects);
        state.waiting.clear();
    }

    /// Fires the timers that are due.
    pub(super) fn fire_timers(&self, now_ms: i64) {
        let mut state = self.lock();
        for _ in 0..TIMERS_PER_TURN {
            let is_due = |deadline: i64| deadline <= now_ms;
            if state.unloaded || !state.machine.next_deadline_ms().is_some_and(is_due) {
                return;
            }
            let effects = state.machine.fire_timer(now_ms);
            self.carry_out(&mut state, effects);
        }
    }

    /// When the next timer is due.
    pub(super) fn next_deadline_ms(&self) -> Option<i64> {
        let state = self.lock();
        if state.unloaded {
            return None;
        }
        state.machine.next_deadline_ms()
    }

    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry_out(&self, state: &mut State<M>, effects: Vec<Effect>) {
        let mut effects = effects.into_iter();
        while let Some(effect) = effects.next() {
            match effect {
                Effect::Append { records, producer } => match self.append(producer, &records) {
                    Ok(position) => {
                        state.position = state.position.max(position);
                        for record in &records {
                            let replayed = replay(&mut state.machine, producer, record);
                            assert!(
                                replayed.is_ok(),
                                "a record of ours reads back: {replayed:?}"
                            );
                        }
                    }
                    Err(failure) => {
                        let rest = effects.collect();
                        let failed = state
                            .machine
                            .append_failed(clock::steady_ms(), failure, rest);
                        release_all(state, failed);
                        break;
                    }
                },
                Effect::WriteMarkers(markers) => {
                    let writer = self.markers.as_ref();
                    let writer = writer.expect("only transactions have markers written");
                    let written = writer.write_all(&markers);
                    state.position = state.position.max(written.position);
                    let now_ms = clock::steady_ms();
                    let next = state
                        .machine
                        .markers_written(now_ms, &markers, written.remaining);
                    self.carry_out(state, next);
                }
                Effect::Reply { token, response } => release(state, token, response),
            }
        }
        if !state.unloaded
            && let Some(deadline) = state.machine.next_deadline_ms()
        {
            self.timers.due_at(deadline);
        }
    }

    fn append(
        &self,
        producer: Option<ProducerIdAndEpoch>,
        records: &[CoordinatorRecord],
    ) -> Result<Position, AppendFailure> {
        if records.is_empty() {
            return Ok(Position::ZERO);
        }
        self.check_size(records)
            .map_err(|error| self.failure(&error))?;
        // The wall clock: the log holds timestamps against it.
        let now_ms = clock::now_ms();
        let mut batch = BatchBuilder::new();
        if let Some(producer) = producer {
            batch = batch
                .producer(producer.producer_id, producer.producer_epoch, NO_SEQUENCE)
                .transactional();
        }
        for record in records {
            batch.append(now_ms, Some(&record.key), record.value.as_deref(), &[]);
        }
        self.partitions
            .append(&self.partition, batch.build(0), Origin::Coordinator, 0)
            .map(|appended| appended.position)
            .map_err(|error| self.failure(&error))
    }

    /// Refuses what is too large before a batch is made of it. A batch is larger than its records.
    fn check_size(&self, records: &[CoordinatorRecord]) -> Result<(), AppendError> {
        let value = |record: &CoordinatorRecord| record.value.as_ref().map_or(0, bytes::Bytes::len);
        let sizes = records
            .iter()
            .map(|record| record.key.len() + value(record));
        let size = sizes.sum();
        if size <= SMALL_BATCH {
            return Ok(());
        }
        let limit = self.partition.log().config().max_message_bytes;
        if size > limit {
            return Err(AppendError::MessageTooLarge { size, limit });
        }
        Ok(())
    }

    fn failure(&self, error: &AppendError) -> AppendFailure {
        if let Some(held_back) = NOT_APPENDED.pass(discriminant(error)) {
            let partition = self.partition.log().id();
            tracing::warn!(%partition, held_back, %error, "a coordinator's records not appended");
        }
        match error {
            AppendError::MessageTooLarge { .. } | AppendError::RecordListTooLarge { .. } => {
                AppendFailure::TooLarge
            }
            AppendError::InvalidProducerEpoch { .. } | AppendError::InvalidTxnState { .. } => {
                AppendFailure::Producer(error.to_error_code())
            }
            _ => AppendFailure::Storage,
        }
    }
}

impl PartitionCoordinator<GroupCoordinator> {
    /// Returns the position of the tombstones, or of something later.
    pub(super) fn topics_deleted(&self, topics: &[DeletedTopic]) -> Position {
        let mut state = self.lock();
        if !state.unloaded {
            let effects = state.machine.topics_deleted(clock::steady_ms(), topics);
            self.carry_out(&mut state, effects);
        }
        state.position
    }

    /// Ends a transaction in this partition, so that the offsets it committed are seen, or forgotten.
    pub(super) fn append_end_marker(&self, marker: EndMarker) -> Result<Position, MarkerError> {
        let mut state = self.lock();
        if !state.loaded || state.unloaded {
            return Err(MarkerError::NotLoaded);
        }
        let appended = self
            .partitions
            .append_end_marker(&self.partition, marker, 0)
            .map_err(MarkerError::Append)?;
        state.position = state.position.max(appended.position);
        let producer = ProducerIdAndEpoch {
            producer_id: marker.producer_id,
            producer_epoch: marker.producer_epoch,
        };
        let outcome = match marker.outcome {
            TransactionOutcome::Commit => Outcome::Commit,
            TransactionOutcome::Abort => Outcome::Abort,
        };
        state.machine.replay_end_marker(producer, outcome);
        Ok(appended.position)
    }
}

fn replay<M: Machine>(
    machine: &mut M,
    producer: Option<ProducerIdAndEpoch>,
    record: &CoordinatorRecord,
) -> Result<(), RecordError> {
    match producer {
        Some(producer) => machine.replay_transactional(producer, record),
        None => machine.replay(record),
    }
}

fn release_all<M>(state: &mut State<M>, effects: Vec<Effect>) {
    for effect in effects {
        if let Effect::Reply { token, response } = effect {
            release(state, token, response);
        }
    }
}

fn release<M>(state: &mut State<M>, token: Token, response: Response) {
    if let Some(waiting) = state.waiting.remove(&token) {
        let position = state.position;
        // Whoever asked may have gone away.
        let _ = waiting.send(Released { response, position });
    }
}
