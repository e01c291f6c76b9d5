//! When an application gives up what it waits for: at once where it is abandoned, some time after it was asked to stop
//! otherwise.
//!
//! One for all clients and threads of an application. It ends nothing itself: whoever waits asks it, again and again,
//! so no wait in a client's library is longer than [`SLICE`] where it can be resumed.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long is waited in one call that can be resumed.
pub(crate) const SLICE: Duration = Duration::from_millis(250);

/// When an application gives up what it waits for.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    abandoned: OnceLock<Instant>,
    until: OnceLock<Instant>,
}

impl Ending {
    /// Nothing is waited for any more, as if the process had been killed.
    pub(crate) fn abandon(&self) {
        self.abandoned.get_or_init(Instant::now);
    }

    /// From `limit` on nothing is waited for any more. What was said first holds.
    pub(crate) fn stop_within(&self, limit: Duration) {
        let now = Instant::now();
        // A limit that no clock can tell is none.
        if let Some(until) = now.checked_add(limit) {
            self.until.get_or_init(|| until);
        }
    }

    /// Whether a stop was asked for: what is not needed for it is not to be begun or gone on with.
    pub(crate) fn is_asked(&self) -> bool {
        self.abandoned.get().is_some() || self.until.get().is_some()
    }

    /// Whether nothing is waited for any more.
    pub(crate) fn has_given_up(&self) -> bool {
        self.abandoned.get().is_some() || self.is_late()
    }

    /// Whether a stop took longer than it may.
    pub(crate) fn is_late(&self) -> bool {
        self.abandoned.get().is_none()
            && self
                .until
                .get()
                .is_some_and(|until| Instant::now() >= *until)
    }

    /// Whether it is so long ago that nothing is waited for any more.
    pub(crate) fn is_over(&self, since: Duration) -> bool {
        let until = match self.abandoned.get() {
            Some(at) => Some(at),
            None => self.until.get(),
        };
        until.is_some_and(|until| until.elapsed() >= since && Instant::now() >= *until)
    }

    /// How long a call may wait: `limit`, or less if nothing is waited for so long.
    pub(crate) fn at_most(&self, limit: Duration) -> Duration {
        if self.abandoned.get().is_some() {
            return Duration::ZERO;
        }
        match self.until.get() {
            Some(until) => limit.min(until.saturating_duration_since(Instant::now())),
            None => limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_given_up_before_a_stop_has_taken_its_time() {
        let ending = Ending::default();
        assert!(!ending.has_given_up() && !ending.is_asked());
        assert_eq!(ending.at_most(SLICE), SLICE);
        ending.stop_within(Duration::from_hours(1));
        assert!(ending.is_asked());
        ending.stop_within(Duration::ZERO);
        assert!(!ending.has_given_up(), "what was said first holds");
        assert_eq!(ending.at_most(SLICE), SLICE);
        ending.abandon();
        assert!(ending.has_given_up() && !ending.is_late());
        assert_eq!(ending.at_most(SLICE), Duration::ZERO);
    }

    #[test]
    fn a_stop_without_time_is_late_at_once_and_one_without_end_never() {
        let ending = Ending::default();
        ending.stop_within(Duration::ZERO);
        assert!(ending.has_given_up() && ending.is_late());
        let patient = Ending::default();
        patient.stop_within(Duration::MAX);
        assert!(!patient.has_given_up());
    }
}
