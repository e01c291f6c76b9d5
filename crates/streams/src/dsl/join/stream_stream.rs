//! Joins of two streams: records of equal keys that are near each other in time, in whichever order they come.
//!
//! Each side keeps its records, duplicates too, as long as one of the other may come for them. A left or outer join
//! keeps those without a partner in a third store until their windows have closed.

use std::panic::Location;

use super::left_over::LeftOver;
use super::unjoined::{JoinSide, Unjoined};
use super::values::JoinValues;
use super::windows::JoinWindows;
use crate::context::{ClockId, Context, DropReason};
use crate::dsl::chain::Chain;
use crate::dsl::stream::Keyed;
use crate::error::Failure;
use crate::graph::{Cell, Out};
use crate::key::Key;
use crate::record::Record;
use crate::serde::Value;
use crate::store::{Arrived, JoinWindow, StoreId, StoreKind, StoreSpec};
use crate::topology::{Builder, NodeId};

impl<'b, K: Key, V: Value, C: Chain<Key = K, Value = V>> Keyed<'b, K, V, C> {
    /// Each pair of records of one key, one of each stream, that are near enough in time.
    ///
    /// A pair is emitted when its second record is processed, with the larger of the two timestamps and that
    /// record's headers. A record is never too late to be joined as long as its partner is kept, which is for the
    /// length of the windows and their grace behind the newest record of its stream. Topics behind the two must have
    /// equally many partitions. A stream is joined with itself through [`tee`](Self::tee). The stores are
    /// `<name>-left` and `<name>-right`.
    #[track_caller]
    pub fn join<W: Value, D: Chain<Key = K, Value = W>>(
        self,
        name: &str,
        other: Keyed<'b, K, W, D>,
        windows: JoinWindows,
    ) -> Keyed<'b, K, (V, W)> {
        let results = Results {
            pair: |left, right| (left, right),
            left: None,
            right: None,
        };
        joined(self, name, other, windows, results, Location::caller())
    }

    /// [`join`](Self::join), and each record of this stream that found no partner.
    ///
    /// It is emitted, with its own timestamp, when stream time has passed its window and the grace; at once if it
    /// comes so late that its window has passed already, or has no key. The store of those that wait is
    /// `<name>-unjoined`.
    #[track_caller]
    pub fn left_join<W: Value, D: Chain<Key = K, Value = W>>(
        self,
        name: &str,
        other: Keyed<'b, K, W, D>,
        windows: JoinWindows,
    ) -> Keyed<'b, K, (V, Option<W>)> {
        let results = Results {
            pair: |left, right| (left, Some(right)),
            left: Some(|left| (left, None)),
            right: None,
        };
        joined(self, name, other, windows, results, Location::caller())
    }

    /// [`join`](Self::join), and each record of either stream that found no partner, as in
    /// [`left_join`](Self::left_join).
    #[track_caller]
    pub fn outer_join<W: Value, D: Chain<Key = K, Value = W>>(
        self,
        name: &str,
        other: Keyed<'b, K, W, D>,
        windows: JoinWindows,
    ) -> Keyed<'b, K, (Option<V>, Option<W>)> {
        let results = Results {
            pair: |left, right| (Some(left), Some(right)),
            left: Some(|left| (Some(left), None)),
            right: Some(|right| (None, Some(right))),
        };
        joined(self, name, other, windows, results, Location::caller())
    }
}

/// What the join makes of a pair, and of a record without a partner.
pub(super) struct Results<V, W, R> {
    pair: fn(V, W) -> R,
    pub(super) left: Option<fn(V) -> R>,
    pub(super) right: Option<fn(W) -> R>,
}

impl<V, W, R> Clone for Results<V, W, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V, W, R> Copy for Results<V, W, R> {}

