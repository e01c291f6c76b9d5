//! Standbys: copies of stores whose tasks run elsewhere, kept up to date from their changelogs, so that a task that
//! moves here has little to restore (Kafka Streams' `num.standby.replicas`).
//!
//! On a thread of its own. It holds what the group tells it to, and hands stores over, open, when their task comes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::client::{ClientError, ErrorKind};
use super::consumer::{Consumer, PartitionQueue, StartOffset};
use super::instance::{Instance, Trouble, wall_clock};
use super::raw_record::RawRecord;
use super::restore::{changelog_record, go_on};
use super::{TaskId, TopicPartition};
use crate::context::SourceRecord;
use crate::error::StreamsError;
use crate::store::{Changelog, Store, StoreId, Stores};

/// Records of one changelog between two looks at the others.
const SLICE: usize = 4096;
/// How often what was read is written, with how far it goes.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// How long the thread sleeps when nothing came; records and commands wake it.
const IDLE: Duration = Duration::from_millis(200);
/// The pause after a failure.
const BACKOFF: Duration = Duration::from_secs(1);

/// What the group tells the standbys.
enum Command {
    /// Hold these tasks' stores and no others; answer with those of the tasks that are let go.
    Hold(BTreeSet<TaskId>, SyncSender<BTreeMap<TaskId, Stores>>),
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
        let (commands, receiver) = sync_channel(4);
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

    /// Holds these tasks' stores and no others; returns, open, the stores of those that are let go.
    pub(crate) fn hold(&self, tasks: BTreeSet<TaskId>) -> BTreeMap<TaskId, Stores> {
        let Some(commands) = &self.commands else {
            return BTreeMap::new();
        };
        let (done, let_go) = sync_channel(1);
        if commands.send(Command::Hold(tasks, done)).is_err() {
            return BTreeMap::new();
        }
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        let_go.recv().unwrap_or_default()
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

/// The tasks of which instance `own` holds standbys: of each task that it does not run, if it is among the first
/// `replicas` of the other instances in the task's own order of them, so that tasks are spread.
pub(crate) fn wanted(
    tasks: impl Iterator<Item = TaskId>,
    runs: &BTreeMap<TaskId, &str>,
    instances: &BTreeSet<&str>,
    own: &str,
    replicas: usize,
) -> BTreeSet<TaskId> {
    tasks
        .filter(|task| {
            let owner = runs.get(task).copied();
            let mut others: Vec<_> = instances
                .iter()
                .copied()
                .filter(|instance| Some(*instance) != owner)
                .collect();
            others.sort_by_key(|instance| (weight(*task, instance), *instance));
            others
                .iter()
                .take(replicas)
                .any(|instance| *instance == own)
        })
        .collect()
}

/// Differs from task to task, and is the same in every process (FNV-1a).
fn weight(task: TaskId, instance: &str) -> u64 {
    let name = format!("{task}/{instance}");
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A changelog that is followed.
struct Following {
    task: TaskId,
    store: StoreId,
    partition: TopicPartition,
    next: i64,
    queue: PartitionQueue,
}

struct Standby {
    instance: Arc<Instance>,
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
                    self.following.clear();
                    for task in self.stores.keys() {
                        self.instance.withdraw_standby(*task);
                    }
                    self.stores.clear();
                    self.reader = None;
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

    fn turn(&mut self) -> Result<bool, Trouble> {
        match self.commands.try_recv() {
            Ok(Command::Hold(tasks, done)) => {
                let let_go = self.let_go(&tasks);
                self.wanted = tasks;
                // Nobody waits any more if the application ends.
                let _ = done.send(let_go?);
            }
            Err(TryRecvError::Disconnected) => {
                self.stopped = true;
                return Ok(true);
            }
            Err(TryRecvError::Empty) => {}
        }
        self.take_up()?;
        let came = self.read()?;
        if Instant::now() >= self.next_write {
            self.write()?;
        }
        Ok(came > 0)
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

    /// Opens the stores of tasks that are newly held, and reads their changelogs from where they are.
    fn take_up(&mut self) -> Result<(), Trouble> {
        let new: Vec<_> = self
            .wanted
            .iter()
            .filter(|task| !self.stores.contains_key(task))
            .copied()
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        for task in new {
            self.open(task)?;
        }
        Ok(self.assign()?)
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
            let mut store = Store::open(spec, task.partition, &instance.database)?;
            if let Some((partition, next)) = self.plan(task, &mut store)? {
                let reader = self.reader.as_ref().expect("it was just made");
                let mut queue = reader.queue(&partition)?;
                queue.wake(std::thread::current());
                self.following.push(Following {
                    task,
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
            following.any(|following| following.task == *task && !following.queue.is_caught_up())
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

    /// Where to read a store's changelog from; none for a store that has none of its own. An input that serves as
    /// changelog is left to the task: how far it may be read, only the task's offsets tell.
    fn plan(
        &self,
        task: TaskId,
        store: &mut Store,
    ) -> Result<Option<(TopicPartition, i64)>, Trouble> {
        if !matches!(store.spec().changelog, Changelog::Topic(_)) {
            return Ok(None);
        }
        let application = self.instance.topology.application();
        let Some(topic) = store.spec().changelog_topic(application) else {
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
            let polled: Result<_, ClientError> = following.queue.poll(SLICE, &mut self.scratch);
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
                Ok(_) => {}
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
        self.write_all(|following| following.queue.is_caught_up().then(wall_clock))?;
        self.show_complete();
        Ok(())
    }

    /// Writes everything that was read.
    fn write_out(&mut self) -> Result<(), Trouble> {
        self.write_all(|following| {
            let caught_up = following.queue.is_caught_up();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks() -> Vec<TaskId> {
        let task = |partition| TaskId {
            sub_topology: 0,
            partition,
        };
        (0..60).map(task).collect()
    }

    #[test]
    fn each_task_has_as_many_standbys_as_wanted_and_none_where_it_runs() {
        let instances = BTreeSet::from(["a", "b", "c"]);
        let runs: BTreeMap<_, _> = tasks()
            .into_iter()
            .map(|task| (task, ["a", "b", "c"][task.partition as usize % 3]))
            .collect();
        for replicas in 0..4 {
            let held: Vec<_> = instances
                .iter()
                .map(|own| wanted(tasks().into_iter(), &runs, &instances, own, replicas))
                .collect();
            for (own, held) in instances.iter().zip(&held) {
                assert!(held.iter().all(|task| runs[task] != *own));
            }
            let all: usize = held.iter().map(BTreeSet::len).sum();
            assert_eq!(all, 60 * replicas.min(2), "{replicas} wanted, two can be");
            if replicas == 1 {
                assert!(held.iter().all(|held| held.len() > 10), "spread: {held:?}");
            }
        }
    }

    #[test]
    fn an_instance_alone_holds_no_standbys_of_what_it_runs() {
        let runs: BTreeMap<_, _> = tasks().into_iter().map(|task| (task, "a")).collect();
        let instances = BTreeSet::from(["a"]);
        assert!(wanted(tasks().into_iter(), &runs, &instances, "a", 2).is_empty());
    }
}
