//! The rows of several partitions of a key-value store in order of their keys' bytes, a page of each in memory.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;

use crate::store::{Stamped, StoreError, StoreReader};

/// Rows of one partition that are read at once.
const PAGE: usize = 64;

/// A row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) partition: i32,
    pub(super) key: Bytes,
    pub(super) value: Stamped,
}

struct Cursor {
    partition: i32,
    reader: StoreReader,
    from: Bound<Vec<u8>>,
    page: VecDeque<(Bytes, Stamped)>,
    ended: bool,
}

/// Rows in order of key, then partition.
pub(super) struct Rows {
    cursors: Vec<Cursor>,
    to: Bound<Vec<u8>>,
}

impl Rows {
    /// The rows within the bounds.
    pub(super) fn new(
        readers: BTreeMap<i32, StoreReader>,
        from: &Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
    ) -> Self {
        Self::behind(readers, to, |_| from.clone())
    }

    /// The rows up to a bound, each partition from its own.
    pub(super) fn behind(
        readers: BTreeMap<i32, StoreReader>,
        to: Bound<Vec<u8>>,
        from: impl Fn(i32) -> Bound<Vec<u8>>,
    ) -> Self {
        let cursors = readers
            .into_iter()
            .map(|(partition, reader)| Cursor {
                partition,
                reader,
                from: from(partition),
                page: VecDeque::new(),
                ended: false,
            })
            .collect();
        Self { cursors, to }
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<Row>, StoreError> {
        for cursor in &mut self.cursors {
            cursor.fill(&self.to)?;
        }
        let first = self
            .cursors
            .iter_mut()
            .filter(|cursor| !cursor.page.is_empty())
            .min_by(|a, b| {
                let key = |cursor: &Cursor| cursor.page.front().map(|(key, _)| key.clone());
                key(a).cmp(&key(b))
            });
        let Some(cursor) = first else {
            return Ok(None);
        };
        Ok(cursor.page.pop_front().map(|(key, value)| Row {
            partition: cursor.partition,
            key,
            value,
        }))
    }
}

impl Cursor {
    fn fill(&mut self, to: &Bound<Vec<u8>>) -> Result<(), StoreError> {
        if self.ended || !self.page.is_empty() {
            return Ok(());
        }
        let from = self.from.as_ref().map(Vec::as_slice);
        let to = to.as_ref().map(Vec::as_slice);
        if is_empty(from, to) {
            self.ended = true;
            return Ok(());
        }
        let rows = self.reader.range(from, to, PAGE)?;
        self.ended = rows.len() < PAGE;
        if let Some((last, _)) = rows.last() {
            self.from = Bound::Excluded(last.to_vec());
        }
        self.page = rows.into();
        Ok(())
    }
}

/// Bounds that nothing is between, which stores need not be asked.
fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from >= to,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}
