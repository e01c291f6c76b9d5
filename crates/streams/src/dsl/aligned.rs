//! Aggregation in windows of one size that are aligned to the epoch: tumbling and hopping ones.
//!
//! A record goes into each of its windows that is still open. It is late, dropped and counted, for those that end at
//! or before stream time less the grace.

use std::panic::Location;

use crate::context::{Context, DropReason};
use crate::dsl::aggregate::{Applied, Outcome, Step, counting, folding, reducing};
use crate::dsl::chain::Chain;
use crate::dsl::final_results::{CloseRule, SizedWindows};
use crate::dsl::materialized::Materialized;
use crate::dsl::stateful::{Aggregation, Stateful};
use crate::dsl::table::Table;
use crate::dsl::window_rows::{RowsPlan, WindowRows};
use crate::dsl::windowed::{WindowedStream, aggregations};
use crate::dsl::windows::{HoppingWindows, TumblingWindows};
use crate::error::Failure;
use crate::key::Key;
use crate::record::KeyedRecord;
use crate::serde::Value;
use crate::store::{StoreKind, WindowLayout, WindowStore};
use crate::topology::Builder;
use crate::window::{TimeWindow, Windowed};

aggregations!(TumblingWindows, TumblingRows);
aggregations!(HoppingWindows, HoppingRows, Clone);

/// Windows of one size, aligned to the epoch.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "times carry their unit")]
struct Aligned {
    size_ms: i64,
    advance_ms: i64,
    grace_ms: i64,
    retention_ms: Option<i64>,
}

impl From<TumblingWindows> for Aligned {
    fn from(windows: TumblingWindows) -> Self {
        Self {
            size_ms: windows.size_ms,
            advance_ms: windows.size_ms,
            grace_ms: windows.grace_ms,
            retention_ms: windows.retention_ms,
        }
    }
}

impl From<HoppingWindows> for Aligned {
    fn from(windows: HoppingWindows) -> Self {
        Self {
            size_ms: windows.size_ms,
            advance_ms: windows.advance_ms,
            grace_ms: windows.grace_ms,
            retention_ms: windows.retention_ms,
        }
    }
}

impl Aligned {
    /// The start of the first window that contains `timestamp`.
    fn first_start(self, timestamp: i64) -> i64 {
        (timestamp - self.size_ms + self.advance_ms).max(0) / self.advance_ms * self.advance_ms
    }

    /// These windows if there are such, else the nearest ones, and an error.
    fn checked(mut self, builder: &Builder, location: &'static Location<'static>) -> Self {
        if self.size_ms < 1 {
            builder.error(location, "a window is at least one millisecond long");
            self.size_ms = 1;
        }
        if !(1..=self.size_ms).contains(&self.advance_ms) {
            builder.error(
                location,
                format!(
                    "windows of {} ms cannot begin every {} ms: the advance is at least one millisecond and at most \
                     the size",
                    self.size_ms, self.advance_ms
                ),
            );
            self.advance_ms = self.size_ms;
        }
        self
    }

    /// The rows of these windows, and their table.
    fn rows<'b, K: Key, A: Send + 'static>(
        self,
        operator: &Stateful<'b, '_, A>,
    ) -> (WindowRows<K, A>, Table<'b, Windowed<K>, A>) {
        let least = self.size_ms.saturating_add(self.grace_ms);
        let retention_ms = self.retention_ms.unwrap_or(least);
        operator.check_retention(retention_ms, self.size_ms, self.grace_ms);
        let plan = RowsPlan {
            kind: StoreKind::Window {
                retention_ms,
                layout: WindowLayout::TimeFirst,
            },
            rule: CloseRule {
                behind_ms: least,
                advance_ms: self.advance_ms,
            },
            after_end_ms: self.grace_ms,
        };
        let closed = |rows| SizedWindows {
            rows,
            size_ms: self.size_ms,
        };
        WindowRows::new::<K>(operator, plan, WindowStore::new, closed)
    }
}

/// An aggregation in windows that do not overlap: a record goes into one.
pub(crate) struct TumblingRows<K: 'static, A: 'static> {
    windows: Aligned,
    rows: WindowRows<K, A>,
}

/// An aggregation in windows that may overlap.
pub(crate) struct HoppingRows<K: 'static, A: 'static> {
    windows: Aligned,
    rows: WindowRows<K, A>,
}

impl<K: Key, A: Send + 'static> TumblingRows<K, A> {
    pub(crate) fn new<'b>(
        operator: &Stateful<'b, '_, A>,
        windows: TumblingWindows,
    ) -> (Self, Table<'b, Windowed<K>, A>) {
        let windows = Aligned::from(windows).checked(operator.builder, operator.location);
        let (rows, table) = windows.rows(operator);
        (Self { windows, rows }, table)
    }
}

impl<K: Key, A: Send + 'static> HoppingRows<K, A> {
    pub(crate) fn new<'b>(
        operator: &Stateful<'b, '_, A>,
        windows: HoppingWindows,
    ) -> (Self, Table<'b, Windowed<K>, A>) {
        let windows = Aligned::from(windows).checked(operator.builder, operator.location);
        let (rows, table) = windows.rows(operator);
        (Self { windows, rows }, table)
    }
}

impl<K: Key, V: 'static, A: Clone + Send + 'static> Aggregation<K, V, A> for TumblingRows<K, A> {
    #[inline]
    fn add(
        &mut self,
        context: &mut Context<'_>,
        record: KeyedRecord<K, V>,
        step: &mut impl Step<K, V, A>,
    ) -> Result<(), Failure> {
        let KeyedRecord {
            key,
            value,
            timestamp,
            headers,
        } = record;
        let close = self.rows.advance(context, timestamp, &headers)? - self.windows.grace_ms;
        let start = self.windows.first_start(timestamp);
        let window = TimeWindow::of_size(start, self.windows.size_ms);
        if window.end <= close {
            context.dropped(self.rows.node(), DropReason::Late);
            return Ok(());
        }
        let key = Windowed::new(key, window);
        self.rows
            .add(context, key, timestamp, headers, |key, before| {
                step(&key.key, before, value)
            })
            .map(|_| ())
    }
}

impl<K, V, A> Aggregation<K, V, A> for HoppingRows<K, A>
where
    K: Key,
    V: Clone + 'static,
    A: Clone + Send + 'static,
{
    /// The earliest window comes first.
    fn add(
        &mut self,
        context: &mut Context<'_>,
        record: KeyedRecord<K, V>,
        step: &mut impl Step<K, V, A>,
    ) -> Result<(), Failure> {
        let timestamp = record.timestamp;
        let close = self.rows.advance(context, timestamp, &record.headers)? - self.windows.grace_ms;
        let mut start = self.windows.first_start(timestamp);
        while start <= timestamp {
            let window = TimeWindow::of_size(start, self.windows.size_ms);
            start += self.windows.advance_ms;
            if window.end <= close {
                context.dropped(self.rows.node(), DropReason::Late);
                continue;
            }
            let key = Windowed::new(record.key.clone(), window);
            let headers = record.headers.clone();
            let applied = self
                .rows
                .add(context, key, timestamp, headers, |key, before| {
                    step(&key.key, before, record.value.clone())
                })?;
            if applied == Applied::Failed {
                break;
            }
        }
        Ok(())
    }
}
