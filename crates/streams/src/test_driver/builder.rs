//! The settings of a driver.

use std::collections::BTreeMap;
use std::time::Duration;

use super::TestDriver;
use super::cluster::{Cluster, Writes};
use super::instance::Instance;
use super::schedule::{Interleaving, Schedule};
use crate::error::{Policy, Stage, StreamsError};
use crate::runtime::task::TaskConfig;
use crate::topology::{Builder, NodeKind, PartitionCounts, Topology};

/// Makes a [`TestDriver`].
#[must_use = "a builder drives nothing before it is built"]
pub struct TestDriverBuilder {
    application: String,
    partitions: Vec<(String, i32)>,
    default_partitions: i32,
    writes: Writes,
    seed: u64,
    interleaving: Interleaving,
    commit_every: Option<usize>,
    config: TaskConfig,
    wall_clock: i64,
}

impl TestDriverBuilder {
    pub(super) fn new(application: &str) -> Self {
        Self {
            application: application.to_owned(),
            partitions: Vec::new(),
            default_partitions: 1,
            writes: Writes::Plain,
            seed: 0,
            interleaving: Interleaving::default(),
            commit_every: None,
            config: TaskConfig::default(),
            wall_clock: 0,
        }
    }

    /// A topic's number of partitions.
    pub fn partitions(mut self, topic: impl Into<String>, count: i32) -> Self {
        self.partitions.push((topic.into(), count));
        self
    }

    /// How many partitions topics have that are not named; 1 by default.
    pub fn default_partitions(mut self, count: i32) -> Self {
        self.default_partitions = count;
        self
    }

    /// Every commit is a transaction: results are seen, and repartitioned records read, once it is through.
    pub fn exactly_once(mut self) -> Self {
        self.writes = Writes::Transaction;
        self
    }

    /// Tasks take turns, and fetch, at random, by this seed. Crashes and rebalances follow it too.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self.interleaving = Interleaving::Random;
        self
    }

    /// In which order tasks take their turns.
    pub fn interleaving(mut self, interleaving: Interleaving) -> Self {
        self.interleaving = interleaving;
        self
    }

    /// Commits after so many records, not only when there is nothing left to do.
    pub fn commit_every(mut self, records: usize) -> Self {
        self.commit_every = Some(records.max(1));
        self
    }

    /// What becomes of records that fail, at every stage.
    pub fn policy(mut self, policy: &Policy) -> Self {
        for stage in [Stage::Deserialization, Stage::Processing, Stage::Production] {
            self = self.policy_for(stage, policy.clone());
        }
        self
    }

    /// What becomes of records that fail at one stage.
    pub fn policy_for(mut self, stage: Stage, policy: Policy) -> Self {
        let policies = &mut self.config.policies;
        match stage {
            Stage::Deserialization => policies.deserialization = policy,
            Stage::Processing => policies.processing = policy,
            Stage::Production => policies.production = policy,
        }
        self
    }

    /// The topic of dead letters.
    pub fn dead_letter(mut self, topic: &str) -> Self {
        self.config.policies.dead_letter = Some(topic.into());
        self
    }

    /// How long a task waits for an input that has more and was not fetched (`max.task.idle.ms`); none: it never
    /// waits. By default it waits until the input is fetched.
    pub fn max_task_idle(mut self, idle: Option<Duration>) -> Self {
        self.config.max_idle_ms = idle.map_or(-1, |idle| {
            i64::try_from(idle.as_millis()).unwrap_or(i64::MAX)
        });
        self
    }

    /// The time of the wall clock at the start, in milliseconds; 0 by default.
    pub fn starting_at(mut self, wall_clock: i64) -> Self {
        self.wall_clock = wall_clock;
        self
    }

    /// Builds the topology and its topics.
    ///
    /// # Panics
    /// If the topology is not sound, or its topics' partitions are not as it needs them.
    #[track_caller]
    pub fn build(self, topology: impl Fn(&Builder) + Send + Sync + 'static) -> TestDriver {
        self.try_build(topology)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`build`](Self::build), to see what is wrong.
    ///
    /// # Errors
    /// What an application would refuse to start with.
    pub fn try_build(
        self,
        topology: impl Fn(&Builder) + Send + Sync + 'static,
    ) -> Result<TestDriver, StreamsError> {
        let mut cluster = Cluster::new(self.writes, self.default_partitions);
        for (topic, count) in &self.partitions {
            cluster.create(topic, *count);
        }
        let topology = Topology::build(&self.application, topology)?;
        let existing = || Ok(cluster.topics().map(ToString::to_string).collect());
        let topology = topology.match_patterns(existing)?;
        let topology = topology.with_unreadable(&self.config.policies.deserialization);
        let counts = PartitionCounts::resolve(&topology, |topic| Some(cluster.count(topic)))?;
        for (topic, count) in counts.iter() {
            cluster.create(topic, count);
        }
        for store in topology.global_stores() {
            cluster.count(store.topic());
        }
        for node in topology.nodes() {
            if let NodeKind::Sink { topic } = &node.kind
                && !topic.starts_with('<')
            {
                cluster.count(topic);
            }
        }
        let mut driver = TestDriver {
            topology,
            config: self.config,
            counts,
            cluster,
            instance: Instance::default(),
            schedule: Schedule::new(self.seed, self.interleaving, self.commit_every),
            wall_clock: self.wall_clock,
            next_purge: self.wall_clock.saturating_add(super::PURGE_INTERVAL_MS),
            dropped: BTreeMap::new(),
            read: BTreeMap::new(),
            keyless: BTreeMap::new(),
            crashes: 0,
        };
        driver.start()?;
        Ok(driver)
    }
}
