//! A store of a value per key and session.

use super::error::StoreError;
use super::layout::read_i64;
use super::timed_rows::{Kept, TimedRows, joined};
use super::window::Stored;
use super::{StoreId, Stores};
use crate::key::Key;
use crate::serde::Codec;
use crate::window::SessionWindow;

/// A session of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEntry<K, V> {
    /// The key.
    pub key: K,
    /// Its first and last record's times.
    pub session: SessionWindow,
    /// The value.
    pub value: V,
    /// The value's timestamp.
    pub timestamp: i64,
}

/// The handle that an operator has on a session store of its task.
///
/// The store's clock is the largest session end it was given, as in Kafka Streams; sessions that end `retention` or
/// more before it are never returned again.
#[derive(Debug)]
pub struct SessionStore<K, V: 'static> {
    rows: TimedRows<K, V>,
}

impl<K: Key, V> SessionStore<K, V> {
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

    /// The key's sessions that end at `earliest_end` or later and start at `latest_start` or earlier, in order of
    /// their ends, then starts.
    pub fn find(
        &mut self,
        stores: &mut Stores,
        key: &K,
        earliest_end: i64,
        latest_start: i64,
    ) -> Result<Vec<(SessionWindow, V, i64)>, StoreError> {
        let store = stores.get_mut(self.rows.id);
        let mut found = Vec::new();
        let Some(kept) = Kept::of(store, earliest_end, i64::MAX) else {
            return Ok(found);
        };
        let low: [u8; 16] = joined(kept.from.to_be_bytes(), [0; 8]);
        self.rows.scan(
            store,
            key,
            kept,
            low,
            [0xff; 16],
            |values, times, stored| {
                let session = bounds(times);
                if session.start <= latest_start {
                    let (value, timestamp) = values.read_stamped(stored)?;
                    found.push((session, value, timestamp));
                }
                Ok(())
            },
        )?;
        Ok(found)
    }

    /// Sets the value of a key's session, or deletes it.
    pub fn put(
        &mut self,
        stores: &mut Stores,
        key: &K,
        session: SessionWindow,
        value: Option<&V>,
        timestamp: i64,
    ) -> Result<Stored, StoreError> {
        let store = stores.get_mut(self.rows.id);
        store.observe(session.end);
        if session.end < store.oldest() {
            return Ok(Stored::Expired);
        }
        let times: [u8; 16] = joined(session.end.to_be_bytes(), session.start.to_be_bytes());
        self.rows.begin(store, key, session.end, times);
        self.rows.put(store, value, timestamp)?;
        Ok(Stored::Yes)
    }

    /// How many bytes the row takes that was put last, key and value.
    pub(crate) fn row_bytes(&self) -> usize {
        self.rows.row_bytes()
    }

    /// All sessions that end within `from..=to`, in order of end, then of start, then of the keys' bytes, at most
    /// `limit`: to emit those that have closed.
    pub fn ending_between(
        &mut self,
        stores: &mut Stores,
        from: i64,
        to: i64,
        limit: usize,
    ) -> Result<Vec<SessionEntry<K, V>>, StoreError> {
        let store = stores.get_mut(self.rows.id);
        let Some(kept) = Kept::of(store, from, to) else {
            return Ok(Vec::new());
        };
        let values = &self.rows.values;
        let rows = store.next_in_time(kept.from, kept.to, limit)?;
        rows.into_iter()
            .map(|(row, stored)| {
                let (value, timestamp) = values.read_stamped(&stored)?;
                let malformed = || values.malformed("a row without a session");
                let (front, times) = row.split_last_chunk().ok_or_else(malformed)?;
                Ok(SessionEntry {
                    key: values.key(front.get(8..).ok_or_else(malformed)?)?,
                    session: bounds(times),
                    value,
                    timestamp,
                })
            })
            .collect()
    }

    /// Moves the store's clock, so that sessions that end `retention` or more before `time` are gone from here on.
    /// What was closed but is not emitted yet has to be read before.
    pub fn expire(&mut self, stores: &mut Stores, time: i64) {
        stores.get_mut(self.rows.id).observe(time);
    }
}

/// The session of a row that ends in these: end and start.
fn bounds(times: &[u8; 16]) -> SessionWindow {
    let (end, start) = times.split_at(8);
    SessionWindow {
        start: read_i64(start).unwrap_or_default(),
        end: read_i64(end).unwrap_or_default(),
    }
}
