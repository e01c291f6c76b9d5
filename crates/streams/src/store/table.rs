//! The committed rows of a store, wherever they are.

use std::ops::{Bound, ControlFlow};

use super::disk::DiskTable;
use super::error::StoreError;
use super::expiry::Expiry;
use super::memory::MemoryTable;

/// A row's key and value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// Takes a change of a row; none deletes it.
pub(crate) type PutRow<'p> = dyn FnMut(&[u8], Option<&[u8]>) + 'p;

/// The committed rows; a clone reads the same ones.
#[derive(Debug, Clone)]
pub(crate) enum Table {
    /// In memory.
    Memory(MemoryTable),
    /// On disk.
    Disk(DiskTable),
}

impl Table {
    /// The row's value, appended to `into`; false if there is none.
    pub(crate) fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, StoreError> {
        match self {
            Self::Memory(table) => Ok(table.get(key, into)),
            Self::Disk(table) => table.get(key, into),
        }
    }

    /// Visits the rows within the bounds in order until told to stop.
    pub(crate) fn scan<B>(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        each: impl FnMut(&[u8], &[u8]) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, StoreError> {
        if is_empty(from, to) {
            return Ok(ControlFlow::Continue(()));
        }
        match self {
            Self::Memory(table) => Ok(table.scan(from, to, each)),
            Self::Disk(table) => table.scan(from, to, each),
        }
    }

    /// What of it is too old, as of the last commit.
    pub(crate) fn expiry(&self) -> &Expiry {
        match self {
            Self::Memory(table) => table.expiry(),
            Self::Disk(table) => table.expiry(),
        }
    }

    /// The key of the last row.
    pub(crate) fn last_key(&self) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Memory(table) => Ok(table.last_key()),
            Self::Disk(table) => table.last_key(),
        }
    }
}

/// Whether no key can be within: such bounds make a `BTreeMap` panic.
pub(crate) fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from >= to,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}
