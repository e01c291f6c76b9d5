//! Which partition a record goes to: the hashes of Java's clients and of Kafka Streams, and a partitioner of one's own.

use std::fmt;
use std::sync::Arc;

/// The 32-bit murmur2 hash of Kafka's default partitioner, with its seed.
pub fn murmur2(bytes: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c_u32 ^ bytes.len() as u32;
    let (blocks, tail) = bytes.as_chunks::<4>();
    for block in blocks {
        let mut k = u32::from_le_bytes(*block).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        let rest = tail
            .iter()
            .rev()
            .fold(0_u32, |rest, byte| (rest << 8) | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    (hash ^ (hash >> 15)).cast_signed()
}

/// A hash without its sign, as Java's `Utils.toPositive`: the sign bit is cleared, which differs from the absolute value.
pub const fn to_positive(hash: i32) -> i32 {
    hash & i32::MAX
}

/// The partition of a key, of `partitions`, as Java's default partitioner and Kafka Streams choose it.
///
/// `route` is the part of the key's bytes that counts (see [`Key::route`](crate::Key::route)).
///
/// # Panics
///
/// If `partitions` is not positive: a topic has at least one.
pub fn partition_for(route: &[u8], partitions: i32) -> i32 {
    assert!(
        partitions > 0,
        "a topic has at least one partition, not {partitions}"
    );
    to_positive(murmur2(route)) % partitions
}

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

fn mix_first(k: u64) -> u64 {
    k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn mix_second(k: u64) -> u64 {
    k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn finish(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The 128-bit murmur3 hash with Kafka Streams' seed, its two halves in order.
///
/// Foreign-key joins tell by it whether a response still answers the value of the left side.
pub fn murmur3(bytes: &[u8]) -> [u64; 2] {
    const SEED: u64 = 104_729;
    let (mut h1, mut h2) = (SEED, SEED);
    let (blocks, tail) = bytes.as_chunks::<16>();
    for block in blocks {
        let (k1, k2) = halves(*block);
        h1 = (h1 ^ mix_first(k1)).rotate_left(27).wrapping_add(h2);
        h1 = h1.wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ mix_second(k2)).rotate_left(31).wrapping_add(h1);
        h2 = h2.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    // A half that is all zeros mixes to zero, so the tail needs no lengths of its own.
    let mut last = [0; 16];
    for (place, byte) in last.iter_mut().zip(tail) {
        *place = *byte;
    }
    let (k1, k2) = halves(last);
    h1 ^= mix_first(k1) ^ bytes.len() as u64;
    h2 ^= mix_second(k2) ^ bytes.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    h1 = finish(h1);
    h2 = finish(h2);
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    [h1, h2]
}

fn halves(block: [u8; 16]) -> (u64, u64) {
    let whole = u128::from_le_bytes(block);
    (whole as u64, (whole >> 64) as u64)
}

/// Where a partitioner sends one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitions {
    /// To one partition.
    One(i32),
    /// To each of these, as KIP-837 allows; to none if there are none, which drops the record.
    Many(Vec<i32>),
}

type ChooseFn<K, V> = dyn Fn(&str, Option<&K>, Option<&V>, i32) -> Option<Partitions> + Send + Sync;

/// Chooses the partitions of a topic's records. Kafka Streams' `StreamPartitioner`.
pub struct Partitioner<K, V>(Arc<ChooseFn<K, V>>);

impl<K, V> Partitioner<K, V> {
    /// A partitioner that asks `choose`, which gets the topic, the key, the value (none for a tombstone) and the
    /// number of partitions; where it answers none, the record goes where it would without.
    pub fn new(
        choose: impl Fn(&str, Option<&K>, Option<&V>, i32) -> Option<Partitions> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(choose))
    }

    /// Where to send the record; none leaves it to its key. Partitions below 0 or from `partitions` on are left for
    /// the caller to refuse.
    pub fn choose(
        &self,
        topic: &str,
        key: Option<&K>,
        value: Option<&V>,
        partitions: i32,
    ) -> Option<Partitions> {
        self.0(topic, key, value, partitions)
    }
}

impl<K, V> Clone for Partitioner<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> fmt::Debug for Partitioner<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Partitioner")
    }
}

#[cfg(test)]
mod tests;
