//! Global tables: their topics are read to the end before the first record of a task, and followed from then on.
//!
//! One on disk has a store for each partition of its topic, which commits its rows with how far they go, so that a
//! start reads what is missing. As for any store, one that the topic's tombstones may have passed by is wiped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::TopicPartition;
use super::admin::Admin;
use super::client::ClientError;
use super::config::AppConfig;
use super::consumer::{Consumer, PartitionQueue, StartOffset};
use super::instance::{Instance, wall_clock};
use super::raw_record::RawRecord;
use super::topics::Topics;
use crate::context::SourceRecord;
use crate::dsl::GlobalStore;
use crate::error::{Policy, RecordError, Stage, StreamsError};
use crate::query::Known;
use crate::serde::SerdeError;
use crate::store::{
    Backend, ChangelogRecord, ChangelogState, Restore, StateDatabase, Store, StoreReader,
};
use crate::topology::Topology;

/// Records of one partition between two looks at the others.
const SLICE: usize = 4096;
/// How long a question to the cluster may take.
const ASK_LIMIT: Duration = Duration::from_secs(30);
/// How long the thread sleeps when nothing came; records wake it.
const IDLE: Duration = Duration::from_millis(100);

/// The reader of all global tables.
pub(crate) struct Globals {
    reading: Option<Reading>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Reading {
    consumer: Consumer,
    partitions: Vec<Followed>,
    policy: Policy,
    scratch: Vec<RawRecord>,
}

/// A partition of a topic, with the tables that it fills.
struct Followed {
    queue: PartitionQueue,
    tables: Vec<Filled>,
}

/// A table, and where the partition's rows of it are if not in its own memory.
struct Filled {
    table: Arc<GlobalStore>,
    store: Option<Store>,
    /// The first offset that it does not have.
    next: i64,
}

impl Globals {
    /// Reads the topics of all global tables to their ends.
    ///
    /// # Errors
    /// A topic is missing or cannot be read, or a record of it cannot and the policy is to fail.
    pub(crate) fn load(
        topology: &Topology,
        config: &AppConfig,
        admin: &Admin,
        topics: &Topics,
        database: &StateDatabase,
    ) -> Result<Self, StreamsError> {
        let mut globals = Self {
            reading: None,
            stopping: Arc::default(),
            thread: None,
        };
        if topology.global_stores().is_empty() {
            return Ok(globals);
        }
        let mut reading = Reading::new(topology, config, admin, topics, database)?;
        let is_loaded = |followed: &Followed| followed.queue.is_caught_up();
        while !reading.partitions.iter().all(is_loaded) {
            if reading.turn(None)? == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        for store in topology.global_stores() {
            tracing::info!(
                table = store.name(),
                rows = store.len(),
                "global table loaded"
            );
        }
        globals.reading = Some(reading);
        Ok(globals)
    }

    /// Follows the topics on a thread of its own.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn follow(mut self, instance: &Arc<Instance>) -> Result<Self, StreamsError> {
        let Some(mut reading) = self.reading.take() else {
            return Ok(self);
        };
        for followed in &reading.partitions {
            followed.tell(&instance.known);
        }
        let (instance, stopping) = (Arc::clone(instance), Arc::clone(&self.stopping));
        let thread = std::thread::Builder::new()
            .name(format!("{}-globals", instance.config.application))
            .spawn(move || {
                for followed in &mut reading.partitions {
                    followed.queue.wake(std::thread::current());
                }
                while !stopping.load(Ordering::Acquire) && !instance.is_abandoned() {
                    match reading.turn(Some(&instance.known)) {
                        Ok(0) => std::thread::park_timeout(IDLE),
                        Ok(_) => {}
                        Err(error) => {
                            instance.state.fail(error);
                            break;
                        }
                    }
                }
                for store in instance.topology.global_stores() {
                    store.close();
                }
            });
        self.thread = Some(thread.map_err(|error| {
            StreamsError::Settings(format!("starting the thread of global tables: {error}"))
        })?);
        Ok(self)
    }

    /// Ends the thread.
    pub(crate) fn stop(mut self) {
        self.stopping.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the thread of global tables panicked");
            }
        }
    }
}

impl Reading {
    fn new(
        topology: &Topology,
        config: &AppConfig,
        admin: &Admin,
        topics: &Topics,
        database: &StateDatabase,
    ) -> Result<Self, StreamsError> {
        let counts = admin.partition_counts()?;
        let consumer = Consumer::reader(
            &config.clients,
            &config.application,
            config.guarantee.isolation(),
        )?;
        let mut by_topic: BTreeMap<Arc<str>, Vec<Arc<GlobalStore>>> = BTreeMap::new();
        for store in topology.global_stores() {
            by_topic
                .entry(Arc::clone(store.topic()))
                .or_default()
                .push(Arc::clone(store));
        }
        let mut assigned = Vec::new();
        let mut partitions = Vec::new();
        for (topic, tables) in by_topic {
            let count = counts.get(&*topic).copied().ok_or_else(|| {
                StreamsError::Topics(format!(
                    "the topic {topic} of a global table does not exist: create it before the application is started"
                ))
            })?;
            let mut shown: Vec<Vec<StoreReader>> = tables.iter().map(|_| Vec::new()).collect();
            for partition in 0..count {
                let partition = TopicPartition::new(Arc::clone(&topic), partition);
                let mut filled = Vec::with_capacity(tables.len());
                for (table, shown) in tables.iter().zip(&mut shown) {
                    let table = Filled::open(table, &partition, &consumer, topics, database)?;
                    shown.extend(table.store.as_ref().map(Store::reader));
                    filled.push(table);
                }
                partitions.push(Followed {
                    queue: consumer.queue(&partition)?,
                    tables: filled,
                });
                assigned.push((partition, partitions[partitions.len() - 1].start()));
            }
            for (table, shown) in tables.iter().zip(shown) {
                if table.spec().backend == Backend::Disk {
                    table.serve(shown);
                }
            }
        }
        consumer.assign(&assigned)?;
        Ok(Self {
            consumer,
            partitions,
            policy: config.task.policies.deserialization.clone(),
            scratch: Vec::new(),
        })
    }

