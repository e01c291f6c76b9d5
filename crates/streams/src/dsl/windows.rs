//! Windows of an aggregation: which ones there are, and how long records may be late for them.
//!
//! A description only: the aggregations decide what falls into which.

use std::time::Duration;

/// How late records may be where a topology does not say: not at all.
///
/// A record is late for a window when stream time has passed the window's end: it is dropped and counted. Kafka
/// Streams makes every window say its grace; here it is stated with `.grace(..)` where it is not zero.
pub const DEFAULT_GRACE: Duration = Duration::ZERO;

/// Milliseconds.
pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Seconds.
pub const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Minutes.
pub const fn mins(mins: u64) -> Duration {
    Duration::from_secs(60 * mins)
}

/// Hours.
pub const fn hours(hours: u64) -> Duration {
    Duration::from_secs(60 * 60 * hours)
}

/// Days of 24 hours.
pub const fn days(days: u64) -> Duration {
    Duration::from_secs(24 * 60 * 60 * days)
}

/// A duration in whole milliseconds, as far as they go.
pub(crate) const fn millis_of(duration: Duration) -> i64 {
    let millis = duration.as_millis();
    if millis > i64::MAX as u128 {
        i64::MAX
    } else {
        millis as i64
    }
}

/// Tumbling windows: of one size, one behind the other, aligned to the epoch, from their start to before their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "times carry their unit")]
pub struct TumblingWindows {
    pub(crate) size_ms: i64,
    pub(crate) grace_ms: i64,
    pub(crate) retention_ms: Option<i64>,
}

/// Windows of this size, one behind the other.
///
/// ```
/// use headwater_streams::windows::{mins, secs, tumbling};
///
/// let windows = tumbling(mins(1)).grace(secs(30));
/// ```
pub const fn tumbling(size: Duration) -> TumblingWindows {
    TumblingWindows {
        size_ms: millis_of(size),
        grace_ms: millis_of(DEFAULT_GRACE),
        retention_ms: None,
    }
}

/// Hopping windows: of one size, aligned to the epoch, each beginning an advance after the one before, so that a
/// record falls into several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "times carry their unit")]
pub struct HoppingWindows {
    pub(crate) size_ms: i64,
    pub(crate) advance_ms: i64,
    pub(crate) grace_ms: i64,
    pub(crate) retention_ms: Option<i64>,
}

/// Windows of this size that begin every `advance`, which is at most the size.
pub const fn hopping(size: Duration, advance: Duration) -> HoppingWindows {
    HoppingWindows {
        size_ms: millis_of(size),
        advance_ms: millis_of(advance),
        grace_ms: millis_of(DEFAULT_GRACE),
        retention_ms: None,
    }
}

/// Sliding windows: a window for every set of records that are at most a difference of time apart (KIP-450).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "times carry their unit")]
pub struct SlidingWindows {
    pub(crate) difference_ms: i64,
    pub(crate) grace_ms: i64,
    pub(crate) retention_ms: Option<i64>,
}

/// Windows of records that are at most `difference` apart, both ends within.
pub const fn sliding(difference: Duration) -> SlidingWindows {
    SlidingWindows {
        difference_ms: millis_of(difference),
        grace_ms: millis_of(DEFAULT_GRACE),
        retention_ms: None,
    }
}

/// Sessions: records of a key that are no more than a gap apart, both ends within (KIP-94).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "times carry their unit")]
pub struct SessionWindows {
    pub(crate) gap_ms: i64,
    pub(crate) grace_ms: i64,
    pub(crate) retention_ms: Option<i64>,
}

/// Sessions that end when no record of the key comes for `gap`.
pub const fn session(gap: Duration) -> SessionWindows {
    SessionWindows {
        gap_ms: millis_of(gap),
        grace_ms: millis_of(DEFAULT_GRACE),
        retention_ms: None,
    }
}

macro_rules! grace_and_retention {
    ($($windows:ident)*) => {$(
        impl $windows {
            /// How late a record may be: behind stream time by as much as its window's end and this. Zero by
            /// default, see [`DEFAULT_GRACE`].
            pub const fn grace(mut self, grace: Duration) -> Self {
                self.grace_ms = millis_of(grace);
                self
            }

            /// How long results are kept, to be queried: by default no longer than records can change them, and
            /// never less.
            pub const fn retention(mut self, retention: Duration) -> Self {
                self.retention_ms = Some(millis_of(retention));
                self
            }
        }
    )*};
}

grace_and_retention!(TumblingWindows HoppingWindows SlidingWindows SessionWindows);
