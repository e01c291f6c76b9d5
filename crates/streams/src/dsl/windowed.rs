//! Aggregation by key and time window: tumbling and hopping ones. Kafka Streams' `TimeWindowedKStream`.
//!
//! A record goes into each of its windows that is still open. It is late, dropped and counted, for those that end at
//! or before stream time less the grace.

use std::panic::Location;

use crate::context::{Context, DropReason};
use crate::dsl::aggregate::{Applied, Outcome, Step, add, counting, folding, reducing};
use crate::dsl::chain::Chain;
use crate::dsl::closing::Closing;
use crate::dsl::final_results::{CloseRule, FinalResults, SizedWindows};
use crate::dsl::materialized::Materialized;
use crate::dsl::stream::{Keyed, Run};
use crate::dsl::table::{OldValues, Table};
use crate::dsl::updates::{Updates, lookup};
use crate::dsl::windows::{HoppingWindows, TumblingWindows};
use crate::error::{BoxError, Failure};
use crate::key::Key;
use crate::record::{Headers, Record};
use crate::serde::Value;
use crate::store::{StoreKind, WindowLayout, WindowStore, check_retention};
use crate::topology::{Builder, NodeId};
use crate::window::{TimeWindow, Windowed};

/// A stream whose records are aggregated by key and window.
#[must_use = "windows that nothing is aggregated in do nothing"]
pub struct WindowedStream<'b, K: Send + 'static, V: Send + 'static, C: Chain<Key = K, Value = V>, W>
{
    pub(crate) run: Run<'b, C>,
    pub(crate) windows: W,
}

impl<'b, K: Key, V: Send + 'static, C: Chain<Key = K, Value = V>> Keyed<'b, K, V, C> {
    /// The stream cut into windows, by key: see [`windows`](crate::windows).
    pub fn window<W>(self, windows: W) -> WindowedStream<'b, K, V, C, W> {
        WindowedStream {
            run: self.run,
            windows,
        }
    }
}

/// The aggregations of a window kind, which `$end` ends the run in; a record that goes into several windows is
/// cloned.
macro_rules! aggregations {
    ($windows:ty, $end:ident $(, $clone:ident)?) => {
        impl<'b, K: Key, V: Send + 'static, C: Chain<Key = K, Value = V>>
            WindowedStream<'b, K, V, C, $windows>
        {
            /// The records of each key and window, folded into one value: it begins as `init`, and `f` changes it with
            /// each record. `f` returns nothing, or a `Result` of nothing.
            #[track_caller]
            pub fn fold<A: Clone + Send + 'static, R: Outcome>(
                self,
                store: impl Into<Materialized<A>>,
                init: A,
                mut f: impl FnMut(&mut A, V) -> R + Send + 'static,
            ) -> Table<'b, Windowed<K>, A>
            $(where V: $clone)?
            {
                let step = folding(init, move |_: &K, aggregate: &mut A, value| f(aggregate, value));
                $end(self.run, self.windows.into(), "fold", &store.into(), Location::caller(), step)
            }

            /// [`fold`](Self::fold) that sees the key too.
            #[track_caller]
            pub fn fold_with_key<A: Clone + Send + 'static, R: Outcome>(
                self,
                store: impl Into<Materialized<A>>,
                init: A,
                f: impl FnMut(&K, &mut A, V) -> R + Send + 'static,
            ) -> Table<'b, Windowed<K>, A>
            $(where V: $clone)?
            {
                let step = folding(init, f);
                $end(self.run, self.windows.into(), "fold", &store.into(), Location::caller(), step)
            }

            /// How many records each key has had in each window.
            #[track_caller]
            pub fn count(self, store: impl Into<Materialized<u64>>) -> Table<'b, Windowed<K>, u64>
            $(where V: $clone)?
            {
                $end(self.run, self.windows.into(), "count", &store.into(), Location::caller(), counting())
            }

            /// The records of each key and window, reduced to one: the first as it is, then what `f` makes of the one
            /// before and the next.
            #[track_caller]
            pub fn reduce(
                self,
                store: impl Into<Materialized<V>>,
                f: impl FnMut(V, V) -> V + Send + 'static,
            ) -> Table<'b, Windowed<K>, V>
            where
                V: Value + Clone,
            {
                let step = reducing(f);
                $end(self.run, self.windows.into(), "reduce", &store.into(), Location::caller(), step)
            }
        }
    };
}

