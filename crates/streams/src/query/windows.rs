//! Typed views on window and session stores.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use super::{Answer, QueryError, StoreQuery};
use crate::key::Key;
use crate::serde::Codec;
use crate::store::{StoreError, StoreReader, Values, WindowRow};

/// A window of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window<K, V> {
    /// The key.
    pub key: K,
    /// The window's start, in milliseconds since the Unix epoch.
    pub start: i64,
    /// The value.
    pub value: V,
    /// The value's timestamp.
    pub timestamp: i64,
}

/// A session of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session<K, V> {
    /// The key.
    pub key: K,
    /// The time of its first record, in milliseconds since the Unix epoch.
    pub start: i64,
    /// The time of its last record.
    pub end: i64,
    /// The value.
    pub value: V,
    /// The value's timestamp.
    pub timestamp: i64,
}

/// What window and session views share.
struct Reading<K, V: 'static> {
    store: StoreQuery,
    values: Values<V>,
    partition: Option<i32>,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key, V: 'static> Reading<K, V> {
    fn new(store: StoreQuery, codec: Codec<V>) -> Self {
        Self {
            values: Values::new(store.name(), store.topic(), codec),
            store,
            partition: None,
            keys: PhantomData,
        }
    }

    fn fetch(
        &self,
        key: &K,
        times: &RangeInclusive<i64>,
        limit: usize,
    ) -> Result<Answer<Vec<Session<K, V>>>, QueryError> {
        let partition = self
            .partition
            .unwrap_or_else(|| self.store.partition_of(key));
        let (reader, position) = self.store.reader(partition)?;
        let mut bytes = Vec::new();
        key.write(&mut bytes);
        let rows = reader.fetch(&bytes, *times.start(), *times.end(), limit)?;
        let read = rows.into_iter().map(|row| self.read(&row));
        Ok(Answer {
            value: read.collect::<Result<_, StoreError>>()?,
            position,
        })
    }

    fn fetch_all(
        &self,
        times: &RangeInclusive<i64>,
        limit: usize,
    ) -> Result<Answer<Vec<Session<K, V>>>, QueryError> {
        let (readers, position): (BTreeMap<i32, StoreReader>, _) = match self.partition {
            None => self.store.readers()?,
            Some(partition) => {
                let (reader, position) = self.store.reader(partition)?;
                ([(partition, reader)].into(), position)
            }
        };
        let mut rows = Vec::new();
        for reader in readers.values() {
            rows.extend(reader.fetch_all(*times.start(), *times.end(), limit)?);
        }
        rows.sort_by(|a, b| (a.start, &a.key, a.end).cmp(&(b.start, &b.key, b.end)));
        rows.truncate(limit);
        let read = rows.into_iter().map(|row| self.read(&row));
        Ok(Answer {
            value: read.collect::<Result<_, StoreError>>()?,
            position,
        })
    }

    fn read(&self, row: &WindowRow) -> Result<Session<K, V>, StoreError> {
        Ok(Session {
            key: self.values.key(&row.key)?,
            start: row.start,
            end: row.end,
            value: self.values.read(&row.value.value)?,
            timestamp: row.value.timestamp,
        })
    }
}

impl<K, V> From<Session<K, V>> for Window<K, V> {
    fn from(row: Session<K, V>) -> Self {
        Self {
            key: row.key,
            start: row.start,
            value: row.value,
            timestamp: row.timestamp,
        }
    }
}

/// The committed rows of a window store.
pub struct WindowView<K, V: 'static>(Reading<K, V>);

impl<K: Key, V: 'static> WindowView<K, V> {
    pub(super) fn new(store: StoreQuery, codec: Codec<V>) -> Self {
        Self(Reading::new(store, codec))
    }

    /// The rows of one partition only, whatever their keys say.
    pub fn in_partition(mut self, partition: i32) -> Self {
        self.0.partition = Some(partition);
        self
    }

    /// The value of a key's window that begins at `start`, and its timestamp.
    ///
    /// # Errors
    /// The key's partition is not here, or cannot be read.
    pub fn get(&self, key: &K, start: i64) -> Result<Option<(V, i64)>, QueryError> {
        let mut found = self.0.fetch(key, &(start..=start), 1)?.value;
        Ok(found.pop().map(|row| (row.value, row.timestamp)))
    }

    /// The key's windows that begin within these times, in order of their starts, the first `limit` of them.
    ///
    /// # Errors
    /// The key's partition is not here, or cannot be read.
    pub fn fetch(
        &self,
        key: &K,
        starts: RangeInclusive<i64>,
        limit: usize,
    ) -> Result<Answer<Vec<Window<K, V>>>, QueryError> {
        let found = self.0.fetch(key, &starts, limit)?;
        Ok(found.map(|rows| rows.into_iter().map(Window::from).collect()))
    }

    /// The windows of all keys in this instance that begin within these times, in order of their starts, the first
    /// `limit` of them.
    ///
    /// # Errors
    /// Nothing of the store is here.
    pub fn fetch_all(
        &self,
        starts: RangeInclusive<i64>,
        limit: usize,
    ) -> Result<Answer<Vec<Window<K, V>>>, QueryError> {
        let found = self.0.fetch_all(&starts, limit)?;
        Ok(found.map(|rows| rows.into_iter().map(Window::from).collect()))
    }
}

/// The committed rows of a session store.
pub struct SessionView<K, V: 'static>(Reading<K, V>);

impl<K: Key, V: 'static> SessionView<K, V> {
    pub(super) fn new(store: StoreQuery, codec: Codec<V>) -> Self {
        Self(Reading::new(store, codec))
    }

    /// The rows of one partition only, whatever their keys say.
    pub fn in_partition(mut self, partition: i32) -> Self {
        self.0.partition = Some(partition);
        self
    }

    /// The key's sessions that touch these times, in order, the first `limit` of them.
    ///
    /// # Errors
    /// The key's partition is not here, or cannot be read.
    pub fn fetch(
        &self,
        key: &K,
        times: RangeInclusive<i64>,
        limit: usize,
    ) -> Result<Answer<Vec<Session<K, V>>>, QueryError> {
        self.0.fetch(key, &times, limit)
    }

    /// The sessions of all keys in this instance that touch these times, in order of their starts, the first `limit`
    /// of them.
    ///
    /// # Errors
    /// Nothing of the store is here.
    pub fn fetch_all(
        &self,
        times: RangeInclusive<i64>,
        limit: usize,
    ) -> Result<Answer<Vec<Session<K, V>>>, QueryError> {
        self.0.fetch_all(&times, limit)
    }
}
