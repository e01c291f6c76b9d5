//! The running instance: its tasks, what they have fetched, and what is on its disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::cluster::{Cluster, StoredRecord};
use super::schedule::{Disk, Interleaving, Steps};
use crate::context::{DropReason, Origin};
use crate::error::{Failure, Policy, RecordError, StreamsError};
use crate::runtime::TaskId;
use crate::runtime::task::{Committable, Task, TaskConfig};
use crate::store::Stores;
use crate::topic::OffsetReset;
use crate::topology::{NodeKind, PartitionCounts, Topology};

/// How many records of one input wait in a task at most.
const BUFFERED: usize = 1000;

/// How many records a task fetches of an input at once, at most, where that is random.
const FETCH_AT_RANDOM: usize = 8;

/// One input of a task.
struct Input {
    topic: Arc<str>,
    /// The offset to fetch next.
    fetch: i64,
    /// The timestamps of what waits in the task.
    waiting: VecDeque<i64>,
}

pub(super) struct Driven {
    pub(super) task: Task<StoredRecord>,
    inputs: Vec<Input>,
}

/// What of an instance is needed to start its tasks.
pub(super) struct Plan<'a> {
    pub(super) topology: &'a Topology,
    pub(super) counts: &'a PartitionCounts,
    pub(super) config: &'a TaskConfig,
    pub(super) wall_clock: i64,
}

#[derive(Default)]
pub(super) struct Instance {
    pub(super) tasks: BTreeMap<TaskId, Driven>,
    /// The stores of tasks that are not running, as of their last commit.
    disk: BTreeMap<TaskId, Stores>,
    /// How far the global tables have come.
    globals: BTreeMap<(Arc<str>, i32), i64>,
    /// The inputs that are not fetched for now.
    pub(super) held: Vec<String>,
    /// How many changelog records all restores have taken.
    pub(super) restored: usize,
    /// The records that are tried again.
    pub(super) retried: BTreeMap<TaskId, (Origin, u32)>,
}

/// What one step came to.
pub(super) enum Step {
    /// A record was taken, or one could be dropped.
    Took,
    /// No task can go on.
    Idle,
    /// A task failed.
    Failed(TaskId, Failure),
}

impl Instance {
    /// Starts the tasks that do not run: stores restored, clocks and positions as committed. Global tables are
    /// brought up to date first.
    pub(super) fn start(
        &mut self,
        plan: &Plan<'_>,
        cluster: &mut Cluster,
    ) -> Result<(), StreamsError> {
        self.follow_globals(plan, cluster)?;
        for id in plan.counts.tasks() {
            if self.tasks.contains_key(&id) {
                continue;
            }
            let part = &plan.topology.sub_topologies()[id.sub_topology];
            let mut stores = match self.disk.remove(&id) {
                Some(stores) => stores,
                None => super::state::open(plan.topology, part),
            };
            self.restored +=
                super::state::restore(&mut stores, plan.topology, id, cluster, plan.wall_clock)?;
            let topics = plan.counts.inputs(part, id);
            let mut task = Task::new(
                plan.topology,
                id,
                &topics,
                stores,
                plan.config,
                plan.wall_clock,
            );
            let read: Vec<_> = task
                .inputs()
                .map(|(input, topic)| (input, Arc::clone(topic)))
                .collect();
            let mut inputs = Vec::new();
            for (input, topic) in read {
                let fetch = match cluster.committed(&topic, id.partition) {
                    Some((offset, metadata)) => {
                        task.resume(input, *offset, metadata);
                        *offset
                    }
                    None => first_offset(plan.topology, &topic, id.partition, cluster)?,
                };
                inputs.push(Input {
                    topic,
                    fetch,
                    waiting: VecDeque::new(),
                });
            }
            if let Some((origin, tried)) = self.retried.get(&id) {
                task.retried(origin.clone(), *tried);
            }
            task.initialize(cluster).map_err(fatal)?;
            self.tasks.insert(id, Driven { task, inputs });
        }
        Ok(())
    }

    /// Applies what is new in the topics of global tables. Records that cannot be read stop the application, or are
    /// passed over, as the policy says.
    fn follow_globals(&mut self, plan: &Plan<'_>, cluster: &Cluster) -> Result<(), StreamsError> {
        for store in plan.topology.global_stores() {
            let topic = store.topic();
            for partition in 0..cluster.existing(topic).unwrap_or(0) {
                let place = (Arc::clone(topic), partition);
                let next = self.globals.entry(place).or_default();
                for record in cluster.read(topic, partition, *next) {
                    let applied = store.apply(
                        record.key.as_deref(),
                        record.value.as_deref(),
                        record.timestamp,
                    );
                    match applied {
                        Err(error) if plan.config.policies.deserialization == Policy::Fail => {
                            return Err(error.into());
                        }
                        Err(error) => tracing::warn!(%error, "record of a global table skipped"),
                        Ok(_) => {}
                    }
                }
                *next = cluster.end(topic, partition);
            }
        }
        Ok(())
    }

