//! Workers that do not come back from the program's closures.
//!
//! Kafka's consumers leave their group when they are not polled for `max.poll.interval.ms`. Here the group's thread
//! polls for all workers, so it looks after them instead: if one has not come back for so long, the member leaves, and
//! others take its tasks over. When the worker comes back it drops what it did, and the member joins again.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use super::Group;
use crate::error::StreamsError;
use crate::runtime::client::{ClientRole, ClientSettings};
use crate::runtime::metrics::WorkerMetrics;
use crate::runtime::run_state::State;
use crate::runtime::worker::Command;

/// Kafka's default of `max.poll.interval.ms`.
const MAX_POLL_INTERVAL: Duration = Duration::from_mins(5);

/// How often workers are looked at that are waited for.
const LOOK: Duration = Duration::from_millis(25);
/// A longer time between two looks at the workers is none that they hung in: the whole process stood still, or the
/// group's own thread was held up.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Since when each worker has not come back.
pub(super) struct Pulses {
    /// How often it had, and since when it has not again.
    workers: Vec<(u64, Instant)>,
    looked: Instant,
}

impl Pulses {
    pub(super) fn of(workers: usize) -> Self {
        let now = Instant::now();
        Self {
            workers: vec![(0, now); workers],
            looked: now,
        }
    }

    /// The workers that have tasks and did not come back for longer than `limit`.
    fn hanging(
        &mut self,
        workers: &[WorkerMetrics],
        have_tasks: &BTreeSet<usize>,
        limit: Duration,
        now: Instant,
    ) -> Vec<usize> {
        let between = now.saturating_duration_since(self.looked);
        self.looked = now;
        let mut hanging = Vec::new();
        for (index, (seen, since)) in self.workers.iter_mut().enumerate() {
            let turns = workers[index].turns.load(Ordering::Acquire);
            if turns != *seen || !have_tasks.contains(&index) {
                (*seen, *since) = (turns, now);
            } else if between > BETWEEN_LOOKS {
                *since += between;
            } else if now.saturating_duration_since(*since) > limit {
                hanging.push(index);
            }
        }
        hanging
    }
}

/// The workers that the group has left without.
pub(super) struct Hung {
    workers: Vec<usize>,
    /// Each answers once, when it has dropped what it did.
    answers: Receiver<()>,
}

impl Hung {
    /// Whether this worker is one of them.
    pub(super) fn has(&self, worker: usize) -> bool {
        self.workers.contains(&worker)
    }
}

/// How long a worker may be in one turn.
pub(super) fn max_poll_interval(settings: &ClientSettings) -> Duration {
    let config = settings.config(ClientRole::Group, &[]);
    let interval = config.get("max.poll.interval.ms");
    interval
        .and_then(|interval| interval.parse().ok())
        .map_or(MAX_POLL_INTERVAL, Duration::from_millis)
}

impl Group {
    /// Leaves the group if a worker hangs, and joins it again when that has come back.
    pub(super) fn look_after_workers(&mut self) -> Result<(), StreamsError> {
        let Some(hung) = &self.hung else {
            if self.hanging().is_empty() {
                return Ok(());
            }
            self.suspend_all();
            // One that came back just now goes on.
            return if self.has_left() {
                Ok(())
            } else {
                self.start_tasks()
            };
        };
        loop {
            match hung.answers.try_recv() {
                Ok(()) => {}
                Err(TryRecvError::Empty) => return Ok(()),
                // All have answered, or ended.
                Err(TryRecvError::Disconnected) => break,
            }
        }
        tracing::warn!("all workers are back: the application joins its group again");
        self.hung = None;
        self.lost = None;
        self.instance.lost.store(false, Ordering::Release);
        self.subscribe()
    }

    fn hanging(&mut self) -> Vec<usize> {
        let have_tasks = self.placed.values().copied().collect();
        let workers = &self.instance.workers;
        let now = Instant::now();
        self.pulses
            .hanging(workers, &have_tasks, self.max_poll_interval, now)
    }

