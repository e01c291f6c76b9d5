//! What lies above a store's committed rows until its transaction has committed: sorted for stores that are read in
//! order, in order of arrival for those of stream-stream joins, hashed for the others.

use std::collections::btree_map::Range;
use std::ops::Bound;

use super::arrivals::{ArrivalChanges, Arrivals};
use super::hashed::{Hashed, HashedChanges};
use super::layout::Layout;
use super::sorted::{Change, Sorted};

/// Whether a change goes to the changelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logged {
    /// With the next flush, with this timestamp.
    At(i64),
    /// Never: the row follows from others, or was logged in another way.
    No,
}

/// The changes of one store since its last commit.
#[derive(Debug)]
pub(crate) enum Overlay {
    /// By hash, with clean rows.
    Hashed(Hashed),
    /// By key.
    Sorted(Sorted),
    /// In order of arrival, with clean rows.
    Arrivals(Arrivals),
}

/// Changed rows in order; none for a deleted one.
pub(crate) enum Changed<'a> {
    Hashed(HashedChanges<'a>),
    Sorted(Range<'a, Box<[u8]>, Change>),
    Arrivals(ArrivalChanges<'a>),
}

impl<'a> Iterator for Changed<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Hashed(changes) => changes.next(),
            Self::Sorted(changes) => changes.next().map(|(key, change)| (&**key, change.value())),
            Self::Arrivals(changes) => changes.next(),
        }
    }
}

impl Overlay {
    /// The one that suits a layout.
    pub(crate) fn of(layout: Layout) -> Self {
        match layout {
            Layout::Session { .. } => Self::Sorted(Sorted::default()),
            Layout::Join { .. } => Self::Arrivals(Arrivals::default()),
            _ => Self::Hashed(Hashed::default()),
        }
    }

    /// Changes a row; none deletes it.
    #[inline]
    pub(crate) fn put(&mut self, key: &[u8], value: Option<&[u8]>, logged: Logged) {
        match self {
            Self::Hashed(hashed) => hashed.put(key, value, logged),
            Self::Sorted(sorted) => sorted.put(key, value, logged),
            // All of them go to the changelog, with the times that are in their keys.
            Self::Arrivals(arrivals) => arrivals.put(key, value),
        }
    }

    /// Hands out the rows that changed since the last flush, and their changes' timestamps. An error ends it, and
    /// nothing counts as flushed.
    pub(crate) fn flush<E>(
        &mut self,
        each: impl FnMut(&[u8], Option<&[u8]>, i64) -> Result<(), E>,
    ) -> Result<usize, E> {
        match self {
            Self::Hashed(hashed) => hashed.flush(each),
            Self::Sorted(sorted) => sorted.flush(each),
            Self::Arrivals(arrivals) => arrivals.flush(each),
        }
    }

    /// Hands out the changed rows, which are changes no more.
    pub(crate) fn commit(&mut self, each: impl FnMut(&[u8], Option<&[u8]>)) {
        match self {
            Self::Hashed(hashed) => hashed.commit(each),
            Self::Sorted(sorted) => sorted.commit(each),
            Self::Arrivals(arrivals) => arrivals.commit(each),
        }
    }

    /// Forgets the changes.
    pub(crate) fn abort(&mut self) {
        match self {
            Self::Hashed(hashed) => hashed.abort(),
            Self::Sorted(sorted) => sorted.clear(),
            Self::Arrivals(arrivals) => arrivals.abort(),
        }
    }

    /// Forgets clean rows until they take no more than `limit` bytes.
    pub(crate) fn trim(&mut self, limit: usize) {
        match self {
            Self::Hashed(hashed) => hashed.trim(limit),
            Self::Sorted(_) => {}
            Self::Arrivals(arrivals) => arrivals.trim(limit),
        }
    }

    /// Forgets everything, changes too.
    pub(crate) fn clear(&mut self) {
        match self {
            Self::Hashed(hashed) => hashed.clear(),
            Self::Sorted(sorted) => sorted.clear(),
            Self::Arrivals(arrivals) => arrivals.clear(),
        }
    }

    /// The changed rows within the bounds, in order; none for a deleted one.
    pub(crate) fn changed(&mut self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Changed<'_> {
        match self {
            Self::Hashed(hashed) => Changed::Hashed(hashed.changed(from, to)),
            Self::Sorted(sorted) => Changed::Sorted(sorted.changed(from, to)),
            Self::Arrivals(arrivals) => Changed::Arrivals(arrivals.changed(from, to)),
        }
    }

    /// The bytes of changes since the last commit.
    pub(crate) fn uncommitted_bytes(&self) -> usize {
        match self {
            Self::Hashed(hashed) => hashed.uncommitted_bytes(),
            Self::Sorted(sorted) => sorted.bytes(),
            Self::Arrivals(arrivals) => arrivals.uncommitted_bytes(),
        }
    }

    /// The bytes of clean rows.
    pub(crate) fn clean_bytes(&self) -> usize {
        match self {
            Self::Hashed(hashed) => hashed.clean_bytes(),
            Self::Sorted(_) => 0,
            Self::Arrivals(arrivals) => arrivals.clean_bytes(),
        }
    }

    /// How many rows changed since the last commit.
    pub(crate) fn uncommitted(&self) -> usize {
        match self {
            Self::Hashed(hashed) => hashed.uncommitted(),
            Self::Sorted(sorted) => sorted.len(),
            Self::Arrivals(arrivals) => arrivals.uncommitted(),
        }
    }
}
