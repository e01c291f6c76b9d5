//! One update of an aggregate or a table: read, change, write, hand on.
//!
//! Every stateful operator that makes a table ends here. With a cache it hands on nothing until a commit, and then
//! the latest result of each key with the value that was handed on before it.

use crate::context::Context;
use crate::dsl::materialized::Materialized;
use crate::dsl::table::{Lookup, OldValues};
use crate::error::Failure;
use crate::graph::{Cell, Out};
use crate::key::Key;
use crate::record::{Change, Headers, Record};
use crate::store::{
    CachedChange, Caching, KeyValue, SessionStore, StoreError, Stored, Stores, WindowStore,
    WriteCache,
};
use crate::topology::{Builder, NodeId};
use crate::window::{SessionWindow, TimeWindow, Windowed};

/// A store as tables see it: a value and its timestamp per key, windows being part of the key.
pub(crate) trait Rows<K, V>: Send + 'static {
    fn get(&mut self, stores: &mut Stores, key: &K) -> Result<Option<(V, i64)>, StoreError>;

    /// Whether it was taken: a windowed store takes nothing that is older than it keeps.
    fn put(
        &mut self,
        stores: &mut Stores,
        key: &K,
        value: Option<&V>,
        timestamp: i64,
    ) -> Result<Stored, StoreError>;

    /// How many bytes the row takes that was put last, key and value.
    fn row_bytes(&self) -> usize;
}

impl<K: Key, V: Send + 'static> Rows<K, V> for KeyValue<K, V> {
    fn get(&mut self, stores: &mut Stores, key: &K) -> Result<Option<(V, i64)>, StoreError> {
        KeyValue::get(self, stores, key)
    }

    fn put(
        &mut self,
        stores: &mut Stores,
        key: &K,
        value: Option<&V>,
        timestamp: i64,
    ) -> Result<Stored, StoreError> {
        KeyValue::put(self, stores, key, value, timestamp).map(|()| Stored::Yes)
    }

    fn row_bytes(&self) -> usize {
        KeyValue::row_bytes(self)
    }
}

impl<K: Key, V: Send + 'static> Rows<Windowed<K, TimeWindow>, V> for WindowStore<K, V> {
    fn get(
        &mut self,
        stores: &mut Stores,
        key: &Windowed<K, TimeWindow>,
    ) -> Result<Option<(V, i64)>, StoreError> {
        WindowStore::get(self, stores, &key.key, key.window.start)
    }

    fn put(
        &mut self,
        stores: &mut Stores,
        key: &Windowed<K, TimeWindow>,
        value: Option<&V>,
        timestamp: i64,
    ) -> Result<Stored, StoreError> {
        WindowStore::put(self, stores, &key.key, key.window.start, value, timestamp)
    }

    fn row_bytes(&self) -> usize {
        WindowStore::row_bytes(self)
    }
}

impl<K: Key, V: Send + 'static> Rows<Windowed<K, SessionWindow>, V> for SessionStore<K, V> {
    fn get(
        &mut self,
        stores: &mut Stores,
        key: &Windowed<K, SessionWindow>,
    ) -> Result<Option<(V, i64)>, StoreError> {
        let SessionWindow { start, end } = key.window;
        let found = self.find(stores, &key.key, end, start)?;
        Ok(found
            .into_iter()
            .find(|(session, ..)| *session == key.window)
            .map(|(_, value, timestamp)| (value, timestamp)))
    }

    fn put(
        &mut self,
        stores: &mut Stores,
        key: &Windowed<K, SessionWindow>,
        value: Option<&V>,
        timestamp: i64,
    ) -> Result<Stored, StoreError> {
        SessionStore::put(self, stores, &key.key, key.window, value, timestamp)
    }

    fn row_bytes(&self) -> usize {
        SessionStore::row_bytes(self)
    }
}

/// Answers what the store holds.
pub(crate) fn lookup<K: 'static, V: 'static>(
    node: NodeId,
    mut rows: impl Rows<K, V>,
) -> Lookup<K, V> {
    Box::new(move |context, key| {
        rows.get(context.stores, key)
            .map_err(|error| context.fatal(node, error))
    })
}

