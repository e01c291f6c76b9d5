//! What the programs are fed: made from a seed, the same whenever and wherever it runs but for the day.

use std::collections::HashSet;

use crate::cases::{Case, Feed, Input, Values};

pub(crate) const PARTITIONS: i32 = 3;

/// How many records a topology that is fed at once reads.
const RECORDS: u64 = 900;
const PHASES: u64 = 12;
/// From a record to the next in milliseconds, on average.
const STEP_MS: u64 = 250;
/// Of a hundred records, how many come out of order but within every grace period, and how many after all of them.
const DISORDER: u64 = 12;
const LATE: u64 = 4;
const HOUR_MS: i64 = 3_600_000;
const WORDS: &[&str] = &["river", "lake", "spring", "stone", "sand", "reed"];

/// A record of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fed {
    pub(crate) input: usize,
    pub(crate) partition: i32,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) timestamp: i64,
    /// Its place among all of the case: its header.
    pub(crate) number: u64,
}

/// The records of a case, phase by phase. No two have the same time.
///
/// `now` in milliseconds decides the hour: the records must not be so old that retention takes what becomes of them.
pub(crate) fn generate(case: &Case, seed: u64, now: i64) -> Vec<Vec<Fed>> {
    let mut source = Source {
        random: Random(seed),
        base: now / HOUR_MS * HOUR_MS - HOUR_MS,
        times: HashSet::new(),
        number: 0,
    };
    match case.feed {
        Feed::AtOnce => {
            let records = (0..RECORDS).map(|_| {
                let input = source.input(case);
                let key = source.random.below(case.inputs[input].keys);
                source.record(&case.inputs[input], input, key)
            });
            vec![records.collect()]
        }
        Feed::InPhases => (0..PHASES)
            .map(|_| {
                let input = source.input(case);
                let all = 0..case.inputs[input].keys;
                let some: Vec<_> = all.filter(|_| source.random.hits(60)).collect();
                let record = |key| source.record(&case.inputs[input], input, key);
                some.into_iter().map(record).collect()
            })
            .collect(),
    }
}

struct Source {
    random: Random,
    base: i64,
    times: HashSet<i64>,
    number: u64,
}

impl Source {
    fn input(&mut self, case: &Case) -> usize {
        let mut place = self
            .random
            .below(case.inputs.iter().map(|input| input.share).sum());
        for (index, input) in case.inputs.iter().enumerate() {
            if place < input.share {
                return index;
            }
            place -= input.share;
        }
        0
    }

    fn record(&mut self, of: &Input, input: usize, key: u64) -> Fed {
        let number = self.number;
        self.number += 1;
        let timestamp = self.timestamp(number);
        let name = format!("k{key}");
        let partition = partition_of(name.as_bytes());
        Fed {
            input,
            partition,
            key: (!self.random.hits(of.null_keys)).then_some(name),
            value: (!self.random.hits(of.nulls)).then(|| self.value(of.values, partition, number)),
            timestamp,
            number,
        }
    }

    fn timestamp(&mut self, number: u64) -> i64 {
        let mut after = number * STEP_MS + self.random.below(STEP_MS);
        let before = match self.random.below(100) {
            place if place < LATE => 15_000 + self.random.below(25_000),
            place if place < LATE + DISORDER => self.random.below(4_000),
            _ => 0,
        };
        after = after.saturating_sub(before);
        let mut timestamp = self.base + after as i64;
        while !self.times.insert(timestamp) {
            timestamp += 1;
        }
        timestamp
    }

