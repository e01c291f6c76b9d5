//! Joins of a table with another by a foreign key in its values (KIP-213).
//!
//! The rows of the left table subscribe, through a topic partitioned by the foreign key, where the row of that key
//! lives; from there each change comes back through a second topic, to the partition that the subscriber came from.
//! A response answers the value that the left row had when it asked, which its hash tells.

use std::panic::Location;

use bytes::Bytes;

use super::foreign_key_answer::answer;
use super::subscription::{
    Instruction, Response, ResponseSerde, Subscription, SubscriptionSerde, ValueHash, hash,
};
use super::values::JoinValues;
use crate::context::{Context, DropReason};
use crate::dsl::materialized::Materialized;
use crate::dsl::repartition::{through, through_chosen};
use crate::dsl::stream::Keyed;
use crate::dsl::table::{Lookup, Table};
use crate::error::Failure;
use crate::graph::{Cell, Out};
use crate::key::Key;
use crate::partitioner::{Partitioner, Partitions};
use crate::record::{Change, Record};
use crate::serde::{Codec, Value};
use crate::topology::NodeId;

impl<'b, K: Key, V: Value> Table<'b, K, V> {
    /// The rows whose foreign key, which `key_of` finds in the value, is a key of `other`, with both values.
    ///
    /// A value without a foreign key has no result. A result's timestamp is the larger one of the two rows if this
    /// table's changed, and the other row's if that changed. The result is kept in a store, after whose name the
    /// topics `<name>-registration` and `<name>-response` are called and the store `<name>-subscriptions`. The values
    /// of this table must be written alike whenever they are equal: no hash maps.
    #[track_caller]
    pub fn join_foreign<L: Key, W: Value, M: Into<Option<L>> + 'static>(
        self,
        store: impl Into<Materialized<(V, W)>>,
        other: Table<'b, L, W>,
        mut key_of: impl FnMut(&V) -> M + Send + 'static,
    ) -> Table<'b, K, (V, W)> {
        let key_of = move |value: &V| key_of(value).into();
        let foreign = ForeignJoin {
            left: self,
            right: other,
            send: inner_instructions::<L>,
            nulls: Nulls::Counted,
            pair: |left, right| left.zip(right),
            location: Location::caller(),
        };
        foreign.build(store.into(), key_of)
    }

    /// All rows of this table, with the value of `other` that their foreign key leads to, if there is one.
    #[track_caller]
    pub fn left_join_foreign<L: Key, W: Value, M: Into<Option<L>> + 'static>(
        self,
        store: impl Into<Materialized<(V, Option<W>)>>,
        other: Table<'b, L, W>,
        mut key_of: impl FnMut(&V) -> M + Send + 'static,
    ) -> Table<'b, K, (V, Option<W>)> {
        let key_of = move |value: &V| key_of(value).into();
        let foreign = ForeignJoin {
            left: self,
            right: other,
            send: left_instructions::<L>,
            nulls: Nulls::Joined,
            pair: |left, right| left.map(|left| (left, right)),
            location: Location::caller(),
        };
        foreign.build(store.into(), key_of)
    }
}

/// The foreign keys of a row before and now; none where there is no row or it has none.
struct Keys<L> {
    old: Option<L>,
    new: Option<L>,
}

/// What rows without a foreign key are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    /// Dropped and counted.
    Counted,
    /// Rows without a partner.
    Joined,
}

/// What to send to which foreign key; none is sent to wherever the row is, for an answer that there is nothing.
type Instructions<L> = [Option<(Option<L>, Instruction)>; 2];

fn inner_instructions<L: Key>(keys: Keys<L>) -> Instructions<L> {
    match (keys.old, keys.new) {
        (Some(old), Some(new)) if old != new => [
            Some((Some(old), Instruction::DeleteAndSayNothing)),
            Some((Some(new), Instruction::SubscribeAndRespond)),
        ],
        // With the key that it had the row had no result either, if there is none now.
        (_, Some(new)) => [
            Some((Some(new), Instruction::SubscribeAndRespondIfFound)),
            None,
        ],
        (Some(old), None) => [Some((Some(old), Instruction::DeleteAndRespond)), None],
        (None, None) => [None, None],
    }
}

fn left_instructions<L: Key>(keys: Keys<L>) -> Instructions<L> {
    let Keys { old, new } = keys;
    let moved = old.filter(|old| new.as_ref() != Some(old));
    [
        moved.map(|old| (Some(old), Instruction::DeleteAndSayNothing)),
        Some((new, Instruction::SubscribeAndRespond)),
    ]
}

/// A join before it is built.
struct ForeignJoin<'b, K: Key, V: Value, L: Key, W: Value, R> {
    left: Table<'b, K, V>,
    right: Table<'b, L, W>,
    send: fn(Keys<L>) -> Instructions<L>,
    nulls: Nulls,
    /// The row of the result, if these two make one.
    pair: fn(Option<V>, Option<W>) -> Option<R>,
    location: &'static Location<'static>,
}

