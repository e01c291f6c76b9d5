//! Suppression (KIP-328): a table's changes held back in a buffer, until a window closes or for some time, and then
//! only the last one of each key handed on. Kafka Streams' `suppress`.
//!
//! Stream time alone moves what is buffered: without further records nothing leaves (`emit(Final.or_idle(..))` knows
//! a way). The buffer is a store with a changelog.

use std::panic::Location;
use std::time::Duration;

use crate::context::{ClockId, Context};
use crate::dsl::held_change::{Held, HeldSerde};
use crate::dsl::materialized::Materialized;
use crate::dsl::table::{Lookup, Table};
use crate::dsl::windows::millis_of;
use crate::error::{BoxError, Failure};
use crate::graph::Out;
use crate::key::Key;
use crate::record::{Change, Headers, Record};
use crate::serde::Codec;
use crate::store::{BufferEntry, StoreError, StoreKind, TimeOrderedBuffer};
use crate::topology::NodeId;
use crate::window::{SessionWindow, TimeWindow, Windowed};

/// Records that leave the buffer at once.
const PAGE: usize = 1024;

/// How much a buffer may hold, and what happens when it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    max_records: u64,
    max_bytes: u64,
    when_full: WhenFull,
}

/// What happens when a buffer is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhenFull {
    /// What waited longest leaves early.
    EmitEarly,
    /// The application stops.
    ShutDown,
}

impl std::fmt::Display for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.max_records, self.max_bytes) {
            (records, u64::MAX) => write!(f, "at most {records} records may wait"),
            (u64::MAX, bytes) => write!(f, "at most {bytes} bytes may wait"),
            (records, bytes) => write!(f, "at most {records} records of {bytes} bytes may wait"),
        }
    }
}

impl Bounds {
    /// As much as the disk takes: what is buffered lies in a store.
    const NONE: Self = Self {
        max_records: u64::MAX,
        max_bytes: u64::MAX,
        when_full: WhenFull::ShutDown,
    };
}

/// Holds results back until their window closes: exactly one per window leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UntilWindowCloses {
    bounds: Bounds,
}

/// Results wait until their window closes, so that exactly one per window leaves. The buffer is not bounded, unless
/// the application is to stop when it is full: a result that left early would not be final.
pub const fn until_window_closes() -> UntilWindowCloses {
    UntilWindowCloses {
        bounds: Bounds::NONE,
    }
}

impl UntilWindowCloses {
    /// Stops the application when more records wait.
    pub const fn max_records(mut self, records: u64) -> Self {
        self.bounds.max_records = records;
        self
    }

    /// Stops the application when the records that wait take more bytes, keys and values.
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.bounds.max_bytes = bytes;
        self
    }
}

/// Holds changes back for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UntilTimeLimit {
    wait_ms: i64,
    bounds: Bounds,
}

/// The first change of a key waits until stream time is `wait` past it; what leaves then is the last one. When the
/// buffer is full, what has waited longest leaves before its time.
pub const fn until_time_limit(wait: Duration) -> UntilTimeLimit {
    UntilTimeLimit {
        wait_ms: millis_of(wait),
        bounds: Bounds {
            when_full: WhenFull::EmitEarly,
            ..Bounds::NONE
        },
    }
}

impl UntilTimeLimit {
    /// Has what waited longest leave early when more records wait.
    pub const fn max_records(mut self, records: u64) -> Self {
        self.bounds.max_records = records;
        self
    }

    /// Has what waited longest leave early when the records that wait take more bytes, keys and values.
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.bounds.max_bytes = bytes;
        self
    }

    /// Stops the application when the buffer is full.
    pub const fn shut_down_when_full(mut self) -> Self {
        self.bounds.when_full = WhenFull::ShutDown;
        self
    }
}

/// Until when changes of keys `K` are held back.
pub trait Suppression<K>: sealed::Suppression<K> {}

impl<K, S: sealed::Suppression<K>> Suppression<K> for S {}

