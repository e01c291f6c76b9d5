//! A worker: a thread with a producer and the tasks that live on it.
//!
//! It reads, processes, restores and commits for its tasks in turns, and goes back to the last commit when something
//! fails. It decides nothing about which tasks it has: the group does.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::client::ErrorKind;
use super::commit::commit;
use super::config::{Guarantee, WorkerFailure};
use super::consumer::StartOffset;
use super::instance::{Instance, Trouble, wall_clock};
use super::producer::Producer;
use super::raw_record::RawRecord;
use super::restore::Restorer;
use super::running_task::{InputStart, RunningTask, TaskStart};
use super::topic_limits;
use super::{TaskId, TopicPartition};
use crate::context::Origin;
use crate::error::{Failure, StreamsError};
use crate::store::Stores;
use crate::topic::OffsetReset;

/// Records that a task takes before the next one has its turn.
const TURN: usize = 500;
/// How long a worker without work sleeps at most; records and commands wake it.
const IDLE: Duration = Duration::from_millis(100);
/// The pause after a failure that another attempt may get over.
const BACKOFF: Duration = Duration::from_millis(200);
/// How long a question to the cluster may take.
const ASK_LIMIT: Duration = Duration::from_secs(30);
/// How often metrics are renewed.
const METRICS_EVERY: Duration = Duration::from_secs(1);
/// What a worker may always hold uncommitted, in bytes, however many share the budget: smaller commits cost more.
const LEAST_UNCOMMITTED: u64 = 4 * 1024 * 1024;

/// What the group tells a worker.
pub(crate) enum Command {
    /// Run these tasks.
    Start(Vec<TaskStart>),
    /// Commit and let go of all tasks, keeping their stores open; then answer.
    Suspend(SyncSender<()>),
    /// These tasks do not come back: close their stores.
    Close(Vec<TaskId>),
    /// End. What is not committed is dropped: suspend before.
    Stop,
}

/// What a worker tells the group.
pub(crate) enum Event {
    /// Its producer is ready, and whatever a predecessor left open is aborted.
    Ready,
    /// It was fenced, and has let go of its tasks.
    Lost,
    /// An input cannot be read on where it was.
    Gone,
    /// It failed, and has ended.
    Failed(StreamsError),
}

/// A worker, on its thread.
pub(crate) struct Worker {
    index: usize,
    commands: Receiver<Command>,
    events: Sender<Event>,
    producer: Producer,
    running: BTreeMap<TaskId, RunningTask>,
    suspended: BTreeMap<TaskId, Stores>,
    restorer: Restorer,
    /// The records that are tried again.
    retried: BTreeMap<TaskId, (Origin, u32)>,
    /// Tasks that pause before their next attempt.
    paused: BTreeMap<TaskId, Instant>,
    next_commit: Instant,
    next_metrics: Instant,
    scratch: Vec<RawRecord>,
    /// Tasks of ours could not be started, and are with nobody until the group starts them again.
    incomplete: bool,
    stopped: bool,
    /// Behind the stores: the lock on their directory goes with the last that has it.
    instance: Arc<Instance>,
}

impl Worker {
    /// Runs until it is told to stop, or fails.
    pub(crate) fn run(
        index: usize,
        instance: Arc<Instance>,
        commands: Receiver<Command>,
        events: Sender<Event>,
    ) {
        let producer = match producer(&instance, index) {
            Ok(producer) => producer,
            Err(error) => {
                let _ = events.send(Event::Failed(error.into()));
                return;
            }
        };
        let _ = events.send(Event::Ready);
        let now = Instant::now();
        let mut worker = Self {
            index,
            restorer: Restorer::new(Arc::clone(&instance), index),
            next_commit: now + instance.config.commit_interval(),
            next_metrics: now,
            instance,
            commands,
            events,
            producer,
            running: BTreeMap::new(),
            suspended: BTreeMap::new(),
            retried: BTreeMap::new(),
            paused: BTreeMap::new(),
            scratch: Vec::new(),
            incomplete: false,
            stopped: false,
        };
        while !worker.stopped && !worker.instance.is_abandoned() {
            // A closure that panics leaves its task as it is, which is then dropped: nothing of it is looked at again.
            let turn = catch_unwind(AssertUnwindSafe(|| worker.turn()));
            let busy = turn
                .unwrap_or_else(|panic| Err(Trouble::Streams(StreamsError::Panic(told(&*panic)))))
                .unwrap_or_else(|trouble| {
                    worker.recover(trouble);
                    true
                });
            worker.tell();
            if !busy {
                worker.sleep();
            }
        }
        worker.tell_uncommitted();
        worker.withdraw();
    }

