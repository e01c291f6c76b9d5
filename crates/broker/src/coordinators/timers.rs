//! One task that wakes the coordinators when their timers are due.
//!
//! A coordinator keeps its own timers and tells the earliest. There is no queue here: the task
//! sleeps until the earliest deadline it has heard of and then asks every coordinator.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::coordinator::PartitionCoordinator;
use super::machine::Machine;
use crate::clock;

/// The longest sleep, so that a clock that was set does not hold timers up for long.
const LONGEST_SLEEP_MS: i64 = 10_000;
const NEVER: i64 = i64::MAX;

/// The earliest deadline of all coordinators.
pub(super) struct Timers {
    next_ms: AtomicI64,
    earlier: Notify,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers {
            next_ms: AtomicI64::new(NEVER),
            earlier: Notify::new(),
        }
    }
}

impl Timers {
    /// Some coordinator has a timer that is due then.
    pub(super) fn due_at(&self, deadline_ms: i64) {
        if self.next_ms.fetch_min(deadline_ms, Ordering::AcqRel) > deadline_ms {
            self.earlier.notify_one();
        }
    }
}

/// Fires timers until `stopping` is cancelled.
pub(super) async fn run<M: Machine>(
    timers: Arc<Timers>,
    coordinators: Vec<Arc<PartitionCoordinator<M>>>,
    stopping: CancellationToken,
) {
    loop {
        let next_ms = timers.next_ms.load(Ordering::Acquire);
        let sleep_ms = next_ms
            .saturating_sub(clock::steady_ms())
            .clamp(0, LONGEST_SLEEP_MS);
        tokio::select! {
            () = stopping.cancelled() => return,
            () = timers.earlier.notified() => continue,
            () = tokio::time::sleep(Duration::from_millis(sleep_ms as u64)) => {}
        }
        if next_ms > clock::steady_ms() {
            continue;
        }
        // Deadlines heard of from here on are kept by `due_at`; those known are asked for below.
        timers.next_ms.store(NEVER, Ordering::Release);
        for coordinator in &coordinators {
            coordinator.fire_timers(clock::steady_ms());
            if let Some(deadline_ms) = coordinator.next_deadline_ms() {
                timers.due_at(deadline_ms);
            }
        }
    }
}
