//! A buffer of records that wait for their time: results held back by `suppress`, and records of an outer join that
//! have no partner yet.
//!
//! ```text
//! record   time(8) group(1) key sequence(4)   timestamp(8) value
//! by key   ff(8) key                          time(8)              of records that replace each other
//! ```
//!
//! The records are what the changelog holds; the rows by key follow from them.

use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow};

use super::error::StoreError;
use super::layout::{TIMELESS, read_i64, read_u32, write_stamped};
use super::store::{ChangelogRecord, Contents};
use super::values::Values;
use super::{Store, StoreId, Stores};
use crate::key::Key;
use crate::serde::Codec;

/// The sequence number of records that replace each other by key.
const REPLACING: u32 = 0;

/// A record that waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferEntry<K, V> {
    /// The time it waited for.
    pub time: i64,
    /// The group it was put into.
    pub group: u8,
    /// Its key.
    pub key: K,
    /// Its value.
    pub value: V,
    /// Its timestamp.
    pub timestamp: i64,
}

/// The handle that an operator has on a buffer of its task.
///
/// Records come out in order of time, then group, then the key's bytes, then arrival. (Of two keys of which one is
/// the other with zero bytes behind it, the records may alternate.)
#[derive(Debug)]
pub struct TimeOrderedBuffer<K, V: 'static> {
    id: StoreId,
    values: Values<V>,
    key: Vec<u8>,
    row: Vec<u8>,
    stored: Vec<u8>,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key, V> TimeOrderedBuffer<K, V> {
    /// A handle on the store `id`, called `name`, whose changelog topic is `topic`.
    pub fn new(id: StoreId, name: &str, topic: &str, codec: Codec<V>) -> Self {
        Self {
            id,
            values: Values::new(name, topic, codec),
            key: Vec::new(),
            row: Vec::new(),
            stored: Vec::new(),
            keys: PhantomData,
        }
    }

    /// Which store it is.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// Adds a record that waits for `time`. One of its key that waits already gives up its value, not its time.
    pub fn replace(
        &mut self,
        stores: &mut Stores,
        time: i64,
        key: &K,
        value: &V,
        timestamp: i64,
    ) -> Result<(), StoreError> {
        let store = stores.get_mut(self.id);
        self.by_key(key);
        let waiting = store.get(&self.key)?.and_then(read_i64);
        let time = waiting.unwrap_or(time);
        self.values.stamp(value, timestamp, &mut self.stored)?;
        write_row(&mut self.row, time, 0, key, REPLACING);
        self.values.check(&self.row)?;
        insert(store, &self.row, &self.stored, timestamp)?;
        if waiting.is_none() {
            store.put_derived(&self.key, Some(&time.to_be_bytes()));
        }
        Ok(())
    }

    /// The record of a key that was put by [`replace`](Self::replace) and waits: its value and timestamp.
    pub fn get(&mut self, stores: &mut Stores, key: &K) -> Result<Option<(V, i64)>, StoreError> {
        let store = stores.get_mut(self.id);
        self.by_key(key);
        let Some(time) = store.get(&self.key)?.and_then(read_i64) else {
            return Ok(None);
        };
        write_row(&mut self.row, time, 0, key, REPLACING);
        match store.get(&self.row)? {
            Some(stored) => self.values.read_stamped(stored).map(Some),
            None => Ok(None),
        }
    }

    /// Adds a record that waits for `time`, beside others of its key and time. `group` tells kinds of records apart,
    /// as the sides of a join, and orders them.
    pub fn push(
        &mut self,
        stores: &mut Stores,
        time: i64,
        group: u8,
        key: &K,
        value: &V,
        timestamp: i64,
    ) -> Result<(), StoreError> {
        let store = stores.get_mut(self.id);
        self.values.stamp(value, timestamp, &mut self.stored)?;
        let mut sequence = store.next_sequence();
        if sequence == REPLACING {
            sequence = store.next_sequence();
        }
        write_row(&mut self.row, time, group, key, sequence);
        self.values.check(&self.row)?;
        insert(store, &self.row, &self.stored, timestamp)
    }

    /// The earliest time that a record waits for.
    pub fn earliest(&mut self, stores: &mut Stores) -> Result<Option<i64>, StoreError> {
        let store = stores.get_mut(self.id);
        let mut contents = contents(store)?;
        if contents.records == 0 {
            return Ok(None);
        }
        if !contents.floor_is_first {
            let from = contents.floor.to_be_bytes();
            let first = store.scan(
                Bound::Included(&from),
                Bound::Excluded(&TIMELESS),
                |row, _| ControlFlow::Break(read_i64(&row[..8]).unwrap_or_default()),
            )?;
            let ControlFlow::Break(first) = first else {
                return Err(store.malformed("a buffer holds fewer records than it counted"));
            };
            contents.floor = first;
            contents.floor_is_first = true;
            store.contents = Some(contents);
        }
        Ok(Some(contents.floor))
    }

    /// Takes out the records that wait for `time` or earlier, in order, at most `limit`.
    pub fn pop_until(
        &mut self,
        stores: &mut Stores,
        time: i64,
        limit: usize,
    ) -> Result<Vec<BufferEntry<K, V>>, StoreError> {
        if self
            .earliest(stores)?
            .is_none_or(|earliest| earliest > time)
            || limit == 0
        {
            return Ok(Vec::new());
        }
        let store = stores.get_mut(self.id);
        let from = contents(store)?.floor.to_be_bytes();
        let behind = time.saturating_add(1).to_be_bytes();
        let mut rows: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let _ = store.scan::<()>(
            Bound::Included(&from),
            Bound::Excluded(&behind),
            |row, stored| {
                rows.push((row.to_vec(), stored.to_vec()));
                if rows.len() == limit {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            },
        )?;
        let mut entries = Vec::with_capacity(rows.len());
        for (row, stored) in rows {
            let (value, timestamp) = self.values.read_stamped(&stored)?;
            entries.push(BufferEntry {
                time: read_i64(&row[..8]).unwrap_or_default(),
                group: row[8],
                key: self.values.key(key_of(&row))?,
                value,
                timestamp,
            });
            remove(store, &row, stored.len(), timestamp)?;
        }
        Ok(entries)
    }

    /// How many records wait.
    pub fn len(&self, stores: &mut Stores) -> Result<u64, StoreError> {
        Ok(contents(stores.get_mut(self.id))?.records)
    }

    /// Whether no record waits.
    pub fn is_empty(&self, stores: &mut Stores) -> Result<bool, StoreError> {
        Ok(self.len(stores)? == 0)
    }

    /// Bytes of the records that wait, keys and values.
    pub fn bytes(&self, stores: &mut Stores) -> Result<u64, StoreError> {
        Ok(contents(stores.get_mut(self.id))?.bytes)
    }

    fn by_key(&mut self, key: &K) {
        self.key.clear();
        self.key.extend_from_slice(&TIMELESS);
        key.write(&mut self.key);
    }
}

/// Takes over a record of the changelog.
pub(crate) fn restore(store: &mut Store, record: &ChangelogRecord<'_>) -> Result<(), StoreError> {
    let Some(restored) = store.layout.restored(record.key) else {
        return Ok(());
    };
    if let Some(sequence) = restored.sequence {
        store.observe_sequence(sequence);
    }
    let row = restored.row;
    let replacing = restored.sequence == Some(REPLACING);
    let by_key = [&TIMELESS[..], key_of(&row)].concat();
    if let Some(value) = record.value {
        let mut stored = Vec::new();
        write_stamped(record.timestamp, value, &mut stored);
        store.put_derived(&row, Some(&stored));
        if replacing {
            store.put_derived(&by_key, Some(&row[..8]));
        }
        return Ok(());
    }
    store.put_derived(&row, None);
    if replacing && store.get(&by_key)? == Some(&row[..8]) {
        store.put_derived(&by_key, None);
    }
    Ok(())
}

fn insert(store: &mut Store, row: &[u8], stored: &[u8], timestamp: i64) -> Result<(), StoreError> {
    let mut contents = contents(store)?;
    let old = store.get(row)?.map(<[u8]>::len);
    contents.add(row.len(), stored.len());
    if let Some(old) = old {
        contents.subtract(row.len(), old);
    }
    let time = read_i64(&row[..8]).unwrap_or_default();
    if contents.records == 1 || time <= contents.floor {
        contents.floor = time;
        contents.floor_is_first = true;
    }
    store.contents = Some(contents);
    store.put(row, Some(stored), timestamp);
    Ok(())
}

/// Removes a record of this timestamp, of which `length` bytes are stored.
fn remove(store: &mut Store, row: &[u8], length: usize, timestamp: i64) -> Result<(), StoreError> {
    let mut contents = contents(store)?;
    contents.subtract(row.len(), length);
    let time = read_i64(&row[..8]).unwrap_or_default();
    if contents.floor_is_first && time == contents.floor {
        contents.floor_is_first = false;
    }
    store.contents = Some(contents);
    store.put(row, None, timestamp);
    if read_u32(&row[row.len() - 4..]) == Some(REPLACING) {
        let by_key = [&TIMELESS[..], key_of(row)].concat();
        store.put_derived(&by_key, None);
    }
    Ok(())
}

/// What the buffer holds; counted once after it was opened, restored or rolled back.
fn contents(store: &mut Store) -> Result<Contents, StoreError> {
    if let Some(contents) = store.contents {
        return Ok(contents);
    }
    let mut contents = Contents::default();
    let _ = store.scan::<()>(
        Bound::Unbounded,
        Bound::Excluded(&TIMELESS),
        |row, stored| {
            if contents.records == 0 {
                contents.floor = read_i64(&row[..8]).unwrap_or_default();
                contents.floor_is_first = true;
            }
            contents.add(row.len(), stored.len());
            ControlFlow::Continue(())
        },
    )?;
    store.contents = Some(contents);
    Ok(contents)
}

impl Contents {
    fn add(&mut self, row: usize, stored: usize) {
        self.records += 1;
        self.bytes += size(row, stored);
    }

    fn subtract(&mut self, row: usize, stored: usize) {
        self.records -= 1;
        self.bytes -= size(row, stored);
    }
}

/// Bytes of key and value: without time, group and sequence, and without the timestamp.
fn size(row: usize, stored: usize) -> u64 {
    (row.saturating_sub(13) + stored.saturating_sub(8)) as u64
}

fn key_of(row: &[u8]) -> &[u8] {
    row.get(9..row.len().saturating_sub(4)).unwrap_or_default()
}

fn write_row<K: Key>(row: &mut Vec<u8>, time: i64, group: u8, key: &K, sequence: u32) {
    row.clear();
    row.extend_from_slice(&time.max(0).to_be_bytes());
    row.push(group);
    key.write(row);
    row.extend_from_slice(&sequence.to_be_bytes());
}
