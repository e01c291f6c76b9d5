//! The rows next in time of a store that is sorted by key: what closes next, for results that are emitted when their
//! window has closed.
//!
//! Asked again and again for the rows of the next few milliseconds, a store in order of its keys would be read from
//! end to end each time. So one pass over it gathers the first few thousand in order of time, and writes keep those
//! up to date until they are used up. In memory only, and bounded; an abort or a restore forgets it.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};

use super::error::StoreError;
use super::layout::Layout;
use super::store::Store;
use super::table::Row;

/// How many rows are gathered at least; twice as many are kept at most, unless all of them are of one time.
const GATHERED: usize = 4096;

/// A row's place: its time, a session's start, the key.
type Place = (i64, i64, Vec<u8>);

/// All rows whose time is within `low..=horizon`.
#[derive(Debug)]
pub(crate) struct Upcoming {
    low: i64,
    horizon: i64,
    places: BTreeSet<Place>,
}

impl Upcoming {
    /// Takes a change of the store in.
    pub(crate) fn put(&mut self, layout: Layout, row: &[u8], value: Option<&[u8]>) {
        let Some((time, start, key)) = place(layout, row) else {
            return;
        };
        if time < self.low || time > self.horizon {
            return;
        }
        let place = (time, start, key.to_vec());
        if value.is_none() {
            self.places.remove(&place);
            return;
        }
        self.places.insert(place);
        if self.places.len() > 2 * GATHERED {
            self.cut(GATHERED);
        }
    }

    /// Keeps about the first `count`, and of no time a part only.
    fn cut(&mut self, count: usize) {
        while self.places.len() > count
            && let Some((time, ..)) = self.places.pop_last()
        {
            self.horizon = time - 1;
        }
        while self
            .places
            .last()
            .is_some_and(|(time, ..)| *time > self.horizon)
        {
            self.places.pop_last();
        }
    }
}

/// A row's time, a session's start, and the key.
fn place(layout: Layout, row: &[u8]) -> Option<(i64, i64, &[u8])> {
    let (_, row) = row.split_at_checked(8)?;
    match layout {
        Layout::KeyFirst { .. } => {
            let (key, start) = row.split_last_chunk::<8>()?;
            Some((i64::from_be_bytes(*start), 0, key))
        }
        Layout::Session { .. } => {
            let (front, start) = row.split_last_chunk::<8>()?;
            let (key, end) = front.split_last_chunk::<8>()?;
            Some((i64::from_be_bytes(*end), i64::from_be_bytes(*start), key))
        }
        _ => None,
    }
}

/// The row of a place.
fn row_of(layout: Layout, (time, start, key): &Place) -> Vec<u8> {
    let mut row = layout.segment(*time).to_be_bytes().to_vec();
    row.extend_from_slice(key);
    row.extend_from_slice(&time.to_be_bytes());
    if matches!(layout, Layout::Session { .. }) {
        row.extend_from_slice(&start.to_be_bytes());
    }
    row
}

