//! Global tables: a whole topic in every process, joined by any key.
//!
//! Owns the rows, which all tasks of the process share. It never reads a topic: the runtime, or the test driver,
//! applies the topic's records, all that there are before the first record of any task.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Bound;
use std::panic::Location;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use crate::key::Key;
use crate::serde::{Codec, SerdeError};
use crate::topic::Topic;
use crate::topology::Builder;

/// What a record of the topic means for the rows: the key as stores write it, and whether the value can be read.
type Check = Box<dyn Fn(&[u8], Option<&[u8]>) -> Result<Vec<u8>, SerdeError> + Send + Sync>;

#[derive(Debug, Clone)]
struct Row {
    value: Bytes,
    timestamp: i64,
}

/// The rows of a global table: one copy in a process, shared by its tasks.
pub struct GlobalStore {
    name: String,
    topic: Arc<str>,
    check: Check,
    rows: RwLock<BTreeMap<Vec<u8>, Row>>,
}

impl GlobalStore {
    /// The table's name, to be queried by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The topic that fills it, all partitions of it.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
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
        let key = (self.check)(key, value)?;
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        match value {
            Some(value) => {
                let value = Bytes::copy_from_slice(value);
                rows.insert(key, Row { value, timestamp });
            }
            None => {
                rows.remove(&key);
            }
        }
        Ok(true)
    }

    /// The value's bytes and timestamp of a key, in the bytes that [`Key`] writes.
    pub fn get(&self, key: &[u8]) -> Option<(Bytes, i64)> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let row = rows.get(key)?;
        Some((row.value.clone(), row.timestamp))
    }

    /// Up to `limit` rows in order of their keys' bytes, from `from` on: key, value and timestamp.
    pub fn range(&self, from: Bound<&[u8]>, limit: usize) -> Vec<(Vec<u8>, Bytes, i64)> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.range::<[u8], _>((from, Bound::Unbounded))
            .take(limit)
            .map(|(key, row)| (key.clone(), row.value.clone(), row.timestamp))
            .collect()
    }

    /// How many keys have a value.
    pub fn len(&self) -> usize {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.len()
    }

    /// Whether no key has a value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all rows: the topic is read from its beginning again.
    pub fn clear(&self) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        rows.clear();
    }
}

impl fmt::Debug for GlobalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalStore")
            .field("name", &self.name)
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
    /// The value cannot be read, which its reader would have found before: the codec changed its mind.
    pub fn get(&self, key: &K) -> Result<Option<V>, SerdeError> {
        let mut bytes = Vec::new();
        key.write(&mut bytes);
        match self.store.get(&bytes) {
            Some((value, _)) => self.value.deserialize(&self.store.topic, &value).map(Some),
            None => Ok(None),
        }
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
    /// A table of all partitions of a topic, in every process that runs the topology.
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
        let topic_name: Arc<str> = topic.name().into();
        let (key, value) = (topic.key_codec().clone(), topic.value_codec().clone());
        let store = GlobalStore {
            name: name.to_owned(),
            check: checked(Arc::clone(&topic_name), key, value.clone()),
            topic: topic_name,
            rows: RwLock::default(),
        };
        GlobalTable {
            store: self.global_store(store, Location::caller()),
            value,
            types: PhantomData,
        }
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
        GlobalStore {
            name: "items".to_owned(),
            topic: "items".into(),
            check: checked(
                "items".into(),
                ITEMS.key_codec().clone(),
                ITEMS.value_codec().clone(),
            ),
            rows: RwLock::default(),
        }
    }

    #[test]
    fn a_global_store_follows_its_topic_deletes_too() {
        let store = store();
        assert_eq!(store.apply(Some(b"cup"), Some(b"3"), 5).ok(), Some(true));
        assert!(store.apply(Some(b"jug"), Some(b"4"), 6).is_ok());
        assert_eq!(store.get(b"cup"), Some((Bytes::from_static(b"3"), 5)));
        assert!(store.apply(Some(b"cup"), None, 7).is_ok());
        assert_eq!(store.get(b"cup"), None);
        let rows = store.range(Bound::Unbounded, 10);
        assert_eq!(rows, [(b"jug".to_vec(), Bytes::from_static(b"4"), 6)]);
    }

    #[test]
    fn a_global_store_refuses_what_cannot_be_read_and_ignores_what_has_no_key() {
        let store = store();
        assert!(store.apply(Some(b"cup"), Some(b"no number"), 5).is_err());
        assert_eq!(store.apply(None, Some(b"3"), 5).ok(), Some(false));
        assert!(store.is_empty());
    }
}
