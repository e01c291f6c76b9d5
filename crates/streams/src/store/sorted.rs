//! The overlay of stores whose rows are read in order and hardly ever twice: the changes of the transaction under
//! way, sorted, and no cache.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::overlay::Logged;

/// What a change is charged above its bytes.
const CHANGE_OVERHEAD: usize = 64;

/// The changes of one store since its last commit.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    changes: BTreeMap<Box<[u8]>, Change>,
    bytes: usize,
}

/// What became of a row.
#[derive(Debug, Default)]
pub(crate) struct Change {
    value: Option<Vec<u8>>,
    /// Of the last change that goes to the changelog.
    timestamp: i64,
    /// It is to go to the changelog with the next flush.
    dirty: bool,
}

impl Change {
    /// The new value; none for a deleted row.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }
}

impl Sorted {
    /// The change of a row, if there is one.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Change> {
        self.changes.get(key)
    }

    pub(crate) fn put(&mut self, key: &[u8], value: Option<&[u8]>, logged: Logged) {
        let length = value.map_or(0, <[u8]>::len);
        let change = if let Some(change) = self.changes.get_mut(key) {
            self.bytes = self.bytes + length - change.value.as_ref().map_or(0, Vec::len);
            change
        } else {
            self.bytes += CHANGE_OVERHEAD + key.len() + length;
            self.changes.entry(key.into()).or_default()
        };
        change.value = value.map(<[u8]>::to_vec);
        if let Logged::At(timestamp) = logged {
            change.timestamp = timestamp;
            change.dirty = true;
        }
    }

    /// Hands out the rows that changed since the last flush, and their changes' timestamps. An error ends it, and
    /// nothing counts as flushed.
    pub(crate) fn flush<E>(
        &mut self,
        mut each: impl FnMut(&[u8], Option<&[u8]>, i64) -> Result<(), E>,
    ) -> Result<usize, E> {
        for (key, change) in &self.changes {
            if change.dirty {
                each(key, change.value(), change.timestamp)?;
            }
        }
        let mut flushed = 0;
        for change in self.changes.values_mut() {
            flushed += usize::from(std::mem::take(&mut change.dirty));
        }
        Ok(flushed)
    }

    /// Hands out the changed rows, in order, and forgets them.
    pub(crate) fn commit(&mut self, mut each: impl FnMut(&[u8], Option<&[u8]>)) {
        self.bytes = 0;
        for (key, change) in std::mem::take(&mut self.changes) {
            each(&key, change.value());
        }
    }

    /// Forgets the changes.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The changed rows within the bounds, in order.
    pub(crate) fn changed(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> std::collections::btree_map::Range<'_, Box<[u8]>, Change> {
        self.changes.range::<[u8], _>((from, to))
    }

    /// The bytes of the changes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many rows changed since the last commit.
    pub(crate) fn len(&self) -> usize {
        self.changes.len()
    }
}
