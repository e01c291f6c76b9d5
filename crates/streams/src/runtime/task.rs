//! A task: one sub-topology over one partition of its topics, on one thread.
//!
//! It takes records in the order of their timestamps, hands each through its operators, and gathers what a commit
//! needs. It owns no client and no thread: the worker and the test driver drive it.

use std::fmt;
use std::sync::Arc;

use crate::collector::{Collector, Outgoing};
use crate::context::{Context, Origin, Policies, SourceRecord, TaskState};
use crate::dsl::source::Source;
use crate::error::{Failure, RecordError, Stage, StreamsError};
use crate::graph::Graph;
use crate::processor::{PunctuationType, Punctuators};
use crate::record::Headers;
use crate::runtime::clocks;
use crate::runtime::record_queue::RecordQueue;
use crate::store::{StoreId, Stores};
use crate::topology::{Flush, Topology};

/// A task's name: which sub-topology, which partition. Written `0_3`, as Kafka Streams does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// Index of the sub-topology.
    pub sub_topology: usize,
    /// The partition.
    pub partition: i32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.sub_topology, self.partition)
    }
}

/// Where a task is in one of its input partitions, to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committable {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    /// The offset to go on with.
    pub(crate) offset: i64,
    /// The task's clocks.
    pub(crate) metadata: String,
}

/// How tasks treat time and errors.
#[derive(Debug, Clone, Default)]
pub(crate) struct TaskConfig {
    pub(crate) policies: Policies,
    /// How long, in milliseconds, a task waits for records of an input that may have some before it goes on with the
    /// others (`max.task.idle.ms`): negative for never, 0 until the client is caught up there.
    pub(crate) max_idle_ms: i64,
}

/// One sub-topology over one partition.
pub(crate) struct Task<R> {
    id: TaskId,
    graph: Graph,
    stores: Stores,
    state: TaskState,
    sources: Vec<Box<dyn Source>>,
    queues: Vec<RecordQueue<R>>,
    flushes: Vec<Flush>,
    inits: Vec<crate::topology::Init>,
    clock_names: Vec<u64>,
    /// The clocks as of the last commit.
    committed_clocks: Vec<i64>,
    /// The changelog topics of the stores that have their own.
    changelogs: Vec<(StoreId, Arc<str>)>,
    max_idle_ms: i64,
    /// Since when some input has been empty that may yet have records, by the wall clock.
    idle_since: Option<i64>,
    /// Whether anything happened since the last commit.
    touched: bool,
}

impl<R: SourceRecord> Task<R> {
    /// A task with fresh closures. `inputs` are the topics its partition of which it was assigned; `stores` are
    /// restored.
    pub(crate) fn new(
        topology: &Topology,
        id: TaskId,
        inputs: &[Arc<str>],
        stores: Stores,
        config: &TaskConfig,
        wall_clock: i64,
    ) -> Self {
        let mut parts = topology.instantiate(id.sub_topology);
        let mut queues = Vec::new();
        for (index, source) in parts.sources.iter_mut().enumerate() {
            let read: Vec<_> = inputs
                .iter()
                .filter(|topic| source.topics().contains(topic))
                .cloned()
                .collect();
            for topic in read {
                let place = source.open();
                queues.push(RecordQueue::new(topic, id.partition, index, place));
            }
        }
        let changelogs = topology.sub_topologies()[id.sub_topology]
            .stores
            .iter()
            .filter_map(|store| {
                let spec = &topology.stores()[store.index()];
                let topic = spec.changelog_topic(topology.application())?;
                Some((*store, topic.into()))
            })
            .collect();
        Self {
            id,
            stores,
            state: TaskState {
                id,
                application: Arc::clone(topology.application()),
                origin: Origin {
                    topic: "".into(),
                    partition: id.partition,
                    offset: -1,
                },
                stream_time: -1,
                wall_clock,
                caught_up: false,
                clocks: vec![-1; parts.clocks.len()],
                node_names: parts.node_names,
                policies: config.policies.clone(),
                drops: std::collections::BTreeMap::new(),
                retried: None,
                punctuators: Punctuators::default(),
            },
            graph: parts.graph,
            sources: parts.sources,
            queues,
            flushes: parts.flushes,
            inits: parts.inits,
            committed_clocks: vec![-1; parts.clocks.len()],
            clock_names: parts.clocks.iter().map(|name| clocks::hash(name)).collect(),
            changelogs,
            max_idle_ms: config.max_idle_ms,
            idle_since: None,
            touched: false,
        }
    }

