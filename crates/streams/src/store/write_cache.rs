//! Results of an aggregation that have not passed on yet: with a cache, the latest of each key does at a commit.
//!
//! Holds what is to be emitted, never what is stored: the store has every update at once.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

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
    /// Entries in order of their first update.
    entries: VecDeque<Slot<K, V>>,
    places: HashMap<K, u64>,
    /// The place of the first entry.
    first: u64,
}

#[derive(Debug)]
struct Slot<K, V> {
    change: CachedChange<K, V>,
    bytes: usize,
}

impl<K: Clone + Eq + Hash, V> WriteCache<K, V> {
    /// A cache that holds `limit` bytes: with 0, every update passes on at once.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: 0,
            entries: VecDeque::new(),
            places: HashMap::new(),
            first: 0,
        }
    }

    /// Notes an update. `old` is asked for at the first update of a key only; `bytes` is what the operator counts
    /// for key and value.
    pub fn update(
        &mut self,
        key: &K,
        old: impl FnOnce() -> Option<V>,
        new: Option<V>,
        timestamp: i64,
        headers: Headers,
        bytes: usize,
    ) {
        let bytes = bytes + ENTRY_BYTES;
        if let Some(place) = self.places.get(key)
            && let Some(slot) = self.entries.get_mut((place - self.first) as usize)
        {
            slot.change.new = new;
            slot.change.timestamp = timestamp;
            slot.change.headers = headers;
            self.bytes = self.bytes + bytes - slot.bytes;
            slot.bytes = bytes;
            return;
        }
        let change = CachedChange {
            key: key.clone(),
            old: old(),
            new,
            timestamp,
            headers,
        };
        self.places
            .insert(key.clone(), self.first + self.entries.len() as u64);
        self.entries.push_back(Slot { change, bytes });
        self.bytes += bytes;
    }

    /// The change that has waited longest, if the cache is over its limit.
    pub fn evict(&mut self) -> Option<CachedChange<K, V>> {
        if self.bytes <= self.limit {
            return None;
        }
        self.pop()
    }

    /// The change that has waited longest: called until there is none, at a commit.
    pub fn pop(&mut self) -> Option<CachedChange<K, V>> {
        let slot = self.entries.pop_front()?;
        self.first += 1;
        self.bytes -= slot.bytes;
        self.places.remove(&slot.change.key);
        Some(slot.change)
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
        cache.update(&key, || old, Some(new), new as i64, Headers::default(), 8);
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
