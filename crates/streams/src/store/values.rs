//! The values of one store between their type and their bytes.

use std::sync::Arc;

use super::error::StoreError;
use super::layout::{LONGEST_ROW, split_stamped};
use crate::key::Key;
use crate::serde::{Codec, Payload, SerdeError};

/// A store's codec, and what it needs to be called.
#[derive(Debug)]
pub(crate) struct Values<V: 'static> {
    codec: Codec<V>,
    /// The changelog topic's name: serdes may read it.
    topic: Arc<str>,
    store: Arc<str>,
}

impl<V> Clone for Values<V> {
    fn clone(&self) -> Self {
        Self {
            codec: self.codec.clone(),
            topic: Arc::clone(&self.topic),
            store: Arc::clone(&self.store),
        }
    }
}

impl<V> Values<V> {
    pub(crate) fn new(store: &str, topic: &str, codec: Codec<V>) -> Self {
        Self {
            codec,
            topic: topic.into(),
            store: store.into(),
        }
    }

    /// Appends a value's bytes; false for a value whose payload is null, which a store keeps as no value at all.
    pub(crate) fn append(&self, value: &V, into: &mut Vec<u8>) -> Result<bool, StoreError> {
        match self.codec.serialize(&self.topic, value, into) {
            Ok(payload) => Ok(payload == Payload::Bytes),
            Err(source) => Err(self.error(source)),
        }
    }

    /// Writes a value as stores keep it, behind its timestamp; false as in [`append`](Self::append).
    pub(crate) fn stamp(
        &self,
        value: &V,
        timestamp: i64,
        into: &mut Vec<u8>,
    ) -> Result<bool, StoreError> {
        into.clear();
        into.extend_from_slice(&timestamp.to_be_bytes());
        self.append(value, into)
    }

    pub(crate) fn read(&self, bytes: &[u8]) -> Result<V, StoreError> {
        self.codec
            .deserialize(&self.topic, bytes)
            .map_err(|source| self.error(source))
    }

    /// A stored value and its timestamp.
    pub(crate) fn read_stamped(&self, stored: &[u8]) -> Result<(V, i64), StoreError> {
        let (timestamp, bytes) =
            split_stamped(stored).ok_or_else(|| self.malformed("a value without a timestamp"))?;
        Ok((self.read(bytes)?, timestamp))
    }

    pub(crate) fn key<K: Key>(&self, bytes: &[u8]) -> Result<K, StoreError> {
        K::read(bytes).map_err(|source| self.error(source))
    }

    /// Refuses a row that no store could take.
    #[inline]
    pub(crate) fn check(&self, row: &[u8]) -> Result<(), StoreError> {
        if row.len() > LONGEST_ROW {
            return Err(too_long(&self.store, row));
        }
        Ok(())
    }

    pub(crate) fn malformed(&self, reason: &str) -> StoreError {
        StoreError::Malformed {
            store: self.store.to_string(),
            reason: reason.to_owned(),
        }
    }

    fn error(&self, source: SerdeError) -> StoreError {
        StoreError::Serde {
            store: self.store.to_string(),
            source,
        }
    }
}

pub(crate) fn too_long(store: &str, row: &[u8]) -> StoreError {
    StoreError::Invalid {
        store: store.to_owned(),
        reason: format!(
            "a key of about {} bytes: the longest are {LONGEST_ROW} bytes",
            row.len()
        ),
    }
}
