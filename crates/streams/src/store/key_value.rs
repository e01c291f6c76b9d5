//! A store of the latest value of each key.

use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow, RangeBounds};

use super::error::StoreError;
use super::values::Values;
use super::{StoreId, Stores};
use crate::key::Key;
use crate::serde::Codec;

/// The handle that an operator has on a key-value store of its task.
#[derive(Debug)]
pub struct KeyValue<K, V: 'static> {
    id: StoreId,
    values: Values<V>,
    key: Vec<u8>,
    stored: Vec<u8>,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key, V> KeyValue<K, V> {
    /// A handle on the store `id`, called `name`, whose changelog topic is `topic`.
    pub fn new(id: StoreId, name: &str, topic: &str, codec: Codec<V>) -> Self {
        Self {
            id,
            values: Values::new(name, topic, codec),
            key: Vec::new(),
            stored: Vec::new(),
            keys: PhantomData,
        }
    }

    /// Which store it is.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// The value of a key, and its timestamp.
    pub fn get(&mut self, stores: &mut Stores, key: &K) -> Result<Option<(V, i64)>, StoreError> {
        self.key.clear();
        key.write(&mut self.key);
        match stores.get_mut(self.id).get(&self.key)? {
            Some(stored) => self.values.read_stamped(stored).map(Some),
            None => Ok(None),
        }
    }

    /// Sets the value of a key, or deletes it. The changelog's record has `timestamp` either way.
    pub fn put(
        &mut self,
        stores: &mut Stores,
        key: &K,
        value: Option<&V>,
        timestamp: i64,
    ) -> Result<(), StoreError> {
        self.key.clear();
        key.write(&mut self.key);
        let stored = match value {
            Some(value) => self.values.stamp(value, timestamp, &mut self.stored)?,
            None => false,
        };
        self.values.check(&self.key)?;
        let store = stores.get_mut(self.id);
        store.observe(timestamp);
        store.put(&self.key, stored.then_some(&self.stored), timestamp);
        Ok(())
    }

    /// How many bytes the row takes that was put last, key and value.
    pub(crate) fn row_bytes(&self) -> usize {
        self.key.len() + self.stored.len()
    }

    /// Visits the values whose keys' bytes are within the bounds, in order of those, until told to stop.
    pub fn range(
        &mut self,
        stores: &mut Stores,
        keys: impl RangeBounds<K>,
        mut each: impl FnMut(K, V, i64) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let bytes = |key: &K| {
            let mut bytes = Vec::new();
            key.write(&mut bytes);
            bytes
        };
        let from = keys.start_bound().map(bytes);
        let to = keys.end_bound().map(bytes);
        let values = &self.values;
        let (from, to) = (
            from.as_ref().map(Vec::as_slice),
            to.as_ref().map(Vec::as_slice),
        );
        let stopped = stores.get_mut(self.id).scan(from, to, |key, stored| {
            let row = values.key(key).and_then(|key| {
                values
                    .read_stamped(stored)
                    .map(|(value, timestamp)| (key, value, timestamp))
            });
            match row {
                Ok((key, value, timestamp)) => match each(key, value, timestamp) {
                    ControlFlow::Continue(()) => ControlFlow::Continue(()),
                    ControlFlow::Break(()) => ControlFlow::Break(Ok(())),
                },
                Err(error) => ControlFlow::Break(Err(error)),
            }
        })?;
        match stopped {
            ControlFlow::Break(result) => result,
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    /// All keys with their values and timestamps, in order of the keys' bytes: for stores that fit in memory.
    pub fn all(&mut self, stores: &mut Stores) -> Result<Vec<(K, V, i64)>, StoreError> {
        let mut rows = Vec::new();
        let everything: (Bound<K>, Bound<K>) = (Bound::Unbounded, Bound::Unbounded);
        self.range(stores, everything, |key, value, timestamp| {
            rows.push((key, value, timestamp));
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }
}
