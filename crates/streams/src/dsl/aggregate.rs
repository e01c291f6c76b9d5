//! Aggregation of a stream by key: `fold`, `count` and `reduce`, and the steps that windowed ones share.
//!
//! An aggregate's timestamp is the largest of its records'; its headers are the current record's.

use std::panic::Location;

use crate::context::Context;
use crate::dsl::chain::Chain;
use crate::dsl::materialized::Materialized;
use crate::dsl::stateful::{Aggregation, Stateful, aggregated};
use crate::dsl::stream::Keyed;
use crate::dsl::table::Table;
use crate::dsl::updates::{EmitUpdates, Rows, Update, Updates};
use crate::error::{BoxError, Failure, Stage};
use crate::key::Key;
use crate::record::{Headers, KeyedRecord};
use crate::serde::Value;
use crate::store::{KeyValue, StoreKind};

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
        self.fold_with_key(store, init, move |_, aggregate, value| f(aggregate, value))
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
        aggregated(
            self.run,
            "fold",
            &store.into(),
            Location::caller(),
            step,
            keyed_rows,
        )
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
            keyed_rows,
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
            keyed_rows,
        )
    }
}

/// Rows of an aggregation by key alone.
pub(crate) type KeyedRows<K, A> = Updates<K, A, KeyValue<K, A>>;

impl<K: Key, V: 'static, A: Clone + Send + 'static> Aggregation<K, V, A> for KeyedRows<K, A> {
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
        let emit = EmitUpdates::Yes;
        add(
            self,
            context,
            key,
            timestamp,
            headers,
            emit,
            |key, before| step(key, before, value),
        )
        .map(|_| ())
    }
}

/// What writes a row per key, and the table of the rows.
pub(crate) fn keyed_rows<'b, K: Key, A: Send + 'static>(
    operator: &Stateful<'b, '_, A>,
) -> (KeyedRows<K, A>, Table<'b, K, A>) {
    let kept = operator.keep::<K, K, KeyValue<K, A>>(StoreKind::KeyValue, KeyValue::new);
    (kept.updates, kept.table)
}
