//! A store of a value per key and session.

use std::marker::PhantomData;
use std::ops::ControlFlow;

use super::error::StoreError;
use super::layout::read_i64;
use super::values::Values;
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
    id: StoreId,
    values: Values<V>,
    row: Vec<u8>,
    end: Vec<u8>,
    stored: Vec<u8>,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key, V> SessionStore<K, V> {
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

    /// The key's sessions that end at `earliest_end` or later and start at `latest_start` or earlier, in order of
    /// their ends, then starts.
    pub fn find(
        &mut self,
        stores: &mut Stores,
        key: &K,
        earliest_end: i64,
        latest_start: i64,
    ) -> Result<Vec<(SessionWindow, V, i64)>, StoreError> {
        let store = stores.get_mut(self.id);
        let earliest_end = earliest_end.max(store.oldest()).max(0);
        let mut found = Vec::new();
        let last = store.clock();
        if earliest_end > last {
            return Ok(found);
        }
        for segment in store.layout.segment(earliest_end)..=store.layout.segment(last) {
            self.row.clear();
            self.row.extend_from_slice(&segment.to_be_bytes());
            key.write(&mut self.row);
            let prefix = self.row.len();
            self.end.clone_from(&self.row);
            self.row.extend_from_slice(&earliest_end.to_be_bytes());
            self.row.extend_from_slice(&[0; 8]);
            self.end.extend_from_slice(&[0xff; 16]);
            let values = &self.values;
            let failed =
                store.scan_prefix(&self.row[..prefix], &self.row, &self.end, |row, stored| {
                    // Other keys that begin with this one may lie in between.
                    let Some(session) = (row.len() == prefix + 16).then(|| bounds(row)) else {
                        return ControlFlow::Continue(());
                    };
                    if session.start > latest_start {
                        return ControlFlow::Continue(());
                    }
                    match values.read_stamped(stored) {
                        Ok((value, timestamp)) => {
                            found.push((session, value, timestamp));
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

    /// Sets the value of a key's session, or deletes it.
    pub fn put(
        &mut self,
        stores: &mut Stores,
        key: &K,
        session: SessionWindow,
        value: Option<&V>,
        timestamp: i64,
    ) -> Result<Stored, StoreError> {
        let store = stores.get_mut(self.id);
        store.observe(session.end);
        if session.end < store.oldest() {
            return Ok(Stored::Expired);
        }
        self.row.clear();
        self.row
            .extend_from_slice(&store.layout.segment(session.end).to_be_bytes());
        key.write(&mut self.row);
        self.row.extend_from_slice(&session.end.to_be_bytes());
        self.row.extend_from_slice(&session.start.to_be_bytes());
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

    /// All sessions that end within `from..=to`, in order of end, then of start, then of the keys' bytes, at most
    /// `limit`: to emit those that have closed.
    pub fn ending_between(
        &mut self,
        stores: &mut Stores,
        from: i64,
        to: i64,
        limit: usize,
    ) -> Result<Vec<SessionEntry<K, V>>, StoreError> {
        let store = stores.get_mut(self.id);
        let from = from.max(store.oldest()).max(0);
        let to = to.min(store.clock());
        if from > to {
            return Ok(Vec::new());
        }
        let rows = store.next_in_time(from, to, limit)?;
        rows.into_iter()
            .map(|(row, stored)| {
                let (value, timestamp) = self.values.read_stamped(&stored)?;
                Ok(SessionEntry {
                    key: self.values.key(&row[8..row.len() - 16])?,
                    session: bounds(&row),
                    value,
                    timestamp,
                })
            })
            .collect()
    }

    /// Moves the store's clock, so that sessions that end `retention` or more before `time` are gone from here on.
    /// What was closed but is not emitted yet has to be read before.
    pub fn expire(&mut self, stores: &mut Stores, time: i64) {
        stores.get_mut(self.id).observe(time);
    }
}

/// A row's session: its last sixteen bytes are end and start.
fn bounds(row: &[u8]) -> SessionWindow {
    let at = |from_end: usize| {
        row.len()
            .checked_sub(from_end)
            .and_then(|start| read_i64(row.get(start..start + 8)?))
            .unwrap_or_default()
    };
    SessionWindow {
        start: at(8),
        end: at(16),
    }
}
