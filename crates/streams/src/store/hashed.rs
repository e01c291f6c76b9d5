//! The overlay of stores whose rows are read one by one: the changes of the transaction under way, and a cache of
//! clean rows.
//!
//! One hash map of cells serves both: a change that commits stays as a clean row, so that a hot key costs one look-up
//! and no allocation. Rows in order are rare in most stores, so the sorted index of changed rows is made when it is
//! first asked for. Never touches the rows below: the store does.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::ops::Bound;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::overlay::Logged;
use super::restore::prefix;

/// What a cell is charged above its bytes: its fields, its place in the table and the allocations' own.
const CELL_OVERHEAD: usize = 112;

/// Where a cell's value stands on its way to the committed rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not in use.
    Vacant,
    /// As committed: may be forgotten.
    Clean,
    /// Changed, and with the changelog already, or not meant for it.
    Flushed,
    /// Changed since the last flush.
    Dirty,
}

#[derive(Debug)]
struct Cell {
    hash: u64,
    key: Box<[u8]>,
    /// None for a row that is known to be absent.
    value: Option<Vec<u8>>,
    /// Of the last change that goes to the changelog: a deleted row has no value to find it in.
    timestamp: i64,
    state: State,
    /// Read since the clock's hand came by.
    referenced: bool,
}

impl Cell {
    fn bytes(&self) -> usize {
        CELL_OVERHEAD + self.key.len() + self.value.as_ref().map_or(0, Vec::capacity)
    }
}

/// The changes of one store since its last commit, and clean rows.
#[derive(Debug, Default)]
pub(crate) struct Hashed {
    hasher: DefaultHashBuilder,
    table: HashTable<u32>,
    cells: Vec<Cell>,
    vacant: Vec<u32>,
    /// Cells that are dirty, in order of their first change since the last flush.
    unflushed: Vec<u32>,
    /// Cells that are flushed or dirty, in order of their first change since the last commit.
    uncommitted: Vec<u32>,
    /// The uncommitted cells by key, from the first time that rows are asked for in order.
    index: Option<BTreeMap<Box<[u8]>, u32>>,
    uncommitted_bytes: usize,
    clean_bytes: usize,
    hand: usize,
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
        Some((key, self.cells[index as usize].value.as_deref()))
    }
}

impl Hashed {
    /// Where a row is, if anything is known of it.
    #[inline]
    pub(crate) fn slot(&self, key: &[u8]) -> Option<u32> {
        self.find(self.hasher.hash_one(key), key)
    }

    /// What is known of the row in a slot: none if it is absent.
    #[inline]
    pub(crate) fn value(&mut self, slot: u32) -> Option<&[u8]> {
        let cell = &mut self.cells[slot as usize];
        cell.referenced = true;
        cell.value.as_deref()
    }

    /// Changes a row; none deletes it.
    #[inline]
    pub(crate) fn put(&mut self, key: &[u8], value: Option<&[u8]>, logged: Logged) {
        let hash = self.hasher.hash_one(key);
        let index = match self.find(hash, key) {
            Some(index) => index,
            None => self.insert(hash, key),
        };
        let cell = &mut self.cells[index as usize];
        let before = cell.bytes();
        match (&mut cell.value, value) {
            (Some(old), Some(new)) => {
                old.clear();
                old.extend_from_slice(new);
            }
            (old, new) => *old = new.map(<[u8]>::to_vec),
        }
        let after = cell.bytes();
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

    /// Remembers a committed row, or that there is none, which was just read and is not known yet.
    pub(crate) fn remember(&mut self, key: &[u8], value: Option<&[u8]>) -> u32 {
        let hash = self.hasher.hash_one(key);
        debug_assert!(self.find(hash, key).is_none());
        let index = self.insert(hash, key);
        let cell = &mut self.cells[index as usize];
        cell.value = value.map(<[u8]>::to_vec);
        cell.state = State::Clean;
        self.clean_bytes += cell.bytes();
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
            each(&cell.key, cell.value.as_deref(), cell.timestamp)?;
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
            .map(|index| (prefix(&self.cells[index as usize].key), index))
            .collect();
        ordered.sort_unstable();
        for (_, index) in ordered {
            let cell = &mut self.cells[index as usize];
            each(&cell.key, cell.value.as_deref());
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
            self.uncommitted_bytes -= self.cells[index as usize].bytes();
            self.remove(index);
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
            self.clean_bytes -= cell.bytes();
            self.remove(self.hand as u32);
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
                .insert_unique(cell.hash, index as u32, |&index| cells[index as usize].hash);
        }
    }

    /// Forgets everything, changes too.
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
                .map(|&index| (cells[index as usize].key.clone(), index))
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
    fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        self.table
            .find(hash, |&index| *self.cells[index as usize].key == *key)
            .copied()
    }

    /// A new cell, in no list and not counted yet.
    fn insert(&mut self, hash: u64, key: &[u8]) -> u32 {
        let cell = Cell {
            hash,
            key: key.into(),
            value: None,
            timestamp: -1,
            state: State::Vacant,
            referenced: false,
        };
        let index = if let Some(index) = self.vacant.pop() {
            self.cells[index as usize] = cell;
            index
        } else {
            self.cells.push(cell);
            u32::try_from(self.cells.len() - 1).expect("fewer than 4 billion rows are in memory")
        };
        let cells = &self.cells;
        self.table
            .insert_unique(hash, index, |&index| cells[index as usize].hash);
        index
    }

