//! The instance's place in its group: polls the consumer all the while, and carries rebalances out.
//!
//! Classic groups with the range assignor are eager: everything is taken away and given anew. So on a revocation all
//! workers commit and let go of their tasks, stores left open, and on an assignment the tasks that are still ours go
//! on where they are.

mod gone_offsets;
mod hung;
mod rebalance;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::admin::Admin;
use super::assignment::{self, AssignedTask};
use super::client::{ClientError, ClientRole, ErrorKind};
use super::config::{Membership, NewTopics};
use super::consumer::{Committed, Signal};
use super::instance::Instance;
use super::progress::Bar;
use super::run_state::State;
use super::running_task::{InputStart, TaskStart};
use super::standby::{Handover, Roster, Standbys, Succession, WorkerAddress};
use super::topic_watch::{Found, TopicWatch};
use super::worker::{Command, Event, Worker, start_offset, told};
use super::{TaskId, TopicPartition};
use crate::error::StreamsError;
use hung::{Hung, Pulses};

/// How long one poll of the consumer waits.
const POLL: Duration = Duration::from_millis(25);
/// Commands that wait for a worker at most.
const COMMANDS: usize = 16;
/// How often is looked which standbys are to be held.
const STANDBYS_EVERY: Duration = Duration::from_secs(1);
/// How long a question to the cluster may take, and how often it is asked again.
const ASK_LIMIT: Duration = Duration::from_secs(10);
const ASK_TIMES: u32 = 12;
/// How long a fenced worker waits for the rebalance that must be under way.
const REBALANCE_LIMIT: Duration = Duration::from_secs(2);