mod sealed {
    use super::{Bounds, SessionWindow, TimeWindow, UntilTimeLimit, UntilWindowCloses, Windowed};

    pub trait Suppression<K>: Send + 'static {
        /// The time that a change waits by.
        fn time(&self, key: &K, timestamp: i64) -> i64;

        /// How far stream time must be past it; by the windows' closing where none is told.
        fn wait_ms(&self) -> Option<i64>;

        #[expect(private_interfaces, reason = "a sealed trait's own")]
        fn bounds(&self) -> Bounds;
    }

    impl<K> Suppression<Windowed<K, TimeWindow>> for UntilWindowCloses {
        fn time(&self, key: &Windowed<K, TimeWindow>, _: i64) -> i64 {
            key.window.end
        }

        fn wait_ms(&self) -> Option<i64> {
            None
        }

        #[expect(private_interfaces, reason = "a sealed trait's own")]
        fn bounds(&self) -> Bounds {
            self.bounds
        }
    }

    impl<K> Suppression<Windowed<K, SessionWindow>> for UntilWindowCloses {
        fn time(&self, key: &Windowed<K, SessionWindow>, _: i64) -> i64 {
            key.window.end
        }

        fn wait_ms(&self) -> Option<i64> {
            None
        }

        #[expect(private_interfaces, reason = "a sealed trait's own")]
        fn bounds(&self) -> Bounds {
            self.bounds
        }
    }

    impl<K> Suppression<K> for UntilTimeLimit {
        fn time(&self, _: &K, timestamp: i64) -> i64 {
            timestamp
        }

        fn wait_ms(&self) -> Option<i64> {
            Some(self.wait_ms)
        }

        #[expect(private_interfaces, reason = "a sealed trait's own")]
        fn bounds(&self) -> Bounds {
            self.bounds
        }
    }
}

impl<'b, K: Key, V: Send + 'static> Table<'b, K, V> {
    /// Holds changes back [`until_window_closes`] or [`until_time_limit`], and hands on the last one of each key.
    ///
    /// The results have the timestamp and the headers of that last change. `store` names the buffer.
    #[track_caller]
    pub fn suppress(
        self,
        store: impl Into<Materialized<V>>,
        suppression: impl Suppression<K>,
    ) -> Table<'b, K, V> {
        let location = Location::caller();
        let builder = self.builder;
        let materialized = store.into();
        let name = materialized.name();
        let node = builder.operator("suppress", Some(name), &[self.node], location);
        if self.versioned.is_some() {
            builder.error(
                location,
                "a versioned table cannot be suppressed: its changes come out of order",
            );
        }
        let closing = self.closing.as_ref().map(|closing| closing.after_end_ms);
        let wait_ms = suppression.wait_ms().or(closing).unwrap_or_else(|| {
            builder.error(
                location,
                "until_window_closes belongs behind a windowed aggregation, which says when windows close",
            );
            0
        });
        let (spec, topic) = materialized.spec(builder, StoreKind::Buffer);
        let id = builder.store(node, spec);
        let codec = || Codec::shared(HeldSerde(materialized.codec()));
        let buffer = || TimeOrderedBuffer::new(id, name, &topic, codec());
        let out = builder.out();
        let mut suppressed = Suppressed {
            node,
            out,
            buffer: buffer(),
            clock: builder.clock(format!("{name}-stream-time")),
            wait_ms,
            bounds: suppression.bounds(),
            final_only: suppression.wait_ms().is_none(),
        };
        builder.connect(
            self.out,
            Box::new(move |context, record: Record<K, Change<V>>| {
                suppressed.hold(context, record, &suppression)
            }),
        );
        let (parent, mut buffer) = (self.lookup, buffer());
        let lookup: Lookup<K, V> = Box::new(move |context, key| {
            let held = buffer
                .get(context.stores, key)
                .map_err(|error| context.fatal(node, error))?;
            match held {
                // The time of what was handed on is not kept; -1 is what Java has for it too.
                Some((held, _)) => Ok(held.prior.map(|prior| (prior, -1))),
                None => context.with_cell(parent, |context, lookup| lookup(context, key)),
            }
        });
        Table {
            closing: self.closing.map(super::closing::Closing::fixed),
            ..Table::new(builder, node, out, lookup)
        }
    }
}

