//! The last offset of each key in the part of a log that is being compacted, in bounded memory.

use headwater_records::Record;
use sha2::{Digest, Sha256};

/// Bytes of an entry: the hash of a key and an offset.
const SLOT_BYTES: usize = size_of::<Slot>();

/// An entry; an offset of -1 marks it free.
#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: [u64; 2],
    offset: i64,
}

const FREE: Slot = Slot {
    hash: [0; 2],
    offset: -1,
};

/// Whether a key found room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    Done,
    /// The map holds as many keys as it may: the rest of the log is for the next round.
    Full,
}

/// From key to the last offset at which it was met. Keys are known by half of their SHA-256: nobody can make two that
/// the map takes for one, and so have one of them lost.
#[derive(Debug)]
pub(super) struct OffsetMap {
    slots: Vec<Slot>,
    keys: usize,
    most_keys: usize,
    /// Everything up to here has been looked at; -1 before that.
    latest_offset: i64,
}

impl OffsetMap {
    /// Room for `records` keys, but no more than `buffer_bytes` hold when they are filled to `load_factor`.
    pub(super) fn new(records: u64, buffer_bytes: usize, load_factor: f64) -> Self {
        let load_factor = load_factor.clamp(0.01, 0.99);
        let most_slots = (buffer_bytes / SLOT_BYTES).max(2);
        let wanted = records.min(most_slots as u64) as f64 / load_factor;
        let slots = (wanted as usize + 1).clamp(2, most_slots);
        Self {
            slots: vec![FREE; slots],
            keys: 0,
            most_keys: ((slots as f64 * load_factor) as usize).clamp(1, slots - 1),
            latest_offset: -1,
        }
    }

    /// Takes in a record, of a greater offset than any before.
    pub(super) fn put(&mut self, key: &[u8], offset: i64) -> Put {
        let hash = hash_of(key);
        let at = self.place_of(hash);
        let full = self.keys >= self.most_keys;
        let Some(slot) = self.slots.get_mut(at) else {
            return Put::Full;
        };
        if slot.offset < 0 {
            if full {
                return Put::Full;
            }
            self.keys += 1;
        }
        *slot = Slot { hash, offset };
        self.latest_offset = offset;
        Put::Done
    }

    /// Notes that everything up to `offset` has been looked at.
    pub(super) fn pass(&mut self, offset: i64) {
        self.latest_offset = self.latest_offset.max(offset);
    }

    /// Everything up to here is in the map; -1 if nothing is.
    pub(super) fn latest_offset(&self) -> i64 {
        self.latest_offset
    }

    /// Whether a record, which has a key, is the last of its key as far as the map knows.
    pub(super) fn is_latest(&self, key: &[u8], record: &Record) -> bool {
        let slot = self.slots.get(self.place_of(hash_of(key)));
        slot.is_none_or(|slot| record.offset >= slot.offset)
    }

    /// Where the hash is, or would be: there is always a free slot to end the search.
    fn place_of(&self, hash: [u64; 2]) -> usize {
        let mut at = (hash[0] % self.slots.len() as u64) as usize;
        while let Some(slot) = self.slots.get(at) {
            if slot.offset < 0 || slot.hash == hash {
                break;
            }
            at = (at + 1) % self.slots.len();
        }
        at
    }
}

fn hash_of(key: &[u8]) -> [u64; 2] {
    let digest = Sha256::digest(key);
    let mut words = digest
        .chunks_exact(8)
        .map(|word| u64::from_be_bytes(word.try_into().unwrap_or_default()));
    [(); 2].map(|()| words.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64) -> Record {
        Record {
            offset,
            timestamp: 0,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    #[test]
    fn the_last_offset_of_each_key_is_known() {
        let mut map = OffsetMap::new(1_000, 1 << 20, 0.9);
        for offset in 0..3_000 {
            let key = (offset % 1_000).to_string();
            assert_eq!(map.put(key.as_bytes(), offset), Put::Done, "{offset}");
        }
        assert_eq!(map.latest_offset(), 2_999);
        assert!(!map.is_latest(b"7", &record(1_007)));
        assert!(map.is_latest(b"7", &record(2_007)));
        assert!(map.is_latest(b"unknown", &record(1)));
    }

    #[test]
    fn a_full_map_takes_known_keys_and_says_how_far_it_came() {
        let mut map = OffsetMap::new(u64::MAX, 10 * SLOT_BYTES, 0.5);
        let mut offset = 0;
        while map.put(&i64::to_be_bytes(offset), offset) == Put::Done {
            offset += 1;
        }
        assert_eq!(offset, 5);
        assert_eq!(map.latest_offset(), 4);
        assert_eq!(map.put(&i64::to_be_bytes(2), 5), Put::Done);
        assert_eq!(map.latest_offset(), 5);
    }

    #[test]
    fn the_smallest_map_holds_one_key() {
        let mut map = OffsetMap::new(0, 0, 0.9);
        assert_eq!(map.put(b"a", 1), Put::Done);
        assert_eq!(map.put(b"b", 2), Put::Full);
    }
}
