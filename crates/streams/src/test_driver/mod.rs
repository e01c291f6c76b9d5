//! Runs a topology without a broker: several partitions, virtual time, crashes and rebalances, all by seed.
//!
//! The driver is the surroundings of an application, in memory: topics with transactions, committed offsets, a disk.
//! What runs in them is the same tasks, operators and stores that run against a cluster. It never sleeps and never
//! asks for the time: the clock is the test's.

mod builder;
mod cluster;
mod instance;
mod output;
mod rng;
mod schedule;
mod state;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use builder::TestDriverBuilder;
pub use cluster::StoredRecord;
pub use schedule::{CrashPoint, Disk, Interleaving};
pub use store::StoreView;

use cluster::Cluster;
use instance::{Instance, Plan, Step};
use schedule::Schedule;

use crate::context::DropReason;
use crate::error::{Failure, StreamsError};
use crate::runtime::TaskId;
use crate::runtime::task::TaskConfig;
use crate::topology::{Builder, InternalTopicKind, PartitionCounts, Topology};

/// `repartition.purge.interval.ms`.
pub(super) const PURGE_INTERVAL_MS: i64 = 30_000;

/// Runs a topology in memory, under a test's control. Kafka Streams' `TopologyTestDriver`, for more than one
/// partition.
///
/// ```
/// use headwater_streams::test_driver::TestDriver;
/// use headwater_streams::{Builder, Record, Topic};
///
/// const WORDS: Topic<String, String> = Topic::string("words");
/// const LOUD: Topic<String, String> = Topic::string("loud");
///
/// fn topology(b: &Builder) {
///     b.stream(WORDS).map(|word| word.to_uppercase()).to(LOUD);
/// }
///
/// let mut driver = TestDriver::new("shout", topology);
/// driver.pipe(&WORDS, Record::new("a".to_owned(), "hello".to_owned(), 1));
/// driver.run();
/// assert_eq!(driver.values(&LOUD), ["HELLO"]);
/// ```
///
/// Methods that fail as the application would panic with its error, and have a `try_` form that returns it.
pub struct TestDriver {
    topology: Topology,
    config: TaskConfig,
    counts: PartitionCounts,
    cluster: Cluster,
    instance: Instance,
    schedule: Schedule,
    wall_clock: i64,
    /// When repartition topics are purged next, by the wall clock.
    next_purge: i64,
    /// What was dropped, as of the last commit.
    dropped: BTreeMap<(String, DropReason), u64>,
    /// How far the test has read each partition.
    read: BTreeMap<(Arc<str>, i32), i64>,
    /// How often an input without a key was piped, which rotates their partitions.
    keyless: BTreeMap<String, usize>,
    crashes: usize,
}

impl TestDriver {
    /// Drives a topology over topics of one partition, at least once, by timestamp.
    ///
    /// # Panics
    /// If the topology is not sound.
    #[track_caller]
    pub fn new(application: &str, topology: impl Fn(&Builder) + Send + Sync + 'static) -> Self {
        Self::builder(application).build(topology)
    }

    /// A driver with settings.
    pub fn builder(application: &str) -> TestDriverBuilder {
        TestDriverBuilder::new(application)
    }

