//! Tables that are what a topic or a stream last said of each key. Kafka Streams' `table` and `toTable`.
//!
//! Such a table takes every record, one out of order too: the last to arrive stands (versioned tables go by time).

use std::panic::Location;
use std::sync::Arc;

use crate::dsl::aggregate::keyed_rows;
use crate::dsl::chain::Chain;
use crate::dsl::materialized::Materialized;
use crate::dsl::source::{NullableTimes, TypedSource};
use crate::dsl::stateful::Stateful;
use crate::dsl::stream::{Keyed, Run};
use crate::dsl::table::{Table, nullable};
use crate::dsl::updates::{EmitUpdates, Update};
use crate::key::Key;
use crate::record::KeyedRecord;
use crate::serde::Value;
use crate::store::RestoreCheck;
use crate::topic::Topic;
use crate::topology::{Builder, NodeKind};

impl Builder {
    /// The latest value of each key of a topic; a null value deletes.
    ///
    /// The topic serves as the store's changelog, so it should be compacted, unless its keys are not written as
    /// [`Key`] writes them or its records take their time from elsewhere than their timestamp: then the store has a
    /// changelog of its own.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "topics are constants, named without a borrow"
    )]
    pub fn table<K: Key, V: Send + 'static>(
        &self,
        topic: Topic<K, V>,
        store: impl Into<Materialized<V>>,
    ) -> Table<'_, K, V> {
        let location = Location::caller();
        let changes = self.changes_of(&topic, location);
        let mut store: Materialized<V> = store.into();
        if topic.key_codec().writes_key_bytes() && topic.timestamp_extractor().is_of_record() {
            store = store
                .filled_by(topic.name(), readable(&topic))
                .coded(topic.value_codec().clone());
        }
        latest(changes.run, "table", &store, location, |value| value)
    }

    /// The records of a topic, a null value being a delete.
    pub(crate) fn changes_of<K: Key, V: Send + 'static>(
        &self,
        topic: &Topic<K, V>,
        location: &'static Location<'static>,
    ) -> Keyed<'_, K, Option<V>> {
        let name: Arc<str> = topic.name().into();
        let kind = NodeKind::Source {
            topics: vec![Arc::clone(&name)],
            reset: topic.offset_reset(),
        };
        let node = self.node(None, kind, &[], location);
        let out = self.out();
        let value = nullable(topic.value_codec().clone());
        let times = NullableTimes(topic.timestamp_extractor());
        self.source(
            node,
            Box::new(TypedSource {
                node,
                topics: vec![name],
                key: topic.key_codec().clone(),
                value,
                timestamps: times,
                out,
                places: Vec::new(),
            }),
        );
        Keyed::begin(self, node, out)
    }
}

/// Which records of a topic make rows: those that can be read, and have a timestamp.
fn readable<K: Key, V: 'static>(topic: &Topic<K, V>) -> RestoreCheck {
    let (name, value) = (topic.name().to_owned(), topic.value_codec().clone());
    RestoreCheck::new(move |record| {
        let read = |bytes| value.deserialize(&name, bytes).is_ok();
        record.timestamp >= 0 && K::read(record.key).is_ok() && record.value.is_none_or(read)
    })
}

impl<'b, K: Key, V: Value, C: Chain<Key = K, Value = V>> Keyed<'b, K, V, C> {
    /// The latest value of each key.
    #[track_caller]
    pub fn to_table(self, store: impl Into<Materialized<V>>) -> Table<'b, K, V> {
        let location = Location::caller();
        latest(self.run, "to_table", &store.into(), location, Some)
    }
}

impl<'b, K: Key, V: Send + 'static, C: Chain<Key = K, Value = Option<V>>>
    Keyed<'b, K, Option<V>, C>
{
    /// The latest value of each key, where none deletes: what [`Table::to_stream`] hands on, as a table again.
    #[track_caller]
    pub fn to_table_with_tombstones(self, store: impl Into<Materialized<V>>) -> Table<'b, K, V> {
        let location = Location::caller();
        latest(self.run, "to_table", &store.into(), location, |value| value)
    }
}

impl<'b, K: Key, V: Send + 'static> Table<'b, K, V> {
    /// The same table, kept in a store of its own: to be queried, or so that what it was mapped from is not mapped
    /// anew at each look-up.
    #[track_caller]
    pub fn materialize(self, store: impl Into<Materialized<V>>) -> Table<'b, K, V> {
        let closing = self
            .closing
            .clone()
            .map(crate::dsl::closing::Closing::fixed);
        let location = Location::caller();
        let changes = self.to_stream().run;
        let table = latest(changes, "materialize", &store.into(), location, |value| {
            value
        });
        Table { closing, ..table }
    }
}

fn latest<'b, K: Key, V: Send + 'static, W: Send + 'static, C: Chain<Key = K, Value = W>>(
    run: Run<'b, C>,
    operator: &'static str,
    materialized: &Materialized<V>,
    location: &'static Location<'static>,
    into: impl Fn(W) -> Option<V> + Send + 'static,
) -> Table<'b, K, V> {
    let (mut updates, table) = keyed_rows(&Stateful {
        builder: run.builder,
        parents: &[run.node],
        operator,
        materialized,
        location,
    });
    run.end_keyed(table.node, move |context, record| {
        let KeyedRecord {
            key,
            value,
            timestamp,
            headers,
        } = record;
        let old = if updates.wants_old() {
            updates.get(context, &key)?.map(|(old, _)| old)
        } else {
            None
        };
        let update = Update {
            old,
            new: into(value),
            timestamp,
        };
        updates.write(context, key, update, headers, EmitUpdates::Yes)
    });
    table
}