pub(crate) use aggregations;

aggregations!(TumblingWindows, tumbling);
aggregations!(HoppingWindows, hopping, Clone);

/// Windows of one size, aligned to the epoch.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "times carry their unit")]
pub(crate) struct Aligned {
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
}

/// Adds up the windows of a store.
pub(crate) struct WindowRows<K: 'static, A: 'static> {
    pub(crate) node: NodeId,
    pub(crate) updates: Updates<Windowed<K>, A, WindowStore<K, A>>,
    pub(crate) results: FinalResults<Windowed<K>, A>,
    closed: SizedWindows<K, A>,
}

/// How a windowed aggregation keeps its windows.
pub(crate) struct WindowPlan {
    pub(crate) size_ms: i64,
    /// How far apart windows are that one record changes, the later one's size included.
    pub(crate) span_ms: i64,
    pub(crate) grace_ms: i64,
    pub(crate) retention_ms: i64,
    pub(crate) layout: WindowLayout,
    pub(crate) rule: CloseRule,
    /// How far stream time must be past the end of a window that takes no more records.
    pub(crate) after_end_ms: i64,
}

impl<K: Key, A: Clone + Send + 'static> WindowRows<K, A> {
    /// An operator behind `parents` that keeps a row per key and window: what writes them, and their table.
    pub(crate) fn new<'b>(
        builder: &'b Builder,
        parents: &[NodeId],
        operator: &'static str,
        materialized: &Materialized<A>,
        plan: &WindowPlan,
        location: &'static Location<'static>,
    ) -> (Self, Table<'b, Windowed<K>, A>) {
        let name = materialized.name();
        if let Err(error) = check_retention(name, plan.retention_ms, plan.span_ms, plan.grace_ms) {
            builder.error(location, error.to_string());
        }
        let node = builder.operator(operator, Some(name), parents, location);
        let kind = StoreKind::Window {
            retention_ms: plan.retention_ms,
            layout: plan.layout,
        };
        let (spec, topic) = materialized.spec(builder, kind);
        let id = builder.store(node, spec.keyed::<K>());
        let rows = || WindowStore::new(id, name, &topic, materialized.codec());
        let closed = || SizedWindows {
            rows: rows(),
            size_ms: plan.size_ms,
        };
        let (out, old) = (builder.out(), OldValues::default());
        let results = FinalResults::new(builder, node, name, out, plan.rule, closed());
        let closing = Closing {
            after_end_ms: plan.after_end_ms,
            emit: Some(results.slot()),
        };
        let table = Table {
            old: old.clone(),
            closing: Some(closing),
            ..Table::new(builder, node, out, lookup(node, rows()))
        };
        let rows = Self {
            node,
            updates: Updates::new(builder, node, materialized, out, old, rows()),
            results,
            closed: closed(),
        };
        (rows, table)
    }

    /// Moves stream time, hands on what that closes, and returns it.
    #[inline]
    pub(crate) fn advance(
        &mut self,
        context: &mut Context<'_>,
        timestamp: i64,
        headers: &Headers,
    ) -> Result<i64, Failure> {
        self.results
            .advance(context, &mut self.closed, timestamp, headers)
    }

    /// Adds a value to one window.
    #[inline]
    pub(crate) fn add(
        &mut self,
        context: &mut Context<'_>,
        key: Windowed<K>,
        timestamp: i64,
        headers: Headers,
        step: impl FnOnce(&K, Option<A>) -> Result<A, BoxError>,
    ) -> Result<Applied, Failure> {
        let emit = self.results.updates();
        add(
            &mut self.updates,
            context,
            key,
            timestamp,
            headers,
            emit,
            |key, before| step(&key.key, before),
        )
    }
}

/// An aggregation in aligned windows.
pub(crate) struct AlignedRows<K: 'static, A: 'static> {
    windows: Aligned,
    rows: WindowRows<K, A>,
}

