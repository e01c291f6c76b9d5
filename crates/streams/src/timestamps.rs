//! Timestamp extractors: which time a record of an input topic has. Kafka Streams' `TimestampExtractor`.

use std::fmt;

/// Where a record's time comes from.
enum Source<V> {
    Record,
    Value(fn(&V) -> i64),
    WallClock,
    Custom(fn(&V, i64, i64) -> i64),
}

impl<V> Clone for Source<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Source<V> {}

/// What to do with a record whose time is negative, which is also how an absent timestamp reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnInvalid {
    /// Fail. Java's `FailOnInvalidTimestamp`, and the default.
    #[default]
    Fail,
    /// Drop and count the record. Java's `LogAndSkipOnInvalidTimestamp`.
    Skip,
    /// Take the highest time seen in the partition so far, and fail if there is none.
    /// Java's `UsePartitionTimeOnInvalidTimestamp`.
    PartitionTime,
}

/// Which time a record of an input topic has.
pub struct Timestamps<V> {
    source: Source<V>,
    on_invalid: OnInvalid,
}

impl<V> Clone for Timestamps<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Timestamps<V> {}

impl<V> Default for Timestamps<V> {
    fn default() -> Self {
        Self::of_record()
    }
}

impl<V> fmt::Debug for Timestamps<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            Source::Record => "record",
            Source::Value(_) => "value",
            Source::WallClock => "wall clock",
            Source::Custom(_) => "custom",
        };
        write!(f, "Timestamps({source}, {:?})", self.on_invalid)
    }
}

/// What is known of a record when its time is asked for. Times are in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeContext {
    /// The record's own timestamp, -1 where it has none.
    pub record: i64,
    /// The highest time extracted from the partition so far, -1 if none was.
    pub partition: i64,
    /// The time of day.
    pub wall_clock: i64,
}

/// What an extractor made of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extracted {
    /// The record's time, never negative.
    At(i64),
    /// The record is to be dropped and counted.
    Skip,
}

/// A record has no time that could be used, and the topic's extractor does not say what else to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the timestamp {timestamp} is negative: its producer set none, or is older than 0.10; give the topic an extractor \
     with `.timestamps(..)`, or skip such records with `.on_invalid(OnInvalid::Skip)`"
)]
pub struct InvalidTimestamp {
    /// What was extracted.
    pub timestamp: i64,
}

impl<V> Timestamps<V> {
    const fn from(source: Source<V>) -> Self {
        let on_invalid = OnInvalid::Fail;
        Self { source, on_invalid }
    }

    /// The record's own timestamp: of its creation, or of its append where the topic says so.
    pub const fn of_record() -> Self {
        Self::from(Source::Record)
    }

    /// A time within the value, in milliseconds since the Unix epoch.
    pub const fn of_value(time: fn(&V) -> i64) -> Self {
        Self::from(Source::Value(time))
    }

    /// The time of day at which the record is taken up. Java's `WallclockTimestampExtractor`.
    pub const fn wall_clock() -> Self {
        Self::from(Source::WallClock)
    }

    /// What `time` makes of the value, the record's own timestamp and the highest time of the partition so far, in
    /// this order, -1 standing for those that are not there.
    pub const fn custom(time: fn(&V, i64, i64) -> i64) -> Self {
        Self::from(Source::Custom(time))
    }

    /// The same, with another answer to negative times.
    pub const fn on_invalid(mut self, on_invalid: OnInvalid) -> Self {
        self.on_invalid = on_invalid;
        self
    }

    /// The record's time.
    pub fn extract(&self, value: &V, known: TimeContext) -> Result<Extracted, InvalidTimestamp> {
        let timestamp = match self.source {
            Source::Record => known.record,
            Source::Value(time) => time(value),
            Source::WallClock => known.wall_clock,
            Source::Custom(time) => time(value, known.record, known.partition),
        };
        self.check(timestamp, known)
    }