    /// Takes a cell out of the table; the caller has taken it off the counts.
    fn remove(&mut self, index: u32) {
        let cell = &mut self.cells[index as usize];
        if let Ok(entry) = self.table.find_entry(cell.hash, |&other| other == index) {
            entry.remove();
        }
        cell.state = State::Vacant;
        cell.key = Box::default();
        cell.value = None;
        self.vacant.push(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Known<'a> {
        Nothing,
        Absent,
        Value(&'a [u8]),
    }

    fn get<'a>(overlay: &'a mut Hashed, key: &[u8]) -> Known<'a> {
        match overlay.slot(key) {
            None => Known::Nothing,
            Some(slot) => overlay.value(slot).map_or(Known::Absent, Known::Value),
        }
    }

    fn committed(overlay: &mut Hashed) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let mut rows = Vec::new();
        overlay.commit(|key, value| rows.push((key.to_vec(), value.map(<[u8]>::to_vec))));
        rows
    }

    fn flushed(overlay: &mut Hashed) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        overlay
            .flush(|key, _, _| -> Result<(), ()> {
                keys.push(key.to_vec());
                Ok(())
            })
            .expect("nothing fails");
        keys
    }

    #[test]
    fn a_key_is_flushed_once_with_its_last_value_and_again_after_a_further_change() {
        let mut overlay = Hashed::default();
        overlay.put(b"b", Some(b"1"), Logged::At(1));
        overlay.put(b"a", Some(b"1"), Logged::At(1));
        overlay.put(b"b", Some(b"2"), Logged::At(1));
        overlay.put(b"derived", Some(b"x"), Logged::No);
        assert_eq!(flushed(&mut overlay), [b"b", b"a"]);
        assert!(flushed(&mut overlay).is_empty());
        overlay.put(b"b", None, Logged::At(1));
        assert_eq!(flushed(&mut overlay), [b"b"]);
        assert_eq!(
            committed(&mut overlay),
            [
                (b"a".to_vec(), Some(b"1".to_vec())),
                (b"b".to_vec(), None),
                (b"derived".to_vec(), Some(b"x".to_vec())),
            ]
        );
        assert!(committed(&mut overlay).is_empty());
    }

    #[test]
    fn a_failed_flush_leaves_everything_to_be_flushed_again() {
        let mut overlay = Hashed::default();
        overlay.put(b"a", Some(b"1"), Logged::At(1));
        overlay.put(b"b", Some(b"1"), Logged::At(1));
        let mut left = 1;
        let result = overlay.flush(|_, _, _| {
            left -= 1;
            if left < 0 { Err(()) } else { Ok(()) }
        });
        assert_eq!(result, Err(()));
        assert_eq!(flushed(&mut overlay).len(), 2);
    }

    #[test]
    fn aborted_changes_are_unknown_again_and_counted_no_more() {
        let mut overlay = Hashed::default();
        overlay.put(b"a", Some(b"1"), Logged::At(1));
        committed(&mut overlay);
        overlay.put(b"a", Some(b"22"), Logged::At(1));
        overlay.put(b"b", Some(b"1"), Logged::At(1));
        assert!(overlay.uncommitted_bytes() > 0);
        overlay.abort();
        assert_eq!(get(&mut overlay, b"a"), Known::Nothing);
        assert_eq!(get(&mut overlay, b"b"), Known::Nothing);
        assert_eq!((overlay.uncommitted_bytes(), overlay.clean_bytes()), (0, 0));
        assert!(committed(&mut overlay).is_empty());
    }

    #[test]
    fn clean_rows_are_forgotten_when_over_the_limit_and_changes_never() {
        let mut overlay = Hashed::default();
        for key in 0..100_u8 {
            overlay.remember(&[key], Some(&[key; 10]));
        }
        overlay.put(b"changed", Some(&[0; 500]), Logged::At(1));
        assert_eq!(get(&mut overlay, &[7]), Known::Value(&[7; 10]));
        overlay.trim(overlay.clean_bytes() - 1);
        assert_eq!(
            get(&mut overlay, &[7]),
            Known::Value(&[7; 10]),
            "read of late"
        );
        overlay.trim(0);
        assert_eq!(overlay.clean_bytes(), 0);
        assert_eq!(get(&mut overlay, &[7]), Known::Nothing);
        assert_eq!(get(&mut overlay, b"changed"), Known::Value(&[0; 500]));
        overlay.remember(b"absent", None);
        assert_eq!(get(&mut overlay, b"absent"), Known::Absent);
    }

    #[test]
    fn the_room_of_many_changes_is_given_back() {
        let mut overlay = Hashed::default();
        for key in 0..10_000_u32 {
            overlay.put(&key.to_be_bytes(), Some(b"1"), Logged::At(1));
        }
        committed(&mut overlay);
        overlay.trim(100 * CELL_OVERHEAD * 2);
        assert!(overlay.cells.capacity() < 1000);
        let known = (0..10_000_u32)
            .filter(|key| get(&mut overlay, &key.to_be_bytes()) == Known::Value(b"1"))
            .count();
        assert!(known > 50, "{known} rows are still known");
    }

    #[test]
    fn changed_rows_come_in_order_however_late_the_order_is_asked_for() {
        let mut overlay = Hashed::default();
        overlay.remember(b"clean", Some(b""));
        overlay.put(b"c", Some(b"1"), Logged::At(1));
        overlay.put(b"a", Some(b"1"), Logged::At(1));
        let keys = |overlay: &mut Hashed| -> Vec<Vec<u8>> {
            overlay
                .changed(Bound::Unbounded, Bound::Excluded(b"d"))
                .map(|(key, _)| key.to_vec())
                .collect()
        };
        assert_eq!(keys(&mut overlay), [b"a", b"c"]);
        overlay.put(b"b", None, Logged::At(1));
        overlay.put(b"e", None, Logged::At(1));
        assert_eq!(keys(&mut overlay), [b"a", b"b", b"c"]);
        overlay.abort();
        assert!(keys(&mut overlay).is_empty());
    }
}
