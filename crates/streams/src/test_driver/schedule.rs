//! Whose turn it is, when to commit and when to crash.
//!
//! The interleaving is a function of the seed and of what is committed: after a crash the same steps follow in the
//! same order, so a crash can only change results through a fault in what is kept and restored.

use std::collections::BTreeMap;

use super::rng::Rng;
use crate::runtime::TaskId;

/// In which order tasks take their turns, and how much of their inputs they have fetched by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interleaving {
    /// The task with the lowest next timestamp goes first, with all of its inputs fetched.
    #[default]
    ByTimestamp,
    /// Any, by the driver's seed: tasks take turns at random, and their inputs are fetched in pieces.
    Random,
}

/// Where in an application's work a crash comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// Between two records.
    Processing,
    /// Results and changelogs are written, offsets are not committed.
    BeforeCommit,
    /// The commit is through, the stores on disk do not have it yet.
    AfterCommit,
}

/// What is left of an instance's local state after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// The instance comes back with its disk: stores are as of the last commit.
    Kept,
    /// It comes back elsewhere: stores are restored from their changelogs.
    Lost,
}

/// What decides the next step; it goes back with a rollback.
#[derive(Debug, Clone)]
pub(super) struct Steps {
    pub(super) dice: Rng,
    /// Up to which offset each input has been fetched, where that is random.
    pub(super) fetched: BTreeMap<(TaskId, usize), i64>,
}

#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) interleaving: Interleaving,
    pub(super) steps: Steps,
    at_commit: Steps,
    /// Decides the crashes; never goes back.
    crashes: Rng,
    left: usize,
    /// After how many records a commit comes, if not only when there is nothing left to do.
    pub(super) commit_every: Option<usize>,
    pub(super) since_commit: usize,
}

impl Schedule {
    pub(super) fn new(seed: u64, interleaving: Interleaving, commit_every: Option<usize>) -> Self {
        let steps = Steps {
            dice: Rng::new(seed),
            fetched: BTreeMap::new(),
        };
        Self {
            interleaving,
            at_commit: steps.clone(),
            steps,
            crashes: Rng::new(seed ^ 0x5eed),
            left: 0,
            commit_every,
            since_commit: 0,
        }
    }

    /// Plans crashes: where and when is the seed's to say.
    pub(super) fn plan_crashes(&mut self, count: usize) {
        self.left += count;
    }

    /// Whether to crash now.
    pub(super) fn crash_now(&mut self, one_in: usize) -> Option<Disk> {
        if self.left == 0 || !self.crashes.one_in(one_in) {
            return None;
        }
        self.left -= 1;
        Some(if self.crashes.one_in(2) {
            Disk::Kept
        } else {
            Disk::Lost
        })
    }

    /// Which of two ways, for what is no crash but as random.
    pub(super) fn toss(&mut self) -> bool {
        self.crashes.one_in(2)
    }

    pub(super) fn commit_due(&self) -> bool {
        self.commit_every
            .is_some_and(|every| self.since_commit >= every)
    }

    pub(super) fn committed(&mut self) {
        self.at_commit = self.steps.clone();
        self.since_commit = 0;
    }

    pub(super) fn rolled_back(&mut self) {
        self.steps = self.at_commit.clone();
        self.since_commit = 0;
    }
}