    /// Takes what is there; returns how many records came.
    fn turn(&mut self, known: Option<&Known>) -> Result<usize, StreamsError> {
        // Its events, which concern no partition: connections that come and go.
        if let Some(super::consumer::Signal::Error(error)) = self.consumer.poll(Duration::ZERO)
            && !error.is_retriable()
        {
            return Err(error.into());
        }
        let mut came = 0;
        for followed in &mut self.partitions {
            let polled: Result<_, ClientError> = followed.queue.poll(SLICE, &mut self.scratch);
            came += self.scratch.len();
            for table in &mut followed.tables {
                table.fill(&self.scratch, followed.queue.partition(), &self.policy)?;
            }
            if !self.scratch.is_empty()
                && let Some(known) = known
            {
                followed.tell(known);
            }
            self.scratch.clear();
            polled?;
        }
        Ok(came)
    }
}

impl Followed {
    /// Where reading begins: at the first record that a table does not have.
    fn start(&self) -> StartOffset {
        let first = self.tables.iter().map(|table| table.next).min();
        match first {
            Some(next) if next > 0 => StartOffset::At(next),
            _ => StartOffset::Beginning,
        }
    }

    /// Tells how far the tables are, for queries.
    fn tell(&self, known: &Known) {
        if let Some(reached) = self.tables.iter().map(|table| table.next).min() {
            known.reach(self.queue.partition(), reached);
        }
    }
}

impl Filled {
    fn open(
        table: &Arc<GlobalStore>,
        partition: &TopicPartition,
        consumer: &Consumer,
        topics: &Topics,
        database: &StateDatabase,
    ) -> Result<Self, StreamsError> {
        let mut filled = Self {
            table: Arc::clone(table),
            store: None,
            next: 0,
        };
        if table.spec().backend == Backend::Memory {
            return Ok(filled);
        }
        let mut store = Store::open(table.spec().clone(), partition.partition, database)?;
        let (start_offset, end_offset) = consumer.extent(partition, ASK_LIMIT)?;
        let topic_id = topics.ids.get(&partition.topic).copied();
        let changelog = ChangelogState {
            start_offset,
            end_offset,
            topic_id,
            delete_retention_ms: topics.delete_retention_ms.get(&partition.topic).copied(),
        };
        filled.next = match store.last_checkpoint().restore(&changelog, wall_clock()) {
            Restore::From(next) => next,
            Restore::Wipe { start, reason } => {
                tracing::warn!(
                    table = table.name(), %partition, %reason,
                    "the global table is wiped and read from the beginning of its topic"
                );
                store.wipe()?;
                start
            }
        };
        store.set_changelog_id(topic_id);
        filled.store = Some(store);
        Ok(filled)
    }

    /// Takes records over, those that it has already left out.
    fn fill(
        &mut self,
        records: &[RawRecord],
        partition: &TopicPartition,
        policy: &Policy,
    ) -> Result<(), StreamsError> {
        let first = records.partition_point(|record| record.offset() < self.next);
        let records = &records[first..];
        let Some(last) = records.last() else {
            return Ok(());
        };
        match &mut self.store {
            None => {
                for record in records {
                    let applied =
                        self.table
                            .apply(record.key(), record.value(), record.timestamp());
                    if let Err(error) = applied {
                        settle(self.table.name(), record, partition, policy, error)?;
                    }
                }
            }
            Some(store) => {
                for record in records {
                    let Some(key) = record.key() else {
                        continue;
                    };
                    let key = match self.table.check(key, record.value()) {
                        Ok(key) => key,
                        Err(error) => {
                            settle(self.table.name(), record, partition, policy, error)?;
                            continue;
                        }
                    };
                    store.restore([ChangelogRecord {
                        key: &key,
                        value: record.value(),
                        timestamp: record.timestamp(),
                        offset: record.offset(),
                    }])?;
                }
                // Seen by the tasks from here on.
                store.finish_restore(wall_clock())?;
            }
        }
        self.next = last.offset() + 1;
        Ok(())
    }
}

/// What becomes of a record that cannot be read.
fn settle(
    table: &str,
    record: &RawRecord,
    partition: &TopicPartition,
    policy: &Policy,
    error: SerdeError,
) -> Result<(), StreamsError> {
    let error = RecordError {
        stage: Stage::Deserialization,
        node: table.to_owned(),
        topic: partition.topic.to_string(),
        partition: partition.partition,
        offset: record.offset(),
        source: error.into(),
    };
    if *policy == Policy::Skip {
        tracing::warn!(%error, "record of a global table skipped");
        return Ok(());
    }
    Err(Box::new(error).into())
}