    /// Tells what the tasks that still run have taken since the last commit, for whoever asked for a stop.
    fn tell_uncommitted(&self) {
        let taken = self.running.values().flat_map(RunningTask::uncommitted);
        let mut uncommitted = self
            .instance
            .uncommitted
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        uncommitted.extend(taken);
    }

    /// One round; true if there may be more to do at once.
    fn turn(&mut self) -> Result<bool, Trouble> {
        self.metrics().turns.fetch_add(1, Ordering::Release);
        let mut busy = self.take_commands()?;
        busy |= self.restore()?;
        busy |= self.process()?;
        self.producer.poll()?;
        let now = Instant::now();
        if now >= self.next_commit || self.uncommitted_bytes() >= self.most_uncommitted() {
            self.commit()?;
        }
        Ok(busy)
    }

    fn take_commands(&mut self) -> Result<bool, Trouble> {
        let mut any = false;
        loop {
            match self.commands.try_recv() {
                Ok(Command::Start(starts)) => self.start(starts)?,
                Ok(Command::Suspend(done)) => {
                    self.suspend();
                    let _ = done.send(());
                }
                Ok(Command::Close(tasks)) => {
                    for task in tasks {
                        self.suspended.remove(&task);
                        self.instance.withdraw(task);
                    }
                }
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => self.stopped = true,
                Err(TryRecvError::Empty) => return Ok(any),
            }
            any = true;
            if self.stopped {
                return Ok(any);
            }
        }
    }

    fn start(&mut self, starts: Vec<TaskStart>) -> Result<(), Trouble> {
        for mut start in starts {
            if start.generation != self.instance.generation.load(Ordering::Acquire) {
                // It came by way of the standbys, and the group has taken the task since: its stores stay open.
                if let Some(stores) = start.stores.take() {
                    self.suspended.insert(start.id, stores);
                }
                continue;
            }
            let suspended = self.suspended.remove(&start.id);
            let stores = start.stores.take().or(suspended);
            if let Err(trouble) = self.restorer.add(start, stores) {
                self.incomplete = true;
                return Err(trouble);
            }
        }
        Ok(())
    }

    /// Restores a slice, and starts the tasks whose stores are complete.
    fn restore(&mut self) -> Result<bool, Trouble> {
        if self.restorer.len() == 0 {
            return Ok(false);
        }
        let mut busy = self.restorer.turn()?;
        for (start, stores) in self.restorer.take_restored() {
            let id = start.id;
            for input in &start.inputs {
                if let Some((offset, _)) = &input.committed {
                    self.instance.known.reach(input.queue.partition(), *offset);
                }
            }
            self.instance
                .publish(id, stores.iter().map(|(_, store)| store.reader()));
            let retried = self.retried.get(&id);
            // It stays so if the task's closures fail or panic here: the others are let go too.
            self.incomplete = true;
            let running =
                RunningTask::start(&self.instance, start, stores, retried, &mut self.producer)?;
            self.incomplete = false;
            tracing::info!(task = %id, worker = self.index, "task runs");
            self.running.insert(id, running);
            busy = true;
        }
        Ok(busy)
    }

    fn process(&mut self) -> Result<bool, Trouble> {
        let now_ms = wall_clock();
        let limit = self.instance.config.buffered_records;
        let mut records = 0;
        let mut busy = false;
        for (id, running) in &mut self.running {
            if let Some(until) = self.paused.get(id) {
                if Instant::now() < *until {
                    continue;
                }
                self.paused.remove(id);
            }
            busy |= running.fetch(limit, &mut self.scratch)? > 0;
            let failed = |failure| Trouble::Task(*id, failure);
            let taken = running
                .task
                .process(&mut self.producer, TURN, now_ms)
                .map_err(failed)?;
            records += taken;
            if running
                .task
                .next_punctuation()
                .is_some_and(|due| due <= now_ms)
            {
                let ran = running.task.punctuate(&mut self.producer, now_ms);
                busy |= ran.map_err(failed)? > 0;
            }
            if let Some(partition) = running.take_gone() {
                self.instance.is_gone(partition);
                let _ = self.events.send(Event::Gone);
            }
        }
        if records > 0 {
            self.metrics()
                .records
                .fetch_add(records as u64, Ordering::Relaxed);
        }
        Ok(busy || records > 0)
    }

