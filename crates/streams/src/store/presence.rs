//! Which keys have no row at all in a part of a store: asked before rows of a key are looked up in order.
//!
//! A look-up in order costs as much for a key that has no rows as for one that has, unlike one of a single row. The
//! stores of joins, sessions and sliding windows do it for each record, and much of it in vain. So each segment of
//! time has Bloom filters of the keys that were committed to it: it may say "maybe" in vain, never "no".

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;

use super::layout::Layout;

/// Bits of the first filter of a segment; each further one is twice as large.
const FIRST_BITS: usize = 1 << 16;

/// Bits per key when a filter counts as full: 10 give about one wrong "maybe" in a hundred.
const BITS_PER_KEY: usize = 10;

/// How many bits a key sets.
const PROBES: u32 = 6;

/// Filters of one segment at most: the last has 2^24 bits and is not full with 1.6 million keys. Beyond that every
/// key may be there.
const FILTERS: usize = 9;

/// The keys that may have rows.
#[derive(Debug)]
pub(crate) struct Presence {
    hasher: DefaultHashBuilder,
    segments: BTreeMap<[u8; 8], Segment>,
    /// Every key may have rows in segments up to this one.
    unknown: Option<[u8; 8]>,
    /// What the filters take.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Segment {
    filters: Vec<Filter>,
    overflown: bool,
}

#[derive(Debug)]
struct Filter {
    bits: Vec<u64>,
    room: usize,
}

impl Presence {
    /// Of a store that is empty.
    pub(crate) fn complete() -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            segments: BTreeMap::new(),
            unknown: None,
            bytes: 0,
        }
    }

    /// Says that segments up to `segment` hold rows which nobody has looked at.
    pub(crate) fn unknown_up_to(&mut self, segment: u64) {
        self.unknown = Some(segment.to_be_bytes());
    }

    /// Whether no row at all is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.unknown.is_none()
    }

    /// Whether rows with this prefix may be there.
    pub(crate) fn may_contain(&self, prefix: &[u8]) -> bool {
        let Some((segment, _)) = prefix.split_first_chunk::<8>() else {
            return true;
        };
        if self.unknown.is_some_and(|unknown| *segment <= unknown) {
            return true;
        }
        let hash = self.hasher.hash_one(prefix);
        self.segments
            .get(segment)
            .is_some_and(|segment| segment.may_contain(hash))
    }

    /// Notes that a row is there.
    pub(crate) fn add(&mut self, layout: Layout, row: &[u8]) {
        let Some(prefix) = layout.prefix_of(row) else {
            return;
        };
        let Some((segment, _)) = prefix.split_first_chunk::<8>() else {
            return;
        };
        if self.unknown.is_some_and(|unknown| *segment <= unknown) {
            return;
        }
        let hash = self.hasher.hash_one(prefix);
        let segment = self.segments.entry(*segment).or_default();
        let before = segment.bytes();
        segment.add(hash);
        self.bytes = self.bytes + segment.bytes() - before;
    }

    /// What it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives up what is known of the oldest segments until it takes no more than `limit` bytes.
    pub(crate) fn trim(&mut self, limit: usize) {
        while self.bytes > limit
            && let Some((segment, known)) = self.segments.pop_first()
        {
            self.bytes -= known.bytes();
            self.unknown = self.unknown.max(Some(segment));
        }
    }

    /// Forgets segments before `front`.
    pub(crate) fn expire(&mut self, front: u64) {
        let front = front.to_be_bytes();
        self.unknown = self.unknown.filter(|unknown| *unknown >= front);
        while let Some(entry) = self.segments.first_entry()
            && *entry.key() < front
        {
            self.bytes -= entry.remove().bytes();
        }
    }
}

impl Segment {
    fn bytes(&self) -> usize {
        let words = self.filters.iter().map(|filter| filter.bits.len());
        words.sum::<usize>() * size_of::<u64>()
    }

    fn may_contain(&self, hash: u64) -> bool {
        self.overflown || self.filters.iter().any(|filter| filter.may_contain(hash))
    }

    fn add(&mut self, hash: u64) {
        if self.may_contain(hash) {
            return;
        }
        if self.filters.last().is_none_or(|filter| filter.room == 0) {
            if self.filters.len() == FILTERS {
                self.overflown = true;
                self.filters = Vec::new();
                return;
            }
            self.filters
                .push(Filter::new(FIRST_BITS << self.filters.len()));
        }
        if let Some(filter) = self.filters.last_mut() {
            filter.add(hash);
        }
    }
}

impl Filter {
    fn new(bits: usize) -> Self {
        Self {
            bits: vec![0; bits / 64],
            room: bits / BITS_PER_KEY,
        }
    }

    fn may_contain(&self, hash: u64) -> bool {
        probes(hash, self.bits.len()).all(|(word, bit)| self.bits[word] & bit != 0)
    }

    fn add(&mut self, hash: u64) {
        let words = self.bits.len();
        for (word, bit) in probes(hash, words) {
            self.bits[word] |= bit;
        }
        self.room -= 1;
    }
}

/// The places of a key, by double hashing; `words` is a power of two.
fn probes(hash: u64, words: usize) -> impl Iterator<Item = (usize, u64)> {
    let mask = words * 64 - 1;
    let step = (hash >> 32) | 1;
    (0..PROBES).map(move |probe| {
        let bit = hash.wrapping_add(step.wrapping_mul(u64::from(probe))) as usize & mask;
        (bit / 64, 1 << (bit % 64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout::KeyFirst { segment_ms: 60_000 };

    fn row(segment: u64, key: u32) -> Vec<u8> {
        let mut row = segment.to_be_bytes().to_vec();
        row.extend_from_slice(&key.to_be_bytes());
        row.extend_from_slice(&[0; 8]);
        row
    }

    fn prefix(segment: u64, key: u32) -> Vec<u8> {
        let mut row = row(segment, key);
        row.truncate(12);
        row
    }

    #[test]
    fn a_key_that_was_added_is_never_denied_and_few_others_are_allowed() {
        let mut presence = Presence::complete();
        for key in 0..20_000 {
            presence.add(LAYOUT, &row(1, key));
        }
        assert!((0..20_000).all(|key| presence.may_contain(&prefix(1, key))));
        let wrong = (20_000..40_000)
            .filter(|&key| presence.may_contain(&prefix(1, key)))
            .count();
        assert!(wrong < 1_500, "{wrong} of 20,000");
        assert!(!presence.may_contain(&prefix(2, 1)), "another segment");
    }

    #[test]
    fn segments_that_nobody_has_looked_at_may_hold_everything() {
        let mut presence = Presence::complete();
        presence.unknown_up_to(6);
        assert!(presence.may_contain(&prefix(6, 1)));
        assert!(!presence.may_contain(&prefix(7, 1)));
        presence.add(LAYOUT, &row(7, 1));
        assert!(presence.may_contain(&prefix(7, 1)));
        presence.expire(8);
        assert!(presence.segments.is_empty());
    }
}
