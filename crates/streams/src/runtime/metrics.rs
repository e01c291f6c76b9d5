//! What an application tells about itself in numbers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::progress::RestoreProgress;
use super::run_state::State;
use super::{TaskId, TopicPartition};
use crate::context::DropReason;

/// What one worker has done; written by it, read by anybody.
#[derive(Debug, Default)]
pub(crate) struct WorkerMetrics {
    /// How many tasks run.
    pub(crate) running: AtomicUsize,
    /// How many tasks are being restored.
    pub(crate) restoring: AtomicUsize,
    pub(crate) records: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) rollbacks: AtomicU64,
    pub(crate) last_commit_micros: AtomicU64,
    pub(crate) restored_records: AtomicU64,
    pub(crate) full_waits: AtomicU64,
    /// How often it came back from its tasks; not told.
    pub(crate) turns: AtomicU64,
    tasks: Mutex<BTreeMap<TaskId, TaskMetrics>>,
}

impl WorkerMetrics {
    pub(crate) fn set_tasks(&self, tasks: BTreeMap<TaskId, TaskMetrics>) {
        *self.tasks.lock().unwrap_or_else(PoisonError::into_inner) = tasks;
    }

    pub(crate) fn snapshot(&self) -> WorkerSnapshot {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WorkerSnapshot {
            running: self.running.load(Ordering::Relaxed),
            restoring: self.restoring.load(Ordering::Relaxed),
            records: of(&self.records),
            commits: of(&self.commits),
            rollbacks: of(&self.rollbacks),
            last_commit: Duration::from_micros(of(&self.last_commit_micros)),
            restored_records: of(&self.restored_records),
            full_waits: of(&self.full_waits),
            tasks: self
                .tasks
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}

/// An application's numbers at one moment.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// What it is doing.
    pub state: State,
    /// Its workers, by number.
    pub workers: Vec<WorkerSnapshot>,
    /// The restores that are under way.
    pub restores: Vec<RestoreProgress>,
    /// Records of the inputs that were deleted, or passed over, before they were read: offsets of which a partition's
    /// committed one was out of range.
    pub unread: u64,
}

impl Metrics {
    /// Records taken by all tasks since the start.
    pub fn records(&self) -> u64 {
        self.workers.iter().map(|worker| worker.records).sum()
    }

    /// How old the oldest record is that comes next in any input: zero where all is processed.
    pub fn lag_time(&self) -> Duration {
        let tasks = self.workers.iter().flat_map(|worker| worker.tasks.values());
        let times = tasks.flat_map(|task| task.lag_time.values());
        times.copied().max().unwrap_or_default()
    }

    /// Records that are in the inputs and not processed, as far as is known.
    pub fn lag(&self) -> i64 {
        let tasks = self.workers.iter().flat_map(|worker| worker.tasks.values());
        tasks.flat_map(|task| task.lag.values()).sum()
    }
}

/// A worker's numbers.
#[derive(Debug, Clone)]
pub struct WorkerSnapshot {
    /// How many tasks run.
    pub running: usize,
    /// How many tasks are being restored.
    pub restoring: usize,
    /// Records taken since the start.
    pub records: u64,
    /// Commits since the start.
    pub commits: u64,
    /// How often it went back to the last commit.
    pub rollbacks: u64,
    /// How long the last commit took.
    pub last_commit: Duration,
    /// Changelog records read to restore stores.
    pub restored_records: u64,
    /// How often a result waited for room in the producer's queue.
    pub full_waits: u64,
    /// Its tasks.
    pub tasks: BTreeMap<TaskId, TaskMetrics>,
}

/// A task's numbers, as of its worker's last look, which is about once a second.
#[derive(Debug, Clone, Default)]
pub struct TaskMetrics {
    /// The largest timestamp it has taken.
    pub stream_time: i64,
    /// Records of each input that are not processed.
    pub lag: BTreeMap<TopicPartition, i64>,
    /// How old the record of each input is that comes next, or came last if that is not known, by its timestamp and
    /// the wall clock; zero where all is processed.
    pub lag_time: BTreeMap<TopicPartition, Duration>,
    /// What was dropped, by operator and reason.
    pub drops: BTreeMap<(String, DropReason), u64>,
    /// Bytes of each store's committed rows.
    pub store_bytes: BTreeMap<String, u64>,
    /// Rows of each store, on disk an estimate.
    pub store_entries: BTreeMap<String, u64>,
}