    /// Processes and commits until there is nothing left to do.
    ///
    /// # Panics
    /// With the error that the application stops with.
    #[track_caller]
    pub fn run(&mut self) -> &mut Self {
        self.try_run().unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// [`run`](Self::run), to see the error that the application stops with.
    ///
    /// # Errors
    /// What an application would stop with. It can be run again after that, from its last commit.
    pub fn try_run(&mut self) -> Result<(), StreamsError> {
        loop {
            let taken = self.try_process()?;
            let committed = self.try_commit()?;
            if taken == 0 && !committed {
                return Ok(());
            }
        }
    }

    /// Processes until a commit is needed to go on, without one at the end; returns how many records were taken.
    ///
    /// # Panics
    /// With the error that the application stops with.
    #[track_caller]
    pub fn process(&mut self) -> usize {
        self.try_process().unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`process`](Self::process), to see the error that the application stops with.
    ///
    /// # Errors
    /// What an application would stop with.
    pub fn try_process(&mut self) -> Result<usize, StreamsError> {
        let mut taken = 0;
        while self.try_step()? {
            taken += 1;
        }
        Ok(taken)
    }

    /// Has one task take one record; false if there is none to be taken.
    ///
    /// # Errors
    /// What an application would stop with.
    pub fn try_step(&mut self) -> Result<bool, StreamsError> {
        if let Some(disk) = self.schedule.crash_now(10) {
            self.crash_with(disk);
        }
        self.start()?;
        if self.schedule.commit_due() {
            self.try_commit()?;
        }
        let step = self.instance.step(
            &mut self.cluster,
            self.schedule.interleaving,
            &mut self.schedule.steps,
            self.wall_clock,
        );
        match step {
            Step::Took => {
                self.schedule.since_commit += 1;
                Ok(true)
            }
            Step::Idle => Ok(false),
            Step::Failed(task, failure) => self.failed(task, failure).map(|()| true),
        }
    }

    /// Commits what was processed.
    ///
    /// # Panics
    /// With the error that the application stops with.
    #[track_caller]
    pub fn commit(&mut self) -> &mut Self {
        self.try_commit().unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// [`commit`](Self::commit); returns whether there was anything to commit.
    ///
    /// # Errors
    /// What an application would stop with.
    pub fn try_commit(&mut self) -> Result<bool, StreamsError> {
        self.start()?;
        let tasks = &self.instance.tasks;
        if !tasks.values().any(|driven| driven.task.needs_commit()) {
            return Ok(false);
        }
        let planned = self.schedule.crash_now(4).map(|disk| {
            let point = if self.schedule.toss() {
                CrashPoint::BeforeCommit
            } else {
                CrashPoint::AfterCommit
            };
            (point, disk)
        });
        self.commit_until(planned)?;
        Ok(true)
    }

    /// Commits, with a crash on the way if one is to come.
    fn commit_until(&mut self, crash: Option<(CrashPoint, Disk)>) -> Result<(), StreamsError> {
        let offsets = match self.instance.prepare_commit(&mut self.cluster) {
            Ok(offsets) => offsets,
            Err((task, failure)) => return self.failed(task, failure),
        };
        if let Some((CrashPoint::Processing | CrashPoint::BeforeCommit, disk)) = crash {
            self.crash_with(disk);
            return Ok(());
        }
        self.cluster.commit(offsets);
        self.schedule.committed();
        self.dropped = self.drops();
        if let Some((CrashPoint::AfterCommit, disk)) = crash {
            self.crash_with(disk);
            return Ok(());
        }
        for driven in self.instance.tasks.values_mut() {
            driven.task.forget_drops();
        }
        self.instance
            .committed(&self.topology, &self.cluster, self.wall_clock)
    }

    /// Moves the wall clock on and runs the punctuations that are due by it.
    ///
    /// # Panics
    /// With the error that the application stops with.
    #[track_caller]
    pub fn advance(&mut self, by: Duration) -> &mut Self {
        self.try_advance(by)
            .unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// [`advance`](Self::advance), to see the error that the application stops with.
    ///
    /// # Errors
    /// What an application would stop with.
    pub fn try_advance(&mut self, by: Duration) -> Result<(), StreamsError> {
        self.start()?;
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.wall_clock = self.wall_clock.saturating_add(by);
        self.purge();
        let ran = self.instance.punctuate(&mut self.cluster, self.wall_clock);
        ran.or_else(|(task, failure)| self.failed(task, failure))
    }

    /// The wall clock, in milliseconds.
    pub fn wall_clock(&self) -> i64 {
        self.wall_clock
    }

    /// Kills the instance between two records; it comes back with its disk. What was not committed is lost: under
    /// exactly-once with its results, else without them.
    pub fn crash(&mut self) -> &mut Self {
        self.crash_with(Disk::Kept);
        self
    }

    /// Kills the instance at the point named: in the middle of a commit, say.
    ///
    /// # Panics
    /// If the application fails before it comes to that point.
    #[track_caller]
    pub fn crash_at(&mut self, point: CrashPoint, disk: Disk) -> &mut Self {
        if point == CrashPoint::Processing {
            self.crash_with(disk);
            return self;
        }
        self.start()
            .and_then(|()| self.commit_until(Some((point, disk))))
            .unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// Plans crashes, at points that the seed chooses while the driver [runs](Self::run).
    pub fn crash_randomly(&mut self, count: usize) -> &mut Self {
        self.schedule.plan_crashes(count);
        self
    }

    /// How many crashes there were so far. Of those that are [planned](Self::crash_randomly), some never come if there is
    /// little to do.
    pub fn crashes(&self) -> usize {
        self.crashes
    }

    /// Commits and starts all tasks anew, about half of them, as the seed says, on an instance that has to restore
    /// their stores from the changelogs.
    ///
    /// # Panics
    /// With the error that the application stops with.
    #[track_caller]
    pub fn rebalance(&mut self) -> &mut Self {
        self.commit();
        self.instance.stop(Disk::Kept);
        let schedule = &mut self.schedule;
        self.instance.lose(|| schedule.toss());
        self.restart();
        self
    }

    /// Fetches nothing of a topic until it is [released](Self::release), as when its broker is slow: the application
    /// knows that there is more.
    pub fn hold(&mut self, topic: &str) -> &mut Self {
        self.instance.held.push(topic.to_owned());
        self
    }

    /// Fetches a topic again.
    pub fn release(&mut self, topic: &str) -> &mut Self {
        self.instance.held.retain(|held| held != topic);
        self
    }

    /// Has a topic refuse all records that are written to it from here on.
    pub fn refuse(&mut self, topic: &str) -> &mut Self {
        self.cluster.refusing.insert(topic.to_owned());
        self
    }

    /// How many records the operator dropped for this reason, those since the last commit included.
    pub fn dropped(&self, node: &str, reason: DropReason) -> u64 {
        let drops = self.drops();
        drops.get(&(node.to_owned(), reason)).copied().unwrap_or(0)
    }

    /// How many records were dropped for this reason by any operator.
    pub fn dropped_in_all(&self, reason: DropReason) -> u64 {
        let drops = self.drops();
        let of_reason = drops.iter().filter(|((_, other), _)| *other == reason);
        of_reason.map(|(_, count)| count).sum()
    }

    /// How many changelog records were read so far to restore stores.
    pub fn restored(&self) -> usize {
        self.instance.restored
    }

    /// The topology that is driven.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The tasks, running or not.
    pub fn tasks(&self) -> Vec<TaskId> {
        self.counts.tasks().collect()
    }

    /// The number of partitions of a topic that exists.
    pub fn partitions(&self, topic: &str) -> Option<i32> {
        self.cluster.existing(topic)
    }

    fn drops(&self) -> BTreeMap<(String, DropReason), u64> {
        let mut all = self.dropped.clone();
        for (place, count) in self.instance.drops(&self.topology) {
            *all.entry(place).or_default() += count;
        }
        all
    }

    /// Deletes what was processed of repartition topics, every 30 seconds, as the application has its cluster do.
    fn purge(&mut self) {
        if self.wall_clock < self.next_purge {
            return;
        }
        self.next_purge = self.wall_clock.saturating_add(PURGE_INTERVAL_MS);
        for topic in self.topology.internal_topics() {
            if topic.kind != InternalTopicKind::Repartition {
                continue;
            }
            for partition in 0..self.counts.of(&topic.name).unwrap_or(0) {
                if let Some((offset, _)) = self.cluster.committed(&topic.name, partition).cloned() {
                    self.cluster.delete_records(&topic.name, partition, offset);
                }
            }
        }
    }

    fn crash_with(&mut self, disk: Disk) {
        self.cluster.abort();
        self.instance.stop(disk);
        self.instance.retried.clear();
        self.schedule.rolled_back();
        self.crashes += 1;
        self.restart();
    }

    /// Starts what does not run, so that stores can be read; an error comes again when the driver goes on.
    fn restart(&mut self) {
        if let Err(error) = self.start() {
            tracing::warn!(%error, "the tasks could not be started");
        }
    }

    fn start(&mut self) -> Result<(), StreamsError> {
        let plan = Plan {
            topology: &self.topology,
            counts: &self.counts,
            config: &self.config,
            wall_clock: self.wall_clock,
        };
        self.instance.start(&plan, &mut self.cluster)
    }

    /// Rolls back to the last commit, as a worker does: to try again if the policy says so.
    fn failed(&mut self, task: TaskId, failure: Failure) -> Result<(), StreamsError> {
        self.cluster.abort();
        self.instance.stop(Disk::Kept);
        self.schedule.rolled_back();
        match failure {
            Failure::Fatal(error) => {
                self.instance.retried.clear();
                Err(Box::new(error).into())
            }
            Failure::Retry { backoff, error } => {
                let pause = i64::try_from(backoff.as_millis()).unwrap_or(i64::MAX);
                self.wall_clock = self.wall_clock.saturating_add(pause);
                self.instance.tried(task, &error);
                Ok(())
            }
        }
    }
}
