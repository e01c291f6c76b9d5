//! Joins of a stream with what a table says at the time: the stream's records are the only ones that emit.

use std::panic::Location;
use std::time::Duration;

use super::headers::WithHeaders;
use super::values::JoinValues;
use crate::context::{ClockId, Context, DropReason};
use crate::dsl::chain::Chain;
use crate::dsl::stream::Keyed;
use crate::dsl::table::{Lookup, LookupAsOf, Table};
use crate::dsl::windows::millis_of;
use crate::error::Failure;
use crate::graph::{Cell, Out};
use crate::key::Key;
use crate::record::{Headers, Record};
use crate::serde::Value;
use crate::store::{StoreKind, StoreSpec, TimeOrderedBuffer};
use crate::topology::NodeId;

/// How many records that waited are joined at a time.
const BATCH: usize = 1024;

impl<'b, K: Key, V: Value, C: Chain<Key = K, Value = V>> Keyed<'b, K, V, C> {
    /// Each record with the table's value of its key; a record whose key the table does not have is dropped.
    ///
    /// The result has the record's timestamp. Of a [versioned](crate::Builder::table_versioned) table it is the
    /// value as of the record's timestamp, else the value that the table has when the record is processed. Topics
    /// behind the two must have equally many partitions.
    #[track_caller]
    pub fn join_table<W: Send + 'static>(self, table: Table<'b, K, W>) -> Keyed<'b, K, (V, W)> {
        let location = Location::caller();
        at_once(self, table, location, |value, found| {
            found.map(|found| (value, found))
        })
    }

    /// Each record with the table's value of its key, if it has one. A record without a key has none.
    #[track_caller]
    pub fn left_join_table<W: Send + 'static>(
        self,
        table: Table<'b, K, W>,
    ) -> Keyed<'b, K, (V, Option<W>)> {
        let location = Location::caller();
        at_once(self, table, location, |value, found| Some((value, found)))
    }

    /// [`join_table`](Self::join_table) that holds each record back until the stream is `grace` past it, so that a
    /// change of the table that comes late is seen (KIP-923). The table must be versioned, with a history at least
    /// as long. Results come in the order of their timestamps.
    ///
    /// The records that wait are in the store `name`.
    #[track_caller]
    pub fn join_table_with_grace<W: Send + 'static>(
        self,
        name: &str,
        table: Table<'b, K, W>,
        grace: Duration,
    ) -> Keyed<'b, K, (V, W)> {
        let location = Location::caller();
        buffered(self, name, table, grace, location, |value, found| {
            found.map(|found| (value, found))
        })
    }

    /// [`left_join_table`](Self::left_join_table) that holds each record back, as
    /// [`join_table_with_grace`](Self::join_table_with_grace) does. One without a key is not held back.
    #[track_caller]
    pub fn left_join_table_with_grace<W: Send + 'static>(
        self,
        name: &str,
        table: Table<'b, K, W>,
        grace: Duration,
    ) -> Keyed<'b, K, (V, Option<W>)> {
        let location = Location::caller();
        buffered(self, name, table, grace, location, |value, found| {
            Some((value, found))
        })
    }
}

/// What joins a record with the table.
struct TableJoin<K, V: 'static, W, R> {
    node: NodeId,
    out: Out<K, R>,
    rows: Rows<K, W>,
    /// The result, if these two make one.
    pair: fn(V, Option<W>) -> Option<R>,
    values: JoinValues<V>,
}

/// A record that has a key to be joined by.
struct Asking<K, V> {
    key: K,
    value: V,
    timestamp: i64,
    headers: Headers,
}

/// Where the table's values are found.
enum Rows<K, W> {
    Latest(Cell<Lookup<K, W>>),
    AsOf(Cell<LookupAsOf<K, W>>),
}

impl<K: Key, V: Value, W: Send + 'static, R: 'static> TableJoin<K, V, W, R> {
    /// The record, if it is one to be joined by its key. One without a key that makes a result by itself has been
    /// handed on.
    fn asking(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
    ) -> Result<Option<Asking<K, V>>, Failure> {
        if self.values.is_null(&record.value) {
            context.dropped(self.node, DropReason::NullValue);
            return Ok(None);
        }
        let Record {
            key,
            value,
            timestamp,
            headers,
        } = record;
        if let Some(key) = key {
            return Ok(Some(Asking {
                key,
                value,
                timestamp,
                headers,
            }));
        }
        match (self.pair)(value, None) {
            Some(value) => context.forward(
                self.out,
                Record {
                    key: None,
                    value,
                    timestamp,
                    headers,
                },
            )?,
            None => context.dropped(self.node, DropReason::NullKey),
        }
        Ok(None)
    }

    fn join(&mut self, context: &mut Context<'_>, asking: Asking<K, V>) -> Result<(), Failure> {
        let Asking {
            key,
            value,
            timestamp,
            headers,
        } = asking;
        let found = match &self.rows {
            Rows::Latest(lookup) => {
                context.with_cell(*lookup, |context, lookup| lookup(context, &key))
            }
            Rows::AsOf(lookup) => {
                context.with_cell(*lookup, |context, lookup| lookup(context, &key, timestamp))
            }
        }?;
        let Some(value) = (self.pair)(value, found.map(|(value, _)| value)) else {
            return Ok(());
        };
        context.forward(
            self.out,
            Record {
                key: Some(key),
                value,
                timestamp,
                headers,
            },
        )
    }
}

