//! Aggregation in sessions (KIP-94): records of a key that are no more than a gap apart.
//!
//! A record merges all sessions that it comes near, and the merged ones go with a tombstone each. A session's result
//! has its end as timestamp, and no headers.

use std::panic::Location;

use crate::context::{Context, DropReason};
use crate::dsl::aggregate::{Outcome, Step, counting, folding, reducing};
use crate::dsl::chain::Chain;
use crate::dsl::closing::Closing;
use crate::dsl::final_results::{CloseRule, FinalResults};
use crate::dsl::materialized::Materialized;
use crate::dsl::table::{OldValues, Table};
use crate::dsl::updates::{EmitUpdates, Update, Updates, lookup};
use crate::dsl::windowed::WindowedStream;
use crate::dsl::windows::SessionWindows;
use crate::error::{BoxError, Failure, Stage};
use crate::key::Key;
use crate::record::{Headers, Record};
use crate::serde::Value;
use crate::store::{SessionStore, StoreKind, check_retention};
use crate::topology::{Builder, NodeId};
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
        self.sessions("fold", &store.into(), Location::caller(), step, merge)
    }

    /// How many records each session has had.
    #[track_caller]
    pub fn count(
        self,
        store: impl Into<Materialized<u64>>,
    ) -> Table<'b, Windowed<K, SessionWindow>, u64> {
        let merge = merging(0, |sum: &mut u64, count| *sum += count);
        self.sessions(
            "count",
            &store.into(),
            Location::caller(),
            counting(),
            merge,
        )
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
        self.sessions(
            "reduce",
            &store.into(),
            Location::caller(),
            reducing(f),
            merge,
        )
    }

    fn sessions<A: Clone + Send + 'static>(
        self,
        operator: &'static str,
        materialized: &Materialized<A>,
        location: &'static Location<'static>,
        mut step: impl Step<K, V, A>,
        merge: impl Merge<K, A>,
    ) -> Table<'b, Windowed<K, SessionWindow>, A> {
        let run = self.run;
        let (mut rows, table) = SessionRows::new(
            run.builder,
            &[run.node],
            self.windows,
            operator,
            materialized,
            location,
            merge,
        );
        run.end(move |context, record| rows.add(context, record, &mut step));
        table
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

/// An aggregation in sessions.
pub(crate) struct SessionRows<K: 'static, A: 'static, M> {
    windows: SessionWindows,
    retention_ms: i64,
    node: NodeId,
    updates: Updates<Windowed<K, SessionWindow>, A, SessionStore<K, A>>,
    results: FinalResults<Windowed<K, SessionWindow>, A>,
    closed: SessionStore<K, A>,
    merge: M,
}

impl<K: Key, A: Clone + Send + 'static, M: Merge<K, A>> SessionRows<K, A, M> {
    pub(crate) fn new<'b>(
        builder: &'b Builder,
        parents: &[NodeId],
        windows: SessionWindows,
        operator: &'static str,
        materialized: &Materialized<A>,
        location: &'static Location<'static>,
        merge: M,
    ) -> (Self, Table<'b, Windowed<K, SessionWindow>, A>) {
        let name = materialized.name();
        let SessionWindows {
            gap_ms,
            grace_ms,
            retention_ms,
        } = windows;
        let least = gap_ms.saturating_add(grace_ms);
        let retention_ms = retention_ms.unwrap_or(least);
        if let Err(error) = check_retention(name, retention_ms, gap_ms, grace_ms) {
            builder.error(location, error.to_string());
        }
        let node = builder.operator(operator, Some(name), parents, location);
        let kind = StoreKind::Session {
            // A session is closed when it ends before stream time less gap and grace: the store keeps the one that
            // ends right then, for its final result.
            retention_ms: retention_ms.saturating_add(1),
        };
        let (spec, topic) = materialized.spec(builder, kind);
        let id = builder.store(node, spec.keyed::<K>());
        let rows = || SessionStore::new(id, name, &topic, materialized.codec());
        let (out, old) = (builder.out(), OldValues::default());
        let rule = CloseRule {
            behind_ms: least.saturating_add(1),
            advance_ms: 1,
        };
        let results = FinalResults::new(builder, node, name, out, rule, rows());
        let closing = Closing {
            after_end_ms: least.saturating_add(1),
            emit: Some(results.slot()),
        };
        let table = Table {
            old: old.clone(),
            closing: Some(closing),
            ..Table::new(builder, node, out, lookup(node, rows()))
        };
        let rows = Self {
            windows,
            retention_ms,
            node,
            updates: Updates::new(builder, node, materialized, out, old, rows()),
            results,
            closed: rows(),
            merge,
        };
        (rows, table)
    }

    /// Aggregates a record into its session.
    pub(crate) fn add<V>(
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
            context.dropped(self.node, DropReason::NullKey);
            return Ok(());
        };
        let SessionWindows {
            gap_ms, grace_ms, ..
        } = self.windows;
        let stream_time = self
            .results
            .advance(context, &mut self.closed, timestamp, &headers)?;
        let close = stream_time - grace_ms - gap_ms;
        let emit = self.results.updates();
        let found = self.near(context, &key, timestamp)?;
        let single = SessionWindow {
            start: timestamp,
            end: timestamp,
        };
        let merged = found
            .iter()
            .fold(single, |merged, (session, ..)| merged.merge(*session));
        if merged.end < close {
            context.dropped(self.node, DropReason::Late);
            return Ok(());
        }
        let wants_old = self.updates.wants_old();
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
            Err(error) => return context.failed(self.node, Stage::Processing, error),
        };
        for (session, old) in gone {
            self.write(context, key.clone(), session, old, None, emit)?;
        }
        self.write(context, key, merged, old, Some(new), emit)
    }

    /// The sessions that a record of this time belongs to.
    fn near(
        &mut self,
        context: &mut Context<'_>,
        key: &K,
        timestamp: i64,
    ) -> Result<Vec<(SessionWindow, A, i64)>, Failure> {
        let rows = &mut self.updates.rows;
        // What is as old as the retention is kept for its final result only: in Java's store it is gone.
        let newest = context.stores.get_mut(rows.id()).clock();
        let kept = newest.saturating_sub(self.retention_ms) + 1;
        let earliest_end = (timestamp - self.windows.gap_ms).max(kept);
        let latest_start = timestamp.saturating_add(self.windows.gap_ms);
        rows.find(context.stores, key, earliest_end, latest_start)
            .map_err(|error| context.fatal(self.node, error))
    }

    fn write(
        &mut self,
        context: &mut Context<'_>,
        key: K,
        session: SessionWindow,
        old: Option<A>,
        new: Option<A>,
        emit: EmitUpdates,
    ) -> Result<(), Failure> {
        let update = Update {
            old,
            new,
            timestamp: session.end,
        };
        let key = Windowed::new(key, session);
        self.updates
            .write(context, key, update, Headers::default(), emit)
    }
}
