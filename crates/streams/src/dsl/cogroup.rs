//! Cogrouping (KIP-150): several streams of one key aggregated into one value. Kafka Streams' `cogroup`.
//!
//! One operator takes the records of all streams, so it has one store and one stream time.

use std::panic::Location;

use crate::dsl::aggregate::{KeyedRows, Outcome, folding, keyed_rows};
use crate::dsl::aligned::{HoppingRows, TumblingRows};
use crate::dsl::chain::Chain;
use crate::dsl::materialized::Materialized;
use crate::dsl::session::{SessionRows, merging};
use crate::dsl::sliding::SlidingRows;
use crate::dsl::stateful::{Aggregation, Stateful};
use crate::dsl::stream::{Keyed, Run};
use crate::dsl::table::Table;
use crate::dsl::windows::{HoppingWindows, SessionWindows, SlidingWindows, TumblingWindows};
use crate::graph::Cell;
use crate::key::Key;
use crate::topology::{Builder, NodeId};
use crate::window::{SessionWindow, Windowed};

/// One of the streams, with what it adds to the aggregate; it ends in the rows of whichever windows are chosen, those
/// of the operator `node`.
trait Stream<K: 'static, A: 'static> {
    fn node(&self) -> NodeId;
    fn keyed(self: Box<Self>, node: NodeId, rows: Cell<KeyedRows<K, A>>, init: A);
    fn tumbling(self: Box<Self>, node: NodeId, rows: Cell<TumblingRows<K, A>>, init: A);
    fn hopping(self: Box<Self>, node: NodeId, rows: Cell<HoppingRows<K, A>>, init: A);
    fn sliding(self: Box<Self>, node: NodeId, rows: Cell<SlidingRows<K, A>>, init: A);
    fn sessions(self: Box<Self>, node: NodeId, rows: Cell<MergedRows<K, A>>, init: A);
}

type MergedRows<K, A> = SessionRows<K, A, Box<dyn FnMut(&K, Option<A>, A) -> A + Send>>;

struct Added<'b, C: Chain, F> {
    run: Run<'b, C>,
    f: F,
}

impl<C: Chain, F> Added<'_, C, F> {
    fn end<A, W, R>(self, node: NodeId, rows: Cell<W>, init: A)
    where
        A: Clone + Send + 'static,
        W: Aggregation<C::Key, C::Value, A>,
        R: Outcome,
        F: FnMut(&mut A, C::Value) -> R + Send + 'static,
    {
        let mut f = self.f;
        let mut step = folding(init, move |_: &C::Key, aggregate: &mut A, value| {
            f(aggregate, value)
        });
        self.run.end_keyed(node, move |context, record| {
            context.with_cell(rows, |context, rows| rows.add(context, record, &mut step))
        });
    }
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

    fn keyed(self: Box<Self>, node: NodeId, rows: Cell<KeyedRows<K, A>>, init: A) {
        self.end(node, rows, init);
    }

    fn tumbling(self: Box<Self>, node: NodeId, rows: Cell<TumblingRows<K, A>>, init: A) {
        self.end(node, rows, init);
    }

    fn hopping(self: Box<Self>, node: NodeId, rows: Cell<HoppingRows<K, A>>, init: A) {
        self.end(node, rows, init);
    }

    fn sliding(self: Box<Self>, node: NodeId, rows: Cell<SlidingRows<K, A>>, init: A) {
        self.end(node, rows, init);
    }

    fn sessions(self: Box<Self>, node: NodeId, rows: Cell<MergedRows<K, A>>, init: A) {
        self.end(node, rows, init);
    }
}

type BoxedStream<'b, K, A> = Box<dyn Stream<K, A> + 'b>;

/// Streams that are aggregated into one value per key.
#[must_use = "streams that are not aggregated do nothing"]
pub struct Cogrouped<'b, K: 'static, A: 'static> {
    builder: &'b Builder,
    streams: Vec<BoxedStream<'b, K, A>>,
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
        let end =
            |stream: BoxedStream<'b, K, A>, node, rows| stream.keyed(node, rows, init.clone());
        self.aggregated(&store.into(), Location::caller(), keyed_rows, end)
    }

    /// The streams cut into windows, by key: see [`windows`](crate::windows).
    pub fn window<W>(self, windows: W) -> WindowedCogrouped<'b, K, A, W> {
        WindowedCogrouped {
            streams: self,
            windows,
        }
    }

    /// Ends the streams in one operator that keeps its rows as `rows` says, each as `end` has it.
    fn aggregated<L: Send + 'static, R: Send + 'static>(
        self,
        materialized: &Materialized<A>,
        location: &'static Location<'static>,
        rows: impl FnOnce(&Stateful<'b, '_, A>) -> (R, Table<'b, L, A>),
        end: impl Fn(BoxedStream<'b, K, A>, NodeId, Cell<R>),
    ) -> Table<'b, L, A> {
        let parents: Vec<_> = self.streams.iter().map(|stream| stream.node()).collect();
        let (rows, table) = rows(&Stateful {
            builder: self.builder,
            parents: &parents,
            operator: "cogroup",
            materialized,
            location,
        });
        let rows = self.builder.cell(rows);
        self.builder.joined(table.node);
        for stream in self.streams {
            end(stream, table.node, rows);
        }
        table
    }
}

macro_rules! windowed {
    ($($windows:ty, $rows:ident, $end:ident;)*) => {$(
        impl<'b, K: Key, A: Clone + Send + 'static> WindowedCogrouped<'b, K, A, $windows> {
            /// The aggregate of each key and window, which begins as `init`.
            #[track_caller]
            pub fn fold(
                self,
                store: impl Into<Materialized<A>>,
                init: A,
            ) -> Table<'b, Windowed<K>, A> {
                let rows = |operator: &Stateful<'b, '_, A>| $rows::new(operator, self.windows);
                let end = |stream: BoxedStream<'b, K, A>, node, rows| stream.$end(node, rows, init.clone());
                self.streams.aggregated(&store.into(), Location::caller(), rows, end)
            }
        }
    )*};
}

windowed! {
    TumblingWindows, TumblingRows, tumbling;
    HoppingWindows, HoppingRows, hopping;
    SlidingWindows, SlidingRows, sliding;
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
        let merge = merging(init.clone(), merge);
        let rows = |operator: &Stateful<'b, '_, A>| -> (MergedRows<K, A>, _) {
            SessionRows::new(operator, self.windows, Box::new(merge))
        };
        let end =
            |stream: BoxedStream<'b, K, A>, node, rows| stream.sessions(node, rows, init.clone());
        self.streams
            .aggregated(&store.into(), Location::caller(), rows, end)
    }
}