fn table_join<'b, K, V, W, R, C>(
    stream: &Keyed<'b, K, V, C>,
    name: Option<&str>,
    table: Table<'b, K, W>,
    location: &'static Location<'static>,
    pair: fn(V, Option<W>) -> Option<R>,
) -> TableJoin<K, V, W, R>
where
    K: Key,
    V: Value,
    W: Send + 'static,
    C: Chain<Key = K, Value = V>,
{
    let builder = stream.run.builder;
    let Table {
        node: table_node,
        lookup,
        versioned,
        old,
        ..
    } = table;
    let parents = [stream.run.node, table_node];
    let node = builder.operator("join", name, &parents, location);
    builder.joined(node);
    old.waive();
    TableJoin {
        node,
        out: builder.out(),
        rows: versioned.map_or(Rows::Latest(lookup), Rows::AsOf),
        pair,
        values: JoinValues::new(),
    }
}

fn at_once<'b, K, V, W, R, C>(
    stream: Keyed<'b, K, V, C>,
    table: Table<'b, K, W>,
    location: &'static Location<'static>,
    pair: fn(V, Option<W>) -> Option<R>,
) -> Keyed<'b, K, R>
where
    K: Key,
    V: Value,
    W: Send + 'static,
    R: Send + 'static,
    C: Chain<Key = K, Value = V>,
{
    let builder = stream.run.builder;
    let mut join = table_join(&stream, None, table, location, pair);
    let (node, out) = (join.node, join.out);
    stream
        .run
        .end(move |context, record| match join.asking(context, record)? {
            Some(asking) => join.join(context, asking),
            None => Ok(()),
        });
    Keyed::begin(builder, node, out)
}

fn buffered<'b, K, V, W, R, C>(
    stream: Keyed<'b, K, V, C>,
    name: &str,
    table: Table<'b, K, W>,
    grace: Duration,
    location: &'static Location<'static>,
    pair: fn(V, Option<W>) -> Option<R>,
) -> Keyed<'b, K, R>
where
    K: Key,
    V: Value,
    W: Send + 'static,
    R: Send + 'static,
    C: Chain<Key = K, Value = V>,
{
    let builder = stream.run.builder;
    if table.versioned.is_none() {
        builder.error(
            location,
            format!(
                "\"{name}\" waits for a table's past, which this table does not keep: make it with \
                 Builder::table_versioned, and join it as it is, mapped or filtered"
            ),
        );
    }
    let join = table_join(&stream, Some(name), table, location, pair);
    let (node, out) = (join.node, join.out);
    let spec = StoreSpec::new(name, StoreKind::Buffer);
    let topic = spec
        .changelog_topic(builder.application())
        .unwrap_or_default();
    let id = builder.store(node, spec);
    let mut waiting = WaitingJoin {
        join,
        buffer: TimeOrderedBuffer::new(id, name, &topic, WithHeaders::codec(V::codec())),
        clock: builder.clock(format!("{name}-grace")),
        grace_ms: millis_of(grace),
    };
    stream
        .run
        .end(move |context, record| waiting.receive(context, record));
    Keyed::begin(builder, node, out)
}

/// A join whose records wait for the table.
struct WaitingJoin<K, V: 'static, W, R> {
    join: TableJoin<K, V, W, R>,
    buffer: TimeOrderedBuffer<K, (V, Headers)>,
    /// The largest timestamp of the records that waited.
    clock: ClockId,
    grace_ms: i64,
}

impl<K: Key, V: Value, W: Send + 'static, R: 'static> WaitingJoin<K, V, W, R> {
    fn receive(&mut self, context: &mut Context<'_>, record: Record<K, V>) -> Result<(), Failure> {
        let Some(asking) = self.join.asking(context, record)? else {
            return Ok(());
        };
        let bound = context.clock(self.clock).saturating_sub(self.grace_ms);
        if asking.timestamp < bound {
            return self.join.join(context, asking);
        }
        let node = self.join.node;
        let Asking {
            key,
            value,
            timestamp,
            headers,
        } = asking;
        self.buffer
            .push(
                context.stores,
                timestamp,
                0,
                &key,
                &(value, headers),
                timestamp,
            )
            .map_err(|error| context.fatal(node, error))?;
        let due = context.advance(self.clock, timestamp) - self.grace_ms;
        loop {
            let entries = self
                .buffer
                .pop_until(context.stores, due, BATCH)
                .map_err(|error| context.fatal(node, error))?;
            let last = entries.len() < BATCH;
            for entry in entries {
                let (value, headers) = entry.value;
                let asking = Asking {
                    key: entry.key,
                    value,
                    timestamp: entry.timestamp,
                    headers,
                };
                self.join.join(context, asking)?;
            }
            if last {
                return Ok(());
            }
        }
    }
}
