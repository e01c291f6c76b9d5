//! The overlay of stores whose rows are read one by one: the changes of the transaction under way, and a cache of
//! clean rows.
//!
//! One hash map of cells serves both: a change that commits stays as a clean row, so that a hot key costs one look-up
//! and no allocation. Rows in order are rare in most stores, so the sorted index of changed rows is made when it is
//! first asked for. Never touches the rows below: the store does, unless this overlay knows that there is none.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::ops::Bound;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::cell::{Cell, State};
use super::overlay::Logged;
use super::restore::prefix;

/// The changes of one store since its last commit, and clean rows.
#[derive(Debug, Default)]
pub(crate) struct Hashed {
    hasher: DefaultHashBuilder,
    table: HashTable<u32>,
    cells: Vec<Cell>,
    vacant: Vec<u32>,
    /// The cell that was looked at last: a row is mostly read before it is changed.
    last: u32,
    /// Cells that are dirty, in order of their first change since the last flush.
    unflushed: Vec<u32>,
    /// Cells that are flushed or dirty, in order of their first change since the last commit.
    uncommitted: Vec<u32>,
    /// The uncommitted cells by key, from the first time that rows are asked for in order.
    index: Option<BTreeMap<Box<[u8]>, u32>>,
    uncommitted_bytes: usize,
    clean_bytes: usize,
    hand: usize,
    /// Keys that begin like this, or with less, may have rows below that are not known here; others have none.
    forgotten: Option<u64>,
}

/// Changed rows in order; none for a deleted one.
pub(crate) struct HashedChanges<'a> {
    range: std::collections::btree_map::Range<'a, Box<[u8]>, u32>,
    cells: &'a [Cell],
}

impl<'a> Iterator for HashedChanges<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, &index) = self.range.next()?;
        Some((key, self.cells[index as usize].value()))
    }
}

impl Hashed {
    /// Where a row is, if anything is known of it.
    #[inline]
    pub(crate) fn slot(&self, key: &[u8]) -> Option<u32> {
        self.find(self.hash(key), key)
    }

    /// What is known of the row in a slot: none if it is absent.
    #[inline]
    pub(crate) fn value(&mut self, slot: u32) -> Option<&[u8]> {
        self.last = slot;
        let cell = &mut self.cells[slot as usize];
        cell.referenced = true;
        cell.value()
    }

    /// Whether there may be a row below which has no slot.
    #[inline]
    pub(crate) fn may_be_below(&self, key: &[u8]) -> bool {
        self.forgotten
            .is_some_and(|forgotten| prefix(key) <= forgotten)
    }

    /// Says that rows are below which are not known here, none with a key that begins with more than `last`.
    pub(crate) fn unknown_up_to(&mut self, last: u64) {
        self.forgotten = self.forgotten.max(Some(last));
    }

    /// Changes a row; none deletes it.
    #[inline]
    pub(crate) fn put(&mut self, key: &[u8], value: Option<&[u8]>, logged: Logged) {
        let index = self.slot_for(key);
        let cell = &mut self.cells[index as usize];
        let before = cell.size();
        cell.set(value);
        let after = cell.size();
        cell.referenced = true;
        let state = match logged {
            Logged::At(timestamp) => {
                cell.timestamp = timestamp;
                State::Dirty
            }
            Logged::No if cell.state == State::Dirty => State::Dirty,
            Logged::No => State::Flushed,
        };
        let previous = std::mem::replace(&mut cell.state, state);
        if state == State::Dirty && previous != State::Dirty {
            self.unflushed.push(index);
        }
        if matches!(previous, State::Dirty | State::Flushed) {
            self.uncommitted_bytes = self.uncommitted_bytes + after - before;
            return;
        }
        if previous == State::Clean {
            self.clean_bytes -= before;
        }
        self.uncommitted.push(index);
        self.uncommitted_bytes += after;
        if let Some(sorted) = &mut self.index {
            sorted.insert(key.into(), index);
        }
    }

    /// The row's cell, a new one if nothing is known of it.
    #[inline]
    fn slot_for(&mut self, key: &[u8]) -> u32 {
        if let Some(cell) = self.cells.get(self.last as usize)
            && cell.state != State::Vacant
            && cell.key() == key
        {
            return self.last;
        }
        let hash = self.hash(key);
        match self.find(hash, key) {
            Some(index) => index,
            None => self.insert(hash, key),
        }
    }

    /// Remembers a committed row, or that there is none, which was just read and is not known yet.
    pub(crate) fn remember(&mut self, key: &[u8], value: Option<&[u8]>) -> u32 {
        let hash = self.hash(key);
        debug_assert!(self.find(hash, key).is_none());
        let index = self.insert(hash, key);
        let cell = &mut self.cells[index as usize];
        cell.set(value);
        cell.state = State::Clean;
        self.clean_bytes += cell.size();
        index
    }

    /// Hands out the rows that changed since the last flush, in order of their first change, and the timestamps of
    /// their last ones. An error ends it, and nothing counts as flushed.
    pub(crate) fn flush<E>(
        &mut self,
        mut each: impl FnMut(&[u8], Option<&[u8]>, i64) -> Result<(), E>,
    ) -> Result<usize, E> {
        for &index in &self.unflushed {
            let cell = &self.cells[index as usize];
            each(cell.key(), cell.value(), cell.timestamp)?;
        }
        let flushed = self.unflushed.len();
        for index in self.unflushed.drain(..) {
            self.cells[index as usize].state = State::Flushed;
        }
        Ok(flushed)
    }

