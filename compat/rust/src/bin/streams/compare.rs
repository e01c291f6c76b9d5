//! Two programs' records, compared: what differs is counted, and the first of it told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::cases::Order;

/// How many differences of a topic are told.
const TOLD: usize = 3;

/// A record as it lies in a topic.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Read {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) timestamp: i64,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}@{} {}",
            shown(self.key.as_ref()),
            self.timestamp,
            shown(self.value.as_ref())
        )?;
        for (name, value) in &self.headers {
            write!(f, " [{name}={}]", shown(value.as_ref()))?;
        }
        Ok(())
    }
}

fn shown(bytes: Option<&Vec<u8>>) -> String {
    bytes.map_or_else(
        || "null".to_owned(),
        |bytes| format!("\"{}\"", bytes.escape_ascii()),
    )
}

/// What differs between two topics.
#[derive(Default)]
pub(crate) struct Differences {
    pub(crate) count: usize,
    pub(crate) told: Vec<String>,
}

impl Differences {
    fn add(&mut self, tell: impl FnOnce() -> String) {
        self.count += 1;
        if self.told.len() < TOLD {
            self.told.push(tell());
        }
    }
}

/// Compares outputs: the records at the same place, of a partition or of a key in it.
pub(crate) fn outputs(order: Order, expected: &[Read], found: &[Read]) -> Differences {
    let (expected, found) = (sequences(order, expected), sequences(order, found));
    let mut differences = Differences::default();
    let sequences: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    for sequence in sequences {
        let none = Vec::new();
        let one = expected.get(sequence).unwrap_or(&none);
        let other = found.get(sequence).unwrap_or(&none);
        for place in 0..one.len().max(other.len()) {
            let (one, other) = (one.get(place), other.get(place));
            if one != other {
                let partition = sequence.0;
                differences.add(|| {
                    let (one, other) = (text(one), text(other));
                    format!("partition {partition}, record {place}: expected {one}, found {other}")
                });
            }
        }
        let sorted = |records: &[Read]| {
            let mut records = records.to_vec();
            records.sort();
            records
        };
        if one != other && sorted(one) == sorted(other) {
            differences
                .told
                .push("they are the same records in another order".to_owned());
        }
    }
    differences
}

fn text(read: Option<&Read>) -> String {
    read.map_or_else(|| "no record".to_owned(), ToString::to_string)
}

/// A partition, and a key where each has its own order.
type Sequence = (i32, Option<Vec<u8>>);

/// Records without a key go to whichever partition the producer likes, so that they have no order.
const ANYWHERE: Sequence = (-1, None);

fn sequences(order: Order, records: &[Read]) -> BTreeMap<Sequence, Vec<Read>> {
    let mut sequences: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in records {
        let mut record = record.clone();
        let key = record.key.clone();
        let sequence = match order {
            _ if key.is_none() => ANYWHERE,
            Order::Partition => (record.partition, None),
            Order::Key => (record.partition, key),
        };
        record.partition = sequence.0;
        sequences.entry(sequence).or_default().push(record);
    }
    if let Some(anywhere) = sequences.get_mut(&ANYWHERE) {
        anywhere.sort();
    }
    sequences
}

/// Compares topics of a program's own by where each key is, and by which keys have a value in the end.
///
/// Not by how often a key was written: one program writes each change, the other the last of each commit.
pub(crate) fn keys(expected: &[Read], found: &[Read]) -> Differences {
    let (expected, found) = (places(expected), places(found));
    let mut differences = Differences::default();
    let all: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    for key in all {
        match (expected.get(key), found.get(key)) {
            (Some(one), Some(other)) if one.partitions != other.partitions => {
                differences.add(|| {
                    let (expected, found) = (&one.partitions, &other.partitions);
                    format!(
                        "key {}: expected in {expected:?}, found in {found:?}",
                        shown(Some(key))
                    )
                });
            }
            (Some(one), Some(other)) if one.live == other.live => {}
            // Written and deleted within a commit.
            (Some(one), None) if !one.live => {}
            (None, Some(other)) if !other.live => {}
            (one, other) => differences.add(|| {
                let said = |place: Option<&Place>| match place {
                    None => "no record",
                    Some(Place { live: true, .. }) => "a value",
                    Some(_) => "a tombstone",
                };
                format!(
                    "key {}: expected {}, found {}",
                    shown(Some(key)),
                    said(one),
                    said(other)
                )
            }),
        }
    }
    differences
}

