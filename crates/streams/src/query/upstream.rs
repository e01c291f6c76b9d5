//! Positions of inputs that reach a store by way of repartition topics, made into positions of the topics that its
//! own tasks read.
//!
//! When the group has committed an input up to a record, what followed from it lies in the repartition topics, before
//! their ends as they are now. So those ends are waited for next, topic by topic, until the store's own inputs come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Position, QueryError};
use crate::runtime::{ClientError, Consumer, Instance, StartOffset, TaskId, TopicPartition};

/// How long one question to the cluster may take.
const ASK_LIMIT: Duration = Duration::from_secs(5);
/// How long is looked for records before a topic's end.
const LOOK_TIMES: u32 = 40;
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The sub-topologies whose results reach a store's tasks, with that of the store itself.
pub(super) fn leading(instance: &Instance, store: usize) -> BTreeSet<usize> {
    let parts = instance.topology.sub_topologies();
    let mut leading = BTreeSet::from([store]);
    loop {
        let before = leading.len();
        let read: BTreeSet<&Arc<str>> = leading
            .iter()
            .flat_map(|part| &parts[*part].sources)
            .collect();
        let feeds = parts
            .iter()
            .filter(|part| part.sinks.iter().any(|sink| read.contains(sink)))
            .map(|part| part.index);
        let more: Vec<_> = feeds.collect();
        leading.extend(more);
        if leading.len() == before {
            return leading;
        }
    }
}

/// A position on its way down.
pub(super) struct Upstream {
    instance: Arc<Instance>,
    store: usize,
    leading: BTreeSet<usize>,
    reader: Option<Consumer>,
    /// By partition, the offset below which everything has to be processed.
    wanted: BTreeMap<TopicPartition, i64>,
    /// What came out: positions of the store's own inputs.
    pub(super) position: Position,
}

/// A partition that is not as far as it has to be, how far that is, and how far it is.
pub(super) type Missing = (TopicPartition, i64, Option<i64>);

impl Upstream {
    pub(super) fn new(instance: &Arc<Instance>, store: usize, position: &Position) -> Self {
        Self {
            instance: Arc::clone(instance),
            store,
            leading: leading(instance, store),
            reader: None,
            wanted: position
                .iter()
                .map(|(at, offset)| (at.clone(), offset + 1))
                .collect(),
            position: Position::new(),
        }
    }

    /// Asks the cluster, and goes as far as it can: none if there is nothing more to wait for. Blocks.
    ///
    /// # Errors
    /// The cluster cannot be asked.
    pub(super) fn step(&mut self) -> Result<Option<Missing>, QueryError> {
        match self.try_step() {
            Ok(missing) => Ok(missing),
            Err(error) if error.is_retriable() => Ok(self.next_wanted(None)),
            Err(error) => Err(QueryError::Cluster {
                reason: error.to_string(),
            }),
        }
    }

    fn next_wanted(&self, reached: Option<i64>) -> Option<Missing> {
        let (partition, end) = self.wanted.first_key_value()?;
        Some((partition.clone(), end - 1, reached))
    }

    fn try_step(&mut self) -> Result<Option<Missing>, ClientError> {
        while let Some((partition, end)) = self.wanted.first_key_value() {
            let (partition, end) = (partition.clone(), *end);
            let asked = [partition.clone()];
            let committed = self.instance.consumer.committed(&asked, ASK_LIMIT)?;
            let committed = committed.into_iter().next().and_then(|(_, offset)| offset);
            let processed = committed.map_or(0, |(offset, _)| offset);
            if processed < end && !self.is_nothing_between(&partition, processed, end)? {
                return Ok(self.next_wanted((processed > 0).then(|| processed - 1)));
            }
            self.wanted.remove(&partition);
            self.follow(&partition, processed)?;
        }
        Ok(None)
    }

    /// Goes on to what the tasks that read this partition write.
    fn follow(&mut self, partition: &TopicPartition, processed: i64) -> Result<(), ClientError> {
        let instance = Arc::clone(&self.instance);
        let parts = instance.topology.sub_topologies();
        if parts[self.store].sources.contains(&partition.topic) {
            if processed > 0 {
                self.position.add(partition.clone(), processed - 1);
            }
            return Ok(());
        }
        let reads = |part: usize| parts[part].sources.contains(&partition.topic);
        let Some(from) = self.leading.iter().copied().find(|part| reads(*part)) else {
            return Ok(());
        };
        let here = instance.known.assigned();
        for topic in &parts[from].sinks {
            let into = |part: &&usize| parts[**part].sources.contains(topic);
            let Some(into) = self.leading.iter().find(into).copied() else {
                continue;
            };
            for number in 0..instance.topics.counts.of(topic).unwrap_or(0) {
                let task = TaskId {
                    sub_topology: into,
                    partition: number,
                };
                // Of the store itself, only what is here is read here.
                if into == self.store && !here.contains(&task) {
                    continue;
                }
                let next = TopicPartition::new(Arc::clone(topic), number);
                let (first, end) = instance.consumer.extent(&next, ASK_LIMIT)?;
                if end > first {
                    self.wanted.insert(next, end);
                }
            }
        }
        Ok(())
    }

    /// Whether no record lies between the offsets: the end of a transaction takes an offset too, which nobody
    /// commits.
    fn is_nothing_between(
        &mut self,
        partition: &TopicPartition,
        from: i64,
        end: i64,
    ) -> Result<bool, ClientError> {
        let inner = self.leading_topic(partition);
        if !inner {
            // A record that somebody was told of is there, or will be.
            return Ok(false);
        }
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => Consumer::reader(
                &self.instance.config.clients,
                &self.instance.config.application,
                self.instance.config.guarantee.isolation(),
            )?,
        };
        let reader = self.reader.insert(reader);
        let mut queue = reader.queue(partition)?;
        reader.assign(&[(partition.clone(), StartOffset::At(from))])?;
        let mut records = Vec::new();
        for _ in 0..LOOK_TIMES {
            let _ = reader.poll(Duration::ZERO);
            if queue.poll(1, &mut records)?.records > 0 {
                let offset = queue.position().unwrap_or(0) - 1;
                return Ok(offset >= end);
            }
            if queue.has_reached(end) {
                return Ok(true);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(false)
    }

    /// Whether a topic lies between two parts of the topology, so that ends are waited for and not records.
    fn leading_topic(&self, partition: &TopicPartition) -> bool {
        let parts = self.instance.topology.sub_topologies();
        self.leading
            .iter()
            .any(|part| parts[*part].sinks.contains(&partition.topic))
    }
}