    /// Hands out the changed rows, which are clean from here on.
    pub(crate) fn commit(&mut self, mut each: impl FnMut(&[u8], Option<&[u8]>)) {
        // In order of the keys, roughly: what lies side by side below is written one after the other.
        let mut ordered: Vec<_> = self
            .uncommitted
            .drain(..)
            .map(|index| (long_prefix(self.cells[index as usize].key()), index))
            .collect();
        ordered.sort_unstable_by_key(|(prefix, _)| *prefix);
        for (_, index) in ordered {
            let cell = &mut self.cells[index as usize];
            each(cell.key(), cell.value());
            cell.state = State::Clean;
        }
        self.unflushed.clear();
        self.clean_bytes += std::mem::take(&mut self.uncommitted_bytes);
        if let Some(sorted) = &mut self.index {
            sorted.clear();
        }
    }

    /// Forgets the changes.
    pub(crate) fn abort(&mut self) {
        for index in std::mem::take(&mut self.uncommitted) {
            self.uncommitted_bytes -= self.cells[index as usize].size();
            // What was there before the change is below.
            self.forget(index);
        }
        debug_assert_eq!(self.uncommitted_bytes, 0);
        self.unflushed.clear();
        if let Some(sorted) = &mut self.index {
            sorted.clear();
        }
    }

    /// Forgets clean rows, those first that were not read for the longest time, until they take no more than `limit`
    /// bytes.
    pub(crate) fn trim(&mut self, limit: usize) {
        // Twice around: once to take the marks away, once to evict.
        let mut left = self.cells.len() * 2;
        while self.clean_bytes > limit && left > 0 {
            left -= 1;
            self.hand = if self.hand + 1 < self.cells.len() {
                self.hand + 1
            } else {
                0
            };
            let cell = &mut self.cells[self.hand];
            if cell.state != State::Clean || std::mem::take(&mut cell.referenced) {
                continue;
            }
            self.clean_bytes -= cell.size();
            if cell.value().is_some() {
                self.forget(self.hand as u32);
            } else {
                self.remove(self.hand as u32);
            }
        }
        self.shrink();
    }

    /// Gives back the room that many changes took, once most of it is vacant.
    fn shrink(&mut self) {
        let used = self.cells.len() - self.vacant.len();
        if !self.uncommitted.is_empty() || self.cells.len() < 4096 || used > self.cells.len() / 4 {
            return;
        }
        self.cells.retain(|cell| cell.state != State::Vacant);
        self.cells.shrink_to(used * 2);
        self.vacant = Vec::new();
        self.hand = 0;
        self.table = HashTable::with_capacity(used * 2);
        for (index, cell) in self.cells.iter().enumerate() {
            let cells = &self.cells;
            self.table
                .insert_unique(spread(cell.hash), index as u32, |&index| {
                    spread(cells[index as usize].hash)
                });
        }
    }

    /// Forgets everything, changes too: as if there were no rows below.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            hasher: self.hasher.clone(),
            ..Self::default()
        };
    }

    /// The changed rows within the bounds, in order; none for a deleted one.
    pub(crate) fn changed(&mut self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> HashedChanges<'_> {
        let Self {
            index,
            cells,
            uncommitted,
            ..
        } = self;
        let index = index.get_or_insert_with(|| {
            uncommitted
                .iter()
                .map(|&index| (cells[index as usize].key().into(), index))
                .collect()
        });
        HashedChanges {
            range: index.range::<[u8], _>((from, to)),
            cells,
        }
    }

    /// The bytes of changes since the last commit.
    pub(crate) fn uncommitted_bytes(&self) -> usize {
        self.uncommitted_bytes
    }

    /// The bytes of clean rows.
    pub(crate) fn clean_bytes(&self) -> usize {
        self.clean_bytes
    }

    /// How many rows changed since the last commit.
    pub(crate) fn uncommitted(&self) -> usize {
        self.uncommitted.len()
    }

    #[inline]
    fn hash(&self, key: &[u8]) -> u32 {
        let hash = self.hasher.hash_one(key);
        (hash ^ (hash >> 32)) as u32
    }

    #[inline]
    fn find(&self, hash: u32, key: &[u8]) -> Option<u32> {
        self.table
            .find(spread(hash), |&index| {
                let cell = &self.cells[index as usize];
                cell.hash == hash && cell.key() == key
            })
            .copied()
    }

    /// A new cell, in no list and not counted yet.
    fn insert(&mut self, hash: u32, key: &[u8]) -> u32 {
        let cell = Cell::new(hash, key);
        let index = if let Some(index) = self.vacant.pop() {
            self.cells[index as usize] = cell;
            index
        } else {
            self.cells.push(cell);
            u32::try_from(self.cells.len() - 1).expect("fewer than 4 billion rows are in memory")
        };
        let cells = &self.cells;
        self.table.insert_unique(spread(hash), index, |&index| {
            spread(cells[index as usize].hash)
        });
        index
    }

    /// Takes a cell out of the table that may have a row below; the caller has taken it off the counts.
    fn forget(&mut self, index: u32) {
        self.forgotten = self
            .forgotten
            .max(Some(prefix(self.cells[index as usize].key())));
        self.remove(index);
    }

    /// Takes a cell out of the table; the caller has taken it off the counts.
    fn remove(&mut self, index: u32) {
        let cell = &mut self.cells[index as usize];
        if let Ok(entry) = self
            .table
            .find_entry(spread(cell.hash), |&other| other == index)
        {
            entry.remove();
        }
        cell.vacate();
        self.vacant.push(index);
    }
}

/// The first sixteen bytes of a key as a number: a window's start alone is that of many rows.
fn long_prefix(key: &[u8]) -> u128 {
    let rest = prefix(key.get(8..).unwrap_or_default());
    (u128::from(prefix(key)) << 64) | u128::from(rest)
}

/// A cell's hash as the table wants it: it looks at the first bits and at the last ones.
#[inline]
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests;
