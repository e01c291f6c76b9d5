//! Standbys: copies of stores whose tasks run elsewhere, kept up to date from their changelogs, so that a task that
//! moves here has little to restore (Kafka Streams' `num.standby.replicas`).
//!
//! A changelog is read as it grows. An input that serves as changelog is read as far as its tasks have committed, which
//! is looked up now and then: what is behind that is not the table's yet.
//!
//! On a thread of its own. It holds what the group tells it to, and hands stores over, open, when their task comes.

mod roster;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SendError, SyncSender, TryRecvError, sync_channel};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use super::client::{ClientError, ErrorKind};
use super::consumer::{Consumer, PartitionQueue, StartOffset};
use super::instance::{Instance, Trouble, wall_clock};
use super::raw_record::RawRecord;
use super::restore::{changelog_record, go_on};
use super::running_task::TaskStart;
use super::{TaskId, TopicPartition, worker};
use crate::context::SourceRecord;
use crate::error::StreamsError;
use crate::store::{Changelog, Store, StoreId, Stores};

/// What the group said and is not done: more than rebalances that follow one another at once.
const COMMANDS: usize = 64;
/// Records of one changelog between two looks at the others.
const SLICE: usize = 4096;
/// How often what was read is written, with how far it goes.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// How long the thread sleeps when nothing came; records and commands wake it.
const IDLE: Duration = Duration::from_millis(200);
/// How long is waited for the cluster to tell how far inputs are committed.
const ASK_LIMIT: Duration = Duration::from_secs(1);
/// The pause after a failure.
const BACKOFF: Duration = Duration::from_secs(1);

pub(crate) use roster::{Roster, Succession};

/// What the group tells the standbys.
enum Command {
    /// Hold these tasks' stores and no others, and have workers start these, with their stores if they are here.
    Hold(BTreeSet<TaskId>, Vec<Handover>),
}

/// A task that is to be started with the stores of its standby.
pub(crate) struct Handover {
    pub(crate) start: TaskStart,
    pub(crate) worker: WorkerAddress,
}

impl Handover {
    fn pass_on(mut self, stores: Option<Stores>) {
        self.start.stores = stores;
        // A worker that has ended takes nothing, and has told why.
        let _ = self
            .worker
            .commands
            .send(worker::Command::Start(vec![self.start]));
        self.worker.thread.unpark();
    }
}

/// Where a worker takes tasks.
pub(crate) struct WorkerAddress {
    pub(crate) commands: SyncSender<worker::Command>,
    pub(crate) thread: Thread,
}

/// The group's handle on the standbys.
pub(crate) struct Standbys {
    commands: Option<SyncSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Standbys {
    /// Starts the thread, if standbys are wanted.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn start(instance: &Arc<Instance>) -> Result<Self, StreamsError> {
        if instance.config.standby_replicas == 0 {
            return Ok(Self {
                commands: None,
                thread: None,
            });
        }
        let (commands, receiver) = sync_channel(COMMANDS);
        let name = format!("{}-standby", instance.config.application);
        let instance = Arc::clone(instance);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || Standby::new(instance, receiver).run())
            .map_err(|error| StreamsError::Settings(format!("starting a thread: {error}")))?;
        Ok(Self {
            commands: Some(commands),
            thread: Some(thread),
        })
    }

    /// Has these tasks' stores held and no others, and those tasks started with theirs. Does not wait for it.
    pub(crate) fn hold(&self, tasks: BTreeSet<TaskId>, handovers: Vec<Handover>) {
        let Some(commands) = &self.commands else {
            return;
        };
        if let Err(SendError(Command::Hold(_, handovers))) =
            commands.send(Command::Hold(tasks, handovers))
        {
            // The thread has ended, and its stores are closed.
            for handover in handovers {
                handover.pass_on(None);
            }
        }
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Writes what was read, and ends.
    pub(crate) fn stop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the standbys' thread panicked");
            }
        }
    }
}