struct WorkerHandle {
    commands: SyncSender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl WorkerHandle {
    /// Where others than the group send it tasks; none once it is being ended.
    fn address(&self) -> Option<WorkerAddress> {
        Some(WorkerAddress {
            commands: self.commands.clone(),
            thread: self.thread.as_ref()?.thread().clone(),
        })
    }

    fn send(&self, command: Command) {
        // A worker that has ended takes nothing, and has told why.
        let _ = self.commands.send(command);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

/// The instance's place in its group, on its thread.
pub(crate) struct Group {
    instance: Arc<Instance>,
    admin: Admin,
    workers: Vec<WorkerHandle>,
    events: Receiver<Event>,
    assigned: BTreeSet<TopicPartition>,
    /// Those that the consumer reads, where the group takes and gives single ones.
    read: BTreeSet<TopicPartition>,
    /// Whether the group has given this member its part, which may be none.
    settled: bool,
    /// Which worker has, or had last, each task whose stores are open.
    placed: BTreeMap<TaskId, usize>,
    next_purge: Instant,
    bar: Bar,
    standbys: Standbys,
    /// The tasks of which standbys are held, and when that is looked at again.
    held: BTreeSet<TaskId>,
    /// The tasks of which they ever were: the standbys' thread may have their stores open.
    lent: BTreeSet<TaskId>,
    next_standbys: Instant,
    /// When tasks that were lost are started again if no rebalance comes.
    lost: Option<Instant>,
    topic_watch: TopicWatch,
    pulses: Pulses,
    max_poll_interval: Duration,
    /// Workers that do not come back, for which the group was left.
    hung: Option<Hung>,
}

impl Group {
    /// Starts the workers and waits till their producers are ready.
    ///
    /// # Errors
    /// A worker's producer cannot be made.
    pub(crate) fn new(instance: Arc<Instance>, admin: Admin) -> Result<Self, StreamsError> {
        let (told, events) = std::sync::mpsc::channel();
        let runtime = tokio::runtime::Handle::try_current().ok();
        let workers: Vec<_> = (0..instance.config.threads)
            .map(|index| {
                let (commands, receiver) = sync_channel(COMMANDS);
                let (instance, told) = (Arc::clone(&instance), told.clone());
                let runtime = runtime.clone();
                let name = format!("{}-worker-{index}", instance.config.application);
                let thread = std::thread::Builder::new().name(name).spawn(move || {
                    // Calls to the outside run on the program's own runtime, if it has one.
                    let _entered = runtime.as_ref().map(tokio::runtime::Handle::enter);
                    Worker::run(index, instance, receiver, told);
                });
                let thread = thread.map_err(|error| {
                    StreamsError::Settings(format!("starting a worker's thread: {error}"))
                })?;
                Ok(WorkerHandle {
                    commands,
                    thread: Some(thread),
                })
            })
            .collect::<Result<_, StreamsError>>()?;
        let standbys = Standbys::start(&instance)?;
        let mut group = Self {
            topic_watch: TopicWatch::start(&instance)?,
            pulses: Pulses::of(instance.config.threads),
            max_poll_interval: hung::max_poll_interval(&instance.config.clients),
            hung: None,
            next_purge: Instant::now() + instance.config.purge_interval,
            instance,
            admin,
            workers,
            events,
            assigned: BTreeSet::new(),
            read: BTreeSet::new(),
            settled: false,
            placed: BTreeMap::new(),
            bar: Bar::new(),
            standbys,
            held: BTreeSet::new(),
            lent: BTreeSet::new(),
            next_standbys: Instant::now() + STANDBYS_EVERY,
            lost: None,
        };
        group.wait_for_workers()?;
        Ok(group)
    }

    fn wait_for_workers(&mut self) -> Result<(), StreamsError> {
        for _ in 0..self.workers.len() {
            match self.events.recv() {
                Ok(Event::Ready | Event::Lost | Event::Gone) => {}
                Ok(Event::Failed(error)) => {
                    self.stop_workers();
                    return Err(error);
                }
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Runs until the instance is to stop, then closes everything in order.
    pub(crate) fn run(self) {
        let instance = Arc::clone(&self.instance);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.serve())) {
            // Without this thread the application would stand still for ever, and nobody would know.
            instance.ending.abandon();
            instance.state.fail(StreamsError::Panic(told(&*panic)));
            instance.state.set(State::Error);
            instance.state.set(State::NotRunning);
        }
    }

    fn serve(mut self) {
        if let Err(error) = self.subscribe() {
            self.instance.state.fail(error);
        }
        self.instance.state.set(State::Rebalancing);
        while !self.is_stopping() {
            match self.turn() {
                Ok(()) => {}
                Err(
                    error @ StreamsError::Client {
                        retriable: true, ..
                    },
                ) if self.is_stopping() => {
                    tracing::info!(%error, "not waited for: the application stops");
                }
                Err(error) => self.instance.state.fail(error),
            }
        }
        self.close();
        let state = &self.instance.state;
        if state.get() == State::PendingError {
            state.set(State::Error);
        } else {
            // Of one that was abandoned nobody asked.
            state.set(State::PendingShutdown);
            state.set(State::NotRunning);
        }
    }

    /// Commits and lets go of everything, for as long as a stop may take.
    fn close(&mut self) {
        let began = Instant::now();
        let instance = Arc::clone(&self.instance);
        instance.regroup();
        instance.ending.stop_within(instance.config.stop_timeout);
        if !instance.is_abandoned() {
            self.suspend_all();
        }
        let asked = instance.state.get() == State::PendingShutdown;
        self.standbys.stop();
        self.stop_workers();
        if !instance.is_abandoned() {
            if let Err(error) = instance.consumer.close() {
                tracing::warn!(%error, "the group is left without a word");
            }
        } else if asked {
            instance.state.fail(instance.stopped_late(began.elapsed()));
        }
    }

    fn is_stopping(&self) -> bool {
        self.instance.is_stopping()
    }

    fn subscribe(&mut self) -> Result<(), StreamsError> {
        let instance = Arc::clone(&self.instance);
        let topics: BTreeSet<&str> = instance
            .topology
            .sub_topologies()
            .iter()
            .flat_map(|part| &part.sources)
            .map(|topic| &**topic)
            .collect();
        let topics: Vec<_> = topics.into_iter().collect();
        if topics.is_empty() {
            // Global tables only: there is no group to join.
            self.settled = true;
            return Ok(());
        }
        Ok(self.instance.consumer.subscribe(&topics)?)
    }

    fn turn(&mut self) -> Result<(), StreamsError> {
        match self.instance.consumer.poll(POLL) {
            Some(Signal::Assigned(partitions)) => self.assigned(partitions)?,
            Some(Signal::Revoked(partitions)) => self.revoked(&partitions)?,
            Some(Signal::Error(error)) => Self::consumer_error(error)?,
            None => {}
        }
        self.take_events()?;
        self.look_after_workers()?;
        self.look_at_topics()?;
        self.start_lost()?;
        self.purge();
        let delay = self.instance.config.state_cleanup_delay;
        self.instance.database.clean_up(delay);
        self.hold_standbys();
        self.bar.draw(&self.instance.restores);
        let settled = self.settled && self.instance.all_run();
        match (self.instance.state.get(), settled) {
            (State::Rebalancing, true) => self.instance.state.set(State::Running),
            (State::Running, false) => self.instance.state.set(State::Rebalancing),
            _ => {}
        }
        Ok(())
    }

    fn look_at_topics(&self) -> Result<(), StreamsError> {
        match self.topic_watch.found() {
            None => {}
            Some(Found::Wrong(wrong)) => return Err(wrong),
            Some(Found::New(topics)) => match self.instance.config.new_topics {
                NewTopics::Tell => tracing::warn!(
                    ?topics,
                    "topics that match a pattern were made: they are read when the application is started again"
                ),
                NewTopics::BeginAgain => {
                    tracing::info!(
                        ?topics,
                        "topics that match a pattern were made: begins again with them"
                    );
                    self.instance.state.begin_again();
                }
            },
        }
        Ok(())
    }

    fn consumer_error(error: ClientError) -> Result<(), StreamsError> {
        match error.kind {
            ErrorKind::Retriable => tracing::warn!(%error, "the consumer goes on"),
            // Told again and again while a topic is missing or just being made.
            ErrorKind::UnknownTopic => tracing::warn!(%error, "a topic that is read is missing"),
            _ => return Err(error.into()),
        }
        Ok(())
    }

    fn take_events(&mut self) -> Result<(), StreamsError> {
        // Looked at before what it told, which comes before its end.
        let ended =
            |worker: &WorkerHandle| worker.thread.as_ref().is_some_and(JoinHandle::is_finished);
        let ended = self.workers.iter().position(ended);
        while let Ok(event) = self.events.try_recv() {
            match event {
                Event::Ready => {}
                Event::Lost => self.lost = Some(Instant::now() + REBALANCE_LIMIT),
                Event::Gone => self.lost = Some(Instant::now() + gone_offsets::PAUSE),
                Event::Failed(error) => return Err(error),
            }
        }
        if let Some(error) = self.instance.consumer.fatal_error() {
            return Err(error.into());
        }
        if let Some(index) = ended
            && !self.is_stopping()
        {
            return Err(StreamsError::Panic(format!(
                "worker {index} has ended without a word"
            )));
        }
        Ok(())
    }

    /// A worker let go of its tasks and no rebalance came: they are still ours.
    fn start_lost(&mut self) -> Result<(), StreamsError> {
        if self.lost.is_none_or(|until| Instant::now() < until) {
            return Ok(());
        }
        self.lost = None;
        if self.assigned.is_empty() {
            return Ok(());
        }
        self.suspend_all();
        if self.has_left() {
            return Ok(());
        }
        self.start_tasks()
    }

    /// Starts the tasks that follow from the assignment, and closes those that went elsewhere.
    fn start_tasks(&mut self) -> Result<(), StreamsError> {
        self.instance.regroup();
        let topology = &self.instance.topology;
        let counts = &self.instance.topics.counts;
        let beyond = |partition: &&TopicPartition| {
            counts
                .of(&partition.topic)
                .is_none_or(|count| partition.partition >= count)
        };
        if let Some(partition) = self.assigned.iter().find(beyond) {
            return Err(self.topic_watch.beyond(partition));
        }
        let tasks = assignment::tasks(topology, counts, &self.assigned);
        let placed = assignment::place(&tasks, &self.placed, self.workers.len());
        for (index, worker) in self.workers.iter().enumerate() {
            let gone: Vec<_> = self
                .placed
                .iter()
                .filter(|(task, worker)| **worker == index && !placed.contains_key(task))
                .map(|(task, _)| *task)
                .collect();
            if !gone.is_empty() {
                worker.send(Command::Close(gone));
            }
        }
        self.instance.assigned.store(tasks.len(), Ordering::Release);
        self.instance.known.assign(placed.keys().copied().collect());
        let starts = self.starts(tasks)?;
        // The standbys of tasks that came are handed over, open, from thread to thread: nobody waits here.
        self.held.retain(|task| !placed.contains_key(task));
        let (lent, starts): (Vec<_>, Vec<_>) = starts
            .into_iter()
            .partition(|start| self.lent.contains(&start.id));
        let handovers = lent.into_iter().filter_map(|start| {
            let worker = self.workers[placed[&start.id]].address()?;
            Some(Handover { start, worker })
        });
        self.standbys.hold(self.held.clone(), handovers.collect());
        let mut by_worker: Vec<Vec<TaskStart>> = self.workers.iter().map(|_| Vec::new()).collect();
        for start in starts {
            by_worker[placed[&start.id]].push(start);
        }
        for (worker, starts) in self.workers.iter().zip(by_worker) {
            if !starts.is_empty() {
                worker.send(Command::Start(starts));
            }
        }
        self.placed = placed;
        Ok(())
    }

    /// Assigns the tasks' partitions to the consumer, from the committed offsets on.
    fn starts(&mut self, tasks: Vec<AssignedTask>) -> Result<Vec<TaskStart>, StreamsError> {
        let partitions: Vec<_> = tasks
            .iter()
            .flat_map(|task| {
                let of =
                    |topic: &Arc<str>| TopicPartition::new(Arc::clone(topic), task.id.partition);
                task.inputs.iter().map(of)
            })
            .collect();
        let partitions = if self.instance.consumer.is_incremental() {
            self.assigned.iter().cloned().collect()
        } else {
            partitions
        };
        let mut committed = self.committed(&partitions)?;
        self.replace_gone(&mut committed)?;
        let mut assigned = Vec::with_capacity(partitions.len());
        for partition in &partitions {
            let known = committed.get(partition).and_then(Option::as_ref);
            let offset = known.map(|(offset, _)| *offset);
            let start = start_offset(&self.instance, partition, offset)?;
            assigned.push((partition.clone(), start));
        }
        let mut starts = Vec::with_capacity(tasks.len());
        for task in tasks {
            let mut inputs = Vec::with_capacity(task.inputs.len());
            for topic in task.inputs {
                let partition = TopicPartition::new(topic, task.id.partition);
                // Taken before the partition is assigned, so that no record goes elsewhere.
                let queue = self.instance.consumer.queue(&partition)?;
                inputs.push(InputStart {
                    queue,
                    committed: committed.remove(&partition).flatten(),
                });
            }
            starts.push(TaskStart {
                id: task.id,
                inputs,
                stores: None,
                generation: self.instance.generation.load(Ordering::Acquire),
            });
        }
        self.read(&assigned)?;
        Ok(starts)
    }

    /// Committed offsets; waits for transactions of others that are about to end.
    fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Committed>, StreamsError> {
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        for _ in 1..ASK_TIMES {
            match self.instance.consumer.committed(partitions, ASK_LIMIT) {
                Err(error) if error.is_retriable() && !self.is_stopping() => {
                    tracing::info!(%error, "waiting for committed offsets");
                    std::thread::sleep(Duration::from_millis(100));
                }
                answer => return Ok(answer?.into_iter().collect()),
            }
        }
        let answer = self.instance.consumer.committed(partitions, ASK_LIMIT)?;
        Ok(answer.into_iter().collect())
    }

    fn stop_workers(&mut self) {
        for worker in &self.workers {
            worker.send(Command::Stop);
        }
        for worker in &mut self.workers {
            if let Some(thread) = worker.thread.take()
                && thread.join().is_err()
            {
                tracing::error!("a worker's thread panicked");
            }
        }
    }

    /// Holds the standbys that follow from what the instances tell of themselves. What an instance runs is told some
    /// seconds late: a copy that it holds for a while beside its own is let go then.
    fn hold_standbys(&mut self) {
        let replicas = self.instance.config.standby_replicas;
        if replicas == 0 || Instant::now() < self.next_standbys || !self.settled {
            return;
        }
        self.next_standbys = Instant::now() + STANDBYS_EVERY;
        let own = self.instance.directory.process_id();
        let told = self.instance.known.instances();
        let others = || told.iter().filter(|info| info.process_id != own);
        let instances = others()
            .map(|info| &*info.process_id)
            .chain([own])
            .collect();
        let mut runs: BTreeMap<TaskId, &str> = BTreeMap::new();
        for info in others() {
            runs.extend(info.tasks.iter().map(|task| (*task, &*info.process_id)));
        }
        runs.extend(self.placed.keys().map(|task| (*task, own)));
        let mut counts = BTreeMap::new();
        for task in self.instance.topics.counts.tasks() {
            *counts.entry(task.sub_topology).or_default() += 1;
        }
        let roster = Roster {
            instances,
            runs,
            counts,
            succession: self.succession(),
        };
        let topology = &self.instance.topology;
        let stateful = self.instance.topics.counts.tasks().filter(|task| {
            !topology.sub_topologies()[task.sub_topology]
                .stores
                .is_empty()
        });
        let wanted = roster.held_by(own, stateful, replicas);
        if wanted != self.held {
            self.lent.extend(&wanted);
            self.held = wanted;
            // Nobody needs those that are let go: they are written, and closed.
            self.standbys.hold(self.held.clone(), Vec::new());
        }
    }

    /// What decides where tasks go: our ids and the range assignor, unless the program chose otherwise.
    fn succession(&self) -> Succession {
        let config = &self.instance.config;
        let group = config.clients.config(ClientRole::Group, &[]);
        let range = group.get("partition.assignment.strategy") == Some("range");
        match config.membership {
            Membership::Static if range => Succession::Range,
            _ => Succession::Unknown,
        }
    }

    /// Deletes what of the repartition topics is processed.
    fn purge(&mut self) {
        if Instant::now() < self.next_purge {
            return;
        }
        self.next_purge = Instant::now() + self.instance.config.purge_interval;
        let processed = self.instance.take_purgeable();
        if let Err(error) = self.admin.delete_records(&processed) {
            // Tried again with the next offsets.
            tracing::warn!(%error, "repartition topics are not emptied");
        }
    }
}