    fn value(&mut self, values: Values, partition: i32, number: u64) -> String {
        match values {
            Values::Plain => format!("v{number}"),
            Values::Words => {
                let word = |random: &mut Random| {
                    let word = WORDS[random.below(WORDS.len() as u64) as usize];
                    format!("{word}{partition}")
                };
                let count = 1 + self.random.below(3);
                let words: Vec<_> = (0..count).map(|_| word(&mut self.random)).collect();
                words.join(" ")
            }
            Values::Grouped => format!("g{partition}-{}|v{number}", self.random.below(3)),
            Values::Amount => {
                let group = self.random.below(3);
                format!("g{partition}-{group}|{}", self.random.below(1_000))
            }
            Values::Foreign(_) if self.random.hits(10) => format!("-|v{number}"),
            // A few are of rows that never come.
            Values::Foreign(keys) => format!("k{}|v{number}", self.random.below(keys + 2)),
        }
    }
}

/// Where Java's producer puts a key. Not the code under test: that must agree with it.
fn partition_of(key: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    for block in key.chunks(4) {
        if let Ok(block) = <[u8; 4]>::try_from(block) {
            let mixed = u32::from_le_bytes(block).wrapping_mul(M);
            hash = hash.wrapping_mul(M) ^ (mixed ^ (mixed >> 24)).wrapping_mul(M);
        } else {
            for (place, byte) in block.iter().enumerate() {
                hash ^= u32::from(*byte) << (8 * place);
            }
            hash = hash.wrapping_mul(M);
        }
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^= hash >> 15;
    (hash & i32::MAX.cast_unsigned()) as i32 % PARTITIONS
}

/// Splitmix64: this file's own, so that no library's new version changes what a seed stands for.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn hits(&mut self, of_hundred: u64) -> bool {
        self.below(100) < of_hundred
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::cases::CASES;

    #[test]
    fn a_seed_stands_for_the_same_records() {
        for case in CASES {
            assert_eq!(
                generate(case, 7, HOUR_MS * 9),
                generate(case, 7, HOUR_MS * 9)
            );
            assert_ne!(
                generate(case, 7, HOUR_MS * 9),
                generate(case, 8, HOUR_MS * 9)
            );
        }
    }

    #[test]
    fn keys_are_where_java_puts_them() {
        // Of three partitions, by the default partitioner of Kafka 4.3.1.
        let keys = [
            "a",
            "ab",
            "abc",
            "abcd",
            "order-1",
            "customer:42",
            "21",
            "3FRs6vZV2MV",
        ];
        let places = keys.map(|key| partition_of(key.as_bytes()));
        assert_eq!(places, [1, 2, 0, 2, 1, 2, 0, 0]);
    }

    #[test]
    fn no_two_records_have_the_same_time() {
        for case in CASES {
            let fed = generate(case, 1, HOUR_MS * 9).concat();
            let times: BTreeSet<_> = fed.iter().map(|record| record.timestamp).collect();
            assert_eq!(times.len(), fed.len(), "{}", case.name);
        }
    }

    #[test]
    fn words_and_groups_are_of_one_partition() {
        for case in CASES {
            let mut partitions = BTreeMap::new();
            for record in generate(case, 1, HOUR_MS * 9).concat() {
                let value = record.value.unwrap_or_default();
                let names: Vec<_> = match case.inputs[record.input].values {
                    Values::Words => value.split(' ').map(str::to_owned).collect(),
                    Values::Grouped | Values::Amount => {
                        value.split('|').take(1).map(str::to_owned).collect()
                    }
                    _ => continue,
                };
                for name in names.into_iter().filter(|name| !name.is_empty()) {
                    let partition = partitions.entry(name).or_insert(record.partition);
                    assert_eq!(*partition, record.partition);
                }
            }
        }
    }

    #[test]
    fn a_key_comes_once_in_a_phase_and_from_one_input() {
        for case in CASES.iter().filter(|case| case.feed == Feed::InPhases) {
            for phase in generate(case, 1, HOUR_MS * 9) {
                let keys: BTreeSet<_> = phase.iter().map(|record| &record.key).collect();
                assert_eq!(keys.len(), phase.len());
                assert!(phase.iter().all(|record| record.input == phase[0].input));
            }
        }
    }
}