impl<'b, K: Key, V: Value, L: Key, W: Value, R: Send + 'static> ForeignJoin<'b, K, V, L, W, R> {
    fn build(
        self,
        store: Materialized<R>,
        key_of: impl FnMut(&V) -> Option<L> + Send + 'static,
    ) -> Table<'b, K, R> {
        let Self {
            left,
            right,
            send,
            nulls,
            pair,
            location,
        } = self;
        let builder = left.builder;
        let name = store.name().to_owned();
        let node = builder.operator("foreign_key_send", None, &[left.node], location);
        let mut sender = Sender {
            node,
            out: builder.out(),
            versioned: left.versioned.is_some(),
            send,
            nulls,
            key_of,
            values: JoinValues::new(),
        };
        let sent = Keyed::begin(builder, node, sender.out);
        builder.connect(
            left.out,
            Box::new(move |context, record| sender.receive(context, record)),
        );
        let subscriptions = through(
            sent.run,
            &format!("{name}-registration"),
            None,
            Codec::Static(&SubscriptionSerde),
            location,
        );
        let responses = answer(&name, subscriptions, right, location);
        let to_asker = Partitioner::new(|_, _, response: Option<&Response>, _| {
            response.map(|response| Partitions::One(response.partition))
        });
        let responses = through_chosen(
            responses.run,
            &format!("{name}-response"),
            None,
            Codec::Static(&ResponseSerde),
            Some(to_asker),
            location,
        );
        let parents = [responses.run.node, left.node];
        let node = builder.operator("foreign_key_join", None, &parents, location);
        builder.joined(node);
        let mut joiner = Joiner {
            node,
            out: builder.out(),
            rows: left.lookup,
            pair,
            values: JoinValues::new(),
            foreign: JoinValues::new(),
        };
        let joined: Keyed<'_, K, Option<R>> = Keyed::begin(builder, node, joiner.out);
        responses
            .run
            .end(move |context, record| joiner.receive(context, record));
        joined.to_table_with_tombstones(store)
    }
}

/// Turns changes of the left table into subscriptions.
struct Sender<L, V: 'static, F> {
    node: NodeId,
    out: Out<L, Subscription>,
    versioned: bool,
    send: fn(Keys<L>) -> Instructions<L>,
    nulls: Nulls,
    key_of: F,
    values: JoinValues<V>,
}

impl<L: Key, V: Value, F: FnMut(&V) -> Option<L>> Sender<L, V, F> {
    fn receive<K: Key>(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, Change<V>>,
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
        if old.is_none() && new.is_none() {
            return Ok(());
        }
        let hash = match &new {
            Some(new) => Some(value_hash(context, self.node, &mut self.values, new)?),
            None => None,
        };
        let keys = Keys {
            old: old.as_ref().and_then(&mut self.key_of),
            new: new.as_ref().and_then(&mut self.key_of),
        };
        if new.is_some() && keys.new.is_none() && self.nulls == Nulls::Counted {
            context.dropped(self.node, DropReason::NullKey);
        }
        let mut primary_key = Vec::new();
        key.write(&mut primary_key);
        let primary_key = Bytes::from(primary_key);
        for (foreign_key, instruction) in (self.send)(keys).into_iter().flatten() {
            let value = Subscription {
                instruction,
                hash,
                partition: context.task_id().partition,
                primary_key: primary_key.clone(),
            };
            let record = Record {
                key: foreign_key,
                value,
                timestamp,
                headers: headers.clone(),
            };
            context.forward(self.out, record)?;
        }
        Ok(())
    }
}

fn value_hash<V: Value>(
    context: &Context<'_>,
    node: NodeId,
    values: &mut JoinValues<V>,
    value: &V,
) -> Result<ValueHash, Failure> {
    match values.bytes(value) {
        Ok(bytes) => Ok(hash(bytes)),
        Err(error) => Err(context.fatal(node, error)),
    }
}

/// Joins the responses with the left table's rows.
struct Joiner<K, V: 'static, W: 'static, R> {
    node: NodeId,
    out: Out<K, Option<R>>,
    rows: Cell<Lookup<K, V>>,
    pair: fn(Option<V>, Option<W>) -> Option<R>,
    values: JoinValues<V>,
    foreign: JoinValues<W>,
}

impl<K: Key, V: Value, W: Value, R: 'static> Joiner<K, V, W, R> {
    fn receive(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, Response>,
    ) -> Result<(), Failure> {
        let Record {
            key: Some(key),
            value: response,
            timestamp,
            headers,
        } = record
        else {
            context.dropped(self.node, DropReason::NullKey);
            return Ok(());
        };
        let row = context
            .with_cell(self.rows, |context, lookup| lookup(context, &key))?
            .map(|(row, _)| row);
        let now = match &row {
            Some(row) => Some(value_hash(context, self.node, &mut self.values, row)?),
            None => None,
        };
        if now != response.hash {
            context.dropped(self.node, DropReason::Stale);
            return Ok(());
        }
        let foreign = match &response.foreign {
            Some(bytes) => Some(
                self.foreign
                    .value(bytes)
                    .map_err(|error| context.fatal(self.node, error))?,
            ),
            None => None,
        };
        context.forward(
            self.out,
            Record {
                key: Some(key),
                value: (self.pair)(row, foreign),
                timestamp,
                headers,
            },
        )
    }
}