    /// Bytes of changes and results that are not committed, at which a commit comes early.
    fn most_uncommitted(&self) -> u64 {
        let config = &self.instance.config;
        (config.memory.uncommitted_bytes / config.threads as u64).max(LEAST_UNCOMMITTED)
    }

    fn uncommitted_bytes(&self) -> u64 {
        let stores: usize = self
            .running
            .values()
            .map(|running| running.task.stores().dirty_bytes())
            .sum();
        stores as u64 + self.producer.pending_bytes()
    }

    fn commit(&mut self) -> Result<(), Trouble> {
        let began = Instant::now();
        if commit(&self.instance, &mut self.producer, &mut self.running)? {
            let took = began.elapsed();
            self.metrics().commits.fetch_add(1, Ordering::Relaxed);
            self.metrics()
                .last_commit_micros
                .store(took.as_micros() as u64, Ordering::Relaxed);
            // Only what a commit has passed begins anew: a task that pauses keeps its count while others commit.
            let running = &self.running;
            self.retried.retain(|id, (origin, _)| {
                running
                    .get(id)
                    .is_none_or(|running| !running.task.has_committed(origin))
            });
        }
        self.next_commit = Instant::now() + self.instance.config.commit_interval();
        Ok(())
    }

    /// Commits, and lets go of all tasks. What cannot be committed is dropped, and comes again elsewhere.
    fn suspend(&mut self) {
        // A panic is met again by whoever has the task next; here nothing may be begun anew.
        let committed = catch_unwind(AssertUnwindSafe(|| self.commit()))
            .unwrap_or_else(|panic| Err(Trouble::Streams(StreamsError::Panic(told(&*panic)))));
        if let Err(trouble) = committed {
            tracing::warn!(
                worker = self.index,
                %trouble,
                "the last commit before a rebalance failed"
            );
            if self.instance.is_stopping() {
                self.tell_uncommitted();
            }
            self.reset_producer();
        }
        self.let_go();
    }

    /// Takes the stores of all tasks, changes since the last commit dropped, and closes their queues.
    fn let_go(&mut self) -> Vec<TaskStart> {
        let mut left = Vec::new();
        for (id, running) in std::mem::take(&mut self.running) {
            let (mut stores, queues) = running.into_parts();
            stores.abort();
            self.suspended.insert(id, stores);
            left.push(TaskStart {
                id,
                inputs: queues.into_iter().map(unread).collect(),
                stores: None,
                generation: self.instance.generation.load(Ordering::Acquire),
            });
        }
        match self.restorer.take_all() {
            Ok(restoring) => {
                for (start, stores) in restoring {
                    self.suspended.insert(start.id, stores);
                    left.push(start);
                }
            }
            // The stores were dropped with the error: they are opened again from what is on disk.
            Err(trouble) => {
                tracing::warn!(%trouble, "a restore was cut short");
                self.incomplete = true;
            }
        }
        self.paused.clear();
        left
    }

    /// Goes back to the last commit, or ends, as the trouble asks for.
    fn recover(&mut self, trouble: Trouble) {
        self.treat(trouble);
        if std::mem::take(&mut self.incomplete) && !self.stopped {
            let _ = self.events.send(Event::Lost);
        }
    }