fn joined<'b, K, V, W, R, C, D>(
    left: Keyed<'b, K, V, C>,
    name: &str,
    right: Keyed<'b, K, W, D>,
    windows: JoinWindows,
    results: Results<V, W, R>,
    location: &'static Location<'static>,
) -> Keyed<'b, K, R>
where
    K: Key,
    V: Value,
    W: Value,
    R: Send + 'static,
    C: Chain<Key = K, Value = V>,
    D: Chain<Key = K, Value = W>,
{
    let builder = left.run.builder;
    let parents = [left.run.node, right.run.node];
    let node = builder.operator("join", Some(name), &parents, location);
    builder.joined(node);
    let out = builder.out();
    let shared = Shared {
        node,
        out,
        clock: builder.clock(format!("{name}-join")),
    };
    let retention_ms = windows.retention_ms();
    let kind = StoreKind::JoinWindow { retention_ms };
    let left_store = store(builder, node, &format!("{name}-left"), kind);
    let right_store = store(builder, node, &format!("{name}-right"), kind);
    let unjoined = left_over(builder, name, shared, windows, results);
    let mut of_left = Side {
        shared,
        own: handle(&left_store),
        other: handle(&right_store),
        found: Vec::new(),
        values: JoinValues::new(),
        which: JoinSide::Left,
        before_ms: windows.before_ms,
        after_ms: windows.after_ms,
        pair: results.pair,
        alone: results.left,
    };
    let reversed = results.pair;
    let mut of_right = Side {
        shared,
        own: handle(&right_store),
        other: handle(&left_store),
        found: Vec::new(),
        values: JoinValues::new(),
        which: JoinSide::Right,
        before_ms: windows.after_ms,
        after_ms: windows.before_ms,
        pair: move |right, left| reversed(left, right),
        alone: results.right,
    };
    left.run.end(move |context, record| {
        lend(context, unjoined, |context, left_over| {
            of_left.receive(context, left_over, record)
        })
    });
    right.run.end(move |context, record| {
        lend(context, unjoined, |context, left_over| {
            of_right.receive(context, left_over, record)
        })
    });
    Keyed::begin(builder, node, out)
}

/// What keeps records without a partner, if they have results.
fn left_over<K: Key, V: Value, W: Value, R: Send + 'static>(
    builder: &Builder,
    name: &str,
    shared: Shared<K, R>,
    windows: JoinWindows,
    results: Results<V, W, R>,
) -> Option<Cell<LeftOver<K, V, W, R>>> {
    results.left?;
    let name = format!("{name}-unjoined");
    let (id, ..) = store(builder, shared.node, &name, StoreKind::Buffer);
    Some(builder.cell(LeftOver {
        shared,
        windows,
        waiting: Unjoined::new(id),
        results,
        left: JoinValues::new(),
        right: JoinValues::new(),
    }))
}

/// A store of the join: its id, its name and its changelog topic.
fn store(
    builder: &Builder,
    node: NodeId,
    name: &str,
    kind: StoreKind,
) -> (StoreId, String, String) {
    let spec = StoreSpec::new(name, kind);
    let topic = spec.changelog_topic(builder.application());
    let id = builder.store(node, spec);
    (id, name.to_owned(), topic.unwrap_or_default())
}

fn handle<K: Key, V: Value>((id, name, topic): &(StoreId, String, String)) -> JoinWindow<K, V> {
    JoinWindow::new(*id, name, topic, V::codec())
}

fn lend<'a, T: Send + 'static>(
    context: &mut Context<'a>,
    cell: Option<Cell<T>>,
    f: impl FnOnce(&mut Context<'a>, Option<&mut T>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match cell {
        Some(cell) => context.with_cell(cell, |context, value| f(context, Some(value))),
        None => f(context, None),
    }
}

/// What both sides need.
pub(super) struct Shared<K, R> {
    pub(super) node: NodeId,
    pub(super) out: Out<K, R>,
    /// The largest timestamp of either stream.
    clock: ClockId,
}

impl<K, R> Clone for Shared<K, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, R> Copy for Shared<K, R> {}

/// One of the two streams: its records are of `T`, the other's of `O`.
struct Side<K, T: 'static, O: 'static, R, P> {
    shared: Shared<K, R>,
    own: JoinWindow<K, T>,
    other: JoinWindow<K, O>,
    /// Room for what is found there.
    found: Vec<Arrived<O>>,
    values: JoinValues<T>,
    which: JoinSide,
    before_ms: i64,
    after_ms: i64,
    pair: P,
    alone: Option<fn(T) -> R>,
}

