//! The committed rows of a store on disk: a keyspace of the application's database.

use std::borrow::Cow;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fjall::Keyspace;

use super::error::StoreError;
use super::expiry::Expiry;
use super::layout::Layout;
use super::state::StateDatabase;

/// The rows, shared with readers.
#[derive(Clone)]
pub(crate) struct DiskTable {
    state: StateDatabase,
    name: Arc<str>,
    keyspace: Keyspace,
    buffered: Arc<AtomicU64>,
    expiry: Arc<Expiry>,
    /// Rows of key-value stores begin with a byte of ours on disk: a key may be empty, a row of the database not.
    prefixed: bool,
}

const PREFIX: u8 = b'k';

impl std::fmt::Debug for DiskTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskTable")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl DiskTable {
    pub(crate) fn new(
        state: StateDatabase,
        name: &str,
        keyspace: Keyspace,
        buffered: Arc<AtomicU64>,
        expiry: Arc<Expiry>,
        layout: Layout,
    ) -> Self {
        Self {
            state,
            name: name.into(),
            keyspace,
            buffered,
            expiry,
            prefixed: layout == Layout::Plain,
        }
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
        &self.name
    }

    pub(crate) fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    pub(crate) fn expiry(&self) -> &Arc<Expiry> {
        &self.expiry
    }

    /// Bytes that lie in the write buffer.
    pub(crate) fn buffered(&self) -> &Arc<AtomicU64> {
        &self.buffered
    }

    /// The row's value, appended to `into`; false if there is none.
    pub(crate) fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, StoreError> {
        let Some(value) = self
            .keyspace
            .get(self.row(key))
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
        for row in self.keyspace.range::<Cow<'_, [u8]>, _>((from, to)) {
            let (key, value) = row.into_inner().map_err(|error| self.state.error(&error))?;
            if let ControlFlow::Break(stop) = each(self.key(&key), &value) {
                return Ok(ControlFlow::Break(stop));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The key of the last row.
    pub(crate) fn last_key(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.keyspace
            .last_key_value()
            .map(|row| row.key().map(|key| self.key(&key).to_vec()))
            .transpose()
            .map_err(|error| self.state.error(&error))
    }

    /// Writes rows, in order and each key once, past the journal: straight into a table. Not to be mixed with a
    /// batch that has not committed. After a kill all of it is there or nothing.
    pub(crate) fn ingest<'r>(
        &self,
        rows: impl Iterator<Item = (&'r [u8], Option<&'r [u8]>)>,
    ) -> Result<(), StoreError> {
        let ingest = || -> fjall::Result<()> {
            let mut ingestion = self.keyspace.start_ingestion()?;
            for (key, value) in rows {
                match value {
                    Some(value) => ingestion.write(&*self.row(key), value)?,
                    None => ingestion.write_tombstone(&*self.row(key))?,
                }
            }
            ingestion.finish()
        };
        ingest().map_err(|error| self.state.error(&error))?;
        // It wrote out the write buffer first.
        self.state.release(&self.buffered);
        Ok(())
    }

    /// Forgets the checkpoint, then all rows.
    pub(crate) fn clear(&self) -> Result<(), StoreError> {
        self.state.forget_checkpoint(&self.name)?;
        // A write buffer on its way to disk must not come back afterwards. The owner is the only writer, so no
        // further one comes up; after five seconds the disk is broken, which the next call tells.
        for _ in 0..500 {
            if self.keyspace.sealed_memtable_count() == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.keyspace
            .clear()
            .map_err(|error| self.state.error(&error))?;
        self.state.release(&self.buffered);
        self.expiry.reset();
        Ok(())
    }

    /// An estimate: rows that were overwritten count more than once until they are compacted.
    pub(crate) fn approximate_len(&self) -> usize {
        self.keyspace.approximate_len()
    }

    /// Bytes on disk and in the write buffer.
    pub(crate) fn bytes(&self) -> u64 {
        self.keyspace.disk_space() + self.buffered.load(Ordering::Relaxed)
    }
}