/// A result: the value before, where anybody looks at it, and the value now.
pub(crate) struct Update<V> {
    pub(crate) old: Option<V>,
    pub(crate) new: Option<V>,
    pub(crate) timestamp: i64,
}

/// Writes results to a store and hands them on.
pub(crate) struct Updates<K: 'static, V: 'static, R> {
    pub(crate) node: NodeId,
    pub(crate) rows: R,
    out: Out<K, Change<V>>,
    old: OldValues,
    cache: Option<Cell<WriteCache<K, V>>>,
}

impl<K: Key, V: Send + 'static, R: Rows<K, V>> Updates<K, V, R> {
    /// Results of `node` that leave it by `out`.
    pub(crate) fn new(
        builder: &Builder,
        node: NodeId,
        materialized: &Materialized<V>,
        out: Out<K, Change<V>>,
        old: OldValues,
        rows: R,
    ) -> Self {
        let cache =
            (materialized.caching() == Caching::On).then(|| builder.cell(WriteCache::new(0)));
        if let Some(cache) = cache {
            builder.on_commit(
                node,
                Box::new(move |context| {
                    while let Some(change) = context.with_cell(cache, |_, cache| cache.pop()) {
                        hand_on(context, out, change)?;
                    }
                    Ok(())
                }),
            );
        }
        Self {
            node,
            rows,
            out,
            old,
            cache,
        }
    }

    /// Whether anybody looks at old values; a cache does, to tell a row that is deleted from one that never was.
    #[inline]
    pub(crate) fn wants_old(&self) -> bool {
        self.cache.is_some() || self.old.wanted()
    }

    /// The value of a key, and its timestamp.
    #[inline]
    pub(crate) fn get(
        &mut self,
        context: &mut Context<'_>,
        key: &K,
    ) -> Result<Option<(V, i64)>, Failure> {
        self.rows
            .get(context.stores, key)
            .map_err(|error| context.fatal(self.node, error))
    }

    /// Writes a result, and hands it on if updates are.
    #[inline]
    pub(crate) fn write(
        &mut self,
        context: &mut Context<'_>,
        key: K,
        update: Update<V>,
        headers: Headers,
        emit: EmitUpdates,
    ) -> Result<(), Failure> {
        let stored = self
            .rows
            .put(context.stores, &key, update.new.as_ref(), update.timestamp)
            .map_err(|error| context.fatal(self.node, error))?;
        // What the store did not take is not handed on either, as in Java.
        if stored == Stored::Expired || emit == EmitUpdates::No {
            return Ok(());
        }
        let Update {
            old,
            new,
            timestamp,
        } = update;
        let Some(cache) = self.cache else {
            let value = Change {
                old,
                new,
                latest: true,
            };
            let record = Record {
                key: Some(key),
                value,
                timestamp,
                headers,
            };
            return context.forward(self.out, record);
        };
        // What a key and its values own on the heap is about what they are written as; there may be an old value too.
        let bytes = size_of::<(K, V, V)>() + 2 * self.rows.row_bytes();
        let change = CachedChange {
            key,
            old,
            new,
            timestamp,
            headers,
        };
        // Stores come and go, and with them each one's share.
        let limit = context.stores.results_each();
        let mut evicted = context.with_cell(cache, |_, cache| {
            cache.limit_to(limit);
            cache.update(change, bytes);
            cache.evict()
        });
        while let Some(change) = evicted {
            hand_on(context, self.out, change)?;
            evicted = context.with_cell(cache, |_, cache| cache.evict());
        }
        Ok(())
    }
}

/// Whether updates are handed on, or final results only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EmitUpdates {
    Yes,
    No,
}

fn hand_on<K: Send + 'static, V: Send + 'static>(
    context: &mut Context<'_>,
    out: Out<K, Change<V>>,
    change: CachedChange<K, V>,
) -> Result<(), Failure> {
    let CachedChange {
        key,
        old,
        new,
        timestamp,
        headers,
    } = change;
    // A row that came and went between two commits.
    if old.is_none() && new.is_none() {
        return Ok(());
    }
    let value = Change {
        old,
        new,
        latest: true,
    };
    context.forward(
        out,
        Record {
            key: Some(key),
            value,
            timestamp,
            headers,
        },
    )
}
