use super::*;
use crate::{Key, SessionWindow, TimeWindow, Windowed};
use uuid::Uuid;

/// What Apache Kafka 4.3.1's own serializers, partitioners and hash give; the file's first line says what is in it.
const VECTORS: &str = include_str!("kafka_4_3.tsv");

const COUNTS: [i32; 7] = [1, 2, 3, 7, 12, 50, 1000];

/// The lines of one kind: text, bytes and result.
fn vectors(kind: &str) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let of_kind: Vec<_> = VECTORS
        .lines()
        .filter_map(|line| {
            let mut columns = line.split('\t');
            let mut next = || columns.next().unwrap_or_default();
            (next() == kind).then(|| (next(), unhex(next()), next()))
        })
        .collect();
    assert!(!of_kind.is_empty(), "no vectors of {kind}");
    of_kind
}

fn unhex(text: &str) -> Vec<u8> {
    if text == "-" {
        return Vec::new();
    }
    let nibble = |digit: &u8| char::from(*digit).to_digit(16).expect("hex") as u8;
    text.as_bytes()
        .chunks(2)
        .map(|pair| {
            pair.iter()
                .map(nibble)
                .fold(0, |byte, nibble| byte << 4 | nibble)
        })
        .collect()
}

/// Holds a kind of key to Java: its bytes, its reading, and its partition for each number of partitions.
fn check<K: Key>(kind: &str, parse: impl Fn(&str) -> K) {
    for (text, expected, partitions) in vectors(kind) {
        let key = parse(text);
        let (mut bytes, mut route) = (Vec::new(), Vec::new());
        key.write(&mut bytes);
        key.write_route(&mut route);
        assert_eq!(bytes, expected, "the bytes of {key:?}");
        assert_eq!(route, K::route(&bytes), "the route of {key:?}");
        for (count, partition) in COUNTS.iter().zip(partitions.split(' ')) {
            let expected: i32 = partition.parse().expect("a partition");
            assert_eq!(
                partition_for(&route, *count),
                expected,
                "{key:?} of {count} partitions"
            );
        }
        let mut again = Vec::new();
        K::read(&bytes)
            .expect("Java's bytes are read")
            .write(&mut again);
        assert_eq!(again, bytes, "{key:?} read and written again");
    }
}

fn split_window(text: &str) -> (String, i64, i64) {
    let mut parts = text.split('@');
    let mut next = || parts.next().expect("a key in a window");
    let (key, start, end) = (next(), next(), next());
    (
        key.to_owned(),
        start.parse().expect("start"),
        end.parse().expect("end"),
    )
}

#[test]
fn partition_is_to_positive_murmur2_of_the_key_modulo_partitions_as_in_java() {
    check("string", str::to_owned);
    check("string", |text| Arc::<str>::from(text));
    check("long", |text| text.parse::<i64>().expect("long"));
    check("integer", |text| text.parse::<i32>().expect("integer"));
    check("short", |text| text.parse::<i16>().expect("short"));
    check("boolean", |text| text.parse::<bool>().expect("boolean"));
    check("uuid", |text| text.parse::<Uuid>().expect("uuid"));
}

#[test]
fn windowed_keys_have_javas_bytes_and_the_partition_of_their_key_alone() {
    check("time-windowed", |text| {
        let (key, start, end) = split_window(text);
        Windowed::new(key, TimeWindow { start, end })
    });
    check("session-windowed", |text| {
        let (key, start, end) = split_window(text);
        Windowed::new(key, SessionWindow { start, end })
    });
}

#[test]
fn the_partition_of_an_unsigned_key_is_that_of_javas_signed_one() {
    for (text, _, partitions) in vectors("long") {
        let key: i64 = text.parse().expect("long");
        let mut bytes = Vec::new();
        key.cast_unsigned().write(&mut bytes);
        let of_seven = partitions.split(' ').nth(3).expect("the fourth count is 7");
        assert_eq!(partition_for(&bytes, 7).to_string(), of_seven, "{key}");
    }
}

#[test]
fn murmur3_is_kafka_streams_128_bit_hash() {
    for (length, bytes, hash) in vectors("murmur3") {
        let [first, second] = murmur3(&bytes);
        assert_eq!(
            format!("{first:016x} {second:016x}"),
            hash,
            "of {length} bytes"
        );
    }
}

#[test]
fn a_hash_loses_its_sign_and_is_not_negated() {
    assert_eq!(to_positive(-1), i32::MAX);
    assert_eq!(to_positive(i32::MIN), 0);
    assert_eq!(to_positive(7), 7);
}

#[test]
#[should_panic(expected = "at least one partition")]
fn a_topic_without_partitions_is_refused() {
    partition_for(b"key", 0);
}

#[test]
fn a_partitioner_sees_topic_key_value_and_count_and_may_leave_a_record_to_its_key() {
    let partitioner = Partitioner::new(
        |topic: &str, key: Option<&String>, value: Option<&i64>, count| {
            assert_eq!((topic, count), ("orders", 3));
            match (key, value) {
                (Some(key), Some(_)) if key == "all" => {
                    Some(Partitions::Many((0..count).collect()))
                }
                (Some(_), Some(value)) => Some(Partitions::One(*value as i32 % count)),
                (_, None) | (None, _) => None,
            }
        },
    );
    let choose = |key: &str, value: Option<i64>| {
        partitioner.choose("orders", Some(&key.to_owned()), value.as_ref(), 3)
    };
    assert_eq!(choose("a", Some(5)), Some(Partitions::One(2)));
    assert_eq!(
        choose("all", Some(5)),
        Some(Partitions::Many(vec![0, 1, 2]))
    );
    assert_eq!(choose("a", None), None);
    assert_eq!(partitioner.choose("orders", None, Some(&1), 3), None);
}
