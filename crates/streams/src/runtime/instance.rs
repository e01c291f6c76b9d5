//! What the threads of one running application share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::config::AppConfig;
use super::consumer::Consumer;
use super::ending::Ending;
use super::metrics::WorkerMetrics;
use super::progress::Restores;
use super::run_state::{RunState, State};
use super::state_directory::StateDirectory;
use super::topics::Topics;
use super::{TaskId, TopicPartition};
use crate::error::{StreamsError, Uncommitted};
use crate::query::Known;
use crate::store::{StateDatabase, StoreReader};
use crate::topic::OffsetReset;
use crate::topology::{NodeKind, Topology};

/// Views on stores, by name and partition.
type Readers = BTreeMap<(String, i32), StoreReader>;

/// An instance of an application: one per process and application.
pub(crate) struct Instance {
    pub(crate) config: AppConfig,
    pub(crate) topology: Topology,
    pub(crate) topics: Topics,
    pub(crate) consumer: Consumer,
    pub(crate) state: RunState,
    pub(crate) workers: Vec<WorkerMetrics>,
    pub(crate) restores: Restores,
    /// Counts what the group took and gave: a task that was to start before that is not started any more.
    pub(crate) generation: AtomicU64,
    /// How many tasks the group has given this instance.
    pub(crate) assigned: AtomicUsize,
    /// When it ends whatever is under way.
    pub(crate) ending: Arc<Ending>,
    /// What workers had processed and could not commit before they ended.
    pub(crate) uncommitted: Mutex<Vec<Uncommitted>>,
    /// Set while workers may still have tasks that the group has given to others without asking.
    pub(crate) lost: AtomicBool,
    /// Records that were deleted or passed over before they were read.
    pub(crate) unread: AtomicU64,
    /// Inputs that cannot be read on where they were.
    gone: Mutex<BTreeSet<TopicPartition>>,
    /// What queries need to know.
    pub(crate) known: Known,
    readers: Mutex<Readers>,
    standby_readers: Mutex<Readers>,
    /// The committed offsets of repartition topics: what is below them is deleted now and then.
    purgeable: Mutex<BTreeMap<TopicPartition, i64>>,
    // The database goes before the lock on its directory.
    pub(crate) database: StateDatabase,
    pub(crate) directory: StateDirectory,
}

/// What an instance is made of.
pub(crate) struct Parts {
    pub(crate) config: AppConfig,
    pub(crate) topology: Topology,
    pub(crate) topics: Topics,
    pub(crate) consumer: Consumer,
    pub(crate) database: StateDatabase,
    pub(crate) directory: StateDirectory,
}

