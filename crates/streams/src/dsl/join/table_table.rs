//! Joins of two tables by key: a table of the rows that both have, or either.
//!
//! Nothing is stored: a row of the result is looked up in the two tables whenever it is asked for.

use std::marker::PhantomData;
use std::panic::Location;

use crate::context::{Context, DropReason};
use crate::dsl::closing::Closing;
use crate::dsl::table::{Lookup, OldValues, Table};
use crate::error::Failure;
use crate::graph::{Cell, Out};
use crate::key::Key;
use crate::record::{Change, Record};
use crate::topology::NodeId;

/// The row of the result, if these two make one.
type Pair<V, W, R> = fn(Option<V>, Option<W>) -> Option<R>;

impl<'b, K: Key, V: Clone + Send + 'static> Table<'b, K, V> {
    /// The table of the keys that both tables have.
    ///
    /// A change of either table that finds the other's row changes the result; its timestamp is the larger one of
    /// the two rows. Topics behind the two must have equally many partitions.
    #[track_caller]
    pub fn join<W: Clone + Send + 'static>(self, other: Table<'b, K, W>) -> Table<'b, K, (V, W)> {
        let needs = Needs {
            left_old: false,
            right_old: false,
        };
        let location = Location::caller();
        joined(self, other, needs, location, Option::zip)
    }

    /// The table of the keys that this table has, with the other's values where there are any.
    #[track_caller]
    pub fn left_join<W: Clone + Send + 'static>(
        self,
        other: Table<'b, K, W>,
    ) -> Table<'b, K, (V, Option<W>)> {
        let needs = Needs {
            left_old: true,
            right_old: false,
        };
        let location = Location::caller();
        joined(self, other, needs, location, |left, right| {
            left.map(|left| (left, right))
        })
    }

    /// The table of the keys that either table has.
    #[track_caller]
    pub fn outer_join<W: Clone + Send + 'static>(
        self,
        other: Table<'b, K, W>,
    ) -> Table<'b, K, (Option<V>, Option<W>)> {
        let needs = Needs {
            left_old: true,
            right_old: true,
        };
        let location = Location::caller();
        joined(self, other, needs, location, |left, right| {
            (left.is_some() || right.is_some()).then_some((left, right))
        })
    }
}

/// Whether the join itself looks at old values: only a row that there was can be deleted.
#[derive(Clone, Copy)]
struct Needs {
    left_old: bool,
    right_old: bool,
}

fn joined<'b, K, V, W, R>(
    left: Table<'b, K, V>,
    right: Table<'b, K, W>,
    needs: Needs,
    location: &'static Location<'static>,
    pair: Pair<V, W, R>,
) -> Table<'b, K, R>
where
    K: Key,
    V: Clone + Send + 'static,
    W: Clone + Send + 'static,
    R: Send + 'static,
{
    let builder = left.builder;
    let node = builder.operator("join", None, &[left.node, right.node], location);
    builder.joined(node);
    let out = builder.out();
    let mut upstream = Vec::new();
    for (old, needed) in [(left.old, needs.left_old), (right.old, needs.right_old)] {
        if !needed {
            upstream.push(old);
        }
    }
    let old = OldValues::behind(upstream);
    let of_left = Side {
        node,
        out,
        other: right.lookup,
        versioned: left.versioned.is_some(),
        old: old.clone(),
        pair,
        types: PhantomData,
    };
    let of_right = Side {
        node,
        out,
        other: left.lookup,
        versioned: right.versioned.is_some(),
        old: old.clone(),
        pair: move |right, left| pair(left, right),
        types: PhantomData,
    };
    builder.connect(
        left.out,
        Box::new(move |context, record| of_left.receive(context, record)),
    );
    builder.connect(
        right.out,
        Box::new(move |context, record| of_right.receive(context, record)),
    );
    let (left_rows, right_rows) = (left.lookup, right.lookup);
    let lookup: Lookup<K, R> = Box::new(move |context, key| {
        let left = context.with_cell(left_rows, |context, lookup| lookup(context, key))?;
        let right = context.with_cell(right_rows, |context, lookup| lookup(context, key))?;
        let timestamp = timestamp_of(left.as_ref()).max(timestamp_of(right.as_ref()));
        let row = pair(left.map(|(value, _)| value), right.map(|(value, _)| value));
        Ok(row.map(|row| (row, timestamp)))
    });
    Table {
        old,
        closing: Closing::of_both(left.closing, right.closing),
        ..Table::new(builder, node, out, lookup)
    }
}

fn timestamp_of<V>(found: Option<&(V, i64)>) -> i64 {
    found.map_or(-1, |(_, timestamp)| *timestamp)
}

/// What one table's changes do to the result: this table is `T`, the other `O`.
struct Side<K, T, O, R, P> {
    node: NodeId,
    out: Out<K, Change<R>>,
    other: Cell<Lookup<K, O>>,
    versioned: bool,
    /// Whether anybody looks at the result's old values.
    old: OldValues,
    pair: P,
    types: PhantomData<fn(T)>,
}

impl<K, T, O, R, P> Side<K, T, O, R, P>
where
    K: Key,
    O: Clone + Send + 'static,
    R: 'static,
    P: Fn(Option<T>, Option<O>) -> Option<R>,
{
    fn receive(
        &self,
        context: &mut Context<'_>,
        record: Record<K, Change<T>>,
    ) -> Result<(), Failure> {
        let Record {
            key,
            value: Change { old, new, latest },
            timestamp,
            headers,
        } = record;
        let Some(key) = key else {
            context.dropped(self.node, DropReason::NullKey);
            return Ok(());
        };
        if self.versioned && !latest {
            context.dropped(self.node, DropReason::OutOfOrder);
            return Ok(());
        }
        let other = context.with_cell(self.other, |context, lookup| lookup(context, &key))?;
        let (other, timestamp) = match other {
            Some((other, of_other)) => (Some(other), timestamp.max(of_other)),
            None => (None, timestamp),
        };
        let found = other.is_some();
        let old = if found && !self.old.wanted() {
            None
        } else {
            (self.pair)(old, other.clone())
        };
        let new = (self.pair)(new, other);
        // With the other's row there the change is told even where it deletes what was not there, as Java does.
        if !found && old.is_none() && new.is_none() {
            return Ok(());
        }
        context.forward(
            self.out,
            Record {
                key: Some(key),
                value: Change { old, new, latest },
                timestamp,
                headers,
            },
        )
    }
}
