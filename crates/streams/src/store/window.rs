//! A store of a value per key and window.

use std::ops::{Bound, ControlFlow};

use super::error::StoreError;
use super::layout::{Layout, read_i64};
use super::table::Row;
use super::timed_rows::{Kept, TimedRows};
use super::{Store, StoreId, Stores};
use crate::key::Key;
use crate::serde::Codec;

/// Whether a windowed store took what was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what is too old is dropped, and counted by the operator"]
pub enum Stored {
    /// It is in the store.
    Yes,
    /// It is older than the store keeps.
    Expired,
}

/// A window's start, value and timestamp.
pub type WindowValue<V> = (i64, V, i64);

/// A window of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowEntry<K, V> {
    /// The key.
    pub key: K,
    /// The window's start.
    pub start: i64,
    /// The value.
    pub value: V,
    /// The value's timestamp.
    pub timestamp: i64,
}

/// The handle that an operator has on a window store of its task.
///
/// The store's clock is the largest window start it was given, as in Kafka Streams; windows that start `retention`
/// or more before it are never returned again.
#[derive(Debug)]
pub struct WindowStore<K, V: 'static> {
    rows: TimedRows<K, V>,
}

impl<K: Key, V> WindowStore<K, V> {
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

    /// The value of a key's window that begins at `start`, and its timestamp.
    pub fn get(
        &mut self,
        stores: &mut Stores,
        key: &K,
        start: i64,
    ) -> Result<Option<(V, i64)>, StoreError> {
        let store = stores.get_mut(self.rows.id);
        if start < store.oldest() {
            return Ok(None);
        }
        self.begin(store, key, start);
        self.rows.get(store)
    }

    /// Sets the value of a key's window, or deletes it.
    pub fn put(
        &mut self,
        stores: &mut Stores,
        key: &K,
        start: i64,
        value: Option<&V>,
        timestamp: i64,
    ) -> Result<Stored, StoreError> {
        let store = stores.get_mut(self.rows.id);
        store.observe(start);
        if start < store.oldest() {
            return Ok(Stored::Expired);
        }
        self.begin(store, key, start);
        self.rows.put(store, value, timestamp)?;
        Ok(Stored::Yes)
    }

    /// How many bytes the row takes that was put last, key and value.
    pub(crate) fn row_bytes(&self) -> usize {
        self.rows.row_bytes()
    }

    #[inline]
    fn begin(&mut self, store: &Store, key: &K, start: i64) {
        if store.layout == Layout::TimeFirst {
            self.rows.begin(store, key, start, []);
        } else {
            self.rows.begin(store, key, start, start.to_be_bytes());
        }
    }

    /// The key's windows that begin within `from..=to`, in order of their starts.
    pub fn fetch(
        &mut self,
        stores: &mut Stores,
        key: &K,
        from: i64,
        to: i64,
    ) -> Result<Vec<WindowValue<V>>, StoreError> {
        let store = stores.get_mut(self.rows.id);
        let mut found = Vec::new();
        let Some(kept) = Kept::of(store, from, to) else {
            return Ok(found);
        };
        if store.layout == Layout::TimeFirst {
            self.fetch_time_first(store, key, kept, &mut found)?;
            return Ok(found);
        }
        let (low, high) = (kept.from.to_be_bytes(), kept.to.to_be_bytes());
        self.rows
            .scan(store, key, kept, low, high, |values, start, stored| {
                let (value, timestamp) = values.read_stamped(stored)?;
                found.push((i64::from_be_bytes(*start), value, timestamp));
                Ok(())
            })?;
        Ok(found)
    }

    fn fetch_time_first(
        &mut self,
        store: &mut Store,
        key: &K,
        kept: Kept,
        found: &mut Vec<WindowValue<V>>,
    ) -> Result<(), StoreError> {
        let (key, values) = self.rows.key_bytes(key);
        let low = kept.from.to_be_bytes();
        let high = kept.to.saturating_add(1).to_be_bytes();
        let failed = store.scan(
            Bound::Included(&low),
            Bound::Excluded(&high),
            |row, stored| {
                let (start, other) = row.split_at(8);
                if other != key {
                    return ControlFlow::Continue(());
                }
                match values.read_stamped(stored) {
                    Ok((value, timestamp)) => {
                        let start = read_i64(start).unwrap_or_default();
                        found.push((start, value, timestamp));
                        ControlFlow::Continue(())
                    }
                    Err(error) => ControlFlow::Break(error),
                }
            },
        )?;
        match failed {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    /// All windows that begin within `from..=to`, in order of start, then of the keys' bytes, at most `limit`: to
    /// emit those that have closed.
    pub fn starting_between(
        &mut self,
        stores: &mut Stores,
        from: i64,
        to: i64,
        limit: usize,
    ) -> Result<Vec<WindowEntry<K, V>>, StoreError> {
        let store = stores.get_mut(self.rows.id);
        let Some(Kept { from, to }) = Kept::of(store, from, to) else {
            return Ok(Vec::new());
        };
        let values = &self.rows.values;
        let (rows, time_first) = if store.layout == Layout::TimeFirst {
            (first_between(store, from, to, limit)?, true)
        } else {
            (store.next_in_time(from, to, limit)?, false)
        };
        rows.into_iter()
            .map(|(row, stored)| {
                let (start, key) = if time_first {
                    row.split_at(8)
                } else {
                    let (front, start) = row.split_at(row.len() - 8);
                    (start, &front[8..])
                };
                let (value, timestamp) = values.read_stamped(&stored)?;
                Ok(WindowEntry {
                    key: values.key(key)?,
                    start: read_i64(start).unwrap_or_default(),
                    value,
                    timestamp,
                })
            })
            .collect()
    }

    /// Moves the store's clock, so that windows that start `retention` or more before `time` are gone from here on.
    /// What was closed but is not emitted yet has to be read before.
    pub fn expire(&mut self, stores: &mut Stores, time: i64) {
        stores.get_mut(self.rows.id).observe(time);
    }
}

/// The rows of a store in order of start that begin within `from..=to`, at most `limit`.
fn first_between(
    store: &mut Store,
    from: i64,
    to: i64,
    limit: usize,
) -> Result<Vec<Row>, StoreError> {
    let low = from.to_be_bytes();
    let high = to.saturating_add(1).to_be_bytes();
    let mut rows = Vec::new();
    let _ = store.scan::<()>(
        Bound::Included(&low),
        Bound::Excluded(&high),
        |row, stored| {
            if rows.len() == limit {
                return ControlFlow::Break(());
            }
            rows.push((row.to_vec(), stored.to_vec()));
            ControlFlow::Continue(())
        },
    )?;
    Ok(rows)
}