struct Suppressed<K: 'static, V: 'static> {
    node: NodeId,
    out: Out<K, Change<V>>,
    buffer: TimeOrderedBuffer<K, Held<V>>,
    clock: ClockId,
    wait_ms: i64,
    bounds: Bounds,
    /// Nothing was handed on of a key before, so a tombstone tells nothing.
    final_only: bool,
}

impl<K: Key, V: Send + 'static> Suppressed<K, V> {
    fn hold(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, Change<V>>,
        suppression: &impl sealed::Suppression<K>,
    ) -> Result<(), Failure> {
        let Record {
            key: Some(key),
            value: change,
            timestamp,
            headers,
        } = record
        else {
            return Ok(());
        };
        let stream_time = context.advance(self.clock, timestamp);
        let time = suppression.time(&key, timestamp);
        self.put(context, time, &key, change, timestamp, headers)
            .map_err(|error| context.fatal(self.node, error))?;
        let expired = stream_time.saturating_sub(self.wait_ms);
        loop {
            let page = self
                .buffer
                .pop_until(context.stores, expired, PAGE)
                .map_err(|error| context.fatal(self.node, error))?;
            let full = page.len() == PAGE;
            page.into_iter()
                .try_for_each(|entry| self.hand_on(context, entry))?;
            if !full {
                break;
            }
        }
        self.keep_bounds(context)
    }

    fn put(
        &mut self,
        context: &mut Context<'_>,
        time: i64,
        key: &K,
        change: Change<V>,
        timestamp: i64,
        headers: Headers,
    ) -> Result<(), StoreError> {
        let prior = match self.buffer.get(context.stores, key)? {
            Some((held, _)) => held.prior,
            None => change.old,
        };
        let held = Held {
            prior,
            new: change.new,
            window_end: key.window_end(),
            headers,
        };
        self.buffer
            .replace(context.stores, time, key, &held, timestamp)
    }

    fn keep_bounds(&mut self, context: &mut Context<'_>) -> Result<(), Failure> {
        while self
            .is_full(context)
            .map_err(|error| context.fatal(self.node, error))?
        {
            if self.bounds.when_full == WhenFull::ShutDown {
                let error: BoxError = format!(
                    "the buffer is full: {}; raise what it may hold, or see why stream time stands still",
                    self.bounds
                )
                .into();
                return Err(context.fatal(self.node, error));
            }
            let earliest = self
                .buffer
                .pop_until(context.stores, i64::MAX - 1, 1)
                .map_err(|error| context.fatal(self.node, error))?;
            if earliest.is_empty() {
                break;
            }
            earliest
                .into_iter()
                .try_for_each(|entry| self.hand_on(context, entry))?;
        }
        Ok(())
    }

    fn is_full(&self, context: &mut Context<'_>) -> Result<bool, StoreError> {
        let Bounds {
            max_records,
            max_bytes,
            ..
        } = self.bounds;
        if max_records == u64::MAX && max_bytes == u64::MAX {
            return Ok(false);
        }
        Ok(self.buffer.len(context.stores)? > max_records
            || self.buffer.bytes(context.stores)? > max_bytes)
    }

    fn hand_on(
        &self,
        context: &mut Context<'_>,
        entry: BufferEntry<K, Held<V>>,
    ) -> Result<(), Failure> {
        let Held {
            prior,
            new,
            window_end,
            headers,
        } = entry.value;
        let key = match window_end {
            Some(end) => entry.key.with_window_end(end),
            None => entry.key,
        };
        if new.is_none() && self.final_only {
            return Ok(());
        }
        let value = Change {
            old: prior,
            new,
            latest: true,
        };
        context.forward(
            self.out,
            Record {
                key: Some(key),
                value,
                timestamp: entry.timestamp,
                headers,
            },
        )
    }
}