/// A changelog that is followed.
struct Following {
    task: TaskId,
    store: StoreId,
    partition: TopicPartition,
    next: i64,
    queue: PartitionQueue,
    input: Option<Input>,
}

/// What is known of an input that serves as changelog.
#[derive(Default)]
struct Input {
    /// How far its tasks have committed.
    committed: i64,
    /// Records that were read and are behind that, two slices at most.
    ahead: VecDeque<RawRecord>,
}

impl Following {
    /// Whether it has everything that there is to be had.
    fn is_caught_up(&self) -> bool {
        match &self.input {
            Some(input) if self.next >= input.committed => true,
            Some(input) => input.ahead.is_empty() && self.queue.is_caught_up(),
            None => self.queue.is_caught_up(),
        }
    }

    /// Reads a slice of what may be taken over.
    fn poll(&mut self, into: &mut Vec<RawRecord>) -> Result<(), ClientError> {
        let Some(input) = &mut self.input else {
            return self.queue.poll(SLICE, into).map(drop);
        };
        let polled = if input.ahead.len() < SLICE {
            let polled = self.queue.poll(SLICE, into);
            input.ahead.extend(into.drain(..));
            polled.map(drop)
        } else {
            Ok(())
        };
        let committed = input.committed;
        while let Some(record) = input
            .ahead
            .pop_front_if(|record| record.offset() < committed)
        {
            into.push(record);
        }
        polled
    }
}

struct Standby {
    commands: Receiver<Command>,
    reader: Option<Consumer>,
    stores: BTreeMap<TaskId, Stores>,
    following: Vec<Following>,
    /// Tasks whose stores began empty, and are not shown before they have read everything.
    incomplete: BTreeSet<TaskId>,
    /// What is to be held, once the last attempt to was cut short.
    wanted: BTreeSet<TaskId>,
    next_write: Instant,
    scratch: Vec<RawRecord>,
    stopped: bool,
    /// Behind the stores: the lock on their directory goes with the last that has it.
    instance: Arc<Instance>,
}

impl Standby {
    fn new(instance: Arc<Instance>, commands: Receiver<Command>) -> Self {
        Self {
            instance,
            commands,
            reader: None,
            stores: BTreeMap::new(),
            following: Vec::new(),
            incomplete: BTreeSet::new(),
            wanted: BTreeSet::new(),
            next_write: Instant::now() + WRITE_EVERY,
            scratch: Vec::new(),
            stopped: false,
        }
    }

    fn run(mut self) {
        while !self.stopped && !self.instance.is_abandoned() {
            match self.turn() {
                Ok(true) => {}
                Ok(false) => std::thread::park_timeout(IDLE),
                Err(trouble) => {
                    // A standby that fails costs time when its task comes, and nothing else.
                    tracing::warn!(%trouble, "standbys begin again at what is written");
                    self.close_all();
                    std::thread::park_timeout(BACKOFF);
                }
            }
        }
        if !self.instance.is_abandoned()
            && let Err(trouble) = self.write_out()
        {
            tracing::warn!(
                %trouble,
                "standbys are read again from what was written before"
            );
        }
        for task in self.stores.keys() {
            self.instance.withdraw_standby(*task);
        }
    }

    fn close_all(&mut self) {
        self.following.clear();
        for task in self.stores.keys() {
            self.instance.withdraw_standby(*task);
        }
        self.stores.clear();
        self.reader = None;
    }

    fn turn(&mut self) -> Result<bool, Trouble> {
        match self.commands.try_recv() {
            Ok(Command::Hold(tasks, handovers)) => {
                let let_go = self.let_go(&tasks);
                self.wanted = tasks;
                let (mut stores, trouble) = match let_go {
                    Ok(stores) => (stores, None),
                    Err(trouble) => {
                        // Closed here before a worker opens them.
                        self.close_all();
                        (BTreeMap::new(), Some(trouble))
                    }
                };
                for handover in handovers {
                    let stores = stores.remove(&handover.start.id);
                    handover.pass_on(stores);
                }
                if let Some(trouble) = trouble {
                    return Err(trouble);
                }
            }
            Err(TryRecvError::Disconnected) => {
                self.stopped = true;
                return Ok(true);
            }
            Err(TryRecvError::Empty) => {}
        }
        let opened = self.take_up()?;
        let came = self.read()?;
        if Instant::now() >= self.next_write {
            self.write()?;
        }
        Ok(opened || came > 0)
    }

