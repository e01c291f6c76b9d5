//! Aggregation in sessions (KIP-94): records of a key that are no more than a gap apart.
//!
//! A record merges all sessions that it comes near, and the merged ones go with a tombstone each. A session's result
//! has its end as timestamp, and no headers.

use std::panic::Location;

use crate::context::{Context, DropReason};
use crate::dsl::aggregate::{Outcome, Step, counting, folding, reducing};
use crate::dsl::chain::Chain;
use crate::dsl::final_results::CloseRule;
use crate::dsl::materialized::Materialized;
use crate::dsl::stateful::{Aggregation, Stateful};
use crate::dsl::table::Table;
use crate::dsl::updates::Update;
use crate::dsl::window_rows::{ClosingRows, RowsPlan};
use crate::dsl::windowed::WindowedStream;
use crate::dsl::windows::SessionWindows;
use crate::error::{Failure, Stage};
use crate::key::Key;
use crate::record::{Headers, KeyedRecord};
use crate::serde::Value;
use crate::store::{SessionStore, StoreKind};
use crate::window::{SessionWindow, Windowed};

/// What the aggregates of two sessions become when they are merged: of those merged so far, none before the first,
/// and the next one.
pub(crate) trait Merge<K, A>: FnMut(&K, Option<A>, A) -> A + Send + 'static {}

impl<K, A, F: FnMut(&K, Option<A>, A) -> A + Send + 'static> Merge<K, A> for F {}

impl<'b, K: Key, V: Send + 'static, C: Chain<Key = K, Value = V>>
    WindowedStream<'b, K, V, C, SessionWindows>
{
    /// The records of each session, folded into one value: it begins as `init`, `f` changes it with each record, and
    /// `merge` adds the value of a session that is merged into it. `f` returns nothing, or a `Result` of nothing.
    #[track_caller]
    pub fn fold<A: Clone + Send + 'static, R: Outcome>(
        self,
        store: impl Into<Materialized<A>>,
        init: A,
        mut f: impl FnMut(&mut A, V) -> R + Send + 'static,
        merge: impl FnMut(&mut A, A) + Send + 'static,
    ) -> Table<'b, Windowed<K, SessionWindow>, A> {
        self.fold_with_key(
            store,
            init,
            move |_, aggregate, value| f(aggregate, value),
            merge,
        )
    }

    /// [`fold`](Self::fold) that sees the key too.
    #[track_caller]
    pub fn fold_with_key<A: Clone + Send + 'static, R: Outcome>(
        self,
        store: impl Into<Materialized<A>>,
        init: A,
        f: impl FnMut(&K, &mut A, V) -> R + Send + 'static,
        merge: impl FnMut(&mut A, A) + Send + 'static,
    ) -> Table<'b, Windowed<K, SessionWindow>, A> {
        let merge = merging(init.clone(), merge);
        let step = folding(init, f);
        let rows =
            |operator: &Stateful<'b, '_, _>, windows| SessionRows::new(operator, windows, merge);
        self.aggregated("fold", &store.into(), Location::caller(), step, rows)
    }

    /// How many records each session has had.
    #[track_caller]
    pub fn count(
        self,
        store: impl Into<Materialized<u64>>,
    ) -> Table<'b, Windowed<K, SessionWindow>, u64> {
        let merge = merging(0, |sum: &mut u64, count| *sum += count);
        let rows =
            |operator: &Stateful<'b, '_, _>, windows| SessionRows::new(operator, windows, merge);
        self.aggregated("count", &store.into(), Location::caller(), counting(), rows)
    }

    /// The records of each session, reduced to one: the first as it is, then what `f` makes of the one before and the
    /// next. It merges sessions too.
    #[track_caller]
    pub fn reduce(
        self,
        store: impl Into<Materialized<V>>,
        f: impl FnMut(V, V) -> V + Clone + Send + 'static,
    ) -> Table<'b, Windowed<K, SessionWindow>, V>
    where
        V: Value + Clone,
    {
        let mut both = f.clone();
        let merge = move |_: &K, merged: Option<V>, next| match merged {
            Some(merged) => both(merged, next),
            None => next,
        };
        let rows =
            |operator: &Stateful<'b, '_, _>, windows| SessionRows::new(operator, windows, merge);
        self.aggregated(
            "reduce",
            &store.into(),
            Location::caller(),
            reducing(f),
            rows,
        )
    }
}