    /// The time of a record with a null value, in which no time can be found: its own, or the time of day.
    pub(crate) fn extract_null(&self, known: TimeContext) -> Result<Extracted, InvalidTimestamp> {
        let timestamp = match self.source {
            Source::WallClock => known.wall_clock,
            Source::Record | Source::Value(_) | Source::Custom(_) => known.record,
        };
        self.check(timestamp, known)
    }

    /// Whether it is the record's own timestamp that counts, whatever came before it.
    pub(crate) const fn is_of_record(&self) -> bool {
        matches!(self.source, Source::Record)
            && !matches!(self.on_invalid, OnInvalid::PartitionTime)
    }

    fn check(&self, timestamp: i64, known: TimeContext) -> Result<Extracted, InvalidTimestamp> {
        match self.on_invalid {
            _ if timestamp >= 0 => Ok(Extracted::At(timestamp)),
            OnInvalid::Skip => Ok(Extracted::Skip),
            OnInvalid::PartitionTime if known.partition >= 0 => Ok(Extracted::At(known.partition)),
            OnInvalid::PartitionTime | OnInvalid::Fail => Err(InvalidTimestamp { timestamp }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: TimeContext = TimeContext {
        record: 100,
        partition: 200,
        wall_clock: 300,
    };

    const ABSENT: TimeContext = TimeContext {
        record: -1,
        ..KNOWN
    };

    #[test]
    fn a_record_has_its_own_timestamp_by_default() {
        let extracted = Timestamps::default().extract(&"value", KNOWN);
        assert_eq!(extracted, Ok(Extracted::At(100)));
    }

    #[test]
    fn a_negative_timestamp_fails_by_default_and_goes_by_the_extractors_policy_else() {
        let by = |on_invalid| {
            Timestamps::of_record()
                .on_invalid(on_invalid)
                .extract(&(), ABSENT)
        };
        let invalid = InvalidTimestamp { timestamp: -1 };
        assert_eq!(Timestamps::default().extract(&(), ABSENT), Err(invalid));
        assert_eq!(by(OnInvalid::Fail), Err(invalid));
        assert_eq!(by(OnInvalid::Skip), Ok(Extracted::Skip));
        assert_eq!(by(OnInvalid::PartitionTime), Ok(Extracted::At(200)));
        assert!(invalid.to_string().contains("OnInvalid::Skip"), "{invalid}");
    }

    #[test]
    fn without_a_partition_time_to_use_a_negative_timestamp_fails() {
        let first = TimeContext {
            partition: -1,
            ..ABSENT
        };
        let extractor = Timestamps::of_record().on_invalid(OnInvalid::PartitionTime);
        assert_eq!(
            extractor.extract(&(), first),
            Err(InvalidTimestamp { timestamp: -1 })
        );
    }

    #[test]
    fn a_time_of_the_value_replaces_the_records_and_may_be_invalid_too() {
        let extractor = Timestamps::of_value(|placed_at: &i64| *placed_at);
        assert_eq!(extractor.extract(&7, ABSENT), Ok(Extracted::At(7)));
        assert_eq!(
            extractor.extract(&-7, KNOWN),
            Err(InvalidTimestamp { timestamp: -7 })
        );
        let skipping = extractor.on_invalid(OnInvalid::Skip);
        assert_eq!(skipping.extract(&-7, KNOWN), Ok(Extracted::Skip));
    }

    #[test]
    fn the_wall_clock_is_used_whatever_the_record_says() {
        assert_eq!(
            Timestamps::wall_clock().extract(&(), ABSENT),
            Ok(Extracted::At(300))
        );
    }

    #[test]
    fn a_custom_extractor_sees_the_value_the_record_and_the_partition() {
        let extractor =
            Timestamps::custom(|value: &i64, record, partition| value + record + partition);
        assert_eq!(extractor.extract(&1, KNOWN), Ok(Extracted::At(301)));
    }
}
