//! A bucket of tokens that fills at a quota's rate (KIP-599).
//!
//! Whoever finds it above zero may take as much as wanted, and then waits until it is filled again:
//! a large request is not refused for ever for being larger than the bucket.

use super::rate::Window;

/// Full at first.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenBucket {
    /// Tokens and the time as of which they were counted.
    counted: Option<(f64, i64)>,
}

impl TokenBucket {
    /// Tokens by now, negative if more were taken than there were.
    fn fill(&mut self, window: Window, now_ms: i64, limit: f64) -> f64 {
        let full = limit * window.total_ms() as f64 / 1_000.0;
        let tokens = match self.counted {
            Some((tokens, since_ms)) => {
                let elapsed_ms = (now_ms - since_ms).max(0) as f64;
                (tokens + elapsed_ms / 1_000.0 * limit).min(full)
            }
            None => full,
        };
        self.counted = Some((tokens, now_ms));
        tokens
    }

    pub(super) fn take(&mut self, window: Window, now_ms: i64, limit: f64, tokens: f64) {
        let left = self.fill(window, now_ms, limit) - tokens;
        self.counted = Some((left, now_ms));
    }

    /// Until nothing is owed any more.
    pub(super) fn throttle_ms(&mut self, window: Window, now_ms: i64, limit: f64) -> i64 {
        let owed = -self.fill(window, now_ms, limit);
        if owed <= 0.0 {
            return 0;
        }
        (owed / limit * 1_000.0).round() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window {
        samples: 10,
        sample_ms: 1_000,
    };

    #[test]
    fn more_may_be_taken_than_there_is_and_has_to_be_waited_for() {
        let mut bucket = TokenBucket::default();
        bucket.take(WINDOW, 0, 2.0, 20.0);
        assert_eq!(bucket.throttle_ms(WINDOW, 0, 2.0), 0);
        bucket.take(WINDOW, 0, 2.0, 6.0);
        assert_eq!(bucket.throttle_ms(WINDOW, 0, 2.0), 3_000);
        assert_eq!(bucket.throttle_ms(WINDOW, 1_000, 2.0), 2_000);
        assert_eq!(bucket.throttle_ms(WINDOW, 3_000, 2.0), 0);
    }

    #[test]
    fn it_holds_no_more_than_a_window_is_worth() {
        let mut bucket = TokenBucket::default();
        bucket.take(WINDOW, 0, 1.0, 0.0);
        bucket.take(WINDOW, 1_000_000, 1.0, 11.0);
        assert_eq!(bucket.throttle_ms(WINDOW, 1_000_000, 1.0), 1_000);
    }
}
