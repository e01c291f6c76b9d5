//! Typed views on key-value and versioned stores.

use std::marker::PhantomData;
use std::ops::RangeBounds;

use super::rows::Rows;
use super::{Answer, QueryError, StoreQuery};
use crate::key::Key;
use crate::serde::Codec;
use crate::store::{Stamped, Values};

/// A row of a key-value store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<K, V> {
    /// The key.
    pub key: K,
    /// The value.
    pub value: V,
    /// The value's timestamp, in milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The partition that it is in.
    pub partition: i32,
}

/// The committed rows of a key-value store.
pub struct KeyValueView<K, V: 'static> {
    store: StoreQuery,
    values: Values<V>,
    partition: Option<i32>,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key, V: 'static> KeyValueView<K, V> {
    pub(super) fn new(store: StoreQuery, codec: Codec<V>) -> Self {
        Self {
            values: Values::new(store.name(), store.topic(), codec),
            store,
            partition: None,
            keys: PhantomData,
        }
    }

    /// The rows of one partition only, whatever their keys say: for stores whose records were partitioned by
    /// something else than the key.
    pub fn in_partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// The value of a key and its timestamp.
    ///
    /// # Errors
    /// The key's partition is not here, or cannot be read.
    pub fn get(&self, key: &K) -> Result<Option<(V, i64)>, QueryError> {
        Ok(self.ask(key)?.value)
    }

    /// [`get`](Self::get), with the records of the inputs that the answer reflects.
    ///
    /// # Errors
    /// The key's partition is not here, or cannot be read.
    pub fn ask(&self, key: &K) -> Result<Answer<Option<(V, i64)>>, QueryError> {
        let (found, position) = latest(&self.store, self.partition, key)?;
        let value = found.map(|found| stamped(&self.values, &found));
        Ok(Answer {
            value: value.transpose()?,
            position,
        })
    }

    /// All rows that are in this instance whose keys are within the range, in order of the keys' bytes: of strings
    /// the alphabet's, of numbers their own with the negative ones last. Read page by page while it is iterated.
    ///
    /// # Errors
    /// Nothing of the store is here.
    pub fn range(&self, keys: impl RangeBounds<K>) -> Result<Entries<K, V>, QueryError> {
        let bytes = |key: &K| {
            let mut bytes = Vec::new();
            key.write(&mut bytes);
            bytes
        };
        let (from, to) = (keys.start_bound().map(bytes), keys.end_bound().map(bytes));
        let (readers, position) = match self.partition {
            None => self.store.readers()?,
            Some(partition) => {
                let (reader, position) = self.store.reader(partition)?;
                ([(partition, reader)].into(), position)
            }
        };
        Ok(Entries {
            rows: Rows::new(readers, &from, to),
            values: self.values.clone(),
            position,
            keys: PhantomData,
        })
    }

    /// [`range`](Self::range) over all keys.
    ///
    /// # Errors
    /// Nothing of the store is here.
    pub fn all(&self) -> Result<Entries<K, V>, QueryError> {
        self.range(..)
    }

    /// About how many rows are in this instance.
    ///
    /// # Errors
    /// Nothing of the store is here.
    pub fn approximate_entries(&self) -> Result<u64, QueryError> {
        let (readers, _) = self.store.readers()?;
        Ok(readers
            .values()
            .map(crate::store::StoreReader::approximate_entries)
            .sum())
    }
}

/// The latest value of a key as bytes.
pub(super) fn latest<K: Key>(
    store: &StoreQuery,
    partition: Option<i32>,
    key: &K,
) -> Result<(Option<Stamped>, super::Position), QueryError> {
    let partition = partition.unwrap_or_else(|| store.partition_of(key));
    let mut bytes = Vec::new();
    key.write(&mut bytes);
    store.find(partition, &bytes)
}

fn stamped<V>(values: &Values<V>, found: &Stamped) -> Result<(V, i64), QueryError> {
    Ok((values.read(&found.value)?, found.timestamp))
}

/// Rows of a key-value store, read page by page.
///
/// Between two pages the store may commit: rows are each as of one commit, not all as of the same.
pub struct Entries<K, V: 'static> {
    rows: Rows,
    values: Values<V>,
    position: super::Position,
    keys: PhantomData<fn() -> K>,
}

impl<K, V> Entries<K, V> {
    /// The records of the inputs that every row reflects at the least.
    pub fn position(&self) -> &super::Position {
        &self.position
    }
}

impl<K: Key, V> Iterator for Entries<K, V> {
    type Item = Result<Entry<K, V>, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.rows.next() {
            Ok(row) => row?,
            Err(error) => return Some(Err(error.into())),
        };
        let entry = self.values.key(&row.key).map_err(QueryError::from);
        Some(entry.and_then(|key| {
            let (value, timestamp) = stamped(&self.values, &row.value)?;
            Ok(Entry {
                key,
                value,
                timestamp,
                partition: row.partition,
            })
        }))
    }
}

/// The committed rows of a versioned store.
pub struct VersionedView<K, V: 'static> {
    store: StoreQuery,
    values: Values<V>,
    partition: Option<i32>,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key, V: 'static> VersionedView<K, V> {
    pub(super) fn new(store: StoreQuery, codec: Codec<V>) -> Self {
        Self {
            values: Values::new(store.name(), store.topic(), codec),
            store,
            partition: None,
            keys: PhantomData,
        }
    }

    /// One partition only, whatever the keys say.
    pub fn in_partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// The latest value of a key, and since when it has it.
    ///
    /// # Errors
    /// The key's partition is not here, or cannot be read.
    pub fn get(&self, key: &K) -> Result<Option<(V, i64)>, QueryError> {
        let (found, _) = latest(&self.store, self.partition, key)?;
        found.map(|found| stamped(&self.values, &found)).transpose()
    }

    /// The value that a key had at a time (milliseconds since the Unix epoch), and since when: none if it had none,
    /// or if that is further back than the store's history.
    ///
    /// # Errors
    /// The key's partition is not here, or cannot be read.
    pub fn get_as_of(&self, key: &K, time: i64) -> Result<Option<(V, i64)>, QueryError> {
        let partition = self
            .partition
            .unwrap_or_else(|| self.store.partition_of(key));
        let (reader, _) = self.store.reader(partition)?;
        let mut bytes = Vec::new();
        key.write(&mut bytes);
        let found = reader.get_as_of(&bytes, time)?;
        found.map(|found| stamped(&self.values, &found)).transpose()
    }
}
