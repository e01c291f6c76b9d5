//! Cogrouping (KIP-150): several streams of one key aggregated into one value. Kafka Streams' `cogroup`.
//!
//! One operator takes the records of all streams, so it has one store and one stream time.

use std::panic::Location;

use crate::context::DropReason;
use crate::dsl::aggregate::{Outcome, add, folding, keyed_table_of};
use crate::dsl::chain::Chain;
use crate::dsl::materialized::Materialized;
use crate::dsl::session::{Merge, SessionRows, merging};
use crate::dsl::sliding::SlidingRows;
use crate::dsl::stream::{Keyed, Run};
use crate::dsl::table::Table;
use crate::dsl::updates::{EmitUpdates, Updates};
use crate::dsl::windowed::AlignedRows;
use crate::dsl::windows::{HoppingWindows, SessionWindows, SlidingWindows, TumblingWindows};
use crate::graph::Cell;
use crate::key::Key;
use crate::record::Record;
use crate::store::KeyValue;
use crate::topology::{Builder, NodeId};
use crate::window::{SessionWindow, Windowed};

/// Rows of an aggregation by key alone.
type KeyedRows<K, A> = Updates<K, A, KeyValue<K, A>>;

/// One of the streams, with what it adds to the aggregate; it ends in the rows of whichever windows are chosen.
trait Stream<K: 'static, A: 'static> {
    fn node(&self) -> NodeId;
    fn keyed(self: Box<Self>, rows: Cell<KeyedRows<K, A>>, init: A);
    fn aligned(self: Box<Self>, rows: Cell<AlignedRows<K, A>>, init: A);
    fn sliding(self: Box<Self>, rows: Cell<SlidingRows<K, A>>, init: A);
    fn sessions(self: Box<Self>, rows: Cell<SessionRows<K, A, BoxedMerge<K, A>>>, init: A);
}

type BoxedMerge<K, A> = Box<dyn FnMut(&K, Option<A>, A) -> A + Send>;

struct Added<'b, C: Chain, F> {
    run: Run<'b, C>,
    f: F,
}

impl<K, V, A, R, C, F> Stream<K, A> for Added<'_, C, F>
where
    K: Key,
    V: Clone + Send + 'static,
    A: Clone + Send + 'static,
    R: Outcome,
    C: Chain<Key = K, Value = V>,
    F: FnMut(&mut A, V) -> R + Send + 'static,
{
    fn node(&self) -> NodeId {
        self.run.node
    }

    fn keyed(self: Box<Self>, rows: Cell<KeyedRows<K, A>>, init: A) {
        let mut f = self.f;
        let mut step = folding(init, move |_: &K, aggregate: &mut A, value| {
            f(aggregate, value)
        });
        self.run.end(move |context, record: Record<K, V>| {
            let Record {
                key,
                value,
                timestamp,
                headers,
            } = record;
            context.with_cell(rows, |context, rows| {
                let Some(key) = key else {
                    context.dropped(rows.node, DropReason::NullKey);
                    return Ok(());
                };
                let emit = EmitUpdates::Yes;
                add(
                    rows,
                    context,
                    key,
                    timestamp,
                    headers,
                    emit,
                    |key, before| step(key, before, value),
                )
                .map(|_| ())
            })
        });
    }

    fn aligned(self: Box<Self>, rows: Cell<AlignedRows<K, A>>, init: A) {
        let mut f = self.f;
        let mut step = folding(init, move |_: &K, aggregate: &mut A, value| {
            f(aggregate, value)
        });
        self.run.end(move |context, record| {
            context.with_cell(rows, |context, rows| rows.hop(context, record, &mut step))
        });
    }

    fn sliding(self: Box<Self>, rows: Cell<SlidingRows<K, A>>, init: A) {
        let mut f = self.f;
        let mut step = folding(init, move |_: &K, aggregate: &mut A, value| {
            f(aggregate, value)
        });
        self.run.end(move |context, record| {
            context.with_cell(rows, |context, rows| rows.slide(context, record, &mut step))
        });
    }

    fn sessions(self: Box<Self>, rows: Cell<SessionRows<K, A, BoxedMerge<K, A>>>, init: A) {
        let mut f = self.f;
        let mut step = folding(init, move |_: &K, aggregate: &mut A, value| {
            f(aggregate, value)
        });
        self.run.end(move |context, record| {
            context.with_cell(rows, |context, rows| rows.add(context, record, &mut step))
        });
    }
}

/// Streams that are aggregated into one value per key.
#[must_use = "streams that are not aggregated do nothing"]
pub struct Cogrouped<'b, K: 'static, A: 'static> {
    builder: &'b Builder,
    streams: Vec<Box<dyn Stream<K, A> + 'b>>,
}

/// [`Cogrouped`], by window.
#[must_use = "windows that nothing is aggregated in do nothing"]
pub struct WindowedCogrouped<'b, K: 'static, A: 'static, W> {
    streams: Cogrouped<'b, K, A>,
    windows: W,
}

