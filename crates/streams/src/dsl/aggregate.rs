//! Aggregation of a stream by key: `fold`, `count` and `reduce`, and the steps that windowed ones share.
//!
//! An aggregate's timestamp is the largest of its records'; its headers are the current record's.

use std::panic::Location;

use crate::context::{Context, DropReason};
use crate::dsl::chain::Chain;
use crate::dsl::materialized::Materialized;
use crate::dsl::stream::{Keyed, Run};
use crate::dsl::table::{OldValues, Table};
use crate::dsl::updates::{EmitUpdates, Rows, Update, Updates, lookup};
use crate::error::{BoxError, Failure, Stage};
use crate::key::Key;
use crate::record::{Headers, Record};
use crate::serde::Value;
use crate::store::{KeyValue, StoreKind};
use crate::topology::{Builder, NodeId};

/// What a closure that changes an aggregate returns: nothing, or a `Result` of nothing.
///
/// The policy for processing says what becomes of a record whose closure failed; the aggregate stays as it was.
pub trait Outcome {
    /// The result.
    ///
    /// # Errors
    /// The closure's.
    fn outcome(self) -> Result<(), BoxError>;
}

impl Outcome for () {
    fn outcome(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> Outcome for Result<(), E> {
    fn outcome(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// What an aggregate becomes with one more value: of the key, the aggregate before, and the value.
pub(crate) trait Step<K, V, A>:
    FnMut(&K, Option<A>, V) -> Result<A, BoxError> + Send + 'static
{
}

impl<K, V, A, F: FnMut(&K, Option<A>, V) -> Result<A, BoxError> + Send + 'static> Step<K, V, A>
    for F
{
}

/// The step of `fold`.
pub(crate) fn folding<K, V, A: Clone + Send + 'static, R: Outcome>(
    init: A,
    mut f: impl FnMut(&K, &mut A, V) -> R + Send + 'static,
) -> impl Step<K, V, A> {
    move |key: &K, aggregate: Option<A>, value| {
        let mut aggregate = aggregate.unwrap_or_else(|| init.clone());
        f(key, &mut aggregate, value).outcome()?;
        Ok(aggregate)
    }
}

/// The step of `count`.
pub(crate) fn counting<K, V>() -> impl Step<K, V, u64> {
    |_: &K, count: Option<u64>, _| Ok(count.unwrap_or(0) + 1)
}

/// The step of `reduce`.
pub(crate) fn reducing<K, V: 'static>(
    mut f: impl FnMut(V, V) -> V + Send + 'static,
) -> impl Step<K, V, V> {
    move |_: &K, aggregate, value| {
        Ok(match aggregate {
            Some(aggregate) => f(aggregate, value),
            None => value,
        })
    }
}

/// Whether a value was aggregated, or its record is dealt with as the policy for errors says: once, however many
/// windows it falls into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a record that failed in one window is not tried in the next"]
pub(crate) enum Applied {
    Yes,
    Failed,
}

/// Aggregates one value into the row of `key`.
#[inline]
pub(crate) fn add<K: Key, A: Clone + Send + 'static, R: Rows<K, A>>(
    updates: &mut Updates<K, A, R>,
    context: &mut Context<'_>,
    key: K,
    timestamp: i64,
    headers: Headers,
    emit: EmitUpdates,
    step: impl FnOnce(&K, Option<A>) -> Result<A, BoxError>,
) -> Result<Applied, Failure> {
    let (before, timestamp) = match updates.get(context, &key)? {
        Some((before, latest)) => (Some(before), timestamp.max(latest)),
        None => (None, timestamp),
    };
    let old = if updates.wants_old() {
        before.clone()
    } else {
        None
    };
    match step(&key, before) {
        Ok(new) => {
            let update = Update {
                old,
                new: Some(new),
                timestamp,
            };
            updates.write(context, key, update, headers, emit)?;
            Ok(Applied::Yes)
        }
        Err(error) => {
            context.failed(updates.node, Stage::Processing, error)?;
            Ok(Applied::Failed)
        }
    }
}

impl<'b, K: Key, V: Send + 'static, C: Chain<Key = K, Value = V>> Keyed<'b, K, V, C> {
    /// The records of each key, folded into one value: it begins as `init`, and `f` changes it with each record.
    ///
    /// `f` returns nothing, or a `Result` of nothing.
    #[track_caller]
    pub fn fold<A: Clone + Send + 'static, R: Outcome>(
        self,
        store: impl Into<Materialized<A>>,
        init: A,
        mut f: impl FnMut(&mut A, V) -> R + Send + 'static,
    ) -> Table<'b, K, A> {
        let step = folding(init, move |_: &K, aggregate: &mut A, value| {
            f(aggregate, value)
        });
        aggregated(self.run, "fold", &store.into(), Location::caller(), step)
    }

    /// [`fold`](Self::fold) that sees the key too.
    #[track_caller]
    pub fn fold_with_key<A: Clone + Send + 'static, R: Outcome>(
        self,
        store: impl Into<Materialized<A>>,
        init: A,
        f: impl FnMut(&K, &mut A, V) -> R + Send + 'static,
    ) -> Table<'b, K, A> {
        let step = folding(init, f);
        aggregated(self.run, "fold", &store.into(), Location::caller(), step)
    }

    /// How many records each key has had.
    #[track_caller]
    pub fn count(self, store: impl Into<Materialized<u64>>) -> Table<'b, K, u64> {
        aggregated(
            self.run,
            "count",
            &store.into(),
            Location::caller(),
            counting(),
        )
    }

    /// The records of each key, reduced to one: the first as it is, then what `f` makes of the one before and the
    /// next.
    #[track_caller]
    pub fn reduce(
        self,
        store: impl Into<Materialized<V>>,
        f: impl FnMut(V, V) -> V + Send + 'static,
    ) -> Table<'b, K, V>
    where
        V: Value + Clone,
    {
        aggregated(
            self.run,
            "reduce",
            &store.into(),
            Location::caller(),
            reducing(f),
        )
    }
}

