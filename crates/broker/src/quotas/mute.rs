//! A connection that is not read for a while (KIP-219).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::clock;

/// Until when a connection's requests are not read; shared by whoever knows of the connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mute {
    until_ms: Arc<AtomicI64>,
}

impl Mute {
    /// Not for that long from now on, nor before an earlier wait has passed.
    pub(crate) fn for_ms(&self, throttle_ms: i64) {
        let until_ms = clock::steady_ms().saturating_add(throttle_ms);
        self.until_ms.fetch_max(until_ms, Ordering::Relaxed);
    }

    /// What is left of the wait.
    pub(crate) fn left(&self) -> Option<Duration> {
        let until_ms = self.until_ms.load(Ordering::Relaxed);
        if until_ms == 0 {
            return None;
        }
        let left_ms = u64::try_from(until_ms.saturating_sub(clock::steady_ms())).ok()?;
        (left_ms > 0).then(|| Duration::from_millis(left_ms))
    }
}