impl<K, T, O, R, P> Side<K, T, O, R, P>
where
    K: Key,
    T: Value,
    O: Value,
    R: 'static,
    P: Fn(T, O) -> R,
{
    fn receive<V: Value, W: Value>(
        &mut self,
        context: &mut Context<'_>,
        mut left_over: Option<&mut LeftOver<K, V, W, R>>,
        record: Record<K, T>,
    ) -> Result<(), Failure> {
        let Shared { node, out, clock } = self.shared;
        let Record {
            key,
            value,
            timestamp,
            headers,
        } = record;
        let now = context.advance(clock, timestamp);
        if self.values.is_null(&value) {
            context.dropped(node, DropReason::NullValue);
            return Ok(());
        }
        let Some(key) = key else {
            let Some(alone) = self.alone else {
                context.dropped(node, DropReason::NullKey);
                return Ok(());
            };
            let result = Record::new(None, alone(value), timestamp);
            return context.forward(out, Record { headers, ..result });
        };
        if let Some(left_over) = &mut left_over
            && timestamp == now
        {
            left_over.emit_closed(context, now, self.after_ms, &headers)?;
        }
        let from = timestamp.saturating_sub(self.before_ms).max(0);
        let to = timestamp.saturating_add(self.after_ms);
        let mut found = std::mem::take(&mut self.found);
        self.other
            .fetch(context.stores, &key, (from, to), &mut found)
            .map_err(|error| context.fatal(node, error))?;
        // What is put now is read by the other side only, so it does not matter that Java puts it last. One too old
        // to be kept was joined with what there was; nobody can ask for it later.
        let _ = self
            .own
            .put(context.stores, &key, &value, timestamp)
            .map_err(|error| context.fatal(node, error))?;
        let record = Record {
            key: Some(key),
            value,
            timestamp,
            headers,
        };
        if found.is_empty() {
            self.found = found;
            return self.without_partner(context, left_over, record, now);
        }
        if let Some(left_over) = left_over {
            left_over.found(context, self.which, record.key.as_ref(), &found)?;
        }
        let joined = self.pairs(context, record, &mut found);
        self.found = found;
        joined
    }

    fn pairs(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, T>,
        found: &mut Vec<Arrived<O>>,
    ) -> Result<(), Failure> {
        let Shared { node, out, .. } = self.shared;
        let mut left = found.len();
        let Record {
            mut key,
            value,
            timestamp,
            headers,
        } = record;
        let mut value = Some(value);
        for arrived in found.drain(..) {
            left -= 1;
            let copy = match &value {
                Some(value) if left > 0 => Some(
                    self.values
                        .copy(value)
                        .map_err(|error| context.fatal(node, error))?,
                ),
                _ => value.take(),
            };
            let Some(copy) = copy else { break };
            let result = Record {
                key: if left > 0 { key.clone() } else { key.take() },
                value: (self.pair)(copy, arrived.value),
                timestamp: timestamp.max(arrived.time),
                headers: headers.clone(),
            };
            context.forward(out, result)?;
        }
        Ok(())
    }

    fn without_partner<V: Value, W: Value>(
        &mut self,
        context: &mut Context<'_>,
        left_over: Option<&mut LeftOver<K, V, W, R>>,
        record: Record<K, T>,
        now: i64,
    ) -> Result<(), Failure> {
        let Shared { node, out, .. } = self.shared;
        let (Some(alone), Some(left_over), Some(key)) = (self.alone, left_over, &record.key) else {
            return Ok(());
        };
        if record.timestamp.saturating_add(self.after_ms) < now {
            return context.forward(out, record.map(alone));
        }
        let bytes = self
            .values
            .bytes(&record.value)
            .map_err(|error| context.fatal(node, error))?;
        left_over
            .waiting
            .add(
                context.stores,
                self.which,
                key,
                record.timestamp,
                bytes,
                now,
            )
            .map_err(|error| context.fatal(node, error))
    }
}