    fn treat(&mut self, trouble: Trouble) {
        if self.instance.is_abandoned() {
            tracing::warn!(worker = self.index, %trouble, "in the middle of what is given up");
            return;
        }
        let broken = self.producer.broken();
        if broken == Some(ErrorKind::Fenced) {
            return self.lose(&trouble);
        }
        match trouble {
            Trouble::Client(ref error) if error.kind == ErrorKind::Fenced => self.lose(&trouble),
            Trouble::Task(id, Failure::Retry { backoff, error }) => {
                let origin = Origin {
                    topic: error.topic.as_str().into(),
                    partition: error.partition,
                    offset: error.offset,
                };
                let tried = match self.retried.get(&id) {
                    Some((other, tried)) if *other == origin => tried + 1,
                    _ => 1,
                };
                tracing::warn!(%error, tried, "the record is tried again");
                self.roll_back();
                self.retried.insert(id, (origin, tried));
                self.paused.insert(id, Instant::now() + backoff);
            }
            Trouble::Client(error)
                if matches!(
                    error.kind,
                    ErrorKind::Retriable | ErrorKind::AbortTransaction | ErrorKind::Refused
                ) =>
            {
                self.go_back(&error, error.kind);
            }
            // A result could not be sent, and no policy settled it: not the record's fault.
            Trouble::Task(_, Failure::Fatal(error))
                if let Some(
                    kind
                    @ (ErrorKind::Retriable | ErrorKind::AbortTransaction | ErrorKind::Refused),
                ) = broken =>
            {
                self.go_back(&error, kind);
            }
            Trouble::Task(_, Failure::Fatal(error)) => self.fail(Box::new(error).into()),
            Trouble::Client(error) => self.fail(error.into()),
            Trouble::Streams(error) => self.fail(error),
        }
    }

    fn go_back(&mut self, error: &dyn std::error::Error, kind: ErrorKind) {
        tracing::warn!(%error, worker = self.index, "back to the last commit");
        if kind != ErrorKind::Refused {
            // A record that is refused is so at any time.
            std::thread::sleep(BACKOFF);
        }
        self.roll_back();
    }

    /// What the application's policy says for a worker that cannot go on.
    fn fail(&mut self, error: StreamsError) {
        match (self.instance.config.on_failure)(&error) {
            WorkerFailure::Replace => {
                tracing::error!(%error, worker = self.index, "the worker begins again at the last commit");
                std::thread::sleep(BACKOFF);
                self.roll_back();
            }
            WorkerFailure::ShutDown => {
                self.reset_producer();
                self.let_go();
                self.stopped = true;
                let _ = self.events.send(Event::Failed(error));
            }
        }
    }

    /// Somebody else has the tasks: drop what is not committed and wait for the group.
    fn lose(&mut self, trouble: &Trouble) {
        tracing::warn!(worker = self.index, %trouble, "the tasks moved elsewhere");
        self.metrics().rollbacks.fetch_add(1, Ordering::Relaxed);
        self.reset_producer();
        self.let_go();
        let _ = self.events.send(Event::Lost);
    }

    /// Aborts what is open; a producer of no use any more is replaced.
    fn reset_producer(&mut self) {
        let broken = self.producer.broken();
        let aborted = self.producer.abort();
        let usable = match self.instance.config.guarantee {
            Guarantee::ExactlyOnce => aborted.is_ok(),
            Guarantee::AtLeastOnce => !matches!(broken, Some(ErrorKind::Fatal | ErrorKind::Fenced)),
        };
        // One that stops writes nothing any more.
        if (usable && !self.producer.is_dead()) || self.instance.is_stopping() {
            return;
        }
        let made = producer(&self.instance, self.index);
        match made.and_then(|made| made.succeed(&mut self.producer)) {
            Ok(()) => {}
            Err(error) => {
                self.stopped = true;
                let _ = self.events.send(Event::Failed(error.into()));
            }
        }
    }

    /// Drops everything since the last commit and goes on from there.
    fn roll_back(&mut self) {
        self.metrics().rollbacks.fetch_add(1, Ordering::Relaxed);
        self.reset_producer();
        let left = self.let_go();
        if self.stopped {
            return;
        }
        if let Err(trouble) = self.rewind(left) {
            // In the middle of a rebalance, most likely: the group starts the tasks again in any case.
            tracing::warn!(
                worker = self.index,
                %trouble,
                "the tasks wait for the group"
            );
            let _ = self.events.send(Event::Lost);
        }
    }