/// The merge of `fold`.
pub(crate) fn merging<K, A: Clone + Send + 'static>(
    init: A,
    mut merge: impl FnMut(&mut A, A) + Send + 'static,
) -> impl Merge<K, A> {
    move |_: &K, merged: Option<A>, next| {
        let mut merged = merged.unwrap_or_else(|| init.clone());
        merge(&mut merged, next);
        merged
    }
}

type ClosingSessions<K, A> =
    ClosingRows<Windowed<K, SessionWindow>, A, SessionStore<K, A>, SessionStore<K, A>>;

/// An aggregation in sessions.
pub(crate) struct SessionRows<K: 'static, A: 'static, M> {
    windows: SessionWindows,
    retention_ms: i64,
    rows: ClosingSessions<K, A>,
    merge: M,
}

impl<K: Key, A: Send + 'static, M> SessionRows<K, A, M> {
    pub(crate) fn new<'b>(
        operator: &Stateful<'b, '_, A>,
        windows: SessionWindows,
        merge: M,
    ) -> (Self, Table<'b, Windowed<K, SessionWindow>, A>) {
        let SessionWindows {
            gap_ms,
            grace_ms,
            retention_ms,
        } = windows;
        let least = gap_ms.saturating_add(grace_ms);
        let retention_ms = retention_ms.unwrap_or(least);
        operator.check_retention(retention_ms, gap_ms, grace_ms);
        let plan = RowsPlan {
            kind: StoreKind::Session {
                // A session is closed when it ends before stream time less gap and grace: the store keeps the one
                // that ends right then, for its final result.
                retention_ms: retention_ms.saturating_add(1),
            },
            rule: CloseRule {
                behind_ms: least.saturating_add(1),
                advance_ms: 1,
            },
            after_end_ms: least.saturating_add(1),
        };
        let (rows, table) =
            ClosingRows::new::<K>(operator, plan, SessionStore::new, |closed| closed);
        let rows = Self {
            windows,
            retention_ms,
            rows,
            merge,
        };
        (rows, table)
    }

    /// The sessions that a record of this time belongs to.
    fn near(
        &mut self,
        context: &mut Context<'_>,
        key: &K,
        timestamp: i64,
    ) -> Result<Vec<(SessionWindow, A, i64)>, Failure> {
        let node = self.rows.node();
        let rows = self.rows.store();
        // What is as old as the retention is kept for its final result only: in Java's store it is gone.
        let newest = context.stores.get_mut(rows.id()).clock();
        let kept = newest.saturating_sub(self.retention_ms) + 1;
        let earliest_end = (timestamp - self.windows.gap_ms).max(kept);
        let latest_start = timestamp.saturating_add(self.windows.gap_ms);
        rows.find(context.stores, key, earliest_end, latest_start)
            .map_err(|error| context.fatal(node, error))
    }

    fn write(
        &mut self,
        context: &mut Context<'_>,
        key: K,
        session: SessionWindow,
        old: Option<A>,
        new: Option<A>,
    ) -> Result<(), Failure> {
        let update = Update {
            old,
            new,
            timestamp: session.end,
        };
        let key = Windowed::new(key, session);
        self.rows.write(context, key, update, Headers::default())
    }
}

impl<K, V, A, M> Aggregation<K, V, A> for SessionRows<K, A, M>
where
    K: Key,
    V: 'static,
    A: Clone + Send + 'static,
    M: Merge<K, A>,
{
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
        let SessionWindows {
            gap_ms, grace_ms, ..
        } = self.windows;
        let stream_time = self.rows.advance(context, timestamp, &headers)?;
        let close = stream_time - grace_ms - gap_ms;
        let found = self.near(context, &key, timestamp)?;
        let single = SessionWindow {
            start: timestamp,
            end: timestamp,
        };
        let merged = found
            .iter()
            .fold(single, |merged, (session, ..)| merged.merge(*session));
        if merged.end < close {
            context.dropped(self.rows.node(), DropReason::Late);
            return Ok(());
        }
        let wants_old = self.rows.wants_old();
        // Only a session of records of this very time is none that is merged.
        let mut old = None;
        let mut before = None;
        let mut gone = Vec::new();
        for (session, value, _) in found {
            if wants_old && merged == single {
                old = Some(value.clone());
            } else if merged != single {
                gone.push((session, wants_old.then(|| value.clone())));
            }
            before = Some((self.merge)(&key, before, value));
        }
        let new = match step(&key, before, value) {
            Ok(new) => new,
            Err(error) => return context.failed(self.rows.node(), Stage::Processing, error),
        };
        for (session, old) in gone {
            self.write(context, key.clone(), session, old, None)?;
        }
        self.write(context, key, merged, old, Some(new))
    }
}
