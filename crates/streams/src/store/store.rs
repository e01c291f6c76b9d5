//! One partition of one state store, as bytes.
//!
//! Owns the order in which a change becomes state: it lies in the overlay, is flushed to the changelog, and reaches
//! the committed rows only when the transaction that holds the changelog has committed. Before that nobody but the
//! task sees it, and an abort drops it. Never produces or commits anything itself.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use super::batch::Batch;
use super::cache_budget::{CacheBudget, CacheShare};
use super::checkpoint::Checkpoint;
use super::error::StoreError;
use super::layout::Layout;
use super::memory::MemoryTable;
use super::merge::{clamp, merge};
use super::overlay::{Logged, Overlay};
use super::presence::Presence;
use super::reader::StoreReader;
use super::restore::RestoreBuffer;
use super::sorted::Change;
use super::spec::{Backend, Changelog, StoreSpec};
use super::state::StateDatabase;
use super::table::{PutRow, Table, is_empty};
use super::upcoming::Upcoming;

/// What a store in memory that belongs to no database may keep in front of its sorted rows, and of results.
const MEMORY_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Rows that a commit drops from memory because they are too old, above twice those that it adds.
const EXPIRE_AT_LEAST: usize = 1024;

/// A checkpoint is written at least this often, though nothing changed: its age tells how long the store was away.
const REFRESH_MS: i64 = 3_600_000;

/// One record for a store's changelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangelogEntry<'a> {
    /// The key in the changelog's form.
    pub key: &'a [u8],
    /// The value without its timestamp; none for a delete.
    pub value: Option<&'a [u8]>,
    /// The timestamp of the value, or of the record that deleted it.
    pub timestamp: i64,
}

/// One record of a store's changelog, to be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangelogRecord<'a> {
    /// The record's key.
    pub key: &'a [u8],
    /// The record's value; none for a tombstone.
    pub value: Option<&'a [u8]>,
    /// The record's timestamp.
    pub timestamp: i64,
    /// The record's offset.
    pub offset: i64,
}

/// A changelog record that is not derived from a row.
#[derive(Debug)]
struct Entry {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    timestamp: i64,
}

/// What moves with commit and abort apart from rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) clock: i64,
    pub(super) sequence: u32,
}

/// Records and bytes in a buffer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// No record waits for an earlier time.
    pub(crate) floor: i64,
    /// And one waits for this very time.
    pub(crate) floor_is_first: bool,
}

/// One partition of one state store.
#[derive(Debug)]
pub struct Store {
    pub(super) spec: StoreSpec,
    pub(crate) layout: Layout,
    pub(super) overlay: Overlay,
    share: CacheShare,
    pub(crate) table: Table,
    pub(super) presence: Presence,
    checkpoint: Checkpoint,
    pub(super) now: Marks,
    pub(super) committed: Marks,
    /// Changelog records that are not the rows themselves, in order.
    entries: Vec<Entry>,
    entry_bytes: usize,
    pub(crate) restoring: RestoreBuffer,
    /// What a buffer holds; none until it is counted.
    pub(crate) contents: Option<Contents>,
    /// The rows next in time, from the first time that they are asked for.
    pub(super) upcoming: Option<Upcoming>,
    /// The front as of which rows were last dropped from disk.
    pub(super) dropped: u64,
    scratch: Vec<u8>,
}

impl Store {
    /// A partition of a store that lives in memory.
    pub fn in_memory(spec: StoreSpec) -> Self {
        let budget = CacheBudget::new(MEMORY_CACHE_BYTES, MEMORY_CACHE_BYTES);
        Self::in_memory_within(spec, budget.into())
    }

    fn in_memory_within(spec: StoreSpec, budget: Arc<CacheBudget>) -> Self {
        let share = CacheShare::new(budget, spec.caching);
        let table = Table::Memory(MemoryTable::default());
        Self::new(spec, table, share, Checkpoint::EMPTY, Presence::complete())
    }