impl Instance {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            state: RunState::new(),
            workers: (0..parts.config.threads)
                .map(|_| WorkerMetrics::default())
                .collect(),
            restores: Restores::default(),
            generation: AtomicU64::new(0),
            assigned: AtomicUsize::new(0),
            ending: Arc::clone(&parts.config.clients.ending),
            uncommitted: Mutex::default(),
            lost: AtomicBool::new(false),
            unread: AtomicU64::new(0),
            gone: Mutex::default(),
            known: Known::new(),
            readers: Mutex::default(),
            standby_readers: Mutex::default(),
            purgeable: Mutex::default(),
            config: parts.config,
            topology: parts.topology,
            topics: parts.topics,
            consumer: parts.consumer,
            database: parts.database,
            directory: parts.directory,
        }
    }

    /// The id under which worker `worker` writes its transactions, the same after a restart.
    pub(crate) fn transactional_id(&self, worker: usize) -> String {
        format!(
            "{}-{}-{worker}",
            self.config.application,
            self.directory.process_id()
        )
    }

    /// The group takes or gives tasks: starts that are on their way do not count any more.
    pub(crate) fn regroup(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether all tasks that the group gave this instance run.
    pub(crate) fn all_run(&self) -> bool {
        let running: usize = self
            .workers
            .iter()
            .map(|worker| worker.running.load(Ordering::Acquire))
            .sum();
        running == self.assigned.load(Ordering::Acquire)
    }

    /// Whether it is to end at once, without a commit.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.ending.has_given_up()
    }

    /// Whether it was asked to stop, or failed.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_abandoned()
            || matches!(
                self.state.get(),
                State::PendingShutdown | State::PendingError
            )
    }

    /// What the workers that have ended could not commit, as the error of a stop that took too long.
    pub(crate) fn stopped_late(&self, waited: Duration) -> StreamsError {
        let mut uncommitted = self
            .uncommitted
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        uncommitted.sort_by(|a, b| a.partition.cmp(&b.partition));
        StreamsError::StopTimeout {
            waited,
            uncommitted: std::mem::take(&mut *uncommitted),
        }
    }

    /// Where an input begins without a committed offset.
    pub(crate) fn reset_of(&self, topic: &str) -> OffsetReset {
        let mut sources = self
            .topology
            .nodes()
            .iter()
            .filter_map(|node| match &node.kind {
                NodeKind::Source { topics, reset } => {
                    topics.iter().any(|read| &**read == topic).then_some(*reset)
                }
                _ => None,
            });
        sources.next().unwrap_or_default()
    }

    fn readers(&self) -> MutexGuard<'_, Readers> {
        locked(&self.readers)
    }

    /// Shows the stores of a task to queries.
    pub(crate) fn publish(&self, task: TaskId, readers: impl Iterator<Item = StoreReader>) {
        for reader in readers {
            show(&mut self.readers(), reader, task.partition);
        }
        self.withdraw_standby(task);
    }

    /// Takes a store from queries, before rows are put into it that are not of its own commits, or all are wiped.
    pub(crate) fn hide(&self, store: &str, partition: i32) {
        let place = (store.to_owned(), partition);
        for readers in [&self.readers, &self.standby_readers] {
            take(&mut locked(readers), &place);
        }
    }

    /// Takes the stores of a task from queries: it runs elsewhere.
    pub(crate) fn withdraw(&self, task: TaskId) {
        let part = &self.topology.sub_topologies()[task.sub_topology];
        self.take_all(&self.readers, task);
        let inputs = self.topics.counts.inputs(part, task).into_iter();
        self.known
            .leave(inputs.map(|topic| TopicPartition::new(topic, task.partition)));
    }

    /// A partition of a store, if it is here.
    pub(crate) fn reader(&self, name: &str, partition: i32) -> Option<StoreReader> {
        self.readers().get(&(name.to_owned(), partition)).cloned()
    }

    /// The partitions of a store that are here, committed rows only.
    pub(crate) fn store(&self, name: &str) -> BTreeMap<i32, StoreReader> {
        self.readers()
            .iter()
            .filter(|((store, _), _)| store == name)
            .map(|((_, partition), reader)| (*partition, reader.clone()))
            .collect()
    }

    fn standby_readers(&self) -> MutexGuard<'_, Readers> {
        locked(&self.standby_readers)
    }

    /// Shows the copies of a task's stores to queries that take what may be old.
    pub(crate) fn publish_standby(&self, task: TaskId, readers: impl Iterator<Item = StoreReader>) {
        for reader in readers {
            show(&mut self.standby_readers(), reader, task.partition);
        }
    }

    /// Takes the copies of a task's stores from queries.
    pub(crate) fn withdraw_standby(&self, task: TaskId) {
        self.take_all(&self.standby_readers, task);
    }

    fn take_all(&self, readers: &Mutex<Readers>, task: TaskId) {
        let part = &self.topology.sub_topologies()[task.sub_topology];
        for store in &part.stores {
            let name = &self.topology.stores()[store.index()].name;
            take(&mut locked(readers), &(name.clone(), task.partition));
        }
    }

    /// The copy of a partition of a store, if it is here.
    pub(crate) fn standby_reader(&self, name: &str, partition: i32) -> Option<StoreReader> {
        self.standby_readers()
            .get(&(name.to_owned(), partition))
            .cloned()
    }

    fn gone(&self) -> MutexGuard<'_, BTreeSet<TopicPartition>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers an input that cannot be read on where it was.
    pub(crate) fn is_gone(&self, partition: TopicPartition) {
        self.gone().insert(partition);
    }

    /// The inputs that cannot be read on where they were.
    pub(crate) fn take_gone(&self) -> BTreeSet<TopicPartition> {
        std::mem::take(&mut *self.gone())
    }

    /// Remembers what of the repartition topics is processed.
    pub(crate) fn processed(&self, partition: &TopicPartition, offset: i64) {
        self.known.reach(partition, offset);
        let own = self
            .topology
            .internal_topics()
            .iter()
            .any(|topic| topic.name == partition.topic);
        if own {
            self.purgeable
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(partition.clone(), offset);
        }
    }

    /// What of the repartition topics was processed since this was asked last.
    pub(crate) fn take_purgeable(&self) -> Vec<(TopicPartition, i64)> {
        let mut purgeable = self
            .purgeable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *purgeable).into_iter().collect()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Whoever still has one of them has a handle on nothing, and no file is held open by it.
        for readers in [&self.readers, &self.standby_readers] {
            for reader in locked(readers).values() {
                reader.close();
            }
        }
    }
}

fn locked(readers: &Mutex<Readers>) -> MutexGuard<'_, Readers> {
    readers.lock().unwrap_or_else(PoisonError::into_inner)
}

fn show(readers: &mut Readers, reader: StoreReader, partition: i32) {
    let place = (reader.spec().name.clone(), partition);
    take(readers, &place);
    readers.insert(place, reader);
}

fn take(readers: &mut Readers, place: &(String, i32)) {
    if let Some(reader) = readers.remove(place) {
        reader.close();
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn wall_clock() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}

/// Why a worker cannot go on as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// A task failed on a record.
    #[error("task {0}: {1}")]
    Task(TaskId, crate::error::Failure),
    /// The client.
    #[error(transparent)]
    Client(#[from] super::client::ClientError),
    /// A store, or anything that is not of one record.
    #[error(transparent)]
    Streams(#[from] StreamsError),
}

impl From<crate::store::StoreError> for Trouble {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Streams(error.into())
    }
}
