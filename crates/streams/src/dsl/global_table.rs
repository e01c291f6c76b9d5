//! Global tables: a whole topic in every process, joined by any key.
//!
//! Owns the rows, which all tasks of the process share. It never reads a topic: the runtime, or the test driver,
//! applies the topic's records, all that there are before the first record of any task.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Bound;
use std::panic::Location;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;

use crate::key::Key;
use crate::partitioner::partition_for;
use crate::serde::{Codec, SerdeError};
use crate::store::{
    Backend, Caching, Changelog, Stamped, Store, StoreError, StoreKind, StoreReader, StoreSpec,
};
use crate::topic::Topic;
use crate::topology::Builder;

/// What a record of the topic means for the rows: the key as stores write it, and whether the value can be read.
type Check = Box<dyn Fn(&[u8], Option<&[u8]>) -> Result<Vec<u8>, SerdeError> + Send + Sync>;

/// The rows of a global table: one copy in a process, shared by its tasks.
pub struct GlobalStore {
    spec: StoreSpec,
    topic: Arc<str>,
    check: Check,
    rows: RwLock<Rows>,
}

/// In memory one store has the rows of all partitions; on disk, each partition has its own, so that its rows and how
/// far they go are one.
#[derive(Debug)]
enum Rows {
    Memory(Box<Store>, StoreReader),
    Disk(Vec<StoreReader>),
}

impl GlobalStore {
    fn new(spec: StoreSpec, topic: Arc<str>, check: Check) -> Self {
        let store = Store::in_memory(spec.clone());
        let reader = store.reader();
        Self {
            spec,
            topic,
            check,
            rows: RwLock::new(Rows::Memory(Box::new(store), reader)),
        }
    }

    /// The table's name, to be queried by.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The topic that fills it, all partitions of it.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// What it is: a key-value store whose changelog is its topic.
    pub fn spec(&self) -> &StoreSpec {
        &self.spec
    }

    /// The key of a record as the rows have it, or that it cannot be read.
    pub(crate) fn check(&self, key: &[u8], value: Option<&[u8]>) -> Result<Vec<u8>, SerdeError> {
        (self.check)(key, value)
    }

    /// Takes in a record of the topic; a null value deletes. False: it has no key, and nothing was done.
    ///
    /// # Errors
    /// Key or value cannot be read; the rows are as before.
    pub fn apply(
        &self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp: i64,
    ) -> Result<bool, SerdeError> {
        let Some(key) = key else {
            return Ok(false);
        };
        let key = self.check(key, value)?;
        if let Rows::Memory(store, _) = &*self.rows() {
            let stamped = value.map(|value| [&timestamp.to_be_bytes()[..], value].concat());
            store.write_through(&key, stamped.as_deref());
        }
        Ok(true)
    }

    /// From now on the rows are those of these stores, one for each partition of the topic.
    pub(crate) fn serve(&self, partitions: Vec<StoreReader>) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        *rows = Rows::Disk(partitions);
    }

    /// Lets go of rows on disk.
    pub(crate) fn close(&self) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        if let Rows::Disk(partitions) = &mut *rows {
            for reader in partitions {
                reader.close();
            }
        }
    }

    fn rows(&self) -> RwLockReadGuard<'_, Rows> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value's bytes and timestamp of a key, in the bytes that [`Key`] writes. On disk, where a key is in several
    /// partitions, that of the one where Kafka's partitioner puts it, or else the first.
    ///
    /// # Errors
    /// The disk cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Stamped>, StoreError> {
        match &*self.rows() {
            Rows::Memory(_, reader) => reader.get(key),
            Rows::Disk(partitions) => {
                let count = i32::try_from(partitions.len()).unwrap_or(i32::MAX).max(1);
                let first = usize::try_from(partition_for(key, count)).unwrap_or(0);
                let (before, from) = partitions.split_at(first.min(partitions.len()));
                for reader in from.iter().chain(before) {
                    if let Some(found) = reader.get(key)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
        }
    }

    /// Views on the rows, of which each key is in one: by partition on disk, a single one in memory.
    pub fn readers(&self) -> Vec<StoreReader> {
        match &*self.rows() {
            Rows::Memory(_, reader) => vec![reader.clone()],
            Rows::Disk(partitions) => partitions.clone(),
        }
    }

    /// Up to `limit` rows in order of their keys' bytes, from `from` on: key, and value with its timestamp.
    ///
    /// # Errors
    /// The disk cannot be read.
    pub fn range(
        &self,
        from: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Stamped)>, StoreError> {
        let mut rows = Vec::new();
        for reader in self.readers() {
            rows.append(&mut reader.range(from, Bound::Unbounded, limit)?);
        }
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows.truncate(limit);
        Ok(rows)
    }

    /// How many keys have a value; on disk an estimate.
    pub fn len(&self) -> u64 {
        let readers = self.readers().into_iter();
        readers.map(|reader| reader.approximate_entries()).sum()
    }

    /// Whether no key has a value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for GlobalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalStore")
            .field("name", &self.spec.name)
            .field("topic", &self.topic)
            .field("rows", &self.len())
            .finish_non_exhaustive()
    }
}

