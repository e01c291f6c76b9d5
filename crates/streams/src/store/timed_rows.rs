//! What handles on stores whose rows hold a key and times have alike: window, session and join stores.
//!
//! It owns the buffers that rows are written and sought with. Which times are in a row is the handle's to know.

use std::marker::PhantomData;
use std::ops::ControlFlow;

use super::error::StoreError;
use super::values::Values;
use super::{Store, StoreId};
use crate::key::Key;
use crate::serde::Codec;

/// The inner part of a handle.
#[derive(Debug)]
pub(super) struct TimedRows<K, V: 'static> {
    pub(super) id: StoreId,
    pub(super) values: Values<V>,
    row: Vec<u8>,
    end: Vec<u8>,
    stored: Vec<u8>,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key, V> TimedRows<K, V> {
    pub(super) fn new(id: StoreId, name: &str, topic: &str, codec: Codec<V>) -> Self {
        Self {
            id,
            values: Values::new(name, topic, codec),
            row: Vec::new(),
            end: Vec::new(),
            stored: Vec::new(),
            keys: PhantomData,
        }
    }

    /// Makes up the row of a key in the segment of `time`, which ends in `times`.
    #[inline]
    pub(super) fn begin<const N: usize>(
        &mut self,
        store: &Store,
        key: &K,
        time: i64,
        times: [u8; N],
    ) {
        self.row.clear();
        let segment = store.layout.segment(time);
        self.row.extend_from_slice(&segment.to_be_bytes());
        key.write(&mut self.row);
        self.row.extend_from_slice(&times);
    }

    /// What is stored in the row that was begun.
    #[inline]
    pub(super) fn get(&self, store: &mut Store) -> Result<Option<(V, i64)>, StoreError> {
        match store.get(&self.row)? {
            Some(stored) => self.values.read_stamped(stored).map(Some),
            None => Ok(None),
        }
    }

    /// Sets the value of the row that was begun, or deletes it.
    #[inline]
    pub(super) fn put(
        &mut self,
        store: &mut Store,
        value: Option<&V>,
        timestamp: i64,
    ) -> Result<(), StoreError> {
        let stored = match value {
            Some(value) => self.stamp(value, timestamp)?,
            None => false,
        };
        self.values.check(&self.row)?;
        store.put(&self.row, stored.then_some(&self.stored), timestamp);
        Ok(())
    }

    /// Makes up what is stored; false for a value whose payload is null.
    #[inline]
    pub(super) fn stamp(&mut self, value: &V, timestamp: i64) -> Result<bool, StoreError> {
        self.values.stamp(value, timestamp, &mut self.stored)
    }

    /// Sets the row that was begun to what was [stamped](Self::stamp).
    #[inline]
    pub(super) fn put_stamped(&self, store: &mut Store, timestamp: i64) -> Result<(), StoreError> {
        self.values.check(&self.row)?;
        store.put(&self.row, Some(&self.stored), timestamp);
        Ok(())
    }

    /// How many bytes the row takes that was put last, key and value.
    pub(super) fn row_bytes(&self) -> usize {
        self.row.len() + self.stored.len()
    }

    /// The bytes of a key, and what reads values.
    pub(super) fn key_bytes(&mut self, key: &K) -> (&[u8], &Values<V>) {
        self.end.clear();
        key.write(&mut self.end);
        (&self.end, &self.values)
    }

    /// Visits the rows of a key in the segments of the times `within`, those that end in `low..=high`, in order of
    /// segments, then of their ends: `each` is handed the end, and what is stored.
    pub(super) fn scan<const N: usize>(
        &mut self,
        store: &mut Store,
        key: &K,
        within: Kept,
        low: [u8; N],
        high: [u8; N],
        mut each: impl FnMut(&Values<V>, &[u8; N], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for segment in store.layout.segment(within.from)..=store.layout.segment(within.to) {
            self.row.clear();
            self.row.extend_from_slice(&segment.to_be_bytes());
            key.write(&mut self.row);
            let prefix = self.row.len();
            self.end.clone_from(&self.row);
            self.row.extend_from_slice(&low);
            self.end.extend_from_slice(&high);
            let values = &self.values;
            let failed =
                store.scan_prefix(&self.row[..prefix], &self.row, &self.end, |row, stored| {
                    // Other keys that begin with this one may lie in between.
                    let Ok(times) = row[prefix..].try_into() else {
                        return ControlFlow::Continue(());
                    };
                    match each(values, times, stored) {
                        Ok(()) => ControlFlow::Continue(()),
                        Err(error) => ControlFlow::Break(error),
                    }
                })?;
            if let ControlFlow::Break(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// The times that are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Kept {
    /// Those of `from..=to` that a store may have rows of.
    #[inline]
    pub(super) fn of(store: &Store, from: i64, to: i64) -> Option<Self> {
        let from = from.max(store.oldest()).max(0);
        let to = to.min(store.clock());
        (from <= to).then_some(Self { from, to })
    }
}

/// Two numbers as a row has them.
#[inline]
pub(super) fn joined<const A: usize, const B: usize, const N: usize>(
    first: [u8; A],
    second: [u8; B],
) -> [u8; N] {
    const { assert!(A + B == N, "they fill it") };
    let mut both = [0; N];
    let (front, back) = both.split_at_mut(A);
    front.copy_from_slice(&first);
    back.copy_from_slice(&second);
    both
}
