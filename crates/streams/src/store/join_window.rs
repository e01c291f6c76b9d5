//! A store of one side of a stream-stream join: every record for some time, duplicates too.

use super::error::StoreError;
use super::layout::read_i64;
use super::timed_rows::{Kept, TimedRows, joined};
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
    rows: TimedRows<K, V>,
}

impl<K: Key, V> JoinWindow<K, V> {
    /// A handle on the store `id`, called `name`, whose changelog topic is `topic`.
    pub fn new(id: StoreId, name: &str, topic: &str, codec: Codec<V>) -> Self {
        Self {
            rows: TimedRows::new(id, name, topic, codec),
        }
    }

    /// Which store it is.
    pub fn id(&self) -> StoreId {
        self.rows.id
    }

    /// Adds a record.
    pub fn put(
        &mut self,
        stores: &mut Stores,
        key: &K,
        value: &V,
        timestamp: i64,
    ) -> Result<Stored, StoreError> {
        let store = stores.get_mut(self.rows.id);
        store.observe(timestamp);
        // Kafka Streams keeps it, and logs it, until its segment is full of such; nobody ever fetches it.
        if timestamp < store.oldest() {
            return Ok(Stored::Expired);
        }
        // A null value is nothing that could be joined.
        if !self.rows.stamp(value, timestamp)? {
            return Ok(Stored::Yes);
        }
        let times: [u8; 12] = joined(timestamp.to_be_bytes(), store.next_sequence().to_be_bytes());
        self.rows.begin(store, key, timestamp, times);
        self.rows.put_stamped(store, timestamp)?;
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
        let store = stores.get_mut(self.rows.id);
        let mut found = Vec::new();
        let Some(kept) = Kept::of(store, from, to) else {
            return Ok(found);
        };
        let low: [u8; 12] = joined(kept.from.to_be_bytes(), [0; 4]);
        let high: [u8; 12] = joined(kept.to.to_be_bytes(), [0xff; 4]);
        self.rows
            .scan(store, key, kept, low, high, |values, times, stored| {
                let time = read_i64(&times[..8]).unwrap_or_default();
                found.push((time, values.read_stamped(stored)?.0));
                Ok(())
            })?;
        Ok(found)
    }

    /// Moves the store's clock, so that records of `retention` or more before `time` are gone from here on.
    pub fn expire(&mut self, stores: &mut Stores, time: i64) {
        stores.get_mut(self.rows.id).observe(time);
    }
}
