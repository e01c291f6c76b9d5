//! The overlay of a stream-stream join's store: rows in order of arrival, found by key.
//!
//! Such rows are never changed; records of the other stream look for those of their key, the youngest ones most of
//! all. So committed rows stay here, up to a limit, and whoever reads has to look below only for what was forgotten
//! here. Never touches the rows below: the store does.
//!
//! ```text
//! chunks    |segment key time sequence value|segment key ..    the rows as they are below, one behind the other
//! rows      clean .. | flushed .. | dirty ..                   in order of arrival, by number
//! table     key -> its youngest row -> the one before it -> ..
//! ```

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::ops::{Bound, ControlFlow, RangeBounds};

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::layout::{read_i64, read_u32};
use super::restore::prefix;

/// Rows lie in pieces of memory of this size; a longer one has a piece of its own.
const CHUNK_BYTES: usize = 64 * 1024;

/// How many rows' entries lie in one piece of memory: there is no list of all that would be copied as it grows.
const BLOCK: u64 = if cfg!(test) { 8 } else { 512 };

/// What a row is charged above its bytes: its entry, and its place in the table.
const ROW_OVERHEAD: usize = 72;

/// The length of the value of a row that is deleted.
const DELETED: u32 = u32::MAX;

/// Behind a row's key: time and sequence number.
const SUFFIX: usize = 12;

#[derive(Debug)]
struct Arrival {
    hash: u64,
    /// The number of the key's row before this one; less than the first number that is here if there is none.
    before: u64,
    time: i64,
    /// The largest time of this row and of all before it: a look back for later ones ends here.
    until: i64,
    chunk: u64,
    start: u32,
    row: u32,
    value: u32,
}

impl Arrival {
    fn size(&self) -> usize {
        ROW_OVERHEAD + self.row as usize + self.value_length()
    }

    fn value_length(&self) -> usize {
        if self.value == DELETED {
            0
        } else {
            self.value as usize
        }
    }
}

/// Entries by number: blocks of those whose numbers divided by [`BLOCK`] are the same.
#[derive(Debug)]
struct Rows {
    blocks: VecDeque<Vec<Arrival>>,
    /// The number of the first row; numbers begin at [`BLOCK`], so that 0 is none.
    first: u64,
    /// The number that the next row gets.
    end: u64,
}

impl Rows {
    fn get(&self, number: u64) -> &Arrival {
        let block = number / BLOCK - self.first / BLOCK;
        &self.blocks[block as usize][(number % BLOCK) as usize]
    }

    fn first(&self) -> Option<&Arrival> {
        (self.first < self.end).then(|| self.get(self.first))
    }

    fn push(&mut self, arrival: Arrival) {
        if self.end.is_multiple_of(BLOCK) {
            self.blocks.push_back(Vec::with_capacity(BLOCK as usize));
        }
        let last = self.blocks.back_mut().expect("a block has room");
        last.push(arrival);
        self.end += 1;
    }

    /// Takes the last row out; there must be one.
    fn pop(&mut self) -> Option<Arrival> {
        let arrival = self.blocks.back_mut()?.pop()?;
        self.end -= 1;
        if self.end.is_multiple_of(BLOCK) {
            self.blocks.pop_back();
        }
        Some(arrival)
    }

    /// Forgets the first row; there must be one.
    fn forget_first(&mut self) {
        self.first += 1;
        if self.first.is_multiple_of(BLOCK) {
            self.blocks.pop_front();
        }
    }

    fn since(&self, number: u64) -> impl Iterator<Item = (u64, &Arrival)> {
        (number..self.end).map(|number| (number, self.get(number)))
    }
}

/// The changes of one store since its last commit, and the youngest of its committed rows.
#[derive(Debug)]
pub(crate) struct Arrivals {
    hasher: DefaultHashBuilder,
    /// The number of each key's youngest row.
    table: HashTable<u64>,
    rows: Rows,
    /// The number of the first row that is not committed.
    uncommitted: u64,
    /// The number of the first row that is not flushed.
    unflushed: u64,
    chunks: VecDeque<Vec<u8>>,
    first_chunk: u64,
    uncommitted_bytes: usize,
    clean_bytes: usize,
    /// Rows that were forgotten and are alive, until the store has taken note: their bytes up to the suffix.
    forgotten: Vec<Box<[u8]>>,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            table: HashTable::new(),
            rows: Rows {
                blocks: VecDeque::new(),
                first: BLOCK,
                end: BLOCK,
            },
            uncommitted: BLOCK,
            unflushed: BLOCK,
            chunks: VecDeque::new(),
            first_chunk: 0,
            uncommitted_bytes: 0,
            clean_bytes: 0,
            forgotten: Vec::new(),
        }
    }
}

