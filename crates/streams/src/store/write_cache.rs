//! Results of an aggregation that have not passed on yet: with a cache, the latest of each key does at a commit.
//!
//! Holds what is to be emitted, never what is stored: the store has every update at once.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::record::Headers;

/// What an entry costs above what the operator counts for it.
const ENTRY_BYTES: usize = 128;

/// The change of one key since the last one that passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedChange<K, V> {
    /// The key.
    pub key: K,
    /// The value before the first update.
    pub old: Option<V>,
    /// The value after the last update; none for a delete.
    pub new: Option<V>,
    /// The last update's timestamp.
    pub timestamp: i64,
    /// The last update's headers.
    pub headers: Headers,
}

/// Changes by key, in order of their first update.
#[derive(Debug)]
pub struct WriteCache<K, V> {
    limit: usize,
    bytes: usize,
    hasher: DefaultHashBuilder,
    /// Entries in order of their first update.
    entries: VecDeque<Slot<K, V>>,
    /// The places of entries by key; empty while a commit empties the cache.
    places: HashTable<u64>,
    /// The place of the first entry.
    first: u64,
}

#[derive(Debug)]
struct Slot<K, V> {
    hash: u64,
    change: CachedChange<K, V>,
    bytes: usize,
}

impl<K: Eq + Hash, V> WriteCache<K, V> {
    /// A cache that holds `limit` bytes: with 0, every update passes on at once.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: 0,
            hasher: DefaultHashBuilder::default(),
            entries: VecDeque::new(),
            places: HashTable::new(),
            first: 0,
        }
    }

    /// Changes how many bytes it holds: what is too much goes with the next [`evict`](Self::evict).
    #[inline]
    pub fn limit_to(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Notes an update, from the value before it; `bytes` is what the operator counts for key and value.
    pub fn update(&mut self, change: CachedChange<K, V>, bytes: usize) {
        let bytes = bytes + ENTRY_BYTES;
        let hash = self.hasher.hash_one(&change.key);
        let (entries, first) = (&mut self.entries, self.first);
        let at = |place: u64| (place - first) as usize;
        let known = self.places.find(hash, |&place| {
            let slot = &entries[at(place)];
            slot.hash == hash && slot.change.key == change.key
        });
        if let Some(&place) = known {
            let slot = &mut entries[at(place)];
            slot.change.new = change.new;
            slot.change.timestamp = change.timestamp;
            slot.change.headers = change.headers;
            self.bytes = self.bytes + bytes - slot.bytes;
            slot.bytes = bytes;
            return;
        }
        entries.push_back(Slot {
            hash,
            change,
            bytes,
        });
        self.bytes += bytes;
        let place = first + entries.len() as u64 - 1;
        self.places
            .insert_unique(hash, place, |&place| entries[at(place)].hash);
    }

    /// The change that has waited longest, if the cache is over its limit.
    #[inline]
    pub fn evict(&mut self) -> Option<CachedChange<K, V>> {
        if self.bytes <= self.limit {
            return None;
        }
        let first = self.first;
        let slot = self.take_first()?;
        if let Ok(entry) = self.places.find_entry(slot.hash, |&place| place == first) {
            entry.remove();
        }
        Some(slot.change)
    }

    /// The change that has waited longest: called until there is none, at a commit.
    pub fn pop(&mut self) -> Option<CachedChange<K, V>> {
        // All of them go.
        self.places.clear();
        self.take_first().map(|slot| slot.change)
    }

    fn take_first(&mut self) -> Option<Slot<K, V>> {
        let slot = self.entries.pop_front()?;
        self.first += 1;
        self.bytes -= slot.bytes;
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(
        cache: &mut WriteCache<&'static str, u64>,
        key: &'static str,
        old: Option<u64>,
        new: u64,
    ) {
        let change = CachedChange {
            key,
            old,
            new: Some(new),
            timestamp: new as i64,
            headers: Headers::default(),
        };
        cache.update(change, 8);
    }

    #[test]
    fn with_a_cache_a_commit_passes_on_the_latest_of_each_key() {
        let mut cache = WriteCache::new(1000);
        update(&mut cache, "b", Some(1), 2);
        update(&mut cache, "a", None, 5);
        update(&mut cache, "b", Some(2), 3);
        assert!(cache.evict().is_none());
        let passed: Vec<_> = std::iter::from_fn(|| cache.pop())
            .map(|change| (change.key, change.old, change.new, change.timestamp))
            .collect();
        assert_eq!(
            passed,
            [("b", Some(1), Some(3), 3), ("a", None, Some(5), 5)],
            "in order of the first update, from the value before it to the last"
        );
        assert_eq!((cache.places.len(), cache.bytes), (0, 0));
        update(&mut cache, "b", Some(3), 4);
        assert_eq!(cache.pop().and_then(|change| change.old), Some(3));
    }

    #[test]
    fn a_full_cache_passes_on_what_waited_longest() {
        let mut cache = WriteCache::new(2 * (ENTRY_BYTES + 8));
        update(&mut cache, "a", None, 1);
        update(&mut cache, "b", None, 2);
        assert!(cache.evict().is_none());
        update(&mut cache, "c", None, 3);
        assert_eq!(cache.evict().map(|change| change.key), Some("a"));
        assert!(cache.evict().is_none());
        update(&mut cache, "c", None, 4);
        assert_eq!(cache.pop().map(|change| change.key), Some("b"));
        assert_eq!(cache.pop().map(|change| change.new), Some(Some(4)));
        assert!(cache.pop().is_none());
    }

    #[test]
    fn without_a_cache_every_update_passes_on_at_once() {
        let mut cache = WriteCache::new(0);
        update(&mut cache, "a", None, 1);
        assert_eq!(cache.evict().map(|change| change.new), Some(Some(1)));
        update(&mut cache, "a", Some(1), 2);
        assert_eq!(cache.evict().map(|change| change.old), Some(Some(1)));
    }
}