    fn rewind(&mut self, left: Vec<TaskStart>) -> Result<(), Trouble> {
        let consumer = &self.instance.consumer;
        let partitions: Vec<_> = left
            .iter()
            .flat_map(|start| &start.inputs)
            .map(|input| input.queue.partition().clone())
            .collect();
        if partitions.is_empty() {
            return Ok(());
        }
        let committed: BTreeMap<_, _> = consumer
            .committed(&partitions, ASK_LIMIT)?
            .into_iter()
            .collect();
        let mut seeks = Vec::with_capacity(partitions.len());
        for partition in &partitions {
            let known = committed.get(partition).and_then(Option::as_ref);
            let offset = known.map(|(offset, _)| *offset);
            seeks.push((
                partition.clone(),
                start_offset(&self.instance, partition, offset)?,
            ));
        }
        consumer.seek(&seeks, ASK_LIMIT)?;
        let starts = left.into_iter().map(|mut start| {
            for input in &mut start.inputs {
                input.queue.rewound();
                input.committed = committed.get(input.queue.partition()).cloned().flatten();
            }
            start
        });
        let starts = starts.collect();
        self.start(starts)
    }

    fn metrics(&self) -> &super::metrics::WorkerMetrics {
        &self.instance.workers[self.index]
    }

    /// Tells how many tasks run, and now and then how they are.
    fn tell(&mut self) {
        let metrics = self.metrics();
        metrics.running.store(self.running.len(), Ordering::Release);
        metrics
            .restoring
            .store(self.restorer.len(), Ordering::Release);
        metrics
            .full_waits
            .store(self.producer.full_waits(), Ordering::Relaxed);
        if Instant::now() < self.next_metrics {
            return;
        }
        self.next_metrics = Instant::now() + METRICS_EVERY;
        let tasks = self
            .running
            .iter()
            .map(|(id, running)| (*id, running.metrics(&self.instance)))
            .collect();
        self.metrics().set_tasks(tasks);
    }

    fn sleep(&self) {
        let now_ms = wall_clock();
        let punctuation = self
            .running
            .values()
            .filter_map(|running| running.task.next_punctuation())
            .min()
            .map(|due| Duration::from_millis(u64::try_from(due - now_ms).unwrap_or(0)));
        let commit = self.next_commit.saturating_duration_since(Instant::now());
        let wait = commit.min(IDLE).min(punctuation.unwrap_or(IDLE));
        std::thread::park_timeout(wait);
    }

    fn withdraw(&mut self) {
        for id in self.running.keys().chain(self.suspended.keys()) {
            self.instance.withdraw(*id);
        }
        self.metrics().running.store(0, Ordering::Release);
        self.metrics().restoring.store(0, Ordering::Release);
    }
}

/// What a panic said.
pub(crate) fn told(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

fn unread(queue: super::consumer::PartitionQueue) -> InputStart {
    InputStart {
        queue,
        committed: None,
    }
}

/// A producer for worker `index`; under exactly-once, with its predecessor's transaction ended.
fn producer(instance: &Instance, index: usize) -> Result<Producer, super::client::ClientError> {
    let limits = &instance.topics.limits;
    let clients = match topic_limits::smallest(limits) {
        Some(bytes) => &instance.config.clients.with_batches_of(bytes),
        None => &instance.config.clients,
    };
    let producer = match instance.config.guarantee {
        Guarantee::AtLeastOnce => Producer::idempotent(clients)?,
        Guarantee::ExactlyOnce => {
            let mut producer = Producer::transactional(clients, &instance.transactional_id(index))?;
            producer.init_transactions(ASK_LIMIT)?;
            producer
        }
    };
    Ok(producer.with_limits(Arc::clone(limits)))
}

/// Where reading begins: at the committed offset, or where the topic says.
///
/// # Errors
/// Nothing is committed, and the topic says that this must not be.
pub(crate) fn start_offset(
    instance: &Instance,
    partition: &TopicPartition,
    committed: Option<i64>,
) -> Result<StartOffset, StreamsError> {
    if let Some(offset) = committed {
        return Ok(StartOffset::At(offset));
    }
    match instance.reset_of(&partition.topic) {
        OffsetReset::Earliest => Ok(StartOffset::Beginning),
        OffsetReset::Latest => Ok(StartOffset::End),
        OffsetReset::None => Err(StreamsError::Topics(format!(
            "no offset is committed for {partition}, and the topic's offset reset is `None`: commit one for the group \
             {}, or give the topic another offset reset",
            instance.config.application
        ))),
    }
}