/// A table of a whole topic in every process: any record of any task can be joined with any of its rows, without
/// repartitioning. Kafka Streams' `GlobalKTable`.
///
/// It is filled before the first record, then follows its topic at its own pace: a join sees what is there when the
/// stream's record is processed, and nothing is emitted when the table changes.
pub struct GlobalTable<K, V: 'static> {
    store: Arc<GlobalStore>,
    value: Codec<V>,
    types: PhantomData<fn(K)>,
}

impl<K: Key, V: 'static> GlobalTable<K, V> {
    /// The value of a key now.
    ///
    /// # Errors
    /// The disk cannot be read, or the value, which its reader would have found before: the codec changed its mind.
    pub fn get(&self, key: &K) -> Result<Option<V>, StoreError> {
        let mut bytes = Vec::new();
        key.write(&mut bytes);
        let Some(found) = self.store.get(&bytes)? else {
            return Ok(None);
        };
        let value = self.value.deserialize(&self.store.topic, &found.value);
        value.map(Some).map_err(|source| StoreError::Serde {
            store: self.store.spec.name.clone(),
            source,
        })
    }

    /// The rows.
    pub fn store(&self) -> &Arc<GlobalStore> {
        &self.store
    }
}

impl<K, V: 'static> Clone for GlobalTable<K, V> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            value: self.value.clone(),
            types: PhantomData,
        }
    }
}

impl Builder {
    /// A table of all partitions of a topic, in every process that runs the topology, in its memory: the topic is read
    /// from its beginning at each start.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a topic is named where it is read, as in the other sources"
    )]
    pub fn global_table<K: Key, V: Send + 'static>(
        &self,
        topic: Topic<K, V>,
        name: &str,
    ) -> GlobalTable<K, V> {
        self.global(&topic, name, Backend::Memory)
    }

    /// The same on disk, within the memory of all state on disk: at a start only what the topic has more than the disk
    /// is read.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a topic is named where it is read, as in the other sources"
    )]
    pub fn global_table_on_disk<K: Key, V: Send + 'static>(
        &self,
        topic: Topic<K, V>,
        name: &str,
    ) -> GlobalTable<K, V> {
        self.global(&topic, name, Backend::Disk)
    }

    #[track_caller]
    fn global<K: Key, V: Send + 'static>(
        &self,
        topic: &Topic<K, V>,
        name: &str,
        backend: Backend,
    ) -> GlobalTable<K, V> {
        let topic_name: Arc<str> = topic.name().into();
        let (key, value) = (topic.key_codec().clone(), topic.value_codec().clone());
        let check = checked(Arc::clone(&topic_name), key, value.clone());
        let spec = spec::<K>(name, topic.name(), backend);
        let store = GlobalStore::new(spec, topic_name, check);
        GlobalTable {
            store: self.global_store(store, Location::caller()),
            value,
            types: PhantomData,
        }
    }
}

fn spec<K: Key>(name: &str, topic: &str, backend: Backend) -> StoreSpec {
    StoreSpec {
        name: name.to_owned(),
        kind: StoreKind::KeyValue,
        backend,
        changelog: Changelog::SourceTopic(topic.to_owned()),
        caching: Caching::Off,
        key: Some(K::NAME),
        check: None,
    }
}

/// Reads a record with the topic's codecs, so that what cannot be read is found when it comes.
fn checked<K: Key, V: 'static>(topic: Arc<str>, key: Codec<K>, value: Codec<V>) -> Check {
    Box::new(move |key_bytes, value_bytes| {
        let read = key.deserialize(&topic, key_bytes)?;
        if let Some(bytes) = value_bytes {
            value.deserialize(&topic, bytes)?;
        }
        let mut bytes = Vec::with_capacity(key_bytes.len());
        read.write(&mut bytes);
        Ok(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEMS: Topic<String, u64> = Topic::json("items");

    fn store() -> GlobalStore {
        let (key, value) = (ITEMS.key_codec().clone(), ITEMS.value_codec().clone());
        let check = checked("items".into(), key, value);
        let spec = spec::<String>("items", "items", Backend::Memory);
        GlobalStore::new(spec, "items".into(), check)
    }

    fn stamped(value: &'static [u8], timestamp: i64) -> Stamped {
        Stamped {
            value: Bytes::from_static(value),
            timestamp,
        }
    }

    #[test]
    fn a_global_store_follows_its_topic_deletes_too() {
        let store = store();
        assert_eq!(store.apply(Some(b"cup"), Some(b"3"), 5).ok(), Some(true));
        assert!(store.apply(Some(b"jug"), Some(b"4"), 6).is_ok());
        assert_eq!(store.get(b"cup").unwrap(), Some(stamped(b"3", 5)));
        assert!(store.apply(Some(b"cup"), None, 7).is_ok());
        assert_eq!(store.get(b"cup").unwrap(), None);
        let rows = store.range(Bound::Unbounded, 10).unwrap();
        assert_eq!(rows, [(Bytes::from_static(b"jug"), stamped(b"4", 6))]);
    }

    #[test]
    fn a_global_store_refuses_what_cannot_be_read_and_ignores_what_has_no_key() {
        let store = store();
        assert!(store.apply(Some(b"cup"), Some(b"no number"), 5).is_err());
        assert_eq!(store.apply(None, Some(b"3"), 5).ok(), Some(false));
        assert!(store.is_empty());
    }
}
