//! Versioned tables: all values that a key had, for some time (KIP-889, KIP-914).
//!
//! Such a table goes by time, not by arrival: a record that comes late takes its place among the others, and what is
//! behind the table is told that it is not the latest. What is too old for the history is dropped and counted.

use std::panic::Location;
use std::time::Duration;

use crate::context::{Context, DropReason};
use crate::dsl::chain::Chain;
use crate::dsl::stream::{Keyed, Run};
use crate::dsl::table::{Lookup, LookupAsOf, Table};
use crate::dsl::windows::millis_of;
use crate::error::Failure;
use crate::graph::Out;
use crate::key::Key;
use crate::record::{Change, Record};
use crate::serde::{Codec, Value};
use crate::store::{StoreKind, StoreSpec, Version, VersionedStore};
use crate::topic::Topic;
use crate::topology::{Builder, NodeId};

impl Builder {
    /// The values of each key of a topic, kept in the store `name` for as long as `history` behind the newest
    /// record; a null value deletes.
    ///
    /// A stream joined with it finds the value as of its record's timestamp.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a topic is named where it is read, as in the other sources"
    )]
    pub fn table_versioned<K: Key, V: Send + 'static>(
        &self,
        topic: Topic<K, V>,
        name: &str,
        history: Duration,
    ) -> Table<'_, K, V> {
        let location = Location::caller();
        let changes = self.changes_of(&topic, location);
        let kept = Kept {
            operator: "table_versioned",
            name,
            history_ms: millis_of(history),
            codec: topic.value_codec().clone(),
        };
        versioned(changes.run, kept, location, |value| value)
    }
}

impl<'b, K: Key, V: Value, C: Chain<Key = K, Value = V>> Keyed<'b, K, V, C> {
    /// The values of each key, kept in the store `name` for as long as `history` behind the newest record.
    #[track_caller]
    pub fn to_table_versioned(self, name: &str, history: Duration) -> Table<'b, K, V> {
        let kept = Kept {
            operator: "to_table_versioned",
            name,
            history_ms: millis_of(history),
            codec: V::codec(),
        };
        versioned(self.run, kept, Location::caller(), Some)
    }
}

/// How the versions are kept.
struct Kept<'n, V: 'static> {
    operator: &'static str,
    name: &'n str,
    history_ms: i64,
    codec: Codec<V>,
}

fn versioned<'b, K: Key, V: Send + 'static, I: Send + 'static, C: Chain<Key = K, Value = I>>(
    run: Run<'b, C>,
    kept: Kept<'_, V>,
    location: &'static Location<'static>,
    into: impl Fn(I) -> Option<V> + Send + 'static,
) -> Table<'b, K, V> {
    let Kept {
        operator,
        name,
        history_ms,
        codec,
    } = kept;
    let builder = run.builder;
    let node = builder.operator(operator, Some(name), &[run.node], location);
    let spec = StoreSpec::new(name, StoreKind::Versioned { history_ms });
    let topic = spec
        .changelog_topic(builder.application())
        .unwrap_or_default();
    let id = builder.store(node, spec.keyed::<K>());
    let handle = || VersionedStore::new(id, name, &topic, codec.clone());
    let out = builder.out();
    let (mut latest, mut past, store) = (handle(), handle(), handle());
    let lookup: Lookup<K, V> = Box::new(move |context, key| {
        latest
            .get(context.stores, key)
            .map_err(|error| context.fatal(node, error))
    });
    let as_of: LookupAsOf<K, V> = Box::new(move |context, key, time| {
        past.get_as_of(context.stores, key, time)
            .map_err(|error| context.fatal(node, error))
    });
    let table = Table::new(builder, node, out, lookup);
    let old = table.old.clone();
    let mut versions = Versions { node, out, store };
    run.end(move |context, record: Record<K, I>| {
        versions.receive(context, record.map(&into), old.wanted())
    });
    Table {
        versioned: Some(builder.cell(as_of)),
        ..table
    }
}

struct Versions<K, V: 'static> {
    node: NodeId,
    out: Out<K, Change<V>>,
    store: VersionedStore<K, V>,
}

impl<K: Key, V: Send + 'static> Versions<K, V> {
    fn receive(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, Option<V>>,
        wants_old: bool,
    ) -> Result<(), Failure> {
        let Record {
            key,
            value: new,
            timestamp,
            headers,
        } = record;
        let Some(key) = key else {
            context.dropped(self.node, DropReason::NullKey);
            return Ok(());
        };
        let old = if wants_old {
            self.store
                .get(context.stores, &key)
                .map_err(|error| context.fatal(self.node, error))?
                .map(|(old, _)| old)
        } else {
            None
        };
        let version = self
            .store
            .put(context.stores, &key, new.as_ref(), timestamp)
            .map_err(|error| context.fatal(self.node, error))?;
        let latest = match version {
            Version::Latest => true,
            Version::Older { .. } => false,
            Version::Dropped => {
                context.dropped(self.node, DropReason::Expired);
                return Ok(());
            }
        };
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
