//! What is in a store, typed, as queries see it: what is committed.

use std::marker::PhantomData;
use std::ops::Bound;

use super::TestDriver;
use crate::key::Key;
use crate::serde::{Codec, Value};
use crate::store::{Stamped, StoreReader, WindowRow};
use crate::window::SessionWindow;

/// More rows than a test has.
const ALL: usize = usize::MAX;

/// A store's rows over all partitions, as of the last commit.
pub struct StoreView<K, V: 'static> {
    name: String,
    partitions: Vec<StoreReader>,
    codec: Codec<V>,
    keys: PhantomData<fn() -> K>,
}

impl TestDriver {
    /// A look into a store of keys `K` and values `V`: what is committed, as queries see it.
    ///
    /// # Panics
    /// If there is no such store.
    #[track_caller]
    pub fn store<K: Key, V: Value>(&mut self, name: &str) -> StoreView<K, V> {
        self.store_with(name, V::codec())
    }

    /// [`store`](Self::store), of values with another codec.
    ///
    /// # Panics
    /// If there is no such store.
    #[track_caller]
    pub fn store_with<K: Key, V>(&mut self, name: &str, codec: Codec<V>) -> StoreView<K, V> {
        let specs = self.topology.stores();
        let known: Vec<_> = specs.iter().map(|spec| spec.name.as_str()).collect();
        assert!(
            known.contains(&name),
            "no store is named \"{name}\"; there are {known:?}"
        );
        self.start().unwrap_or_else(|error| panic!("{error}"));
        let partitions = self
            .instance
            .tasks
            .values()
            .flat_map(|driven| driven.task.stores().iter())
            .filter(|(_, store)| store.spec().name == name)
            .map(|(_, store)| store.reader())
            .collect();
        StoreView {
            name: name.to_owned(),
            partitions,
            codec,
            keys: PhantomData,
        }
    }
}

impl<K: Key, V> StoreView<K, V> {
    /// The value of a key; of a versioned store, the latest.
    #[track_caller]
    pub fn get(&self, key: &K) -> Option<V> {
        self.get_stamped(key).map(|(value, _)| value)
    }

    /// The value of a key, and its timestamp.
    #[track_caller]
    pub fn get_stamped(&self, key: &K) -> Option<(V, i64)> {
        let bytes = write(key);
        let mut found = self.partitions.iter().filter_map(|reader| {
            let row = reader.get(&bytes);
            row.unwrap_or_else(|error| panic!("{error}"))
        });
        found.next().map(|row| self.value(&row))
    }

    /// All keys and values of a key-value store, in order of the keys' bytes.
    #[track_caller]
    pub fn all(&self) -> Vec<(K, V)> {
        let mut rows: Vec<_> = self
            .partitions
            .iter()
            .flat_map(|reader| {
                let rows = reader.range(Bound::Unbounded, Bound::Unbounded, ALL);
                rows.unwrap_or_else(|error| panic!("{error}"))
            })
            .collect();
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        rows.iter()
            .map(|(key, row)| (self.key(key), self.value(row).0))
            .collect()
    }

    /// The windows of a key, by their starts.
    #[track_caller]
    pub fn windows(&self, key: &K) -> Vec<(i64, V)> {
        let rows = self.rows(Some(key));
        rows.iter()
            .map(|row| (row.start, self.value(&row.value).0))
            .collect()
    }

    /// The windows of all keys, in order of their starts, then keys.
    #[track_caller]
    pub fn all_windows(&self) -> Vec<(K, i64, V)> {
        let rows = self.rows(None);
        rows.iter()
            .map(|row| (self.key(&row.key), row.start, self.value(&row.value).0))
            .collect()
    }

    /// The sessions of a key, in order.
    #[track_caller]
    pub fn sessions(&self, key: &K) -> Vec<(SessionWindow, V)> {
        let rows = self.rows(Some(key));
        rows.iter()
            .map(|row| (session(row), self.value(&row.value).0))
            .collect()
    }

    /// The sessions of all keys, in order of their starts, then keys.
    #[track_caller]
    pub fn all_sessions(&self) -> Vec<(K, SessionWindow, V)> {
        let rows = self.rows(None);
        rows.iter()
            .map(|row| (self.key(&row.key), session(row), self.value(&row.value).0))
            .collect()
    }

    #[track_caller]
    fn rows(&self, key: Option<&K>) -> Vec<WindowRow> {
        let key = key.map(write);
        let mut rows: Vec<_> = self
            .partitions
            .iter()
            .flat_map(|reader| {
                let rows = match &key {
                    Some(key) => reader.fetch(key, 0, i64::MAX, ALL),
                    None => reader.fetch_all(0, i64::MAX, ALL),
                };
                rows.unwrap_or_else(|error| panic!("{error}"))
            })
            .collect();
        rows.sort_by(|a, b| (a.start, &a.key, a.end).cmp(&(b.start, &b.key, b.end)));
        rows
    }

    #[track_caller]
    fn key(&self, bytes: &[u8]) -> K {
        K::read(bytes).unwrap_or_else(|error| panic!("a key of store {}: {error}", self.name))
    }

    #[track_caller]
    fn value(&self, row: &Stamped) -> (V, i64) {
        let value = self.codec.deserialize(&self.name, &row.value);
        let value = value.unwrap_or_else(|error| panic!("a value of store {}: {error}", self.name));
        (value, row.timestamp)
    }
}

fn write<K: Key>(key: &K) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.write(&mut bytes);
    bytes
}

fn session(row: &WindowRow) -> SessionWindow {
    SessionWindow {
        start: row.start,
        end: row.end,
    }
}