    /// Its inputs, by index.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = (usize, &Arc<str>)> {
        self.queues
            .iter()
            .enumerate()
            .map(|(input, queue)| (input, &queue.topic))
    }

    /// Sets an input's position and the clocks from what was committed.
    pub(crate) fn resume(&mut self, input: usize, offset: i64, metadata: &str) {
        let queue = &mut self.queues[input];
        queue.position = Some(offset);
        queue.committed = Some(offset);
        let Some((partition_time, saved)) = clocks::decode(metadata) else {
            return;
        };
        let queue = &mut self.queues[input];
        queue.partition_time = queue.partition_time.max(partition_time);
        self.state.stream_time = self.state.stream_time.max(partition_time);
        for (name, time) in saved {
            let named = self.clock_names.iter().zip(&mut self.state.clocks);
            for (_, clock) in named.filter(|(own, _)| **own == name) {
                *clock = (*clock).max(time);
            }
        }
        self.committed_clocks.clone_from(&self.state.clocks);
    }

    /// Lets the operators prepare, once, when stores and clocks are restored.
    pub(crate) fn initialize(&mut self, collector: &mut dyn Collector) -> Result<(), Failure> {
        let mut inits = std::mem::take(&mut self.inits);
        let mut context = self.context(collector);
        inits.iter_mut().try_for_each(|init| init(&mut context))
    }

    /// Says that the record at this place failed so many times already.
    pub(crate) fn retried(&mut self, origin: Origin, tried: u32) {
        self.state.retried = Some((origin, tried));
    }

    /// Whether the record at this place is behind what is committed.
    pub(crate) fn has_committed(&self, origin: &Origin) -> bool {
        self.queues.iter().any(|queue| {
            queue.topic == origin.topic && queue.committed.is_some_and(|next| next > origin.offset)
        })
    }

    /// Adds records of an input, in the order of their offsets.
    pub(crate) fn add_records(&mut self, input: usize, records: impl IntoIterator<Item = R>) {
        self.queues[input].extend(records);
    }

    /// How many records of an input wait.
    pub(crate) fn buffered(&self, input: usize) -> usize {
        self.queues[input].len()
    }

    /// The offset behind the last record of an input that was taken, here or before.
    pub(crate) fn position(&self, input: usize) -> Option<i64> {
        self.queues[input].position
    }

    /// The committed offset of an input, if any, and the one behind the last record that was taken since.
    pub(crate) fn uncommitted(&self, input: usize) -> Option<(Option<i64>, i64)> {
        let queue = &self.queues[input];
        let to = queue.position?;
        (queue.committed != Some(to)).then_some((queue.committed, to))
    }

    /// The timestamp of an input's next record, or the largest that was taken where none waits.
    pub(crate) fn reached_time(&self, input: usize) -> Option<i64> {
        let queue = &self.queues[input];
        let taken = (queue.partition_time >= 0).then_some(queue.partition_time);
        queue.head_timestamp().or(taken)
    }

    /// Says whether the client has nothing more of an input at present: then its emptiness holds nothing up.
    pub(crate) fn set_caught_up(&mut self, input: usize, caught_up: bool) {
        self.queues[input].caught_up = caught_up;
    }

    /// The stores.
    pub(crate) fn stores(&self) -> &Stores {
        &self.stores
    }

    /// The stores, to be changed.
    pub(crate) fn stores_mut(&mut self) -> &mut Stores {
        &mut self.stores
    }

    /// The stores, of a task that is closed or built anew.
    pub(crate) fn into_stores(self) -> Stores {
        self.stores
    }

    /// What was dropped, by operator and reason.
    pub(crate) fn state(&self) -> &TaskState {
        &self.state
    }

    /// Begins to count drops anew: the counts so far were taken over.
    pub(crate) fn forget_drops(&mut self) {
        self.state.drops.clear();
    }

    fn context<'a>(&'a mut self, collector: &'a mut dyn Collector) -> Context<'a> {
        Context {
            graph: &mut self.graph,
            stores: &mut self.stores,
            collector,
            state: &mut self.state,
            source: None,
        }
    }

    /// Takes up to `limit` records, lowest timestamp first, and returns how many it took. Fewer than `limit`: it
    /// needs records, or waits for those of an input that may have some.
    pub(crate) fn process(
        &mut self,
        collector: &mut dyn Collector,
        limit: usize,
        wall_clock: i64,
    ) -> Result<usize, Failure> {
        self.state.wall_clock = wall_clock;
        for taken in 0..limit {
            self.load_heads(collector)?;
            let Some(queue) = self.choose(wall_clock) else {
                return Ok(taken);
            };
            self.take(queue, collector)?;
        }
        Ok(limit)
    }

    /// Decodes the first record of each queue that has none decoded.
    fn load_heads(&mut self, collector: &mut dyn Collector) -> Result<(), Failure> {
        for queue in &mut self.queues {
            while let Some(record) = queue.next_to_load() {
                self.touched = true;
                self.state.origin.offset = record.offset();
                if !Arc::ptr_eq(&self.state.origin.topic, &queue.topic) {
                    self.state.origin.topic = Arc::clone(&queue.topic);
                }
                let mut context = Context {
                    graph: &mut self.graph,
                    stores: &mut self.stores,
                    collector,
                    state: &mut self.state,
                    source: Some(&record),
                };
                let loaded = self.sources[queue.source].load(
                    queue.place,
                    &mut context,
                    queue.partition_time,
                )?;
                match loaded {
                    Some(timestamp) => queue.set_head(record, timestamp),
                    None => queue.position = Some(record.offset() + 1),
                }
            }
        }
        Ok(())
    }

    /// The queue whose first record has the lowest timestamp, the earlier input winning ties; none if an input is
    /// empty that should be waited for.
    fn choose(&mut self, wall_clock: i64) -> Option<usize> {
        let mut best: Option<(i64, usize)> = None;
        let mut missing = false;
        for (index, queue) in self.queues.iter().enumerate() {
            match queue.head_timestamp() {
                Some(timestamp) if best.is_none_or(|(least, _)| timestamp < least) => {
                    best = Some((timestamp, index));
                }
                Some(_) => {}
                None => missing |= !queue.caught_up,
            }
        }
        let (_, chosen) = best?;
        if !missing || self.max_idle_ms < 0 {
            self.idle_since = None;
            return Some(chosen);
        }
        let since = *self.idle_since.get_or_insert(wall_clock);
        let patient = self.max_idle_ms == 0 || wall_clock - since < self.max_idle_ms;
        (!patient).then_some(chosen)
    }

    fn take(&mut self, queue: usize, collector: &mut dyn Collector) -> Result<(), Failure> {
        let queue = &mut self.queues[queue];
        let Some((record, timestamp)) = queue.take_head() else {
            return Ok(());
        };
        self.touched = true;
        self.state.origin.offset = record.offset();
        if !Arc::ptr_eq(&self.state.origin.topic, &queue.topic) {
            self.state.origin.topic = Arc::clone(&queue.topic);
        }
        self.state.stream_time = self.state.stream_time.max(timestamp);
        let stream_time = self.state.stream_time;
        let mut context = Context {
            graph: &mut self.graph,
            stores: &mut self.stores,
            collector,
            state: &mut self.state,
            source: Some(&record),
        };
        self.sources[queue.source].process(queue.place, &mut context)?;
        context.source = None;
        context.punctuate(PunctuationType::StreamTime, stream_time)?;
        Ok(())
    }

    /// Runs what is due by the wall clock; returns how many punctuations ran.
    pub(crate) fn punctuate(
        &mut self,
        collector: &mut dyn Collector,
        wall_clock: i64,
    ) -> Result<usize, Failure> {
        self.state.wall_clock = wall_clock;
        self.state.caught_up = self
            .queues
            .iter()
            .all(|queue| queue.caught_up && queue.len() == 0);
        let ran = self
            .context(collector)
            .punctuate(PunctuationType::WallClock, wall_clock)?;
        self.touched |= ran > 0;
        Ok(ran)
    }

    /// When the next punctuation by the wall clock is due, in its milliseconds.
    pub(crate) fn next_punctuation(&self) -> Option<i64> {
        self.state.punctuators.next(PunctuationType::WallClock)
    }

    /// Whether there is anything to commit.
    pub(crate) fn needs_commit(&self) -> bool {
        self.touched
    }

    /// The first half of a commit: operators hand out what they held back, stores send their changes to their
    /// changelogs, and the positions to commit are returned. Nothing is durable before [`committed`](Self::committed).
    pub(crate) fn prepare_commit(
        &mut self,
        collector: &mut dyn Collector,
    ) -> Result<Vec<Committable>, Failure> {
        let mut flushes = std::mem::take(&mut self.flushes);
        let mut context = self.context(collector);
        let flushed = flushes.iter_mut().try_for_each(|flush| flush(&mut context));
        self.flushes = flushes;
        flushed?;
        self.flush_stores(collector).map_err(|error| {
            Failure::Fatal(RecordError {
                stage: Stage::Production,
                node: "changelog".to_owned(),
                topic: self.state.origin.topic.to_string(),
                partition: self.id.partition,
                offset: self.state.origin.offset,
                source: error.into(),
            })
        })?;
        Ok(self.positions())
    }

    fn flush_stores(&mut self, collector: &mut dyn Collector) -> Result<(), StreamsError> {
        let headers = Headers::default();
        let partition = self.id.partition;
        for (store, topic) in &self.changelogs {
            self.stores.get_mut(*store).flush(&mut |entry| {
                collector.send(Outgoing {
                    topic,
                    partition,
                    key: Some(entry.key),
                    value: entry.value,
                    timestamp: entry.timestamp,
                    headers: &headers,
                })
            })?;
        }
        Ok(())
    }

    /// The positions that moved since the last commit, with the clocks; all, if clocks moved without them.
    fn positions(&self) -> Vec<Committable> {
        let clocks: Vec<_> = self
            .clock_names
            .iter()
            .copied()
            .zip(self.state.clocks.iter().copied())
            .filter(|(_, time)| *time >= 0)
            .collect();
        let clocks_moved = self.state.clocks != self.committed_clocks;
        self.queues
            .iter()
            .filter(|queue| clocks_moved || queue.position != queue.committed)
            .filter_map(|queue| {
                Some(Committable {
                    topic: Arc::clone(&queue.topic),
                    partition: queue.partition,
                    offset: queue.position?,
                    metadata: clocks::encode(queue.partition_time, &clocks),
                })
            })
            .collect()
    }

    /// Says that what [`prepare_commit`](Self::prepare_commit) returned is committed. The stores are committed by
    /// the caller, in one batch with their changelogs' offsets.
    pub(crate) fn committed(&mut self) {
        for queue in &mut self.queues {
            queue.committed = queue.position;
        }
        self.committed_clocks.clone_from(&self.state.clocks);
        self.touched = false;
    }
}