    /// Partition `partition` of a store, from the database if its spec wants it on disk. What it held when it was
    /// last committed is there; if it was laid out otherwise then, it is empty.
    pub fn open(
        spec: StoreSpec,
        partition: i32,
        state: &StateDatabase,
    ) -> Result<Self, StoreError> {
        if spec.backend == Backend::Memory {
            return Ok(Self::in_memory_within(spec, Arc::clone(state.cache())));
        }
        let layout = Layout::of(spec.kind);
        let table = state.table(&format!("{partition}.{}", spec.name), layout)?;
        let checkpoint = state.read_checkpoint(table.name(), layout.fingerprint())?;
        let last = table.last_key()?;
        if checkpoint.is_none() && last.is_some() {
            // Rows of another kind of store, or of a restore that was killed before its first checkpoint.
            table.clear()?;
        }
        let mut presence = Presence::complete();
        let filled = checkpoint.is_some() && last.is_some();
        let checkpoint = checkpoint.unwrap_or(Checkpoint::EMPTY);
        if filled {
            presence.unknown_up_to(layout.segment(checkpoint.clock));
        }
        let share = CacheShare::new(Arc::clone(state.cache()), spec.caching);
        let mut store = Self::new(spec, Table::Disk(table), share, checkpoint, presence);
        if filled {
            store.look_below();
        }
        store.publish_expiry();
        Ok(store)
    }

    fn new(
        spec: StoreSpec,
        table: Table,
        share: CacheShare,
        checkpoint: Checkpoint,
        presence: Presence,
    ) -> Self {
        let marks = Marks {
            clock: checkpoint.clock,
            sequence: checkpoint.sequence,
        };
        Self {
            layout: Layout::of(spec.kind),
            overlay: Overlay::of(Layout::of(spec.kind)),
            spec,
            share,
            table,
            presence,
            checkpoint,
            now: marks,
            committed: marks,
            entries: Vec::new(),
            entry_bytes: 0,
            restoring: RestoreBuffer::default(),
            contents: None,
            upcoming: None,
            dropped: 0,
            scratch: Vec::new(),
        }
    }

    /// The memory that it shares with others.
    pub(crate) fn cache_budget(&self) -> &Arc<CacheBudget> {
        self.share.budget()
    }

    /// What it was declared to be.
    pub fn spec(&self) -> &StoreSpec {
        &self.spec
    }

    /// A view on what is committed, for other threads.
    pub fn reader(&self) -> StoreReader {
        StoreReader::new(self.spec.clone(), self.table.clone())
    }

    /// A row's value.
    #[inline]
    pub fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, StoreError> {
        let known = match &self.overlay {
            Overlay::Hashed(hashed) => hashed.slot(key),
            Overlay::Sorted(_) | Overlay::Arrivals(_) => return self.get_uncached(key),
        };
        let slot = match known {
            Some(slot) => slot,
            None => match self.load(key)? {
                Some(slot) => slot,
                None => return Ok(None),
            },
        };
        match &mut self.overlay {
            Overlay::Hashed(hashed) => Ok(hashed.value(slot)),
            Overlay::Sorted(_) | Overlay::Arrivals(_) => Ok(None),
        }
    }

    fn get_uncached(&mut self, key: &[u8]) -> Result<Option<&[u8]>, StoreError> {
        let known = match &self.overlay {
            Overlay::Sorted(sorted) => sorted.get(key).map(Change::value),
            // Nobody asks for one such row: joins look for those of a key.
            Overlay::Arrivals(arrivals) => {
                let this = Bound::Included(key);
                arrivals.changed(this, this).next().map(|(_, value)| value)
            }
            Overlay::Hashed(_) => None,
        };
        if let Some(value) = known {
            return Ok(value);
        }
        let alive = !self.is_dead(key);
        self.scratch.clear();
        let found = alive && self.table.get(key, &mut self.scratch)?;
        Ok(found.then_some(&self.scratch))
    }

