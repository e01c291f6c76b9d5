//! The clocks of the node: the one place that reads them.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds since 1970, as Kafka stamps them; 0 if the clock stands before that.
pub(crate) fn now_ms() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// The same, but as if the wall clock had never been set since it was first asked: what sessions and time-outs are
/// measured with, so that a clock put forward does not expire every member of every group. It counts the time that
/// the machine sleeps, since the coordinator also dates commits by it.
pub(crate) fn steady_ms() -> i64 {
    static START: OnceLock<(i64, i64)> = OnceLock::new();
    let (start_ms, since_ms) = START.get_or_init(|| (now_ms(), boot_ms()));
    start_ms.saturating_add(boot_ms() - since_ms)
}

/// Milliseconds since the machine was booted.
fn boot_ms() -> i64 {
    let boot = clock_gettime(ClockId::Boottime);
    boot.tv_sec.saturating_mul(1_000) + boot.tv_nsec / 1_000_000
}
