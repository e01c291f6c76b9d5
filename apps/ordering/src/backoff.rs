//! Waiting longer after each failure, and saying so without flooding the log.

use std::fmt::Display;
use std::time::{Duration, Instant};

const SAY_EVERY: Duration = Duration::from_secs(10);

/// The state of one retried action.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    said: Option<Instant>,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
            said: None,
        }
    }

    /// Logs the failure, at most every ten seconds, and waits: each time twice as long, up to the longest.
    pub(crate) async fn report(&mut self, what: impl Display, error: impl Display) {
        let due = self.said.is_none_or(|said| said.elapsed() >= SAY_EVERY);
        if due {
            self.said = Some(Instant::now());
            tracing::warn!(%error, "{what}; trying again");
        } else {
            tracing::debug!(%error, "{what}; trying again");
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(self.longest);
    }

    /// After a success.
    pub(crate) fn reset(&mut self) {
        if self.said.take().is_some() {
            tracing::info!("works again");
        }
        self.next = self.first;
    }
}
