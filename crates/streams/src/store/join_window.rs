//! A store of one side of a stream-stream join: every record for some time, duplicates too.

use std::marker::PhantomData;
use std::ops::ControlFlow;

use super::error::StoreError;
use super::layout::read_i64;
use super::values::Values;
use super::window::Stored;
use super::{StoreId, Stores};
use crate::key::Key;
use crate::serde::Codec;

/// The handle that an operator has on one side of a stream-stream join.
///
/// Records of one key and time are told apart by a sequence number, which is saved with the rows, so that none is
/// overwritten after a restart.
#[derive(Debug)]
pub struct JoinWindow<K, V: 'static> {
    id: StoreId,
    values: Values<V>,
    row: Vec<u8>,
    end: Vec<u8>,
    stored: Vec<u8>,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key, V> JoinWindow<K, V> {
    /// A handle on the store `id`, called `name`, whose changelog topic is `topic`.
    pub fn new(id: StoreId, name: &str, topic: &str, codec: Codec<V>) -> Self {
        Self {
            id,
            values: Values::new(name, topic, codec),
            row: Vec::new(),
            end: Vec::new(),
            stored: Vec::new(),
            keys: PhantomData,
        }
    }

    /// Which store it is.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// Adds a record.
    pub fn put(
        &mut self,
        stores: &mut Stores,
        key: &K,
        value: &V,
        timestamp: i64,
    ) -> Result<Stored, StoreError> {
        let store = stores.get_mut(self.id);
        store.observe(timestamp);
        // Kafka Streams keeps it, and logs it, until its segment is full of such; nobody ever fetches it.
        if timestamp < store.oldest() {
            return Ok(Stored::Expired);
        }
        // A null value is nothing that could be joined.
        if !self.values.stamp(value, timestamp, &mut self.stored)? {
            return Ok(Stored::Yes);
        }
        self.row.clear();
        self.row
            .extend_from_slice(&store.layout.segment(timestamp).to_be_bytes());
        key.write(&mut self.row);
        self.row.extend_from_slice(&timestamp.to_be_bytes());
        self.row
            .extend_from_slice(&store.next_sequence().to_be_bytes());
        self.values.check(&self.row)?;
        store.put(&self.row, Some(&self.stored), timestamp);
        Ok(Stored::Yes)
    }

    /// The key's records of times within `from..=to` with their times, in order of time, then of arrival.
    pub fn fetch(
        &mut self,
        stores: &mut Stores,
        key: &K,
        from: i64,
        to: i64,
    ) -> Result<Vec<(i64, V)>, StoreError> {
        let store = stores.get_mut(self.id);
        let from = from.max(store.oldest()).max(0);
        let to = to.min(store.clock());
        let mut found = Vec::new();
        if from > to {
            return Ok(found);
        }
        for segment in store.layout.segment(from)..=store.layout.segment(to) {
            self.row.clear();
            self.row.extend_from_slice(&segment.to_be_bytes());
            key.write(&mut self.row);
            let prefix = self.row.len();
            self.end.clone_from(&self.row);
            self.row.extend_from_slice(&from.to_be_bytes());
            self.row.extend_from_slice(&[0; 4]);
            self.end.extend_from_slice(&to.to_be_bytes());
            self.end.extend_from_slice(&[0xff; 4]);
            let values = &self.values;
            let failed =
                store.scan_prefix(&self.row[..prefix], &self.row, &self.end, |row, stored| {
                    // Other keys that begin with this one may lie in between.
                    if row.len() != prefix + 12 {
                        return ControlFlow::Continue(());
                    }
                    let time = read_i64(&row[prefix..prefix + 8]).unwrap_or_default();
                    match values.read_stamped(stored) {
                        Ok((value, _)) => {
                            found.push((time, value));
                            ControlFlow::Continue(())
                        }
                        Err(error) => ControlFlow::Break(error),
                    }
                })?;
            if let ControlFlow::Break(error) = failed {
                return Err(error);
            }
        }
        Ok(found)
    }

    /// Moves the store's clock, so that records of `retention` or more before `time` are gone from here on.
    pub fn expire(&mut self, stores: &mut Stores, time: i64) {
        stores.get_mut(self.id).observe(time);
    }
}
