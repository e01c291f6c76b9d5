//! Global tables: their topics are read to the end before the first record of a task, and followed from then on.

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
use super::instance::Instance;
use super::raw_record::RawRecord;
use crate::context::SourceRecord;
use crate::dsl::GlobalStore;
use crate::error::{Policy, RecordError, Stage, StreamsError};
use crate::topology::Topology;

/// Records of one partition between two looks at the others.
const SLICE: usize = 4096;
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
    partitions: Vec<(PartitionQueue, Vec<Arc<GlobalStore>>)>,
    policy: Policy,
    scratch: Vec<RawRecord>,
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
    ) -> Result<Self, StreamsError> {
        let mut globals = Self {
            reading: None,
            stopping: Arc::default(),
            thread: None,
        };
        if topology.global_stores().is_empty() {
            return Ok(globals);
        }
        let mut reading = Reading::new(topology, config, admin)?;
        while !reading
            .partitions
            .iter()
            .all(|(queue, _)| queue.is_caught_up())
        {
            if reading.turn()? == 0 {
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
        let (instance, stopping) = (Arc::clone(instance), Arc::clone(&self.stopping));
        let thread = std::thread::Builder::new()
            .name(format!("{}-globals", instance.config.application))
            .spawn(move || {
                for (queue, _) in &mut reading.partitions {
                    queue.wake(std::thread::current());
                }
                while !stopping.load(Ordering::Acquire) && !instance.is_abandoned() {
                    match reading.turn() {
                        Ok(0) => std::thread::park_timeout(IDLE),
                        Ok(_) => {}
                        Err(error) => return instance.state.fail(error),
                    }
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
    fn new(topology: &Topology, config: &AppConfig, admin: &Admin) -> Result<Self, StreamsError> {
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
        for (topic, stores) in by_topic {
            let count = counts.get(&*topic).copied().ok_or_else(|| {
                StreamsError::Topics(format!(
                    "the topic {topic} of a global table does not exist: create it before the application is started"
                ))
            })?;
            for partition in 0..count {
                let partition = TopicPartition::new(Arc::clone(&topic), partition);
                partitions.push((consumer.queue(&partition)?, stores.clone()));
                assigned.push((partition, StartOffset::Beginning));
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
    fn turn(&mut self) -> Result<usize, StreamsError> {
        // Its events, which concern no partition: connections that come and go.
        if let Some(super::consumer::Signal::Error(error)) = self.consumer.poll(Duration::ZERO)
            && !error.is_retriable()
        {
            return Err(error.into());
        }
        let mut came = 0;
        for (queue, stores) in &mut self.partitions {
            let polled: Result<_, ClientError> = queue.poll(SLICE, &mut self.scratch);
            for record in self.scratch.drain(..) {
                came += 1;
                for store in stores.iter() {
                    apply(store, &record, queue.partition(), &self.policy)?;
                }
            }
            polled?;
        }
        Ok(came)
    }
}

fn apply(
    store: &GlobalStore,
    record: &RawRecord,
    partition: &TopicPartition,
    policy: &Policy,
) -> Result<(), StreamsError> {
    let applied = store.apply(record.key(), record.value(), record.timestamp());
    let Err(error) = applied else {
        return Ok(());
    };
    let error = RecordError {
        stage: Stage::Deserialization,
        node: store.name().to_owned(),
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
