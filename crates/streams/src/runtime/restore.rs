//! Brings the stores of a worker's tasks up to what their changelogs hold, in slices between the worker's other work.
//!
//! What a store holds already is kept, and only what is missing is read: under exactly-once a crash leaves a prefix
//! of the changelog, its length in the checkpoint. A changelog that was cut or made anew is found out, and the store
//! is restored from its beginning.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::client::{ClientError, ErrorKind};
use super::consumer::{Consumer, PartitionQueue, StartOffset};
use super::instance::{Instance, Trouble, wall_clock};
use super::progress::RestoreProgress;
use super::raw_record::RawRecord;
use super::running_task::TaskStart;
use super::{TaskId, TopicPartition};
use crate::context::SourceRecord;
use crate::store::{
    Changelog, ChangelogRecord, ChangelogState, Restore, Store, StoreId, StoreSpec, Stores,
};

/// How many changelog partitions a worker reads at once: each takes memory for what is fetched ahead.
const AT_ONCE: usize = 8;
/// Records of one changelog between two looks at the others.
const SLICE: usize = 4096;
/// How long a question to the cluster may take.
const ASK_LIMIT: Duration = Duration::from_secs(30);

/// A task whose stores are being restored.
struct Restoring {
    start: TaskStart,
    stores: Stores,
    /// How many of its stores are not done.
    left: usize,
}

/// A store that has to read its changelog.
struct Planned {
    task: TaskId,
    store: StoreId,
    partition: TopicPartition,
    next: i64,
    end: i64,
    /// When an empty store began; written with its first records, so that a restore that is cut short is gone on with
    /// for as long as the changelog's tombstones are there.
    began_ms: Option<i64>,
}

/// A store that reads its changelog.
struct Reading {
    planned: Planned,
    queue: PartitionQueue,
    restored: u64,
    began: Instant,
}

/// Where a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Reading,
    Done,
}

/// Restores the stores of one worker.
pub(crate) struct Restorer {
    instance: Arc<Instance>,
    worker: usize,
    reader: Option<Consumer>,
    tasks: Vec<Restoring>,
    waiting: VecDeque<Planned>,
    reading: Vec<Reading>,
    scratch: Vec<RawRecord>,
}

