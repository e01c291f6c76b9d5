//! Tables grouped by another key: each change of a row is taken out of its old group and added to its new one. Kafka
//! Streams' `KGroupedTable`.
//!
//! Where old and new group are the same, one record with both goes through the repartition topic, else the old value
//! first, then the new.

use std::panic::Location;

use crate::context::Context;
use crate::dsl::aggregate::{KeyedRows, Outcome, keyed_rows};
use crate::dsl::chain::Through;
use crate::dsl::change_serde::ChangeSerde;
use crate::dsl::materialized::Materialized;
use crate::dsl::repartition::through;
use crate::dsl::stateful::Stateful;
use crate::dsl::stream::{Keyed, Run};
use crate::dsl::table::Table;
use crate::dsl::updates::{EmitUpdates, Update};
use crate::error::{BoxError, Failure, Stage};
use crate::key::Key;
use crate::record::{Change, KeyedRecord, Record};
use crate::serde::{Codec, Value};

/// The rows of a table by another key, to be aggregated.
#[must_use = "a group that is not aggregated does nothing"]
pub struct GroupedTable<'b, K: Send + 'static, V: Send + 'static> {
    run: Run<'b, Through<K, Change<V>>>,
}

impl<'b, K: Send + 'static, V: Send + 'static> Table<'b, K, V> {
    /// The rows by the key that `f` makes of each, with the value that goes into the group, sent through the topic
    /// `<application>-<name>-repartition`.
    #[track_caller]
    pub fn group_by<L: Key, W: Value>(
        self,
        name: &str,
        f: impl FnMut(&K, V) -> (L, W) + Send + 'static,
    ) -> GroupedTable<'b, L, W> {
        self.group_by_with(name, W::codec(), f)
    }

    /// [`group_by`](Self::group_by), with values of another codec.
    #[track_caller]
    pub fn group_by_with<L: Key, W: Send + 'static>(
        self,
        name: &str,
        codec: Codec<W>,
        mut f: impl FnMut(&K, V) -> (L, W) + Send + 'static,
    ) -> GroupedTable<'b, L, W> {
        let location = Location::caller();
        let builder = self.builder;
        let node = builder.operator("group_by", None, &[self.node], location);
        let out = builder.out();
        let versioned = self.versioned.is_some();
        builder.connect(
            self.out,
            Box::new(move |context, record: Record<K, Change<V>>| {
                let Record {
                    key: Some(key),
                    value: Change { old, new, latest },
                    timestamp,
                    headers,
                } = record
                else {
                    return Ok(());
                };
                // A group holds the latest rows only.
                if versioned && !latest {
                    return Ok(());
                }
                let new = new.map(|new| f(&key, new));
                let old = old.map(|old| f(&key, old));
                let mut send = |key: L, old, new| {
                    context.forward(
                        out,
                        Record {
                            key: Some(key),
                            value: Change { old, new, latest },
                            timestamp,
                            headers: headers.clone(),
                        },
                    )
                };
                match (old, new) {
                    (Some((old_key, old)), Some((key, new))) if old_key == key => {
                        send(key, Some(old), Some(new))
                    }
                    (old, new) => {
                        if let Some((key, old)) = old {
                            send(key, Some(old), None)?;
                        }
                        match new {
                            Some((key, new)) => send(key, None, Some(new)),
                            None => Ok(()),
                        }
                    }
                }
            }),
        );
        let run = Keyed::begin(builder, node, out).run;
        let codec = Codec::shared(ChangeSerde(codec));
        GroupedTable {
            run: through(run, name, None, codec, location).run,
        }
    }
}

