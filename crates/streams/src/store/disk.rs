//! The committed rows of a store on disk: a table of the application's database.

use std::borrow::Cow;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use lsm_tree::Guard;

use super::error::StoreError;
use super::expiry::Expiry;
use super::layout::Layout;
use super::state::StateDatabase;
use super::tree::{Held, Tree};

/// The rows, shared with readers.
#[derive(Clone)]
pub(crate) struct DiskTable {
    state: StateDatabase,
    tree: Held,
    expiry: Arc<Expiry>,
    /// Rows of key-value stores begin with a byte of ours on disk: a key may be empty, a row of the database not.
    prefixed: bool,
}

const PREFIX: u8 = b'k';

impl std::fmt::Debug for DiskTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskTable")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl DiskTable {
    pub(crate) fn new(
        state: StateDatabase,
        tree: Arc<Tree>,
        expiry: Arc<Expiry>,
        layout: Layout,
    ) -> Self {
        Self {
            state,
            tree: Held::new(tree),
            expiry,
            prefixed: layout == Layout::Plain,
        }
    }

    /// A key as it is on disk, in two parts.
    pub(crate) fn row_parts<'k>(&self, key: &'k [u8]) -> [&'k [u8]; 2] {
        [if self.prefixed { &[PREFIX] } else { &[] }, key]
    }

    /// A key as it is on disk.
    pub(crate) fn row<'k>(&self, key: &'k [u8]) -> Cow<'k, [u8]> {
        if self.prefixed {
            Cow::Owned([&[PREFIX], key].concat())
        } else {
            Cow::Borrowed(key)
        }
    }

    fn key<'r>(&self, row: &'r [u8]) -> &'r [u8] {
        if self.prefixed { &row[1..] } else { row }
    }

    pub(crate) fn state(&self) -> &StateDatabase {
        &self.state
    }

    pub(crate) fn name(&self) -> &str {
        &self.tree().name
    }

    pub(crate) fn tree(&self) -> &Arc<Tree> {
        self.tree.tree()
    }

    pub(crate) fn expiry(&self) -> &Arc<Expiry> {
        &self.expiry
    }

    /// The row's value, appended to `into`; false if there is none.
    pub(crate) fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, StoreError> {
        let Some(value) = self
            .tree()
            .get(&self.row(key))
            .map_err(|error| self.state.error(&error))?
        else {
            return Ok(false);
        };
        into.extend_from_slice(&value);
        Ok(true)
    }

    /// Visits the rows within the bounds in order until told to stop.
    pub(crate) fn scan<B>(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        mut each: impl FnMut(&[u8], &[u8]) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, StoreError> {
        let (from, to) = (from.map(|key| self.row(key)), to.map(|key| self.row(key)));
        for row in self.tree().range::<Cow<'_, [u8]>>((from, to)) {
            let (key, value) = row.into_inner().map_err(|error| self.state.error(&error))?;
            if let ControlFlow::Break(stop) = each(self.key(&key), &value) {
                return Ok(ControlFlow::Break(stop));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The key of the last row.
    pub(crate) fn last_key(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let last = self
            .tree()
            .last_key()
            .map_err(|error| self.state.error(&error))?;
        Ok(last.map(|key| self.key(&key).to_vec()))
    }

    /// Writes rows, in order and each key once, past the log: straight into a table. Not to be mixed with a batch
    /// that has not committed. After a kill all of it is there or nothing.
    pub(crate) fn ingest<'r>(
        &self,
        rows: impl Iterator<Item = (&'r [u8], Option<&'r [u8]>)>,
    ) -> Result<(), StoreError> {
        let rows = rows.map(|(key, value)| (self.row(key), value));
        self.state.ingest(self.tree(), rows)
    }

    /// Forgets the checkpoint and all rows.
    pub(crate) fn clear(&self) -> Result<(), StoreError> {
        self.state.clear(self.tree())?;
        self.expiry.reset();
        Ok(())
    }

    /// An estimate: rows that were overwritten count more than once until they are compacted.
    pub(crate) fn approximate_len(&self) -> usize {
        self.tree().approximate_len()
    }

    /// Bytes on disk and in the write buffer.
    pub(crate) fn bytes(&self) -> u64 {
        self.tree().disk_space() + self.tree().buffered()
    }
}