#[derive(Default)]
struct Place {
    partitions: BTreeSet<i32>,
    live: bool,
}

fn places(records: &[Read]) -> BTreeMap<Vec<u8>, Place> {
    let mut places: BTreeMap<Vec<u8>, Place> = BTreeMap::new();
    for record in records {
        let Some(key) = &record.key else {
            continue;
        };
        let place = places.entry(key.clone()).or_default();
        place.partitions.insert(record.partition);
        place.live = record.value.is_some();
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(partition: i32, key: &str, value: Option<&str>, timestamp: i64) -> Read {
        Read {
            partition,
            key: Some(key.into()),
            value: value.map(Into::into),
            timestamp,
            headers: vec![("n".into(), Some(b"1".into()))],
        }
    }

    fn count(order: Order, found: &[Read]) -> usize {
        let expected = [
            read(0, "a", Some("1"), 5),
            read(0, "b", Some("2"), 6),
            read(1, "c", None, 7),
        ];
        outputs(order, &expected, found).count
    }

    #[test]
    fn equal_records_do_not_differ() {
        let same = [
            read(1, "c", None, 7),
            read(0, "a", Some("1"), 5),
            read(0, "b", Some("2"), 6),
        ];
        assert_eq!(count(Order::Partition, &same), 0);
        assert_eq!(count(Order::Key, &same), 0);
    }

    #[test]
    fn each_part_of_a_record_counts() {
        let (b, c) = (read(0, "b", Some("2"), 6), read(1, "c", None, 7));
        let mut headers = read(0, "a", Some("1"), 5);
        headers.headers.clear();
        for a in [
            read(0, "A", Some("1"), 5),
            read(0, "a", Some("9"), 5),
            read(0, "a", None, 5),
            read(0, "a", Some("1"), 6),
            headers,
        ] {
            assert_eq!(count(Order::Partition, &[a, b.clone(), c.clone()]), 1);
        }
        let elsewhere = read(1, "a", Some("1"), 5);
        assert!(count(Order::Key, &[elsewhere, b.clone(), c.clone()]) > 0);
        assert!(count(Order::Partition, &[b, c]) > 0);
    }

    #[test]
    fn records_without_a_key_may_be_anywhere() {
        let keyless = |partition, timestamp| Read {
            key: None,
            ..read(partition, "", Some("1"), timestamp)
        };
        let expected = [keyless(0, 1), keyless(1, 2)];
        assert_eq!(
            outputs(Order::Partition, &expected, &[keyless(2, 2), keyless(2, 1)]).count,
            0
        );
        assert_eq!(
            outputs(Order::Partition, &expected, &[keyless(2, 2), keyless(2, 3)]).count,
            2
        );
    }

    #[test]
    fn an_order_across_keys_counts_where_it_is_kept() {
        let turned = [
            read(0, "b", Some("2"), 6),
            read(0, "a", Some("1"), 5),
            read(1, "c", None, 7),
        ];
        assert_eq!(count(Order::Partition, &turned), 2);
        assert_eq!(count(Order::Key, &turned), 0);
    }

    #[test]
    fn keys_are_compared_by_partition_and_by_what_is_left_of_them() {
        let expected = [
            read(0, "a", Some("1"), 1),
            read(0, "a", Some("2"), 2),
            read(1, "b", Some("1"), 1),
            read(1, "b", None, 2),
        ];
        let differ = |found: &[Read]| keys(&expected, found).count;
        assert_eq!(differ(&[read(0, "a", Some("2"), 2)]), 0);
        assert_eq!(differ(&[read(2, "a", Some("2"), 2)]), 1);
        assert_eq!(differ(&[read(0, "a", None, 2)]), 1);
        assert_eq!(differ(&[]), 1);
        assert_eq!(
            differ(&[read(0, "a", Some("2"), 2), read(1, "b", Some("1"), 1)]),
            1
        );
    }
}
