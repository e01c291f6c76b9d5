//! A store of a value per key and window.

use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow};

use super::error::StoreError;
use super::layout::{Layout, read_i64};
use super::table::Row;
use super::values::Values;
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
    id: StoreId,
    values: Values<V>,
    row: Vec<u8>,
    end: Vec<u8>,
    stored: Vec<u8>,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key, V> WindowStore<K, V> {
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

    /// The value of a key's window that begins at `start`, and its timestamp.
    pub fn get(
        &mut self,
        stores: &mut Stores,
        key: &K,
        start: i64,
    ) -> Result<Option<(V, i64)>, StoreError> {
        let store = stores.get_mut(self.id);
        if start < store.oldest() {
            return Ok(None);
        }
        row(store, &mut self.row, key, start);
        match store.get(&self.row)? {
            Some(stored) => self.values.read_stamped(stored).map(Some),
            None => Ok(None),
        }
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
        let store = stores.get_mut(self.id);
        store.observe(start);
        if start < store.oldest() {
            return Ok(Stored::Expired);
        }
        row(store, &mut self.row, key, start);
        let stored = match value {
            Some(value) => self.values.stamp(value, timestamp, &mut self.stored)?,
            None => false,
        };
        self.values.check(&self.row)?;
        store.put(&self.row, stored.then_some(&self.stored), timestamp);
        Ok(Stored::Yes)
    }

    /// How many bytes the row takes that was put last, key and value.
    pub(crate) fn row_bytes(&self) -> usize {
        self.row.len() + self.stored.len()
    }

    /// The key's windows that begin within `from..=to`, in order of their starts.
    pub fn fetch(
        &mut self,
        stores: &mut Stores,
        key: &K,
        from: i64,
        to: i64,
    ) -> Result<Vec<WindowValue<V>>, StoreError> {
        let store = stores.get_mut(self.id);
        let from = from.max(store.oldest()).max(0);
        let to = to.min(store.clock());
        let mut found = Vec::new();
        if from > to {
            return Ok(found);
        }
        if store.layout == Layout::TimeFirst {
            self.fetch_time_first(store, key, from, to, &mut found)?;
            return Ok(found);
        }
        for segment in store.layout.segment(from)..=store.layout.segment(to) {
            self.row.clear();
            self.row.extend_from_slice(&segment.to_be_bytes());
            key.write(&mut self.row);
            let prefix = self.row.len();
            self.end.clone_from(&self.row);
            self.row.extend_from_slice(&from.to_be_bytes());
            self.end.extend_from_slice(&to.to_be_bytes());
            let values = &self.values;
            let failed =
                store.scan_prefix(&self.row[..prefix], &self.row, &self.end, |row, stored| {
                    // Other keys that begin with this one may lie in between.
                    if row.len() != prefix + 8 {
                        return ControlFlow::Continue(());
                    }
                    let start = read_i64(&row[prefix..]).unwrap_or_default();
                    push(&mut found, start, values.read_stamped(stored))
                })?;
            if let ControlFlow::Break(error) = failed {
                return Err(error);
            }
        }
        Ok(found)
    }

    fn fetch_time_first(
        &mut self,
        store: &mut Store,
        key: &K,
        from: i64,
        to: i64,
        found: &mut Vec<WindowValue<V>>,
    ) -> Result<(), StoreError> {
        self.end.clear();
        key.write(&mut self.end);
        let (key, values) = (&self.end, &self.values);
        let low = from.to_be_bytes();
        let high = to.saturating_add(1).to_be_bytes();
        let failed = store.scan(
            Bound::Included(&low),
            Bound::Excluded(&high),
            |row, stored| {
                let (start, other) = row.split_at(8);
                if other != key.as_slice() {
                    return ControlFlow::Continue(());
                }
                let start = read_i64(start).unwrap_or_default();
                push(found, start, values.read_stamped(stored))
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
        let store = stores.get_mut(self.id);
        let from = from.max(store.oldest()).max(0);
        let to = to.min(store.clock());
        if from > to {
            return Ok(Vec::new());
        }
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
                let (value, timestamp) = self.values.read_stamped(&stored)?;
                Ok(WindowEntry {
                    key: self.values.key(key)?,
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
        stores.get_mut(self.id).observe(time);
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

/// Adds a row that could be read, or stops with the error.
pub(super) fn push<V>(
    found: &mut Vec<WindowValue<V>>,
    start: i64,
    value: Result<(V, i64), StoreError>,
) -> ControlFlow<StoreError> {
    match value {
        Ok((value, timestamp)) => {
            found.push((start, value, timestamp));
            ControlFlow::Continue(())
        }
        Err(error) => ControlFlow::Break(error),
    }
}

fn row<K: Key>(store: &Store, row: &mut Vec<u8>, key: &K, start: i64) {
    row.clear();
    row.extend_from_slice(&store.layout.segment(start).to_be_bytes());
    key.write(row);
    if store.layout != Layout::TimeFirst {
        row.extend_from_slice(&start.to_be_bytes());
    }
}
