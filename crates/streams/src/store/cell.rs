//! A row of an overlay by hash: its key, what is known of its value, and how far that is on its way.
//!
//! A row of few bytes lies within its cell, and a cell is one line of the processor's cache: a hot row costs one look
//! into memory, and no allocation.

/// Bytes of key and value that lie within a cell.
const INLINE: usize = 39;

/// The length of a value that is known to be absent.
const ABSENT: u32 = u32::MAX;

/// What a cell is charged above the bytes that do not lie within: itself, its place in the table, and the room that
/// both keep free to grow.
pub(super) const CELL_OVERHEAD: usize = 112;

/// Where a cell's value stands on its way to the committed rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not in use.
    Vacant,
    /// As committed: may be forgotten.
    Clean,
    /// Changed, and with the changelog already, or not meant for it.
    Flushed,
    /// Changed since the last flush.
    Dirty,
}

/// A row.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Cell {
    /// The key, and the value behind it.
    bytes: Bytes,
    /// Of the last change that goes to the changelog: a deleted row has no value to find it in.
    pub(super) timestamp: i64,
    pub(super) hash: u32,
    key: u32,
    value: u32,
    pub(super) state: State,
    /// Read since the clock's hand came by.
    pub(super) referenced: bool,
}

const _: () = assert!(size_of::<Cell>() == 64, "one line of the cache");

#[derive(Debug)]
enum Bytes {
    Inline([u8; INLINE]),
    Heap(Vec<u8>),
}

impl Cell {
    /// A row of which nothing is known, not in use yet.
    pub(super) fn new(hash: u32, key: &[u8]) -> Self {
        let bytes = if key.len() <= INLINE {
            let mut inline = [0; INLINE];
            inline[..key.len()].copy_from_slice(key);
            Bytes::Inline(inline)
        } else {
            Bytes::Heap(key.to_vec())
        };
        Self {
            bytes,
            timestamp: -1,
            hash,
            key: length(key),
            value: ABSENT,
            state: State::Vacant,
            referenced: false,
        }
    }

    #[inline]
    fn all(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Inline(bytes) => bytes,
            Bytes::Heap(bytes) => bytes,
        }
    }

    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        &self.all()[..self.key as usize]
    }

    /// None for a row that is known to be absent.
    #[inline]
    pub(super) fn value(&self) -> Option<&[u8]> {
        let (from, length) = (self.key as usize, self.value as usize);
        (self.value != ABSENT).then(|| &self.all()[from..from + length])
    }

    #[inline]
    pub(super) fn set(&mut self, value: Option<&[u8]>) {
        let key = self.key as usize;
        let Some(value) = value else {
            self.value = ABSENT;
            return;
        };
        let end = key + value.len();
        match &mut self.bytes {
            Bytes::Inline(bytes) if end <= INLINE => bytes[key..end].copy_from_slice(value),
            Bytes::Inline(bytes) => {
                let mut heap = Vec::with_capacity(end);
                heap.extend_from_slice(&bytes[..key]);
                heap.extend_from_slice(value);
                self.bytes = Bytes::Heap(heap);
            }
            Bytes::Heap(bytes) => {
                bytes.truncate(key);
                bytes.extend_from_slice(value);
            }
        }
        self.value = length(value);
    }

    /// What it takes in memory.
    #[inline]
    pub(super) fn size(&self) -> usize {
        CELL_OVERHEAD
            + match &self.bytes {
                Bytes::Inline(_) => 0,
                Bytes::Heap(bytes) => bytes.capacity(),
            }
    }

    /// Lets go of what it holds.
    pub(super) fn vacate(&mut self) {
        *self = Self::new(0, b"");
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("keys and values are far below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_what_was_set_last_however_long_it_was_before() {
        for key in [0, 1, 8, INLINE, INLINE + 1, 200] {
            let key = vec![7; key];
            let mut cell = Cell::new(1, &key);
            assert_eq!((cell.key(), cell.value()), (&*key, None));
            for value in [0, 3, INLINE, 31, 1000, 2, INLINE + 1] {
                let value: Vec<u8> = (0..value).map(|byte| byte as u8).collect();
                cell.set(Some(&value));
                assert_eq!((cell.key(), cell.value()), (&*key, Some(&*value)));
                cell.set(None);
                assert_eq!((cell.key(), cell.value()), (&*key, None));
            }
        }
    }

    #[test]
    fn only_what_lies_outside_of_a_cell_is_charged_above_it() {
        let mut cell = Cell::new(1, b"12345678");
        cell.set(Some(&[0; 20]));
        assert_eq!(cell.size(), CELL_OVERHEAD);
        cell.set(Some(&[0; 200]));
        assert!(cell.size() >= CELL_OVERHEAD + 208);
        cell.vacate();
        assert_eq!(cell.size(), CELL_OVERHEAD);
    }
}