impl<K: Key, A: Clone + Send + 'static> AlignedRows<K, A> {
    pub(crate) fn new<'b>(
        builder: &'b Builder,
        parents: &[NodeId],
        windows: Aligned,
        operator: &'static str,
        materialized: &Materialized<A>,
        location: &'static Location<'static>,
    ) -> (Self, Table<'b, Windowed<K>, A>) {
        let windows = windows.checked(builder, location);
        let least = windows.size_ms.saturating_add(windows.grace_ms);
        let plan = WindowPlan {
            size_ms: windows.size_ms,
            span_ms: windows.size_ms,
            grace_ms: windows.grace_ms,
            retention_ms: windows.retention_ms.unwrap_or(least),
            layout: WindowLayout::TimeFirst,
            rule: CloseRule {
                behind_ms: least,
                advance_ms: windows.advance_ms,
            },
            after_end_ms: windows.grace_ms,
        };
        let (rows, table) =
            WindowRows::new(builder, parents, operator, materialized, &plan, location);
        (Self { windows, rows }, table)
    }

    /// Aggregates a record into the one window that it falls into.
    #[inline]
    pub(crate) fn tumble<V>(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        step: &mut impl FnMut(&K, Option<A>, V) -> Result<A, BoxError>,
    ) -> Result<(), Failure> {
        let Record {
            key: Some(key),
            value,
            timestamp,
            headers,
        } = record
        else {
            context.dropped(self.rows.node, DropReason::NullKey);
            return Ok(());
        };
        let close = self.rows.advance(context, timestamp, &headers)? - self.windows.grace_ms;
        let start = self.windows.first_start(timestamp);
        let window = TimeWindow::of_size(start, self.windows.size_ms);
        if window.end <= close {
            context.dropped(self.rows.node, DropReason::Late);
            return Ok(());
        }
        let key = Windowed::new(key, window);
        self.rows
            .add(context, key, timestamp, headers, |key, before| {
                step(key, before, value)
            })
            .map(|_| ())
    }

    /// Aggregates a record into all windows that it falls into, the earliest first.
    pub(crate) fn hop<V: Clone>(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        step: &mut impl FnMut(&K, Option<A>, V) -> Result<A, BoxError>,
    ) -> Result<(), Failure> {
        let Record {
            key: Some(key),
            value,
            timestamp,
            headers,
        } = record
        else {
            context.dropped(self.rows.node, DropReason::NullKey);
            return Ok(());
        };
        let close = self.rows.advance(context, timestamp, &headers)? - self.windows.grace_ms;
        let mut start = self.windows.first_start(timestamp);
        while start <= timestamp {
            let window = TimeWindow::of_size(start, self.windows.size_ms);
            start += self.windows.advance_ms;
            if window.end <= close {
                context.dropped(self.rows.node, DropReason::Late);
                continue;
            }
            let key = Windowed::new(key.clone(), window);
            let applied =
                self.rows
                    .add(context, key, timestamp, headers.clone(), |key, before| {
                        step(key, before, value.clone())
                    })?;
            if applied == Applied::Failed {
                break;
            }
        }
        Ok(())
    }
}

fn tumbling<'b, K: Key, V: Send + 'static, A: Clone + Send + 'static, C>(
    run: Run<'b, C>,
    windows: Aligned,
    operator: &'static str,
    materialized: &Materialized<A>,
    location: &'static Location<'static>,
    mut step: impl Step<K, V, A>,
) -> Table<'b, Windowed<K>, A>
where
    C: Chain<Key = K, Value = V>,
{
    let (mut rows, table) = AlignedRows::new(
        run.builder,
        &[run.node],
        windows,
        operator,
        materialized,
        location,
    );
    run.end(move |context, record| rows.tumble(context, record, &mut step));
    table
}

fn hopping<'b, K: Key, V: Clone + Send + 'static, A: Clone + Send + 'static, C>(
    run: Run<'b, C>,
    windows: Aligned,
    operator: &'static str,
    materialized: &Materialized<A>,
    location: &'static Location<'static>,
    mut step: impl Step<K, V, A>,
) -> Table<'b, Windowed<K>, A>
where
    C: Chain<Key = K, Value = V>,
{
    let (mut rows, table) = AlignedRows::new(
        run.builder,
        &[run.node],
        windows,
        operator,
        materialized,
        location,
    );
    run.end(move |context, record| rows.hop(context, record, &mut step));
    table
}