impl Restorer {
    /// Of worker number `worker`.
    pub(crate) fn new(instance: Arc<Instance>, worker: usize) -> Self {
        Self {
            instance,
            worker,
            reader: None,
            tasks: Vec::new(),
            waiting: VecDeque::new(),
            reading: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Takes a task; its stores as they were left, or none if they are not open.
    pub(crate) fn add(&mut self, start: TaskStart, stores: Option<Stores>) -> Result<(), Trouble> {
        let id = start.id;
        let mut stores = match stores {
            Some(stores) => stores,
            None => self.open(id)?,
        };
        let mut left = 0;
        for (store_id, store) in stores.iter_mut() {
            if let Some(planned) = self.plan(&start, store_id, store)? {
                self.waiting.push_back(planned);
                left += 1;
            }
        }
        self.tasks.push(Restoring {
            start,
            stores,
            left,
        });
        Ok(())
    }

    fn open(&self, id: TaskId) -> Result<Stores, Trouble> {
        let topology = &self.instance.topology;
        let mut stores = Stores::default();
        for store in &topology.sub_topologies()[id.sub_topology].stores {
            let spec = topology.stores()[store.index()].clone();
            stores.insert(
                *store,
                Store::open(spec, id.partition, &self.instance.database)?,
            );
        }
        Ok(stores)
    }

    /// What a store has to read, if anything.
    fn plan(
        &mut self,
        start: &TaskStart,
        store_id: StoreId,
        store: &mut Store,
    ) -> Result<Option<Planned>, Trouble> {
        let spec: &StoreSpec = store.spec();
        let Some(topic) = spec.restore_topic(self.instance.topology.application()) else {
            return Ok(None);
        };
        // An input that serves as changelog is read as far as it was processed, and no further.
        let processed = match &spec.changelog {
            Changelog::SourceTopic(topic) => Some(start.committed(topic).unwrap_or(0)),
            _ => None,
        };
        let partition = TopicPartition::new(topic, start.id.partition);
        let instance = Arc::clone(&self.instance);
        let (next, end_offset) = go_on(&instance, self.reader()?, store, &partition)?;
        let began_ms = store.checkpoint().is_none().then(wall_clock);
        let end = processed.map_or(end_offset, |processed| processed.min(end_offset));
        if next < end {
            instance.hide(&store.spec().name, partition.partition);
        }
        Ok((next < end).then_some(Planned {
            task: start.id,
            store: store_id,
            partition,
            next,
            end,
            began_ms,
        }))
    }

    fn reader(&mut self) -> Result<&Consumer, ClientError> {
        let made = match self.reader.take() {
            Some(reader) => reader,
            None => Consumer::reader(
                &self.instance.config.clients,
                &self.instance.config.application,
                self.instance.config.guarantee.isolation(),
            )?,
        };
        Ok(self.reader.insert(made))
    }

    /// How many tasks it has.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Reads a slice of each changelog; true if something came.
    pub(crate) fn turn(&mut self) -> Result<bool, Trouble> {
        if self.reading.is_empty() && !self.waiting.is_empty() {
            self.read_next()?;
        }
        let mut busy = false;
        let mut index = 0;
        while index < self.reading.len() {
            let (came, done) = self.read(index)?;
            busy |= came > 0 || done;
            if done {
                self.finish(index)?;
            } else {
                index += 1;
            }
        }
        if self.reading.is_empty() && self.waiting.is_empty() {
            // Its connections and threads are not needed until the next rebalance.
            self.reader = None;
        }
        Ok(busy)
    }

    /// Begins to read the next few changelogs.
    fn read_next(&mut self) -> Result<(), Trouble> {
        let count = self.waiting.len().min(AT_ONCE);
        let next: Vec<_> = self.waiting.drain(..count).collect();
        let mut assigned = Vec::with_capacity(count);
        let reader = self.reader()?;
        let mut reading = Vec::with_capacity(count);
        for planned in next {
            let mut queue = reader.queue(&planned.partition)?;
            queue.wake(std::thread::current());
            assigned.push((planned.partition.clone(), StartOffset::At(planned.next)));
            tracing::info!(
                task = %planned.task, partition = %planned.partition,
                from = planned.next, to = planned.end, "restoring"
            );
            reading.push(Reading {
                planned,
                queue,
                restored: 0,
                began: Instant::now(),
            });
        }
        reader.assign(&assigned)?;
        self.reading = reading;
        for reading in &self.reading {
            self.tell(reading, Step::Reading);
        }
        Ok(())
    }

    /// Reads a slice of one changelog: how many records came, and whether that was all.
    fn read(&mut self, index: usize) -> Result<(usize, bool), Trouble> {
        let reading = &mut self.reading[index];
        let polled = reading.queue.poll(SLICE, &mut self.scratch);
        let end = reading.planned.end;
        let records = std::mem::take(&mut self.scratch);
        let store = store_of(&mut self.tasks, &reading.planned);
        let in_range = records.iter().filter(|record| record.offset() < end);
        store.restore(in_range.filter_map(changelog_record))?;
        if !records.is_empty()
            && let Some(began_ms) = reading.planned.began_ms.take()
        {
            store.finish_restore(began_ms)?;
        }
        let came = records.len();
        reading.restored += came as u64;
        self.scratch = records;
        self.scratch.clear();
        self.instance.workers[self.worker]
            .restored_records
            .fetch_add(came as u64, Ordering::Relaxed);
        match polled {
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::OffsetOutOfRange => {
                return self.start_over(index, &error);
            }
            Err(error) => return Err(error.into()),
        }
        if came > 0 {
            self.tell(&self.reading[index], Step::Reading);
        }
        // Not where committed records end at present: behind a transaction that is open there may be more.
        Ok((came, self.reading[index].queue.has_reached(end)))
    }

    /// The changelog was cut while it was read: from its new beginning, into an empty store.
    fn start_over(&mut self, index: usize, error: &ClientError) -> Result<(usize, bool), Trouble> {
        let mut reading = self.reading.swap_remove(index);
        tracing::warn!(partition = %reading.planned.partition, %error, "the store is wiped and restored anew");
        let store = store_of(&mut self.tasks, &reading.planned);
        let topic_id = store.last_checkpoint().changelog_id;
        let partition = reading.planned.partition.partition;
        self.instance.hide(&store.spec().name, partition);
        store.wipe()?;
        store.set_changelog_id(topic_id);
        reading.planned.began_ms = Some(wall_clock());
        let (start, end) = self
            .reader()?
            .extent(&reading.planned.partition, ASK_LIMIT)?;
        reading.planned.next = start;
        reading.planned.end = end.min(reading.planned.end.max(start));
        self.waiting.push_back(reading.planned);
        // The others are read on from where they are.
        for other in std::mem::take(&mut self.reading) {
            let next = other.queue.position().unwrap_or(other.planned.next);
            self.waiting.push_back(Planned {
                next,
                ..other.planned
            });
        }
        // Nothing is at this index any more; the caller sees an empty list.
        Ok((0, false))
    }

    /// Tells the program, and whoever looks, how a restore gets on.
    fn tell(&self, reading: &Reading, step: Step) {
        let planned = &reading.planned;
        let position = reading.queue.position().unwrap_or(planned.next);
        let progress = RestoreProgress {
            task: planned.task,
            store: self.instance.topology.stores()[planned.store.index()]
                .name
                .clone(),
            changelog: planned.partition.clone(),
            restored: reading.restored,
            total: u64::try_from(planned.end - planned.next).unwrap_or(0),
            elapsed: reading.began.elapsed(),
            done: step == Step::Done,
        };
        (self.instance.config.on_restore)(&progress);
        let passed = u64::try_from(position - planned.next).unwrap_or(0);
        self.instance.restores.step(progress, passed);
    }

    fn finish(&mut self, index: usize) -> Result<(), Trouble> {
        let reading = self.reading.swap_remove(index);
        let store = store_of(&mut self.tasks, &reading.planned);
        store.finish_restore(wall_clock())?;
        self.tell(&reading, Step::Done);
        tracing::info!(
            task = %reading.planned.task, partition = %reading.planned.partition,
            records = reading.restored, took = ?reading.began.elapsed(), "restored"
        );
        let task = reading.planned.task;
        if let Some(restoring) = self.tasks.iter_mut().find(|other| other.start.id == task) {
            restoring.left -= 1;
        }
        Ok(())
    }

    /// Takes the tasks whose stores are restored.
    pub(crate) fn take_restored(&mut self) -> Vec<(TaskStart, Stores)> {
        let (done, left) = std::mem::take(&mut self.tasks)
            .into_iter()
            .partition(|restoring: &Restoring| restoring.left == 0);
        self.tasks = left;
        done.into_iter()
            .map(|restoring: Restoring| (restoring.start, restoring.stores))
            .collect()
    }

    /// Gives up: the stores keep what they have so far. After an error they are closed.
    pub(crate) fn take_all(&mut self) -> Result<Vec<(TaskStart, Stores)>, Trouble> {
        let mut tasks = std::mem::take(&mut self.tasks);
        self.waiting.clear();
        self.reader = None;
        for reading in std::mem::take(&mut self.reading) {
            store_of(&mut tasks, &reading.planned).finish_restore(0)?;
            self.tell(&reading, Step::Done);
        }
        Ok(tasks
            .into_iter()
            .map(|restoring| (restoring.start, restoring.stores))
            .collect())
    }
}

/// The first offset that a store has to read of its changelog, and where that ends. A store whose rows are of no use is
/// wiped.
pub(super) fn go_on(
    instance: &Instance,
    reader: &Consumer,
    store: &mut Store,
    partition: &TopicPartition,
) -> Result<(i64, i64), Trouble> {
    let topics = &instance.topics;
    let topic_id = topics.ids.get(&partition.topic).copied();
    let (start_offset, end_offset) = reader.extent(partition, ASK_LIMIT)?;
    let changelog = ChangelogState {
        start_offset,
        end_offset,
        topic_id,
        delete_retention_ms: topics.delete_retention_ms.get(&partition.topic).copied(),
    };
    let next = match store.last_checkpoint().restore(&changelog, wall_clock()) {
        Restore::From(next) => next,
        Restore::Wipe { start, reason } => {
            tracing::warn!(
                store = store.spec().name, %partition, %reason,
                "the store is wiped and restored from the beginning of its changelog"
            );
            instance.hide(&store.spec().name, partition.partition);
            store.wipe()?;
            start
        }
    };
    store.set_changelog_id(topic_id);
    Ok((next, end_offset))
}

fn store_of<'a>(tasks: &'a mut [Restoring], planned: &Planned) -> &'a mut Store {
    tasks
        .iter_mut()
        .find(|restoring| restoring.start.id == planned.task)
        .expect("what is read belongs to a task that is being restored")
        .stores
        .get_mut(planned.store)
}

/// A record as the store takes it; one without a key changes nothing.
pub(super) fn changelog_record(record: &RawRecord) -> Option<ChangelogRecord<'_>> {
    Some(ChangelogRecord {
        key: record.key()?,
        value: record.value(),
        timestamp: record.timestamp(),
        offset: record.offset(),
    })
}
