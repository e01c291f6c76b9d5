//! A view on the committed rows of a store, for interactive queries from other threads.
//!
//! Never sees a change that its transaction has not committed, and never holds the task up for longer than a page of
//! rows. It is closed before the rows become others than a commit's: from then on it, and all its clones, refuse.

use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use super::error::StoreError;
use super::layout::{Layout, read_i64, split_stamped};
use super::spec::StoreSpec;
use super::table::Table;

/// Rows that are read under one lock.
const PAGE: usize = 256;

/// A value with its timestamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// The value's bytes.
    pub value: Bytes,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
}

/// A value of a window or session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowRow {
    /// The key's bytes.
    pub key: Bytes,
    /// The window's start, or the session's.
    pub start: i64,
    /// The session's end; of a window, its start.
    pub end: i64,
    /// The value.
    pub value: Stamped,
}

/// A read view on one partition of one store. Cheap to clone. It ends when the store is restored, moves away or is
/// closed: then its reads fail with [`StoreError::Withdrawn`].
#[derive(Debug, Clone)]
pub struct StoreReader {
    spec: StoreSpec,
    layout: Layout,
    /// None once it is closed.
    table: Arc<RwLock<Option<Table>>>,
}

impl StoreReader {
    pub(crate) fn new(spec: StoreSpec, table: Table) -> Self {
        Self {
            layout: Layout::of(spec.kind),
            spec,
            table: Arc::new(RwLock::new(Some(table))),
        }
    }

