//! The windows that a record can fall into, and keys of such windows.
//!
//! Owns the bounds and how they read; which windows a record belongs to is decided by the windowed operators.

use std::fmt;

/// A window of fixed size: from `start` to before `end`, in milliseconds since the Unix epoch.
///
/// The window of a tumbling, hopping or sliding aggregation as it stands in a key. Kafka Streams' `TimeWindow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeWindow {
    /// The first millisecond within.
    pub start: i64,
    /// The first millisecond after; `i64::MAX` where the window was read from bytes, which do not tell it, by a
    /// serde that does not know the size (see [`WindowedSerde`](crate::serde::WindowedSerde)).
    pub end: i64,
}

impl TimeWindow {
    /// The window that begins at `start` and lasts `size_ms`.
    pub const fn of_size(start: i64, size_ms: i64) -> Self {
        Self {
            start,
            end: start.saturating_add(size_ms),
        }
    }

    /// Whether a record of this time is within.
    pub const fn contains(&self, timestamp: i64) -> bool {
        self.start <= timestamp && timestamp < self.end
    }
}

impl fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

/// A session: from its first record's time to its last one's, both within. Kafka Streams' `SessionWindow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionWindow {
    /// The time of the first record, in milliseconds since the Unix epoch.
    pub start: i64,
    /// The time of the last record, in milliseconds since the Unix epoch.
    pub end: i64,
}

impl SessionWindow {
    /// Whether a record of this time is within.
    pub const fn contains(&self, timestamp: i64) -> bool {
        self.start <= timestamp && timestamp <= self.end
    }

    /// The shortest session that spans both.
    pub fn merge(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

impl fmt::Display for SessionWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.start, self.end)
    }
}

/// A key in one of its windows: the key of a windowed table. Kafka Streams' `Windowed`.
///
/// Records of such keys go to the partition of `key` alone, so all windows of a key lie in the partition of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Windowed<K, W = TimeWindow> {
    /// The key that was aggregated by.
    pub key: K,
    /// The window of it.
    pub window: W,
}

impl<K, W> Windowed<K, W> {
    /// `key` in `window`.
    pub const fn new(key: K, window: W) -> Self {
        Self { key, window }
    }
}

impl<K: fmt::Display, W: fmt::Display> fmt::Display for Windowed<K, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.key, self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_window_contains_its_start_and_not_its_end() {
        let window = TimeWindow::of_size(60, 60);
        assert!(!window.contains(59));
        assert!(window.contains(60));
        assert!(window.contains(119));
        assert!(!window.contains(120));
    }

    #[test]
    fn a_session_contains_both_its_ends() {
        let window = SessionWindow {
            start: 60,
            end: 120,
        };
        assert!(!window.contains(59));
        assert!(window.contains(60));
        assert!(window.contains(120));
        assert!(!window.contains(121));
    }

    #[test]
    fn merged_sessions_span_both() {
        let [first, second] = [(10, 20), (15, 40)].map(|(start, end)| SessionWindow { start, end });
        let spanned = SessionWindow { start: 10, end: 40 };
        assert_eq!(first.merge(second), spanned);
        assert_eq!(second.merge(first), spanned);
    }

    #[test]
    fn a_window_at_the_end_of_time_has_no_end() {
        assert_eq!(TimeWindow::of_size(i64::MAX - 5, 60).end, i64::MAX);
    }

    #[test]
    fn windowed_keys_print_as_key_and_bounds() {
        let timed = Windowed::new("cup", TimeWindow { start: 0, end: 60 });
        let session = Windowed::new("cup", SessionWindow { start: 0, end: 60 });
        assert_eq!(timed.to_string(), "cup@[0, 60)");
        assert_eq!(session.to_string(), "cup@[0, 60]");
    }
}