impl<'b, K: Key, V: Send + 'static> GroupedTable<'b, K, V> {
    /// The rows of each group, folded into one value: it begins as `init`, `add` takes a row in and `subtract` takes
    /// it out again. Both return nothing, or a `Result` of nothing.
    #[track_caller]
    pub fn fold<A: Clone + Send + 'static, R: Outcome, S: Outcome>(
        self,
        store: impl Into<Materialized<A>>,
        init: A,
        mut add: impl FnMut(&mut A, V) -> R + Send + 'static,
        mut subtract: impl FnMut(&mut A, V) -> S + Send + 'static,
    ) -> Table<'b, K, A> {
        let location = Location::caller();
        self.aggregated(
            "fold",
            &store.into(),
            location,
            move |group, row| {
                let mut group = group.unwrap_or_else(|| init.clone());
                add(&mut group, row).outcome()?;
                Ok(group)
            },
            move |mut group, row| {
                subtract(&mut group, row).outcome()?;
                Ok(group)
            },
        )
    }

    /// How many rows each group has.
    #[track_caller]
    pub fn count(self, store: impl Into<Materialized<u64>>) -> Table<'b, K, u64> {
        let location = Location::caller();
        self.aggregated(
            "count",
            &store.into(),
            location,
            |count, _| Ok(count.unwrap_or(0) + 1),
            |count: u64, _| Ok(count.saturating_sub(1)),
        )
    }

    /// The rows of each group, reduced to one: the first as it is, then what `add` makes of the one before and the
    /// next; `subtract` takes a row out again.
    #[track_caller]
    pub fn reduce(
        self,
        store: impl Into<Materialized<V>>,
        mut add: impl FnMut(V, V) -> V + Send + 'static,
        mut subtract: impl FnMut(V, V) -> V + Send + 'static,
    ) -> Table<'b, K, V>
    where
        V: Clone,
    {
        let location = Location::caller();
        self.aggregated(
            "reduce",
            &store.into(),
            location,
            move |group, row| {
                Ok(match group {
                    Some(group) => add(group, row),
                    None => row,
                })
            },
            move |group, row| Ok(subtract(group, row)),
        )
    }

    fn aggregated<A: Clone + Send + 'static>(
        self,
        operator: &'static str,
        materialized: &Materialized<A>,
        location: &'static Location<'static>,
        mut add: impl FnMut(Option<A>, V) -> Result<A, BoxError> + Send + 'static,
        mut subtract: impl FnMut(A, V) -> Result<A, BoxError> + Send + 'static,
    ) -> Table<'b, K, A> {
        let (mut rows, table) = keyed_rows(&Stateful {
            builder: self.run.builder,
            parents: &[self.run.node],
            operator,
            materialized,
            location,
        });
        self.run.end_keyed(table.node, move |context, record| {
            change_group(&mut rows, context, record, &mut add, &mut subtract)
        });
        table
    }
}

/// Takes the old row out of a group and the new one in.
fn change_group<K: Key, V, A: Clone + Send + 'static>(
    updates: &mut KeyedRows<K, A>,
    context: &mut Context<'_>,
    record: KeyedRecord<K, Change<V>>,
    add: &mut impl FnMut(Option<A>, V) -> Result<A, BoxError>,
    subtract: &mut impl FnMut(A, V) -> Result<A, BoxError>,
) -> Result<(), Failure> {
    let KeyedRecord {
        key,
        value: Change { old, new, .. },
        timestamp,
        headers,
    } = record;
    let (before, latest) = match updates.get(context, &key)? {
        Some((before, latest)) => (Some(before), timestamp.max(latest)),
        None => (None, timestamp),
    };
    let old_group = if updates.wants_old() {
        before.clone()
    } else {
        None
    };
    let changed = (|| {
        let left = match (before, old) {
            (Some(before), Some(old)) => Some(subtract(before, old)?),
            (before, _) => before,
        };
        match new {
            Some(new) => add(left, new).map(Some),
            None => Ok(left),
        }
    })();
    match changed {
        Ok(new) => {
            let update = Update {
                old: old_group,
                new,
                timestamp: latest,
            };
            updates.write(context, key, update, headers, EmitUpdates::Yes)
        }
        Err(error) => context.failed(updates.node, Stage::Processing, error),
    }
}