    /// Ends it and its clones; returns when none of them reads any more.
    pub(crate) fn close(&self) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        *table = None;
    }

    /// Reads under the lock that [`close`](Self::close) waits for.
    fn read_with<T>(
        &self,
        read: impl FnOnce(&Table) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        match &*table {
            Some(table) => read(table),
            None => Err(StoreError::Withdrawn {
                store: self.spec.name.clone(),
            }),
        }
    }

    /// The first time that is not too old.
    fn oldest(&self) -> Result<i64, StoreError> {
        self.read_with(|table| Ok(table.expiry().oldest()))
    }

    /// What the store was declared to be.
    pub fn spec(&self) -> &StoreSpec {
        &self.spec
    }

    /// The value of a key; of a versioned store, the latest.
    pub fn get(&self, key: &[u8]) -> Result<Option<Stamped>, StoreError> {
        match self.layout {
            Layout::Versioned { .. } => {
                let row = super::versioned::latest_row(key);
                let value = self.read(&row)?;
                Ok(value.and_then(|value| {
                    let (timestamp, value) = super::versioned::split_latest(&value)?;
                    Some(Stamped {
                        value: Bytes::copy_from_slice(value?),
                        timestamp,
                    })
                }))
            }
            _ => Ok(self.read(key)?.and_then(|value| stamped(&value))),
        }
    }

    /// The value that a key of a versioned store had at `time`, with the time from which it had it.
    pub fn get_as_of(&self, key: &[u8], time: i64) -> Result<Option<Stamped>, StoreError> {
        let stamped = |timestamp: i64, value: &[u8]| Stamped {
            value: Bytes::copy_from_slice(value),
            timestamp,
        };
        let latest = self.read(&super::versioned::latest_row(key))?;
        if let Some(latest) = latest
            && let Some((since, value)) = super::versioned::split_latest(&latest)
            && since <= time
        {
            return Ok(value.map(|value| stamped(since, value)));
        }
        if time < self.oldest()? {
            return Ok(None);
        }
        // Rows of latest values come last of all, so the last segment is the one before them.
        let mut found = None;
        let mut segment = self.layout.segment(time);
        while found.is_none() {
            let low = segment.to_be_bytes();
            let Some(next) = self.segment_from(&low)? else {
                break;
            };
            segment = next;
            let low = [&segment.to_be_bytes()[..], key].concat();
            let high = [&low[..], &[0xff; 8]].concat();
            self.pages(
                Bound::Included(&low),
                Bound::Included(&high),
                |row, value| {
                    if row.len() == low.len() + 8
                        && let Some((from, to, value)) = super::versioned::split_older(row, value)
                        && to > time
                    {
                        found = Some((from, value.map(Bytes::copy_from_slice)));
                    }
                    found.is_none()
                },
            )?;
            segment += 1;
        }
        Ok(found.and_then(|(from, value)| {
            let value = value.filter(|_| from <= time)?;
            Some(stamped(from, &value))
        }))
    }

    /// The segment of the first row at or behind these bytes that is not of a latest value.
    fn segment_from(&self, low: &[u8]) -> Result<Option<u64>, StoreError> {
        let mut segment = None;
        self.pages(
            Bound::Included(low),
            Bound::Excluded(&super::layout::TIMELESS),
            |row, _| {
                segment = Some(leading(row));
                false
            },
        )?;
        Ok(segment)
    }

    /// The rows of a key-value store whose keys are within the bounds, in order, at most `limit`.
    pub fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Stamped)>, StoreError> {
        let mut rows = Vec::new();
        self.pages(from, to, |key, value| {
            rows.extend(stamped(value).map(|value| (Bytes::copy_from_slice(key), value)));
            rows.len() < limit
        })?;
        rows.truncate(limit);
        Ok(rows)
    }

    /// The windows of a key that start within `from..=to`, or its sessions that touch it, in order, at most `limit`.
    pub fn fetch(
        &self,
        key: &[u8],
        from: i64,
        to: i64,
        limit: usize,
    ) -> Result<Vec<WindowRow>, StoreError> {
        self.windows(Some(key), from, to, limit)
    }

    /// The windows of all keys that start within `from..=to`, or sessions that touch it, at most `limit`.
    pub fn fetch_all(
        &self,
        from: i64,
        to: i64,
        limit: usize,
    ) -> Result<Vec<WindowRow>, StoreError> {
        self.windows(None, from, to, limit)
    }

    /// How many rows there are; on disk an estimate. None of one that is closed.
    pub fn approximate_entries(&self) -> u64 {
        let entries = self.read_with(|table| {
            Ok(match table {
                Table::Memory(table) => table.len() as u64,
                Table::Disk(table) => table.approximate_len() as u64,
            })
        });
        entries.unwrap_or(0)
    }

    fn windows(
        &self,
        key: Option<&[u8]>,
        from: i64,
        to: i64,
        limit: usize,
    ) -> Result<Vec<WindowRow>, StoreError> {
        let mut found = Vec::new();
        if from > to {
            return Ok(found);
        }
        // A session may begin before what is kept, and end in it.
        let from = from.max(self.oldest()?);
        let mut take = |row: &[u8], value: &[u8]| {
            if let Some(window) = self.window(row, value)
                && key.is_none_or(|key| *window.key == *key)
                && window.start <= to
                && window.end >= from
            {
                found.push(window);
            }
            // In time order rows come in the order that is asked for; else all of them are needed to sort.
            self.layout != Layout::TimeFirst || found.len() < limit
        };
        // A session that touches the time may end long after it, so sessions are looked for to the last.
        let last = match (self.layout, self.read_with(Table::last_key)?) {
            (_, None) => return Ok(found),
            (Layout::Session { .. }, Some(row)) => leading(&row),
            (layout, Some(row)) => layout.segment(to).min(leading(&row)),
        };
        let first = self.layout.segment(from);
        match key {
            Some(key) if self.layout != Layout::TimeFirst => {
                for segment in first..=last {
                    let mut low = segment.to_be_bytes().to_vec();
                    low.extend_from_slice(key);
                    let high = [&low[..], &[0xff; 16]].concat();
                    self.pages(Bound::Included(&low), Bound::Included(&high), &mut take)?;
                }
            }
            _ => {
                let low = first.to_be_bytes();
                let behind = last.checked_add(1).map(u64::to_be_bytes);
                let high = behind
                    .as_ref()
                    .map_or(Bound::Unbounded, |behind| Bound::Excluded(&behind[..]));
                self.pages(Bound::Included(&low), high, &mut take)?;
            }
        }
        found.sort_by(|a, b| (a.start, &a.key, a.end).cmp(&(b.start, &b.key, b.end)));
        found.truncate(limit);
        Ok(found)
    }

    fn window(&self, row: &[u8], value: &[u8]) -> Option<WindowRow> {
        let number = |from: usize| read_i64(row.get(from..from + 8)?);
        let (key, start, end) = match self.layout {
            Layout::TimeFirst => (row.get(8..)?, number(0)?, number(0)?),
            Layout::KeyFirst { .. } => {
                let behind = row.len().checked_sub(8)?;
                (row.get(8..behind)?, number(behind)?, number(behind)?)
            }
            Layout::Join { .. } => {
                let behind = row.len().checked_sub(12)?;
                (row.get(8..behind)?, number(behind)?, number(behind)?)
            }
            Layout::Session { .. } => {
                let behind = row.len().checked_sub(16)?;
                (row.get(8..behind)?, number(behind + 8)?, number(behind)?)
            }
            Layout::Plain | Layout::Versioned { .. } | Layout::Buffer => return None,
        };
        Some(WindowRow {
            key: Bytes::copy_from_slice(key),
            start,
            end,
            value: stamped(value)?,
        })
    }

    fn read(&self, row: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut value = Vec::new();
        let found = self.read_with(|table| table.get(row, &mut value))?;
        Ok(found.then_some(value))
    }

    /// Visits living rows page by page: between two pages the store may commit.
    fn pages(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        mut each: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let mut from: Bound<Vec<u8>> = from.map(<[u8]>::to_vec);
        let front = self.read_with(|table| Ok(table.expiry().front()))?;
        let front = front.to_be_bytes();
        let behind = match &from {
            Bound::Included(key) | Bound::Excluded(key) => key[..] < front[..],
            Bound::Unbounded => true,
        };
        if behind && front != [0; 8] {
            from = Bound::Included(front.to_vec());
        }
        loop {
            let mut left = PAGE;
            let start = from.as_ref().map(Vec::as_slice);
            let visit = |key: &[u8], value: &[u8]| {
                if !each(key, value) {
                    return ControlFlow::Break(None);
                }
                left -= 1;
                if left == 0 {
                    return ControlFlow::Break(Some(key.to_vec()));
                }
                ControlFlow::Continue(())
            };
            let flow = self.read_with(|table| table.scan(start, to, visit))?;
            match flow {
                ControlFlow::Break(Some(last)) => from = Bound::Excluded(last),
                ControlFlow::Break(None) | ControlFlow::Continue(()) => return Ok(()),
            }
        }
    }
}

/// The first eight bytes of a row, as a number.
fn leading(row: &[u8]) -> u64 {
    row.first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn stamped(value: &[u8]) -> Option<Stamped> {
    let (timestamp, value) = split_stamped(value)?;
    Some(Stamped {
        value: Bytes::copy_from_slice(value),
        timestamp,
    })
}
