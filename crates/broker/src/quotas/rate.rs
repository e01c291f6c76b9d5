//! A rate over the latest moments, measured as Kafka measures it.
//!
//! Time is cut into samples; the rate is what the latest samples hold over the time they cover. A
//! client that was quiet is measured over the whole window but one sample, so that a first burst
//! counts as if it had been spread out.

use std::collections::VecDeque;

/// How rates are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// `quota.window.num`
    pub(super) samples: usize,
    /// `quota.window.size.seconds`, in milliseconds.
    pub(super) sample_ms: i64,
}

impl Window {
    /// As long as something recorded counts.
    pub(super) fn total_ms(self) -> i64 {
        self.samples as i64 * self.sample_ms
    }
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    start_ms: i64,
    sum: f64,
}

/// What was recorded lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate {
    /// At most as many as the window has.
    samples: VecDeque<Sample>,
}

impl Rate {
    pub(super) fn record(&mut self, window: Window, now_ms: i64, value: f64) {
        self.forget(window, now_ms);
        match self.samples.back_mut() {
            Some(latest) if now_ms - latest.start_ms < window.sample_ms => latest.sum += value,
            _ => {
                if self.samples.len() >= window.samples {
                    self.samples.pop_front();
                }
                self.samples.push_back(Sample {
                    start_ms: now_ms,
                    sum: value,
                });
            }
        }
    }

    /// Whether nothing that was recorded counts any more.
    pub(super) fn is_idle(&mut self, window: Window, now_ms: i64) -> bool {
        self.forget(window, now_ms);
        self.samples.iter().all(|sample| sample.sum <= 0.0)
    }

    /// How long nothing more may be recorded for the rate to be back at `limit` a second. If O is
    /// the rate over W and T the limit, that is X where O * W / (W + X) = T.
    pub(super) fn throttle_ms(&mut self, window: Window, now_ms: i64, limit: f64) -> i64 {
        self.forget(window, now_ms);
        let Some(oldest) = self.samples.front() else {
            return 0;
        };
        let elapsed_ms = now_ms - oldest.start_ms;
        let missing = (window.samples as i64 - 1) - elapsed_ms / window.sample_ms;
        let measured_ms = (elapsed_ms + missing.max(0) * window.sample_ms).max(1) as f64;
        let sum: f64 = self.samples.iter().map(|sample| sample.sum).sum();
        let rate = sum / (measured_ms / 1_000.0);
        if rate <= limit {
            return 0;
        }
        // Less than a moment is no wait.
        ((rate - limit) / limit * measured_ms).round() as i64
    }

    fn forget(&mut self, window: Window, now_ms: i64) {
        while let Some(oldest) = self.samples.front()
            && now_ms - oldest.start_ms >= window.total_ms()
        {
            self.samples.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window {
        samples: 11,
        sample_ms: 1_000,
    };

    #[test]
    fn a_first_burst_counts_as_if_spread_over_the_window() {
        let mut rate = Rate::default();
        rate.record(WINDOW, 5, 10_000.0);
        assert_eq!(
            rate.throttle_ms(WINDOW, 5, 1_000.0),
            0,
            "1,000 a second for ten"
        );
        rate.record(WINDOW, 5, 5_000.0);
        // 1,500 a second instead of 1,000 over 10 s: 5 s more bring it down.
        assert_eq!(rate.throttle_ms(WINDOW, 5, 1_000.0), 5_000);
        assert_eq!(rate.throttle_ms(WINDOW, 5, 1_500.0), 0);
    }

    #[test]
    fn a_client_that_waits_as_it_is_told_keeps_to_the_limit_in_the_long_run() {
        let mut rate = Rate::default();
        let (mut now_ms, mut sent) = (0, 0.0);
        while now_ms < 600_000 {
            rate.record(WINDOW, now_ms, 1_500.0);
            sent += 1_500.0;
            now_ms += 100 + rate.throttle_ms(WINDOW, now_ms, 1_000.0);
        }
        let per_second = sent / (now_ms as f64 / 1_000.0);
        assert!((900.0..1_050.0).contains(&per_second), "{per_second}");
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten_and_what_is_taken_back_never_was() {
        let mut rate = Rate::default();
        rate.record(WINDOW, 0, 1_000_000.0);
        assert!(rate.throttle_ms(WINDOW, 10_999, 1.0) > 0);
        assert_eq!(rate.throttle_ms(WINDOW, 11_000, 1.0), 0);
        rate.record(WINDOW, 20_000, 500.0);
        assert!(!rate.is_idle(WINDOW, 20_000));
        rate.record(WINDOW, 20_000, -500.0);
        assert!(rate.is_idle(WINDOW, 20_000));
        assert_eq!(rate.throttle_ms(WINDOW, 20_000, 1.0), 0);
    }

    #[test]
    fn no_more_samples_are_kept_than_the_window_has() {
        let mut rate = Rate::default();
        for step in 0..1_000 {
            rate.record(WINDOW, step * 500, 1.0);
        }
        assert!(rate.samples.len() <= WINDOW.samples);
    }
}
