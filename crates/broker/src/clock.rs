//! The clocks of the node: the one place that reads them.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, as Kafka stamps them; 0 if the clock stands before that.
pub(crate) fn now_ms() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// The same, but as if the wall clock had never been set since it was first asked: what sessions and time-outs are
/// measured with, so that a clock put forward does not expire every member of every group.
pub(crate) fn steady_ms() -> i64 {
    static START: OnceLock<(i64, Instant)> = OnceLock::new();
    let (start_ms, start) = START.get_or_init(|| (now_ms(), Instant::now()));
    start_ms.saturating_add(i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX))
}