/// Changed rows in order; none for a deleted one.
pub(crate) type ArrivalChanges<'a> = std::vec::IntoIter<(&'a [u8], Option<&'a [u8]>)>;

impl Arrivals {
    /// Adds a row; none deletes it below, which does not hide it before the commit.
    pub(crate) fn put(&mut self, row: &[u8], value: Option<&[u8]>) {
        let (key, time) = split(row);
        let hash = self.hasher.hash_one(key);
        let number = self.rows.end;
        let (chunk, start) = self.write(row, value.unwrap_or_default());
        let mut arrival = Arrival {
            hash,
            before: 0,
            time,
            until: time,
            chunk,
            start,
            // The client bounds a record far below 4 GiB.
            row: row.len() as u32,
            value: value.map_or(DELETED, |value| value.len() as u32),
        };
        let Self {
            table,
            rows,
            chunks,
            first_chunk,
            ..
        } = self;
        let entry = table.entry(
            hash,
            |&other| {
                let other = rows.get(other);
                other.hash == hash && split(bytes(chunks, *first_chunk, other).0).0 == key
            },
            |&other| rows.get(other).hash,
        );
        match entry {
            Entry::Occupied(mut youngest) => {
                arrival.before = *youngest.get();
                arrival.until = time.max(rows.get(arrival.before).until);
                *youngest.get_mut() = number;
            }
            Entry::Vacant(place) => {
                place.insert(number);
            }
        }
        self.uncommitted_bytes += arrival.size();
        self.rows.push(arrival);
    }

    /// Visits the rows of a key that are here and of times within `from..=to`, the youngest arrival first: time,
    /// sequence number and value.
    pub(crate) fn visit<B>(
        &self,
        key: &[u8],
        from: i64,
        to: i64,
        mut each: impl FnMut(i64, u32, &[u8]) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut number = self.youngest(key);
        while number >= self.rows.first {
            let arrival = self.rows.get(number);
            if arrival.until < from {
                break;
            }
            if (from..=to).contains(&arrival.time) {
                let (row, value) = bytes(&self.chunks, self.first_chunk, arrival);
                let sequence = read_u32(&row[row.len() - 4..]).unwrap_or_default();
                if let Some(value) = value {
                    each(arrival.time, sequence, value)?;
                }
            }
            number = arrival.before;
        }
        ControlFlow::Continue(())
    }

    /// Hands out the rows that came since the last flush, with their times. An error ends it, and nothing counts as
    /// flushed.
    pub(crate) fn flush<E>(
        &mut self,
        mut each: impl FnMut(&[u8], Option<&[u8]>, i64) -> Result<(), E>,
    ) -> Result<usize, E> {
        for (_, arrival) in self.rows.since(self.unflushed) {
            let (row, value) = bytes(&self.chunks, self.first_chunk, arrival);
            each(row, value, arrival.time)?;
        }
        let flushed = self.rows.end - self.unflushed;
        self.unflushed = self.rows.end;
        Ok(flushed as usize)
    }

    /// Hands out the rows that came since the last commit, which are clean from here on.
    pub(crate) fn commit(&mut self, mut each: impl FnMut(&[u8], Option<&[u8]>)) {
        // In order of the keys, roughly: what lies side by side below is written one after the other.
        let mut ordered: Vec<_> = self
            .rows
            .since(self.uncommitted)
            .map(|(number, arrival)| {
                let (row, _) = bytes(&self.chunks, self.first_chunk, arrival);
                (prefix(row), prefix(&row[8..]), number)
            })
            .collect();
        ordered.sort_unstable();
        for (_, _, number) in ordered {
            let (row, value) = bytes(&self.chunks, self.first_chunk, self.rows.get(number));
            each(row, value);
        }
        self.uncommitted = self.rows.end;
        self.unflushed = self.rows.end;
        self.clean_bytes += std::mem::take(&mut self.uncommitted_bytes);
    }

    /// Forgets what came since the last commit.
    pub(crate) fn abort(&mut self) {
        while self.rows.end > self.uncommitted {
            let Some(arrival) = self.rows.pop() else {
                break;
            };
            // It was its key's youngest: its number is the one behind those that are left.
            let number = self.rows.end;
            if let Ok(mut youngest) = self.table.find_entry(arrival.hash, |&it| it == number) {
                if arrival.before >= self.rows.first {
                    *youngest.get_mut() = arrival.before;
                } else {
                    youngest.remove();
                }
            }
            self.uncommitted_bytes -= arrival.size();
            while self.first_chunk + self.chunks.len() as u64 > arrival.chunk + 1 {
                self.chunks.pop_back();
            }
            if let Some(chunk) = self.chunks.back_mut() {
                chunk.truncate(arrival.start as usize);
            }
        }
        debug_assert_eq!(self.uncommitted_bytes, 0);
        self.unflushed = self.rows.end;
    }