    /// Fetches, and has one task take one record.
    pub(super) fn step(
        &mut self,
        cluster: &mut Cluster,
        interleaving: Interleaving,
        steps: &mut Steps,
        wall_clock: i64,
    ) -> Step {
        let mut order = self.ready(cluster);
        match interleaving {
            Interleaving::ByTimestamp => {
                for (id, _) in &order {
                    self.fetch(*id, cluster);
                }
                order = self.ready(cluster);
                order.sort_by_key(|(id, timestamp)| (*timestamp, *id));
            }
            Interleaving::Random => {
                for place in (1..order.len()).rev() {
                    order.swap(place, steps.dice.below(place + 1));
                }
            }
        }
        for (id, _) in order {
            if interleaving == Interleaving::Random {
                self.fetch_at_random(id, cluster, steps);
            }
            let driven = self.tasks.get_mut(&id).expect("it is ready");
            let before = driven.waiting();
            let taken = driven.task.process(cluster, 1, wall_clock);
            driven.forget_taken();
            match taken {
                Err(failure) => return Step::Failed(id, failure),
                Ok(0) if driven.waiting() == before => {}
                Ok(_) => return Step::Took,
            }
        }
        Step::Idle
    }

    /// The tasks that have, or can fetch, records, each with the lowest timestamp among them.
    fn ready(&self, cluster: &Cluster) -> Vec<(TaskId, i64)> {
        let next = |id: &TaskId, input: &Input| {
            if let Some(timestamp) = input.waiting.front() {
                return Some(*timestamp);
            }
            if self.held.iter().any(|held| **held == *input.topic) {
                return None;
            }
            let mut fetched = cluster.read(&input.topic, id.partition, input.fetch);
            fetched.next().map(|record| record.timestamp)
        };
        self.tasks
            .iter()
            .filter_map(|(id, driven)| {
                let least = driven
                    .inputs
                    .iter()
                    .filter_map(|input| next(id, input))
                    .min()?;
                Some((*id, least))
            })
            .collect()
    }

    /// Fetches all there is, as far as there is room.
    fn fetch(&mut self, id: TaskId, cluster: &Cluster) {
        let driven = self.tasks.get_mut(&id).expect("it runs");
        for index in 0..driven.inputs.len() {
            let input = &driven.inputs[index];
            let end = if self.held.iter().any(|held| **held == *input.topic) {
                input.fetch
            } else {
                cluster.end(&input.topic, id.partition)
            };
            driven.fetch_up_to(index, end, cluster, id);
        }
    }

    /// Fetches a few records more of some inputs. What was fetched before a crash is fetched again, so that the same
    /// steps follow.
    fn fetch_at_random(&mut self, id: TaskId, cluster: &Cluster, steps: &mut Steps) {
        let driven = self.tasks.get_mut(&id).expect("it runs");
        for index in 0..driven.inputs.len() {
            let known = steps.fetched.entry((id, index)).or_default();
            driven.fetch_up_to(index, *known, cluster, id);
            let input = &driven.inputs[index];
            let held = self.held.iter().any(|held| **held == *input.topic);
            let hungry = input.waiting.is_empty() || steps.dice.one_in(2);
            if held || !hungry {
                continue;
            }
            let count = 1 + steps.dice.below(FETCH_AT_RANDOM);
            let more = cluster.read(&input.topic, id.partition, input.fetch);
            if let Some(last) = more.take(count).last() {
                *known = last.offset + 1;
                driven.fetch_up_to(index, *known, cluster, id);
            }
        }
    }

    /// The first half of a commit.
    pub(super) fn prepare_commit(
        &mut self,
        cluster: &mut Cluster,
    ) -> Result<Vec<Committable>, (TaskId, Failure)> {
        let mut offsets = Vec::new();
        for (id, driven) in &mut self.tasks {
            if driven.task.needs_commit() {
                let positions = driven.task.prepare_commit(cluster);
                offsets.extend(positions.map_err(|failure| (*id, failure))?);
            }
        }
        Ok(offsets)
    }

    /// The second half: the stores take over what is committed.
    pub(super) fn committed(
        &mut self,
        topology: &Topology,
        cluster: &Cluster,
        wall_clock: i64,
    ) -> Result<(), StreamsError> {
        for (id, driven) in &mut self.tasks {
            let stores = driven.task.stores_mut();
            super::state::commit(stores, topology, *id, cluster, wall_clock)?;
            driven.task.committed();
        }
        self.retried.clear();
        Ok(())
    }