    /// Changes a row; none deletes it. It goes to the changelog with the next flush, with `timestamp`.
    ///
    /// A value begins with that timestamp, eight bytes big endian.
    #[inline]
    pub fn put(&mut self, key: &[u8], value: Option<&[u8]>, timestamp: i64) {
        debug_assert!(
            value.is_none_or(|value| value.starts_with(&timestamp.to_be_bytes())),
            "a value begins with its timestamp"
        );
        if let Some(upcoming) = &mut self.upcoming {
            upcoming.put(self.layout, key, value);
        }
        self.overlay.put(key, value, Logged::At(timestamp));
    }

    /// Changes a row that follows from others, or is logged by [`log`](Self::log).
    pub(crate) fn put_derived(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.overlay.put(key, value, Logged::No);
    }

    /// Adds a record to the changelog that is no row of its own.
    pub(crate) fn log(&mut self, key: &[u8], value: Option<&[u8]>, timestamp: i64) {
        if self.spec.changelog == Changelog::None {
            return;
        }
        self.entry_bytes += 64 + key.len() + value.map_or(0, <[u8]>::len);
        self.entries.push(Entry {
            key: key.to_vec(),
            value: value.map(<[u8]>::to_vec),
            timestamp,
        });
    }

    /// Visits the rows within the bounds in order, changes of the open transaction among them, until told to stop.
    /// Rows that are too old are left out.
    pub fn scan<B>(
        &mut self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        each: impl FnMut(&[u8], &[u8]) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, StoreError> {
        let front = self.front().to_be_bytes();
        let from = clamp(from, &front);
        if is_empty(from, to) {
            return Ok(ControlFlow::Continue(()));
        }
        let changed = self.overlay.changed(from, to);
        merge(changed, |visit| self.table.scan(from, to, visit), each)
    }

    /// As [`scan`](Self::scan), over rows that all begin with `prefix`, one that [`Layout::prefix_of`] tells: quick
    /// if there are none.
    pub(crate) fn scan_prefix<B>(
        &mut self,
        prefix: &[u8],
        from: &[u8],
        to: &[u8],
        each: impl FnMut(&[u8], &[u8]) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, StoreError> {
        debug_assert!(from.starts_with(prefix) && to.starts_with(prefix));
        let front = self.front().to_be_bytes();
        if from > to || prefix < &front[..] {
            return Ok(ControlFlow::Continue(()));
        }
        let (from, to) = (Bound::Included(from), Bound::Included(to));
        let changed = self.overlay.changed(from, to);
        if self.presence.may_contain(prefix) {
            merge(changed, |visit| self.table.scan(from, to, visit), each)
        } else {
            merge(changed, |_| Ok(ControlFlow::Continue(())), each)
        }
    }

    /// Hands what changed since the last flush to `send`: the last value of each key, in order of the first change.
    /// An error ends it, and everything is handed out again by the next one.
    pub fn flush<E>(
        &mut self,
        send: &mut dyn FnMut(ChangelogEntry<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        if self.spec.changelog == Changelog::None {
            return Ok(0);
        }
        let Self {
            layout,
            overlay,
            scratch,
            ..
        } = self;
        let rows = overlay.flush(|row, value, timestamp| {
            scratch.clear();
            if !layout.write_changelog_key(row, scratch) {
                return Ok(());
            }
            send(ChangelogEntry {
                key: scratch,
                value: value.and_then(|value| value.get(8..)),
                timestamp,
            })
        })?;
        for entry in &self.entries {
            send(ChangelogEntry {
                key: &entry.key,
                value: entry.value.as_deref(),
                timestamp: entry.timestamp,
            })?;
        }
        let logged = self.entries.len();
        self.forget_entries();
        Ok(rows + logged)
    }

    /// Adds all changes to a batch, with the offset of the last changelog record that was written for them; none
    /// leaves the offset where it is. They count as committed from here on: a batch that then fails makes the
    /// store unusable.
    pub fn commit(&mut self, batch: &mut Batch, changelog_offset: Option<i64>) {
        let aged = batch.now_ms() - self.checkpoint.written_at_ms > REFRESH_MS;
        let moved =
            aged || changelog_offset.is_some_and(|offset| Some(offset) != self.checkpoint.offset);
        let changed = self.overlay.uncommitted();
        if changed == 0 && !moved && self.now == self.committed {
            self.settle();
            return;
        }
        self.checkpoint = Checkpoint {
            offset: changelog_offset.or(self.checkpoint.offset),
            clock: self.now.clock,
            sequence: self.now.sequence,
            written_at_ms: batch.now_ms(),
            changelog_id: self.checkpoint.changelog_id,
        };
        let front = self.front().to_be_bytes();
        let Self {
            overlay,
            layout,
            presence,
            table,
            ..
        } = self;
        // Those that stay in the overlay need not be looked for below.
        let leave = !matches!(overlay, Overlay::Arrivals(_));
        let changes = |put: &mut PutRow<'_>| {
            overlay.commit(|row, value| {
                if leave && value.is_some() {
                    presence.add(*layout, row);
                }
                put(row, value);
            });
        };
        match table {
            Table::Memory(table) => {
                table.write(changes);
                drop_front(table, *layout, &front, EXPIRE_AT_LEAST + 2 * changed);
            }
            Table::Disk(table) => {
                batch.write(table, changes);
                batch.checkpoint(table.name(), &self.checkpoint, layout.fingerprint());
            }
        }
        self.committed = self.now;
        self.forget_entries();
        self.presence.expire(self.front());
        self.publish_expiry();
        self.settle();
    }

    /// Forgets committed rows that are too old, or too many for memory.
    fn settle(&mut self) {
        let front = self.front();
        if let Overlay::Arrivals(arrivals) = &mut self.overlay {
            arrivals.expire(front);
        }
        self.share.settle(&mut self.overlay, &mut self.presence);
        if let Overlay::Arrivals(arrivals) = &mut self.overlay {
            for row in arrivals.take_forgotten() {
                self.presence.add(self.layout, &row);
            }
        }
    }

    /// Drops all changes since the last commit.
    pub fn abort(&mut self) {
        self.overlay.abort();
        self.forget_entries();
        self.now = self.committed;
        self.contents = None;
        self.upcoming = None;
    }

    /// Changes a row of a store in memory that has no tasks and no changelog of its own, at once and for all readers.
    pub(crate) fn write_through(&self, key: &[u8], value: Option<&[u8]>) {
        if let Table::Memory(table) = &self.table {
            table.write(|put| put(key, value));
        }
    }

    /// How far the committed rows have come in the changelog.
    pub fn checkpoint(&self) -> Option<i64> {
        self.checkpoint.offset
    }

    /// The whole of the last checkpoint.
    pub fn last_checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Says which topic the changelog is, to be saved with the next checkpoint.
    pub fn set_changelog_id(&mut self, id: Option<[u8; 16]>) {
        self.checkpoint.changelog_id = id;
    }

    /// Forgets all rows, changes and the checkpoint.
    pub fn wipe(&mut self) -> Result<(), StoreError> {
        self.overlay.clear();
        self.share.settle(&mut self.overlay, &mut self.presence);
        self.forget_entries();
        self.restoring = RestoreBuffer::default();
        match &self.table {
            Table::Memory(table) => table.clear(),
            Table::Disk(table) => table.clear()?,
        }
        self.checkpoint = Checkpoint::EMPTY;
        self.now = Marks {
            clock: -1,
            sequence: 0,
        };
        self.committed = self.now;
        self.presence = Presence::complete();
        self.contents = None;
        self.upcoming = None;
        self.dropped = 0;
        Ok(())
    }

    /// Bytes of changes that are not committed: a task commits early when they become too many.
    pub fn dirty_bytes(&self) -> usize {
        self.overlay.uncommitted_bytes() + self.entry_bytes
    }

    /// Whether something was changed since the last commit.
    pub fn is_dirty(&self) -> bool {
        self.overlay.uncommitted() > 0 || !self.entries.is_empty() || self.now != self.committed
    }

    /// How many rows are committed; on disk an estimate, in which a row that was overwritten may count twice.
    pub fn approximate_entries(&self) -> u64 {
        match &self.table {
            Table::Memory(table) => table.len() as u64,
            Table::Disk(table) => table.approximate_len() as u64,
        }
    }

    /// Bytes of the committed rows, in memory or on disk.
    pub fn approximate_bytes(&self) -> u64 {
        match &self.table {
            Table::Memory(table) => table.bytes() as u64,
            Table::Disk(table) => table.bytes(),
        }
    }

    pub(crate) fn malformed(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Malformed {
            store: self.spec.name.clone(),
            reason: reason.into(),
        }
    }

    /// Takes over what a restore has put below the overlay.
    pub(crate) fn restored(&mut self, checkpoint: Checkpoint) {
        if let Overlay::Arrivals(arrivals) = &mut self.overlay {
            // What was found in memory is looked for below from here on.
            arrivals.abort();
            arrivals.trim(0);
            for row in arrivals.take_forgotten() {
                self.presence.add(self.layout, &row);
            }
        }
        self.overlay.clear();
        self.share.settle(&mut self.overlay, &mut self.presence);
        self.checkpoint = checkpoint;
        self.now = Marks {
            clock: checkpoint.clock,
            sequence: checkpoint.sequence,
        };
        self.committed = self.now;
        self.look_below();
        self.contents = None;
        self.upcoming = None;
        self.publish_expiry();
    }

    /// Says that there are committed rows which the overlay does not know.
    fn look_below(&mut self) {
        let last = match self.layout {
            // No row begins after the clock.
            Layout::TimeFirst | Layout::KeyFirst { .. } => self.layout.segment(self.now.clock),
            _ => u64::MAX,
        };
        if let Overlay::Hashed(hashed) = &mut self.overlay {
            hashed.unknown_up_to(last);
        }
    }

    pub(crate) fn presence(&mut self) -> &mut Presence {
        &mut self.presence
    }

    pub(crate) fn forget_entries(&mut self) {
        self.entries.clear();
        self.entry_bytes = 0;
    }

    /// Reads a row that the overlay does not know from below, unless there can be none.
    #[cold]
    fn load(&mut self, key: &[u8]) -> Result<Option<u32>, StoreError> {
        let Overlay::Hashed(hashed) = &self.overlay else {
            return Ok(None);
        };
        // What is too old by a clock that may move back is not noted as absent.
        if !hashed.may_be_below(key) || self.is_dead(key) {
            return Ok(None);
        }
        self.scratch.clear();
        let found = self.table.get(key, &mut self.scratch)?;
        self.share.settle(&mut self.overlay, &mut self.presence);
        let Overlay::Hashed(hashed) = &mut self.overlay else {
            return Ok(None);
        };
        Ok(Some(hashed.remember(key, found.then_some(&self.scratch))))
    }
}

/// Drops old rows of a store in memory, and with the mark of a versioned tombstone the tombstone itself.
fn drop_front(table: &MemoryTable, layout: Layout, front: &[u8], limit: usize) {
    if front == [0; 8] {
        return;
    }
    let mut tombstones = Vec::new();
    table.drop_front(front, limit, |row, value| {
        if matches!(layout, Layout::Versioned { .. })
            && let Some(latest) = super::versioned::marked_tombstone(row, value)
        {
            tombstones.push(latest);
        }
    });
    for (row, tombstone) in tombstones {
        let mut value = Vec::new();
        if table.get(&row, &mut value) && value == tombstone {
            table.write(|put| put(&row, None));
        }
    }
}
