//! The committed rows of a store in memory.
//!
//! One writer, the store; any number of readers on other threads, which see whole commits only. Bounded by what the
//! application keeps: a store that may outgrow memory belongs on disk.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::expiry::Expiry;
use super::table::PutRow;

type Rows = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// The rows, shared with readers.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryTable {
    shared: Arc<RwLock<Table>>,
    expiry: Arc<Expiry>,
}

#[derive(Debug, Default)]
struct Table {
    rows: Rows,
    bytes: usize,
}

impl Table {
    fn put(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Some(value) = value else {
            if let Some(old) = self.rows.remove(key) {
                self.bytes -= key.len() + old.len();
            }
            return;
        };
        if let Some(old) = self.rows.get_mut(key) {
            self.bytes = self.bytes + value.len() - old.len();
            if old.len() == value.len() {
                old.copy_from_slice(value);
            } else {
                *old = value.into();
            }
        } else {
            self.bytes += key.len() + value.len();
            self.rows.insert(key.into(), value.into());
        }
    }
}

impl MemoryTable {
    /// What of it is too old.
    pub(crate) fn expiry(&self) -> &Arc<Expiry> {
        &self.expiry
    }

    /// The row's value, appended to `into`; false if there is none.
    pub(crate) fn get(&self, key: &[u8], into: &mut Vec<u8>) -> bool {
        let table = self.read();
        let Some(value) = table.rows.get(key) else {
            return false;
        };
        into.extend_from_slice(value);
        true
    }

    /// Visits the rows within the bounds in order until told to stop.
    pub(crate) fn scan<B>(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        mut each: impl FnMut(&[u8], &[u8]) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        for (key, value) in self.read().rows.range::<[u8], _>((from, to)) {
            each(key, value)?;
        }
        ControlFlow::Continue(())
    }

    /// The last row.
    pub(crate) fn last_key(&self) -> Option<Vec<u8>> {
        self.read()
            .rows
            .last_key_value()
            .map(|(key, _)| key.to_vec())
    }

    /// Changes rows; readers see all of it or nothing.
    pub(crate) fn write(&self, changes: impl FnOnce(&mut PutRow<'_>)) {
        let mut table = self.write_guard();
        changes(&mut |key, value| table.put(key, value));
    }

    /// Drops rows from the front that sort before `front`, at most `limit` of them, and tells of each.
    pub(crate) fn drop_front(
        &self,
        front: &[u8],
        limit: usize,
        mut each: impl FnMut(&[u8], &[u8]),
    ) -> usize {
        let mut table = self.write_guard();
        let mut dropped = 0;
        while dropped < limit {
            let Some(entry) = table.rows.first_entry() else {
                break;
            };
            if &**entry.key() >= front {
                break;
            }
            let (key, value) = entry.remove_entry();
            table.bytes -= key.len() + value.len();
            each(&key, &value);
            dropped += 1;
        }
        dropped
    }

    pub(crate) fn clear(&self) {
        *self.write_guard() = Table::default();
        self.expiry.reset();
    }

    pub(crate) fn len(&self) -> usize {
        self.read().rows.len()
    }

    /// Bytes of keys and values.
    pub(crate) fn bytes(&self) -> usize {
        self.read().bytes
    }

    // A panic while the lock was held is the visitor's, and leaves the rows whole.
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_guard(&self) -> RwLockWriteGuard<'_, Table> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner)
    }
}