impl Store {
    /// The rows whose time is within `from..=to`, in order of time, then of a session's start, then of the key, at
    /// most `limit`, with their values.
    pub(crate) fn next_in_time(
        &mut self,
        from: i64,
        to: i64,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let mut upcoming = match self.upcoming.take() {
            Some(upcoming) if upcoming.low <= from && to <= upcoming.horizon => upcoming,
            _ => self.gather(from, limit)?,
        };
        let rows: Vec<_> = upcoming
            .places
            .range((from, i64::MIN, Vec::new())..)
            .take_while(|(time, ..)| *time <= to)
            .take(limit)
            .map(|place| row_of(self.layout, place))
            .collect();
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let value = self
                .get(&row)?
                .map(<[u8]>::to_vec)
                .ok_or_else(|| self.malformed("a row that was to come next is not there"))?;
            found.push((row, value));
        }
        // What was asked for once is behind.
        while upcoming
            .places
            .first()
            .is_some_and(|(time, ..)| *time < from)
        {
            upcoming.places.pop_first();
        }
        upcoming.low = from;
        self.upcoming = Some(upcoming);
        Ok(found)
    }

    /// Reads all rows from `from` on, and keeps the first of them: `limit` at least.
    fn gather(&mut self, from: i64, limit: usize) -> Result<Upcoming, StoreError> {
        let layout = self.layout;
        let mut count = GATHERED.max(limit);
        loop {
            let mut upcoming = Upcoming {
                low: from,
                horizon: i64::MAX,
                places: BTreeSet::new(),
            };
            let low = layout.segment(from).to_be_bytes();
            let _ = self.scan::<()>(Bound::Included(&low), Bound::Unbounded, |row, _| {
                if let Some((time, start, key)) = place(layout, row)
                    && time >= from
                    && time <= upcoming.horizon
                {
                    upcoming.places.insert((time, start, key.to_vec()));
                    if upcoming.places.len() > count.saturating_mul(2) {
                        upcoming.cut(count);
                    }
                }
                ControlFlow::Continue(())
            })?;
            // So many of one time that none of them could be kept, or fewer than asked for: gather more.
            let cut = upcoming.horizon != i64::MAX;
            if !cut || upcoming.places.len() >= limit {
                return Ok(upcoming);
            }
            count = count.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::read_i64;
    use super::super::spec::{StoreKind, StoreSpec};
    use super::*;

    fn row(time: i64, key: u32) -> Vec<u8> {
        let segment = (time / 60_000) as u64;
        [
            &segment.to_be_bytes()[..],
            &key.to_be_bytes(),
            &time.to_be_bytes(),
            &time.to_be_bytes(),
        ]
        .concat()
    }

    fn store() -> Store {
        Store::in_memory(StoreSpec::new(
            "s",
            StoreKind::Session {
                retention_ms: 1_000_000,
            },
        ))
    }

    fn times(rows: &[Row]) -> Vec<i64> {
        let time = |row: &Vec<u8>| read_i64(&row[row.len() - 8..]).expect("a time");
        rows.iter().map(|(row, _)| time(row)).collect()
    }

    #[test]
    fn many_rows_come_in_order_of_time_however_little_is_asked_for_at_once() {
        let mut store = store();
        let count = 5 * GATHERED as u32;
        store.observe(i64::from(count));
        for key in 0..count {
            let time = i64::from(key.wrapping_mul(7919) % count);
            store.put(&row(time, key), Some(&[0; 8]), 0);
        }
        let mut met = Vec::new();
        let mut from = 0;
        while from < i64::from(count) {
            met.append(&mut times(
                &store.next_in_time(from, from + 99, 1000).expect("read"),
            ));
            let upcoming = store.upcoming.as_ref().expect("gathered");
            assert!(upcoming.places.len() <= 2 * GATHERED);
            from += 100;
        }
        assert_eq!(met, (0..i64::from(count)).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_put_and_deleted_meanwhile_is_seen() {
        let mut store = store();
        store.observe(100);
        for time in [10, 20, 30] {
            store.put(&row(time, 1), Some(&[0; 8]), 0);
        }
        assert_eq!(times(&store.next_in_time(0, 15, 10).expect("read")), [10]);
        store.put(&row(25, 2), Some(&[0; 8]), 0);
        store.put(&row(20, 1), None, 0);
        store.put(&row(5, 1), Some(&[0; 8]), 0);
        assert_eq!(
            times(&store.next_in_time(16, 50, 10).expect("read")),
            [25, 30]
        );
        assert_eq!(
            times(&store.next_in_time(0, 50, 10).expect("read")),
            [5, 10, 25, 30]
        );
        store.abort();
        assert!(store.next_in_time(0, 50, 10).expect("read").is_empty());
    }

    #[test]
    fn more_rows_of_one_time_than_are_gathered_come_in_pages_of_any_size() {
        let mut store = store();
        store.observe(10);
        for key in 0..3 * GATHERED as u32 {
            store.put(&row(7, key), Some(&[0; 8]), 0);
        }
        store.put(&row(8, 1), Some(&[0; 8]), 0);
        assert_eq!(store.next_in_time(7, 7, 10).expect("read").len(), 10);
        let all = store.next_in_time(0, 9, usize::MAX).expect("read");
        assert_eq!(all.len(), 3 * GATHERED + 1);
    }
}