    /// Has all workers commit and let go of their tasks, and waits for it. Where one does not come back, the group is
    /// left: look at [`has_left`](Self::has_left) before anything is started.
    pub(super) fn suspend_all(&mut self) {
        let (done, finished) = sync_channel(self.workers.len());
        let mut waiting = 0;
        for (index, worker) in self.workers.iter().enumerate() {
            if self.hung.as_ref().is_none_or(|hung| !hung.has(index)) {
                worker.send(Command::Suspend(done.clone()));
                waiting += 1;
            }
        }
        drop(done);
        loop {
            match finished.recv_timeout(LOOK) {
                Ok(()) => waiting -= 1,
                // Each has answered once, or has ended and with it its end of the channel.
                Err(RecvTimeoutError::Disconnected) => return,
                // A worker that hears of it ends by itself.
                Err(RecvTimeoutError::Timeout) if self.instance.is_abandoned() => return,
                Err(RecvTimeoutError::Timeout) => {
                    let hanging = self.hanging();
                    if waiting > 0 && hanging.len() == waiting {
                        return self.leave_without(hanging, finished);
                    }
                }
            }
        }
    }

    /// Whether the group was left since a worker does not come back.
    pub(super) fn has_left(&self) -> bool {
        self.hung.is_some()
    }

    /// The others have committed, and let go.
    fn leave_without(&mut self, workers: Vec<usize>, answers: Receiver<()>) {
        let tasks: Vec<_> = self
            .placed
            .iter()
            .filter(|(_, worker)| workers.contains(worker))
            .map(|(task, _)| task.to_string())
            .collect();
        tracing::error!(
            ?workers,
            ?tasks,
            "workers have not come back from their tasks for {:?} (max.poll.interval.ms): the application leaves its \
             group, so that others take its tasks over, and joins again when they are back",
            self.max_poll_interval
        );
        self.instance.state.set(State::Rebalancing);
        // From here on nobody commits: what the hung ones do, and were just told to commit, is not theirs any more.
        self.instance.lost.store(true, Ordering::Release);
        self.hung = Some(Hung { workers, answers });
        for task in self.placed.keys() {
            self.instance.withdraw(*task);
        }
        self.instance.known.assign(BTreeSet::new());
        self.assigned.clear();
        self.read.clear();
        self.settled = false;
        let consumer = &self.instance.consumer;
        // In this order: a consumer that gives up its partitions in a rebalance joins again, unless it leaves.
        let left = consumer.unsubscribe().and_then(|()| consumer.unassign());
        if let Err(error) = left {
            // The group finds out by itself, as nobody commits.
            tracing::warn!(%error, "the group is not left in order");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn a_worker_hangs_that_has_tasks_and_does_not_come_back_for_the_interval() {
        let workers = [WorkerMetrics::default(), WorkerMetrics::default()];
        let mut pulses = Pulses::of(2);
        let mut now = pulses.looked;
        let both = BTreeSet::from([0, 1]);
        let mut look = |have_tasks: &BTreeSet<usize>| {
            now += Duration::from_millis(500);
            pulses.hanging(&workers, have_tasks, LIMIT, now)
        };
        for _ in 0..20 {
            workers[1].turns.fetch_add(1, Ordering::Release);
            assert!(look(&both).is_empty());
        }
        assert_eq!(look(&both), [0]);
        assert!(look(&BTreeSet::from([1])).is_empty(), "it has no tasks");
        for _ in 0..19 {
            workers[1].turns.fetch_add(1, Ordering::Release);
            assert!(look(&both).is_empty(), "it has some again");
        }
    }

    #[test]
    fn no_worker_hangs_for_the_time_in_which_the_process_stood_still() {
        let workers = [WorkerMetrics::default()];
        let mut pulses = Pulses::of(1);
        let began = pulses.looked;
        let have_tasks = BTreeSet::from([0]);
        let mut look = |seconds: f64| {
            let now = began + Duration::from_secs_f64(seconds);
            !pulses.hanging(&workers, &have_tasks, LIMIT, now).is_empty()
        };
        assert!(!look(0.5));
        assert!(!look(3600.5));
        assert!(!look(3601.0));
        let hung = (0..30).any(|half| look(3601.0 + f64::from(half) / 2.0));
        assert!(hung, "it does when it goes on");
    }
}
