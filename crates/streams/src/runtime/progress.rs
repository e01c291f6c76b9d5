//! How restores get on: for the program as events, for people as a bar on the terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{TaskId, TopicPartition};

/// How often the bar is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(200);
const BAR_WIDTH: usize = 24;

/// How the restore of one store's partition gets on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreProgress {
    /// The task.
    pub task: TaskId,
    /// The store.
    pub store: String,
    /// The changelog's partition.
    pub changelog: TopicPartition,
    /// Records that were read.
    pub restored: u64,
    /// Offsets between where the restore began and where it ends; a compacted changelog has fewer records.
    pub total: u64,
    /// How long it has been reading.
    pub elapsed: Duration,
    /// Whether it is done.
    pub done: bool,
}

/// Told of each step of each restore.
pub(crate) type OnRestore = Arc<dyn Fn(&RestoreProgress) + Send + Sync>;

/// The restores of an instance that are under way, with the offsets that each has passed.
#[derive(Debug, Default)]
pub(crate) struct Restores {
    under_way: Mutex<BTreeMap<TopicPartition, (RestoreProgress, u64)>>,
}

impl Restores {
    /// Takes note of a step; `passed` offsets of the total are behind it.
    pub(crate) fn step(&self, progress: RestoreProgress, passed: u64) {
        let mut all = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if progress.done {
            all.remove(&progress.changelog);
        } else {
            all.insert(progress.changelog.clone(), (progress, passed));
        }
    }

    /// The restores that are under way.
    pub(crate) fn snapshot(&self) -> Vec<RestoreProgress> {
        let all = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.values().map(|(progress, _)| progress.clone()).collect()
    }

    /// Stores, records, offsets passed and in all.
    fn sums(&self) -> (usize, u64, u64, u64) {
        let all = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.values().fold((0, 0, 0, 0), |sums, (progress, passed)| {
            (
                sums.0 + 1,
                sums.1 + progress.restored,
                sums.2 + passed,
                sums.3 + progress.total,
            )
        })
    }
}

/// A line on the terminal, if there is one, while restores are under way.
pub(crate) struct Bar {
    terminal: bool,
    next: Instant,
    shown: bool,
}

impl Bar {
    pub(crate) fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            next: Instant::now(),
            shown: false,
        }
    }

    /// Draws the line anew if it is time, and takes it away when nothing is under way.
    pub(crate) fn draw(&mut self, restores: &Restores) {
        if !self.terminal || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + DRAW_EVERY;
        let (stores, records, passed, total) = restores.sums();
        let mut out = std::io::stderr().lock();
        // A terminal that is gone is no reason to stop.
        if stores > 0 {
            self.shown = true;
            let _ = write!(out, "\r\x1b[K{}", line(stores, records, passed, total));
        } else if std::mem::take(&mut self.shown) {
            let _ = write!(out, "\r\x1b[K");
        }
        let _ = out.flush();
    }
}

fn line(stores: usize, records: u64, passed: u64, total: u64) -> String {
    let done = (passed as f64 / total.max(1) as f64).clamp(0.0, 1.0);
    let full = (done * BAR_WIDTH as f64) as usize;
    let mut line = format!(
        "restoring {stores} {} [",
        if stores == 1 { "store" } else { "stores" }
    );
    line.extend(std::iter::repeat_n('#', full));
    line.extend(std::iter::repeat_n('.', BAR_WIDTH - full));
    let _ = write!(line, "] {:.0} %, {records} records", done * 100.0);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_tells_what_part_of_all_restores_is_done() {
        assert_eq!(
            line(2, 450, 500, 1000),
            "restoring 2 stores [############............] 50 %, 450 records"
        );
        assert_eq!(
            line(1, 0, 0, 0),
            "restoring 1 store [........................] 0 %, 0 records"
        );
    }

    #[test]
    fn a_restore_is_under_way_until_it_is_done() {
        let restores = Restores::default();
        let progress = |done| RestoreProgress {
            task: TaskId {
                sub_topology: 0,
                partition: 0,
            },
            store: "counts".to_owned(),
            changelog: TopicPartition::new("app-counts-changelog", 0),
            restored: 5,
            total: 10,
            elapsed: Duration::from_secs(1),
            done,
        };
        restores.step(progress(false), 6);
        assert_eq!(restores.snapshot(), [progress(false)]);
        assert_eq!(restores.sums(), (1, 5, 6, 10));
        restores.step(progress(true), 10);
        assert!(restores.snapshot().is_empty());
    }
}
