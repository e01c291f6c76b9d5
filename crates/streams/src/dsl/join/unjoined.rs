//! The records of a left or outer join of streams that have found no partner yet, in order of time.
//!
//! ```text
//! record   time(8) side(1) key 1(4)     time(8) (length(4) value)*    records of one key, side and time
//! mark     7f ff(7) 2(1) 1(4)           time(8) time(8)               where the last search ended
//! ```
//!
//! A record is searched for only when stream time has passed what the mark says, as Kafka Streams does: the moment
//! at which a result without partner is emitted follows from that, so the mark is state like the records.

use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow};

use crate::key::Key;
use crate::store::{StoreError, StoreId, Stores};

/// Ends every row, where buffers have a sequence number; 0 has a meaning of its own there.
const SEQUENCE: [u8; 4] = 1_u32.to_be_bytes();

/// The largest time there is, and a side that is none: behind every record.
const MARK: [u8; 13] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 1,
];

/// The sides of a join, in the order in which their records of one time come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JoinSide {
    Right = 0,
    Left = 1,
}

/// A record that has found no partner: its values are those of all records of the key, side and time.
pub(super) struct Waiting<K> {
    pub(super) side: JoinSide,
    pub(super) time: i64,
    pub(super) key: K,
    pub(super) values: Vec<Vec<u8>>,
}

/// Since when, by stream time, a record's window is closed: a record of an earlier time has lost its chance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closed {
    pub(super) left: i64,
    pub(super) right: i64,
}

/// How far a search has come.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// The last record that was taken.
    after: Option<Vec<u8>>,
    left_open: bool,
    right_open: bool,
    /// The time of the last record that was looked at.
    last: Option<i64>,
    finished: bool,
}

impl Search {
    /// Whether all that has lost its chance was taken.
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }
}

/// The handle on the store.
pub(super) struct Unjoined<K> {
    id: StoreId,
    row: Vec<u8>,
    stored: Vec<u8>,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key> Unjoined<K> {
    pub(super) fn new(id: StoreId) -> Self {
        Self {
            id,
            row: Vec::new(),
            stored: Vec::new(),
            keys: PhantomData,
        }
    }

    /// The time from which on records may wait that the last search has not seen; `i64::MAX` if there are none.
    pub(super) fn mark(&self, stores: &mut Stores) -> Result<i64, StoreError> {
        let stored = stores.get_mut(self.id).get(&MARK)?;
        let mark = stored.and_then(|stored| stored.last_chunk::<8>());
        Ok(mark.map_or(i64::MAX, |mark| i64::from_be_bytes(*mark)))
    }

    fn set_mark(&mut self, stores: &mut Stores, mark: i64, now: i64) -> Result<(), StoreError> {
        if self.mark(stores)? != mark {
            let stored = [now.to_be_bytes(), mark.to_be_bytes()].concat();
            stores.get_mut(self.id).put(&MARK, Some(&stored), now);
        }
        Ok(())
    }

    /// Adds a record that has found no partner; `now` is stream time.
    pub(super) fn add(
        &mut self,
        stores: &mut Stores,
        side: JoinSide,
        key: &K,
        time: i64,
        value: &[u8],
        now: i64,
    ) -> Result<(), StoreError> {
        self.seek(side, key, time);
        let store = stores.get_mut(self.id);
        self.stored.clear();
        match store.get(&self.row)? {
            Some(others) => self.stored.extend_from_slice(others),
            None => self.stored.extend_from_slice(&time.to_be_bytes()),
        }
        let length = u32::try_from(value.len()).expect("a record is far below 4 GiB");
        self.stored.extend_from_slice(&length.to_be_bytes());
        self.stored.extend_from_slice(value);
        store.put(&self.row, Some(&self.stored), time);
        let mark = self.mark(stores)?.min(time);
        self.set_mark(stores, mark, now)
    }

    /// Removes the records of a key and time, which have found a partner.
    pub(super) fn remove(
        &mut self,
        stores: &mut Stores,
        side: JoinSide,
        key: &K,
        time: i64,
    ) -> Result<(), StoreError> {
        self.seek(side, key, time);
        let store = stores.get_mut(self.id);
        if store.get(&self.row)?.is_some() {
            store.put(&self.row, None, time);
        }
        Ok(())
    }

    /// Takes out up to `limit` records that have lost their chance, in order of time, then right before left, then
    /// by key. The search goes on until it has met a record of each side that has not.
    pub(super) fn take(
        &mut self,
        stores: &mut Stores,
        search: &mut Search,
        closed: Closed,
        limit: usize,
        now: i64,
    ) -> Result<Vec<Waiting<K>>, StoreError> {
        let mut taken = Vec::new();
        let store = stores.get_mut(self.id);
        let from = match &search.after {
            Some(row) => Bound::Excluded(row.as_slice()),
            None => Bound::Unbounded,
        };
        let mut rows = Vec::new();
        let Search {
            left_open,
            right_open,
            last,
            ..
        } = search;
        let stopped = store.scan(from, Bound::Excluded(&MARK), |row, stored| {
            let (Some((time, rest)), true) = (row.split_first_chunk::<8>(), row.len() >= 13) else {
                return ControlFlow::Continue(());
            };
            let time = i64::from_be_bytes(*time);
            if rows.len() == limit {
                return ControlFlow::Break(Full);
            }
            *last = Some(time);
            if *left_open && *right_open {
                return ControlFlow::Break(Full);
            }
            let (side, bound, open) = if rest.first() == Some(&(JoinSide::Left as u8)) {
                (JoinSide::Left, closed.left, &mut *left_open)
            } else {
                (JoinSide::Right, closed.right, &mut *right_open)
            };
            if time < bound {
                rows.push((side, time, row.to_vec(), stored.to_vec()));
            } else {
                *open = true;
            }
            ControlFlow::Continue(())
        })?;
        search.finished = rows.len() < limit || stopped == ControlFlow::Continue(());
        for (side, time, row, stored) in &rows {
            store.put(row, None, *time);
            taken.push(Waiting {
                side: *side,
                time: *time,
                key: K::read(&row[9..row.len() - 4])
                    .map_err(|error| store.malformed(error.to_string()))?,
                values: split(&stored[8.min(stored.len())..]),
            });
        }
        search.after = rows.pop().map(|(_, _, row, _)| row);
        if search.finished {
            let mark = search.last.unwrap_or(i64::MAX);
            self.set_mark(stores, mark, now)?;
        }
        Ok(taken)
    }

    fn seek(&mut self, side: JoinSide, key: &K, time: i64) {
        self.row.clear();
        self.row.extend_from_slice(&time.max(0).to_be_bytes());
        self.row.push(side as u8);
        key.write(&mut self.row);
        self.row.extend_from_slice(&SEQUENCE);
    }
}

/// Why a search stopped early.
#[derive(Debug, PartialEq, Eq)]
struct Full;

/// The values of a row.
fn split(mut list: &[u8]) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    while let Some((length, rest)) = list.split_first_chunk::<4>() {
        let Some((value, rest)) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)
        else {
            break;
        };
        values.push(value.to_vec());
        list = rest;
    }
    values
}
