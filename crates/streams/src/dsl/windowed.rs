//! Aggregation by key and time window. Kafka Streams' `TimeWindowedKStream`.
//!
//! It is the methods that window kinds have alike; which windows a record goes into is theirs to know.

use std::panic::Location;

use crate::dsl::aggregate::Step;
use crate::dsl::chain::Chain;
use crate::dsl::materialized::Materialized;
use crate::dsl::stateful::{Aggregation, Stateful, aggregated};
use crate::dsl::stream::{Keyed, Run};
use crate::dsl::table::Table;
use crate::key::Key;

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

/// The aggregations of a window kind, whose rows are `$rows`; a record that goes into several windows is cloned.
macro_rules! aggregations {
    ($windows:ty, $rows:ident $(, $clone:ident)?) => {
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
                self.aggregated("fold", &store.into(), Location::caller(), step, $rows::new)
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
                self.aggregated("fold", &store.into(), Location::caller(), step, $rows::new)
            }

            /// How many records each key has had in each window.
            #[track_caller]
            pub fn count(self, store: impl Into<Materialized<u64>>) -> Table<'b, Windowed<K>, u64>
            $(where V: $clone)?
            {
                self.aggregated("count", &store.into(), Location::caller(), counting(), $rows::new)
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
                self.aggregated("reduce", &store.into(), Location::caller(), step, $rows::new)
            }
        }
    };
}

pub(crate) use aggregations;

impl<'b, K: Key, V: Send + 'static, C: Chain<Key = K, Value = V>, W>
    WindowedStream<'b, K, V, C, W>
{
    /// Ends the stream in an aggregation that keeps its rows as `rows` says.
    pub(crate) fn aggregated<A, L, R>(
        self,
        operator: &'static str,
        materialized: &Materialized<A>,
        location: &'static Location<'static>,
        step: impl Step<K, V, A>,
        rows: impl FnOnce(&Stateful<'b, '_, A>, W) -> (R, Table<'b, L, A>),
    ) -> Table<'b, L, A>
    where
        A: Send + 'static,
        L: Send + 'static,
        R: Aggregation<K, V, A>,
    {
        let windows = self.windows;
        let rows = |operator: &Stateful<'b, '_, A>| rows(operator, windows);
        aggregated(self.run, operator, materialized, location, step, rows)
    }
}
