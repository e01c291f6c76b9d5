//! How many records the application has taken from its topics; the first and the last one of the input are told on
//! stdout, so that who measures can read the process's CPU seconds at that moment.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counted by the one worker, watched by the main thread.
pub(crate) struct Progress {
    expected: u64,
    told: bool,
    inputs: AtomicU64,
    between: AtomicU64,
    first: OnceLock<Instant>,
}

impl Progress {
    /// Counts to `expected` records of the input, and prints marks.
    pub(crate) fn told(expected: u64) -> Self {
        Self {
            expected,
            told: true,
            inputs: AtomicU64::new(0),
            between: AtomicU64::new(0),
            first: OnceLock::new(),
        }
    }

    /// Counts to `expected` records, and prints nothing.
    pub(crate) fn untold(expected: u64) -> Self {
        Self {
            told: false,
            ..Self::told(expected)
        }
    }

    pub(crate) fn is_told(&self) -> bool {
        self.told
    }

    /// A record of the input. Called by the one worker only.
    pub(crate) fn input(&self) {
        let count = self.inputs.load(Ordering::Relaxed) + 1;
        self.inputs.store(count, Ordering::Release);
        if count == 1 {
            self.first.get_or_init(Instant::now);
            self.mark("first");
        }
        if count == self.expected {
            self.mark("done");
        }
    }

    /// A record of a repartition topic. Called by the one worker only.
    pub(crate) fn between(&self) {
        let count = self.between.load(Ordering::Relaxed) + 1;
        self.between.store(count, Ordering::Release);
    }

    /// Waits until the whole input was taken and nothing has followed for `quiet`: the time from the first record to the
    /// last. `None` if `ended` says so before.
    pub(crate) fn wait_until_quiet(
        &self,
        quiet: Duration,
        ended: impl Fn() -> bool,
    ) -> Option<Duration> {
        let mut seen = u64::MAX;
        let mut last_change = Instant::now();
        while !ended() {
            let now = Instant::now();
            let inputs = self.inputs.load(Ordering::Acquire);
            let count = inputs + self.between.load(Ordering::Acquire);
            if count != seen {
                seen = count;
                last_change = now;
            } else if inputs >= self.expected && now - last_change > quiet {
                let first = self.first.get().copied().unwrap_or(last_change);
                return Some(last_change.saturating_duration_since(first));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// Prints a mark, if this part of the run is measured.
    pub(crate) fn mark(&self, mark: &str) {
        if self.told {
            println!("{mark}");
            let _ = std::io::stdout().flush();
        }
    }
}