impl<'b, K: Key, V: Clone + Send + 'static, C: Chain<Key = K, Value = V> + 'b> Keyed<'b, K, V, C> {
    /// The first of several streams that are aggregated into one value per key: `f` adds a record of this one.
    pub fn cogroup<A: Clone + Send + 'static, R: Outcome + 'b>(
        self,
        f: impl FnMut(&mut A, V) -> R + Send + 'static,
    ) -> Cogrouped<'b, K, A> {
        Cogrouped {
            builder: self.run.builder,
            streams: vec![Box::new(Added { run: self.run, f })],
        }
    }
}

impl<'b, K: Key, A: Clone + Send + 'static> Cogrouped<'b, K, A> {
    /// One more stream: `f` adds a record of it.
    pub fn and<V: Clone + Send + 'static, C: Chain<Key = K, Value = V> + 'b, R: Outcome + 'b>(
        mut self,
        stream: Keyed<'b, K, V, C>,
        f: impl FnMut(&mut A, V) -> R + Send + 'static,
    ) -> Self {
        self.streams.push(Box::new(Added { run: stream.run, f }));
        self
    }

    /// The aggregate of each key, which begins as `init`.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "as every fold")]
    pub fn fold(self, store: impl Into<Materialized<A>>, init: A) -> Table<'b, K, A> {
        let materialized = store.into();
        let nodes = self.nodes();
        let (table, rows) = keyed_table_of(
            self.builder,
            &nodes,
            "cogroup",
            &materialized,
            Location::caller(),
        );
        let rows = self.builder.cell(rows);
        self.end(table.node, |stream| stream.keyed(rows, init.clone()));
        table
    }

    /// The streams cut into windows, by key: see [`windows`](crate::windows).
    pub fn window<W>(self, windows: W) -> WindowedCogrouped<'b, K, A, W> {
        WindowedCogrouped {
            streams: self,
            windows,
        }
    }

    fn nodes(&self) -> Vec<NodeId> {
        self.streams.iter().map(|stream| stream.node()).collect()
    }

    fn end(self, node: NodeId, end: impl FnMut(Box<dyn Stream<K, A> + 'b>)) {
        self.builder.joined(node);
        self.streams.into_iter().for_each(end);
    }
}

macro_rules! aligned {
    ($($windows:ty)*) => {$(
        impl<'b, K: Key, A: Clone + Send + 'static> WindowedCogrouped<'b, K, A, $windows> {
            /// The aggregate of each key and window, which begins as `init`.
            #[track_caller]
            pub fn fold(
                self,
                store: impl Into<Materialized<A>>,
                init: A,
            ) -> Table<'b, Windowed<K>, A> {
                let builder = self.streams.builder;
                let (rows, table) = AlignedRows::new(
                    builder,
                    &self.streams.nodes(),
                    self.windows.into(),
                    "cogroup",
                    &store.into(),
                    Location::caller(),
                );
                let rows = builder.cell(rows);
                self.streams.end(table.node, |stream| stream.aligned(rows, init.clone()));
                table
            }
        }
    )*};
}

aligned!(TumblingWindows HoppingWindows);

impl<'b, K: Key, A: Clone + Send + 'static> WindowedCogrouped<'b, K, A, SlidingWindows> {
    /// The aggregate of each key and window, which begins as `init`.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "as every fold")]
    pub fn fold(self, store: impl Into<Materialized<A>>, init: A) -> Table<'b, Windowed<K>, A> {
        let builder = self.streams.builder;
        let (rows, table) = SlidingRows::new(
            builder,
            &self.streams.nodes(),
            self.windows,
            "cogroup",
            &store.into(),
            Location::caller(),
        );
        let rows = builder.cell(rows);
        self.streams
            .end(table.node, |stream| stream.sliding(rows, init.clone()));
        table
    }
}

impl<'b, K: Key, A: Clone + Send + 'static> WindowedCogrouped<'b, K, A, SessionWindows> {
    /// The aggregate of each session, which begins as `init`; `merge` adds the aggregate of a session that is merged
    /// into it.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "as every fold")]
    pub fn fold(
        self,
        store: impl Into<Materialized<A>>,
        init: A,
        merge: impl FnMut(&mut A, A) + Send + 'static,
    ) -> Table<'b, Windowed<K, SessionWindow>, A> {
        let builder = self.streams.builder;
        let merge: BoxedMerge<K, A> = boxed(merging(init.clone(), merge));
        let (rows, table) = SessionRows::new(
            builder,
            &self.streams.nodes(),
            self.windows,
            "cogroup",
            &store.into(),
            Location::caller(),
            merge,
        );
        let rows = builder.cell(rows);
        self.streams
            .end(table.node, |stream| stream.sessions(rows, init.clone()));
        table
    }
}

fn boxed<K: 'static, A: 'static>(merge: impl Merge<K, A>) -> BoxedMerge<K, A> {
    Box::new(merge)
}