    /// Forgets committed rows of segments before `front`, as far as they came first.
    pub(crate) fn expire(&mut self, front: u64) {
        while self.rows.first < self.uncommitted
            && self.rows.first().is_some_and(|arrival| {
                prefix(bytes(&self.chunks, self.first_chunk, arrival).0) < front
            })
        {
            self.forget_first();
        }
    }

    /// Forgets committed rows, those first that came first, until they take no more than `limit` bytes.
    pub(crate) fn trim(&mut self, limit: usize) {
        while self.clean_bytes > limit && self.rows.first < self.uncommitted {
            let Some(arrival) = self.rows.first() else {
                break;
            };
            let (row, _) = bytes(&self.chunks, self.first_chunk, arrival);
            self.forgotten.push(row.into());
            self.forget_first();
        }
    }

    /// The rows that were forgotten while they were alive, each told once.
    pub(crate) fn take_forgotten(&mut self) -> Vec<Box<[u8]>> {
        std::mem::take(&mut self.forgotten)
    }

    /// Forgets everything, changes too.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            hasher: self.hasher.clone(),
            ..Self::default()
        };
    }

    /// The rows within the bounds that came since the last commit, in order; none for a deleted one.
    pub(crate) fn changed(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> ArrivalChanges<'_> {
        let mut changes: Vec<_> = self
            .rows
            .since(self.uncommitted)
            .map(|(_, arrival)| bytes(&self.chunks, self.first_chunk, arrival))
            .filter(|(row, _)| RangeBounds::<[u8]>::contains(&(from, to), *row))
            .collect();
        changes.sort_by_key(|(row, _)| *row);
        changes.into_iter()
    }

    /// The bytes of rows since the last commit.
    pub(crate) fn uncommitted_bytes(&self) -> usize {
        self.uncommitted_bytes
    }

    /// The bytes of committed rows.
    pub(crate) fn clean_bytes(&self) -> usize {
        self.clean_bytes
    }

    /// How many rows came since the last commit.
    pub(crate) fn uncommitted(&self) -> usize {
        (self.rows.end - self.uncommitted) as usize
    }

    /// The number of the key's youngest row, or 0.
    fn youngest(&self, key: &[u8]) -> u64 {
        let hash = self.hasher.hash_one(key);
        let found = self.table.find(hash, |&number| {
            let arrival = self.rows.get(number);
            arrival.hash == hash && split(bytes(&self.chunks, self.first_chunk, arrival).0).0 == key
        });
        found.copied().unwrap_or(0)
    }

    fn forget_first(&mut self) {
        let Some(arrival) = self.rows.first() else {
            return;
        };
        let number = self.rows.first;
        if let Ok(youngest) = self.table.find_entry(arrival.hash, |&it| it == number) {
            youngest.remove();
        }
        self.clean_bytes -= arrival.size();
        self.rows.forget_first();
        let chunk = self.rows.first().map_or(u64::MAX, |first| first.chunk);
        while self.first_chunk < chunk && !self.chunks.is_empty() {
            self.chunks.pop_front();
            self.first_chunk += 1;
        }
    }

    /// Appends a row's bytes; where they are.
    fn write(&mut self, row: &[u8], value: &[u8]) -> (u64, u32) {
        let length = row.len() + value.len();
        let room = |chunk: &Vec<u8>| chunk.capacity() - chunk.len() >= length;
        if !self.chunks.back().is_some_and(room) {
            self.chunks
                .push_back(Vec::with_capacity(length.max(CHUNK_BYTES)));
        }
        let chunk = self.first_chunk + self.chunks.len() as u64 - 1;
        let bytes = self.chunks.back_mut().expect("one with room is there");
        let start = bytes.len() as u32;
        bytes.extend_from_slice(row);
        bytes.extend_from_slice(value);
        (chunk, start)
    }
}

/// A row's key and time.
fn split(row: &[u8]) -> (&[u8], i64) {
    let suffix = row.len() - SUFFIX;
    let time = read_i64(&row[suffix..suffix + 8]).unwrap_or_default();
    (&row[8..suffix], time)
}

/// A row and its value, none if it is deleted.
fn bytes<'c>(
    chunks: &'c VecDeque<Vec<u8>>,
    first_chunk: u64,
    arrival: &Arrival,
) -> (&'c [u8], Option<&'c [u8]>) {
    let chunk = &chunks[(arrival.chunk - first_chunk) as usize];
    let start = arrival.start as usize;
    let end = start + arrival.row as usize;
    let value = (arrival.value != DELETED).then(|| &chunk[end..end + arrival.value as usize]);
    (&chunk[start..end], value)
}

#[cfg(test)]
mod tests;
