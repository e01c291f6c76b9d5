//! A task that runs, with the queues of its inputs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::client::{ClientError, ErrorKind};
use super::consumer::{Committed, PartitionQueue};
use super::instance::{Instance, Trouble, wall_clock};
use super::metrics::TaskMetrics;
use super::producer::Producer;
use super::raw_record::RawRecord;
use super::task::Task;
use super::{TaskId, TopicPartition};
use crate::context::Origin;
use crate::error::Uncommitted;
use crate::store::Stores;

/// A task to be started: where each input goes on.
pub(crate) struct TaskStart {
    pub(crate) id: TaskId,
    pub(crate) inputs: Vec<InputStart>,
    /// Its stores, where they are open already: those of a standby.
    pub(crate) stores: Option<Stores>,
    /// As of which of the instance's generations it is to start.
    pub(crate) generation: u64,
}

/// An input of a task to be started.
pub(crate) struct InputStart {
    pub(crate) queue: PartitionQueue,
    /// The committed offset with its metadata, if there is one.
    pub(crate) committed: Committed,
}

impl TaskStart {
    /// The committed offset of an input.
    pub(crate) fn committed(&self, topic: &str) -> Option<i64> {
        let input = self
            .inputs
            .iter()
            .find(|input| &*input.queue.partition().topic == topic)?;
        input.committed.as_ref().map(|(offset, _)| *offset)
    }
}

/// A task that runs.
pub(crate) struct RunningTask {
    pub(crate) task: Task<RawRecord>,
    /// By the task's number of the input.
    inputs: Vec<PartitionQueue>,
    /// Inputs that cannot be read on where they are, until that is told.
    gone: Vec<usize>,
}

impl RunningTask {
    /// Makes the task with restored stores, clocks and positions as committed.
    pub(crate) fn start(
        instance: &Instance,
        start: TaskStart,
        stores: Stores,
        retried: Option<&(Origin, u32)>,
        producer: &mut Producer,
    ) -> Result<Self, Trouble> {
        let topics: Vec<_> = start
            .inputs
            .iter()
            .map(|input| Arc::clone(&input.queue.partition().topic))
            .collect();
        let mut task = Task::new(
            &instance.topology,
            start.id,
            &topics,
            stores,
            &instance.config.task,
            wall_clock(),
        );
        let order: Vec<_> = task.inputs().map(|(_, topic)| Arc::clone(topic)).collect();
        let mut left = start.inputs;
        let mut inputs = Vec::with_capacity(order.len());
        for (index, topic) in order.iter().enumerate() {
            let place = left
                .iter()
                .position(|input| input.queue.partition().topic == *topic)
                .expect("a task reads each of its topics once");
            let mut input = left.swap_remove(place);
            if let Some((offset, metadata)) = &input.committed {
                task.resume(index, *offset, metadata);
            }
            input.queue.wake(std::thread::current());
            inputs.push(input.queue);
        }
        if let Some((origin, tried)) = retried {
            task.retried(origin.clone(), *tried);
        }
        let id = start.id;
        task.initialize(producer)
            .map_err(|failure| Trouble::Task(id, failure))?;
        Ok(Self {
            task,
            inputs,
            gone: Vec::new(),
        })
    }

    /// Takes what the client has, up to `limit` records waiting for each input; returns how many came.
    pub(crate) fn fetch(
        &mut self,
        limit: usize,
        scratch: &mut Vec<RawRecord>,
    ) -> Result<usize, ClientError> {
        let mut fetched = 0;
        for (index, queue) in self.inputs.iter_mut().enumerate() {
            let waiting = self.task.buffered(index);
            // In large steps: asking the client costs the same for one record and for many.
            if waiting > limit / 2 {
                continue;
            }
            let polled = match queue.poll(limit - waiting, scratch) {
                Ok(polled) => polled.records,
                Err(error) if error.kind == ErrorKind::OffsetOutOfRange => {
                    tracing::warn!(%error, "it is read on elsewhere when what came before is processed");
                    self.gone.push(index);
                    scratch.len()
                }
                Err(error) => return Err(error),
            };
            fetched += polled;
            self.task.add_records(index, scratch.drain(..));
            if waiting + polled == 0 {
                let caught_up = queue.is_caught_up();
                self.task.set_caught_up(index, caught_up);
            } else {
                self.task.set_caught_up(index, false);
            }
        }
        Ok(fetched)
    }

    /// What it has taken since the last commit.
    pub(crate) fn uncommitted(&self) -> impl Iterator<Item = Uncommitted> {
        self.inputs.iter().enumerate().filter_map(|(index, queue)| {
            let (from, to) = self.task.uncommitted(index)?;
            Some(Uncommitted {
                partition: queue.partition().clone(),
                from,
                to,
            })
        })
    }

    /// An input that cannot be read on where it is, once, when all that was read of it is processed.
    pub(crate) fn take_gone(&mut self) -> Option<TopicPartition> {
        let processed = |index: &usize| self.task.buffered(*index) == 0;
        let place = self.gone.iter().position(processed)?;
        let index = self.gone.swap_remove(place);
        Some(self.inputs[index].partition().clone())
    }

    /// What is left when the task ends: its stores, as they are, and its inputs' queues.
    pub(crate) fn into_parts(self) -> (Stores, Vec<PartitionQueue>) {
        (self.task.into_stores(), self.inputs)
    }

    /// Its numbers.
    pub(crate) fn metrics(&self, instance: &Instance) -> TaskMetrics {
        let state = self.task.state();
        let nodes = instance.topology.nodes();
        let lag = self.lag();
        let mut metrics = TaskMetrics {
            stream_time: state.stream_time,
            lag_time: self.lag_time(&lag),
            lag,
            drops: BTreeMap::new(),
            store_bytes: BTreeMap::new(),
            store_entries: BTreeMap::new(),
        };
        for ((node, reason), count) in &state.drops {
            let name = nodes[node.index()].name.clone();
            *metrics.drops.entry((name, *reason)).or_default() += count;
        }
        for (_, store) in self.task.stores().iter() {
            let name = &store.spec().name;
            metrics
                .store_bytes
                .insert(name.clone(), store.approximate_bytes());
            metrics
                .store_entries
                .insert(name.clone(), store.approximate_entries());
        }
        metrics
    }

    fn lag_time(&self, lag: &BTreeMap<TopicPartition, i64>) -> BTreeMap<TopicPartition, Duration> {
        let now_ms = wall_clock();
        let age = |(index, queue): (usize, &PartitionQueue)| {
            let behind = *lag.get(queue.partition())?;
            let age = match self.task.reached_time(index) {
                Some(timestamp) if behind > 0 => now_ms.saturating_sub(timestamp),
                _ => 0,
            };
            let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
            Some((queue.partition().clone(), age))
        };
        self.inputs.iter().enumerate().filter_map(age).collect()
    }

    fn lag(&self) -> BTreeMap<TopicPartition, i64> {
        let lag = |index: usize, queue: &PartitionQueue| {
            let (_, high) = queue.watermarks()?;
            // Before the first record is polled, the task is where its offsets say.
            let reached = queue.position().or_else(|| self.task.position(index));
            let behind = match reached {
                _ if queue.is_caught_up() => 0,
                Some(reached) => (high - reached).max(0),
                None => queue.fetched() as i64,
            };
            Some(behind + self.task.buffered(index) as i64)
        };
        self.inputs
            .iter()
            .enumerate()
            .filter_map(|(index, queue)| Some((queue.partition().clone(), lag(index, queue)?)))
            .collect()
    }
}
