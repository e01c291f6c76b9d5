//! The wall clock: the one place of the node that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, as Kafka stamps them; 0 if the clock stands before that.
pub(crate) fn now_ms() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}
