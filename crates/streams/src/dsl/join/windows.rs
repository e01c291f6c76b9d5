//! How far apart two records may be to be joined.

use std::time::Duration;

use crate::dsl::windows::millis_of;

/// How far apart in time two records of equal keys may be to be joined, both ends included, and how long a record
/// that comes late finds what it joins with. Kafka Streams' `JoinWindows`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "units are part of names")]
pub struct JoinWindows {
    pub(super) before_ms: i64,
    pub(super) after_ms: i64,
    pub(super) grace_ms: i64,
}

/// Records that are at most `difference` apart, whichever is first. There is no grace unless
/// [`grace`](JoinWindows::grace) gives one.
pub const fn within(difference: Duration) -> JoinWindows {
    let ms = millis_of(difference);
    JoinWindows {
        before_ms: ms,
        after_ms: ms,
        grace_ms: 0,
    }
}

impl JoinWindows {
    /// The same windows, in which the other stream's record is at most `difference` earlier than this one's.
    #[must_use]
    pub const fn before(mut self, difference: Duration) -> Self {
        self.before_ms = millis_of(difference);
        self
    }

    /// The same windows, in which the other stream's record is at most `difference` later than this one's.
    #[must_use]
    pub const fn after(mut self, difference: Duration) -> Self {
        self.after_ms = millis_of(difference);
        self
    }

    /// The same windows, kept for so much longer. A left or outer join waits as much longer before it gives up on a
    /// record.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace_ms = millis_of(grace);
        self
    }

    /// How long a record is kept behind the newest one of its side: at least for the millisecond it came in. (Kafka
    /// Streams keeps nothing for windows of no length, which then join nothing.)
    pub(super) fn retention_ms(self) -> i64 {
        self.before_ms
            .saturating_add(self.after_ms)
            .saturating_add(self.grace_ms)
            .max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsl::windows::mins;

    #[test]
    fn a_side_can_be_given_a_reach_of_its_own() {
        let windows = within(mins(1))
            .after(Duration::ZERO)
            .grace(Duration::from_secs(5));
        assert_eq!(
            (windows.before_ms, windows.after_ms, windows.grace_ms),
            (60_000, 0, 5_000)
        );
        assert_eq!(windows.retention_ms(), 65_000);
        assert_eq!(windows.before(Duration::from_secs(1)).before_ms, 1_000);
    }

    #[test]
    fn a_window_as_long_as_time_is_no_overflow() {
        let forever = within(Duration::MAX).grace(Duration::MAX);
        assert_eq!(forever.retention_ms(), i64::MAX);
    }
}
