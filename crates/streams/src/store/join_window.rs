//! A store of one side of a stream-stream join: every record for some time, duplicates too.

use std::ops::{Bound, ControlFlow};

use super::error::StoreError;
use super::layout::{read_i64, read_u32};
use super::overlay::Overlay;
use super::timed_rows::{Kept, TimedRows, joined};
use super::window::Stored;
use super::{Store, StoreId, Stores};
use crate::key::Key;
use crate::serde::Codec;

/// A record that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived<V> {
    /// Its time.
    pub time: i64,
    /// Its place among those that arrived.
    sequence: u32,
    /// Its value.
    pub value: V,
}

/// The handle that an operator has on one side of a stream-stream join.
///
/// Records of one key and time are told apart by a sequence number, which is saved with the rows, so that none is
/// overwritten after a restart.
#[derive(Debug)]
pub struct JoinWindow<K, V: 'static> {
    rows: TimedRows<K, V>,
    /// Room for the rows that are looked for on disk.
    sought: Vec<u8>,
}

impl<K: Key, V> JoinWindow<K, V> {
    /// A handle on the store `id`, called `name`, whose changelog topic is `topic`.
    pub fn new(id: StoreId, name: &str, topic: &str, codec: Codec<V>) -> Self {
        Self {
            rows: TimedRows::new(id, name, topic, codec),
            sought: Vec::new(),
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

    /// Puts the key's records of times within `from..=to` into `found`, in order of time, then of arrival.
    pub fn fetch(
        &mut self,
        stores: &mut Stores,
        key: &K,
        (from, to): (i64, i64),
        found: &mut Vec<Arrived<V>>,
    ) -> Result<(), StoreError> {
        found.clear();
        let store = stores.get_mut(self.rows.id);
        let Some(kept) = Kept::of(store, from, to) else {
            return Ok(());
        };
        let (key, values) = self.rows.key_bytes(key);
        let visited = store.visit_arrivals(
            key,
            (kept.from, kept.to),
            &mut self.sought,
            |time, sequence, stored| match values.read_stamped(stored) {
                Ok((value, _)) => {
                    found.push(Arrived {
                        time,
                        sequence,
                        value,
                    });
                    ControlFlow::Continue(())
                }
                Err(error) => ControlFlow::Break(error),
            },
        )?;
        if let ControlFlow::Break(error) = visited {
            return Err(error);
        }
        if found.len() > 1 {
            found.sort_by_key(|arrived| (arrived.time, arrived.sequence));
            found.dedup_by_key(|arrived| (arrived.time, arrived.sequence));
        }
        Ok(())
    }

    /// Moves the store's clock, so that records of `retention` or more before `time` are gone from here on.
    pub fn expire(&mut self, stores: &mut Stores, time: i64) {
        stores.get_mut(self.rows.id).observe(time);
    }
}

impl Store {
    /// Visits the rows of a key of a stream-stream join's store with times within `from..=to`, in no order: time,
    /// sequence number and value. One may come twice. `row` is room for the keys to look for.
    fn visit_arrivals<B>(
        &self,
        key: &[u8],
        (from, to): (i64, i64),
        row: &mut Vec<u8>,
        mut each: impl FnMut(i64, u32, &[u8]) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, StoreError> {
        if let Overlay::Arrivals(arrivals) = &self.overlay
            && let ControlFlow::Break(stop) = arrivals.visit(key, from, to, &mut each)
        {
            return Ok(ControlFlow::Break(stop));
        }
        if self.presence.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        for segment in self.layout.segment(from)..=self.layout.segment(to) {
            row.clear();
            row.extend_from_slice(&segment.to_be_bytes());
            row.extend_from_slice(key);
            if !self.presence.may_contain(row) {
                continue;
            }
            let prefix = row.len();
            row.extend_from_slice(&from.to_be_bytes());
            row.extend_from_slice(&[0; 4]);
            let first = row.len();
            row.extend_from_within(..prefix);
            row.extend_from_slice(&to.to_be_bytes());
            row.extend_from_slice(&[0xff; 4]);
            let (low, high) = row.split_at(first);
            let (low, high) = (Bound::Included(low), Bound::Included(high));
            let visited = self.table.scan(low, high, |row, value| {
                // Other keys that begin with this one may lie in between.
                if row.len() != prefix + 12 {
                    return ControlFlow::Continue(());
                }
                let time = read_i64(&row[prefix..prefix + 8]).unwrap_or_default();
                let sequence = read_u32(&row[prefix + 8..]).unwrap_or_default();
                each(time, sequence, value)
            })?;
            if visited.is_break() {
                return Ok(visited);
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