    /// Remembers that a task's record failed once more.
    pub(super) fn tried(&mut self, task: TaskId, error: &RecordError) {
        let origin = Origin {
            topic: error.topic.as_str().into(),
            partition: error.partition,
            offset: error.offset,
        };
        let tried = match self.retried.get(&task) {
            Some((other, tried)) if *other == origin => tried + 1,
            _ => 1,
        };
        self.retried.insert(task, (origin, tried));
    }

    /// Ends all tasks at once, without a commit.
    pub(super) fn stop(&mut self, disk: Disk) {
        for (id, driven) in std::mem::take(&mut self.tasks) {
            let mut stores = driven.task.into_stores();
            stores.abort();
            self.disk.insert(id, stores);
        }
        if disk == Disk::Lost {
            self.disk.clear();
        }
    }

    /// Forgets the local state of those tasks, none of which run, that `moves` says.
    pub(super) fn lose(&mut self, mut moves: impl FnMut() -> bool) {
        self.disk.retain(|_, _| !moves());
    }

    /// Runs what is due by the wall clock.
    pub(super) fn punctuate(
        &mut self,
        cluster: &mut Cluster,
        wall_clock: i64,
    ) -> Result<(), (TaskId, Failure)> {
        for (id, driven) in &mut self.tasks {
            // A task that no step was taken for has not looked whether there is anything to read.
            for (index, input) in driven.inputs.iter().enumerate() {
                let more = cluster.read(&input.topic, id.partition, input.fetch);
                driven.task.set_caught_up(index, more.take(1).count() == 0);
            }
            let ran = driven.task.punctuate(cluster, wall_clock);
            ran.map_err(|failure| (*id, failure))?;
        }
        Ok(())
    }

    /// What the running tasks dropped since they started.
    pub(super) fn drops(&self, topology: &Topology) -> BTreeMap<(String, DropReason), u64> {
        let mut drops = BTreeMap::new();
        for driven in self.tasks.values() {
            for ((node, reason), count) in &driven.task.state().drops {
                let name = topology.nodes()[node.index()].name.clone();
                *drops.entry((name, *reason)).or_default() += count;
            }
        }
        drops
    }
}

/// Where an input begins for which no offset is committed.
fn first_offset(
    topology: &Topology,
    topic: &Arc<str>,
    partition: i32,
    cluster: &Cluster,
) -> Result<i64, StreamsError> {
    let mut resets = topology.nodes().iter().filter_map(|node| match &node.kind {
        NodeKind::Source { topics, reset } if topics.contains(topic) => Some(*reset),
        _ => None,
    });
    match resets.next().unwrap_or_default() {
        OffsetReset::Earliest => Ok(cluster.start(topic, partition)),
        OffsetReset::Latest => Ok(cluster.end(topic, partition)),
        OffsetReset::None => Err(StreamsError::Topics(format!(
            "no offset is committed for {topic}-{partition}, and the topic is not to be read without one"
        ))),
    }
}

impl Driven {
    /// Fetches the records of an input before an offset, as far as there is room.
    fn fetch_up_to(&mut self, index: usize, end: i64, cluster: &Cluster, id: TaskId) {
        let input = &mut self.inputs[index];
        let room = BUFFERED - input.waiting.len();
        let records: Vec<_> = cluster
            .read(&input.topic, id.partition, input.fetch)
            .take_while(|record| record.offset < end)
            .take(room)
            .cloned()
            .collect();
        if let Some(last) = records.last() {
            input.fetch = last.offset + 1;
        }
        input
            .waiting
            .extend(records.iter().map(|record| record.timestamp));
        self.task.add_records(index, records);
        let mut more = cluster.read(&input.topic, id.partition, input.fetch);
        self.task.set_caught_up(index, more.next().is_none());
    }

    /// How many records wait.
    fn waiting(&self) -> usize {
        self.inputs.iter().map(|input| input.waiting.len()).sum()
    }

    /// Forgets the timestamps of the records that the task has taken.
    fn forget_taken(&mut self) {
        for (index, input) in self.inputs.iter_mut().enumerate() {
            let left = self.task.buffered(index);
            let taken = input.waiting.len() - left;
            input.waiting.drain(..taken);
        }
    }
}

/// The error that a failure ends the application with.
pub(super) fn fatal(failure: Failure) -> StreamsError {
    match failure {
        Failure::Fatal(error) | Failure::Retry { error, .. } => Box::new(error).into(),
    }
}