    /// Takes the stores of tasks that are not to be held, with what was read.
    fn let_go(&mut self, tasks: &BTreeSet<TaskId>) -> Result<BTreeMap<TaskId, Stores>, Trouble> {
        self.write_out()?;
        let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.stores)
            .into_iter()
            .partition(|(task, _)| tasks.contains(task));
        self.stores = kept;
        self.following
            .retain(|following| tasks.contains(&following.task));
        for task in gone.keys() {
            self.instance.withdraw_standby(*task);
        }
        if !gone.is_empty() {
            // What nobody polls any more is not to be fetched either.
            self.assign()?;
        }
        Ok(gone)
    }

    /// Has the consumer read the changelogs that are followed, each from where it is.
    fn assign(&mut self) -> Result<(), ClientError> {
        if self.following.is_empty() {
            self.reader = None;
        }
        let Some(reader) = &self.reader else {
            return Ok(());
        };
        let assigned: Vec<_> = self
            .following
            .iter()
            .map(|following| {
                let next = following.queue.position().unwrap_or(following.next);
                (following.partition.clone(), StartOffset::At(next))
            })
            .collect();
        reader.assign(&assigned)
    }

    /// Opens the stores of a task that is newly held, and reads its changelogs from where they are; false if none is.
    fn take_up(&mut self) -> Result<bool, Trouble> {
        let new: Vec<_> = self
            .wanted
            .iter()
            .filter(|task| !self.stores.contains_key(task))
            .copied()
            .collect();
        if new.is_empty() {
            return Ok(false);
        }
        // One at a time: what the group says in between comes first. All are read when the last is open.
        self.open(new[0])?;
        if new.len() == 1 {
            self.assign()?;
        }
        Ok(true)
    }

    fn open(&mut self, task: TaskId) -> Result<(), Trouble> {
        if self.reader.is_none() {
            self.reader = Some(Consumer::reader(
                &self.instance.config.clients,
                &self.instance.config.application,
                self.instance.config.guarantee.isolation(),
            )?);
        }
        let instance = Arc::clone(&self.instance);
        let topology = &instance.topology;
        let mut stores = Stores::default();
        for store_id in &topology.sub_topologies()[task.sub_topology].stores {
            let spec = topology.stores()[store_id.index()].clone();
            let is_input = matches!(spec.changelog, Changelog::SourceTopic(_));
            let mut store = Store::open(spec, task.partition, &instance.database)?;
            if let Some((partition, next)) = self.plan(task, &mut store)? {
                let reader = self.reader.as_ref().expect("it was just made");
                let mut queue = reader.queue(&partition)?;
                queue.wake(std::thread::current());
                self.following.push(Following {
                    task,
                    input: is_input.then(Input::default),
                    store: *store_id,
                    partition,
                    next,
                    queue,
                });
            }
            stores.insert(*store_id, store);
        }
        tracing::info!(%task, "standby");
        if stores.iter().all(|(_, store)| store.checkpoint().is_some()) {
            instance.publish_standby(task, stores.iter().map(|(_, store)| store.reader()));
        } else {
            self.incomplete.insert(task);
        }
        self.stores.insert(task, stores);
        Ok(())
    }

    /// Shows the copies that began empty and have now read everything that there is: half of one is none.
    fn show_complete(&mut self) {
        let reads_on = |task: &TaskId| {
            let mut following = self.following.iter();
            following.any(|following| following.task == *task && !following.is_caught_up())
        };
        let (left, complete) = std::mem::take(&mut self.incomplete)
            .into_iter()
            .partition(reads_on);
        self.incomplete = left;
        let complete: BTreeSet<TaskId> = complete;
        for task in complete {
            if let Some(stores) = self.stores.get(&task) {
                let readers = stores.iter().map(|(_, store)| store.reader());
                self.instance.publish_standby(task, readers);
            }
        }
    }

    /// Where to read a store's changelog from; none for a store that has none.
    fn plan(
        &self,
        task: TaskId,
        store: &mut Store,
    ) -> Result<Option<(TopicPartition, i64)>, Trouble> {
        let application = self.instance.topology.application();
        let Some(topic) = store.spec().restore_topic(application) else {
            return Ok(None);
        };
        let partition = TopicPartition::new(topic, task.partition);
        let reader = self.reader.as_ref().expect("it was just made");
        let (next, _) = go_on(&self.instance, reader, store, &partition)?;
        Ok(Some((partition, next)))
    }

    /// Takes over what the changelogs have; returns how many records came.
    fn read(&mut self) -> Result<usize, Trouble> {
        let mut came = 0;
        for following in &mut self.following {
            let polled = following.poll(&mut self.scratch);
            let stores = self
                .stores
                .get_mut(&following.task)
                .expect("what is followed is held");
            let store = stores.get_mut(following.store);
            store.restore(self.scratch.iter().filter_map(changelog_record))?;
            came += self.scratch.len();
            if let Some(last) = self.scratch.last() {
                following.next = last.offset() + 1;
            }
            self.scratch.clear();
            match polled {
                Ok(()) => {}
                Err(error) if error.kind == ErrorKind::OffsetOutOfRange => {
                    // The changelog was cut: the next attempt begins at what is there.
                    let partition = following.task.partition;
                    self.instance.hide(&store.spec().name, partition);
                    store.wipe()?;
                    return Err(error.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(came)
    }

    /// Writes what the copies that have read everything have read, with how far it goes: they are as young as now,
    /// no delete is missing in them. The others go on gathering, within the store's own bounds.
    fn write(&mut self) -> Result<(), Trouble> {
        self.next_write = Instant::now() + WRITE_EVERY;
        self.look_up_inputs();
        self.write_all(|following| following.is_caught_up().then(wall_clock))?;
        self.show_complete();
        Ok(())
    }

    /// Looks up how far the tasks have committed the inputs that serve as changelogs.
    fn look_up_inputs(&mut self) {
        let inputs = self
            .following
            .iter_mut()
            .filter(|following| following.input.is_some());
        let mut inputs: Vec<_> = inputs.collect();
        let asked: BTreeSet<_> = inputs.iter().map(|input| input.partition.clone()).collect();
        if asked.is_empty() {
            return;
        }
        let asked: Vec<_> = asked.into_iter().collect();
        match self.instance.consumer.committed(&asked, ASK_LIMIT) {
            Ok(committed) => {
                let committed: BTreeMap<_, _> = committed.into_iter().collect();
                for following in &mut inputs {
                    let known = committed.get(&following.partition).and_then(Option::as_ref);
                    if let (Some(input), Some((offset, _))) = (&mut following.input, known) {
                        input.committed = *offset;
                    }
                }
            }
            // Asked again with the next write.
            Err(error) => tracing::info!(%error, "standbys of inputs wait"),
        }
    }

    /// Writes everything that was read.
    fn write_out(&mut self) -> Result<(), Trouble> {
        self.write_all(|following| {
            let caught_up = following.is_caught_up();
            Some(if caught_up { wall_clock() } else { 0 })
        })
    }

    /// Writes the copies for which `as_of` says as of when they are, 0 for not known.
    fn write_all(&mut self, as_of: impl Fn(&Following) -> Option<i64>) -> Result<(), Trouble> {
        for following in &self.following {
            let Some(now_ms) = as_of(following) else {
                continue;
            };
            let stores = self
                .stores
                .get_mut(&following.task)
                .expect("what is followed is held");
            stores.get_mut(following.store).finish_restore(now_ms)?;
        }
        Ok(())
    }
}