fn aggregated<'b, K: Key, V: Send + 'static, A: Clone + Send + 'static, C>(
    run: Run<'b, C>,
    operator: &'static str,
    materialized: &Materialized<A>,
    location: &'static Location<'static>,
    mut step: impl Step<K, V, A>,
) -> Table<'b, K, A>
where
    C: Chain<Key = K, Value = V>,
{
    let (table, mut updates) = keyed_table(&run, operator, materialized, location);
    let node = updates.node;
    run.end(move |context, record: Record<K, V>| {
        let Record {
            key: Some(key),
            value,
            timestamp,
            headers,
        } = record
        else {
            context.dropped(node, DropReason::NullKey);
            return Ok(());
        };
        add(
            &mut updates,
            context,
            key,
            timestamp,
            headers,
            EmitUpdates::Yes,
            |key, before| step(key, before, value),
        )
        .map(|_| ())
    });
    table
}

/// A table of a row per key, and what writes the rows.
pub(crate) type KeyedTable<'b, K, A> = (Table<'b, K, A>, Updates<K, A, KeyValue<K, A>>);

/// An operator behind `run` that keeps a row per key.
pub(crate) fn keyed_table<'b, K: Key, A: Send + 'static, C: Chain>(
    run: &Run<'b, C>,
    operator: &'static str,
    materialized: &Materialized<A>,
    location: &'static Location<'static>,
) -> KeyedTable<'b, K, A> {
    keyed_table_of(run.builder, &[run.node], operator, materialized, location)
}

/// [`keyed_table`] behind any number of operators.
pub(crate) fn keyed_table_of<'b, K: Key, A: Send + 'static>(
    builder: &'b Builder,
    parents: &[NodeId],
    operator: &'static str,
    materialized: &Materialized<A>,
    location: &'static Location<'static>,
) -> KeyedTable<'b, K, A> {
    let name = materialized.name();
    let node = builder.operator(operator, Some(name), parents, location);
    let (spec, topic) = materialized.spec(builder, StoreKind::KeyValue);
    let id = builder.store(node, spec.keyed::<K>());
    let rows = || KeyValue::new(id, name, &topic, materialized.codec());
    let (out, old) = (builder.out(), OldValues::default());
    let updates = Updates::new(builder, node, materialized, out, old.clone(), rows());
    let table = Table {
        old,
        ..Table::new(builder, node, out, lookup(node, rows()))
    };
    (table, updates)
}
