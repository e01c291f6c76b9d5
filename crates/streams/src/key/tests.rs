use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn bytes_of(key: &impl Key) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.write(&mut bytes);
    bytes
}

fn round_trip<K: Key>(key: &K) {
    let bytes = bytes_of(key);
    assert_eq!(K::read(&bytes).expect("its own bytes"), *key);
    let mut behind = b"before".to_vec();
    key.write(&mut behind);
    assert_eq!(
        behind,
        [b"before".as_slice(), &bytes].concat(),
        "writing appends"
    );
    let mut route = b"before".to_vec();
    key.write_route(&mut route);
    assert_eq!(
        route,
        [b"before".as_slice(), K::route(&bytes)].concat(),
        "and so does a route"
    );
}

/// Reads bytes that anybody may have written as every kind of key.
fn read_as_each(bytes: &[u8]) {
    fn read<K: Key>(bytes: &[u8]) {
        if let Ok(key) = K::read(bytes) {
            round_trip(&key);
        }
        let _ = K::route(bytes);
    }
    read::<String>(bytes);
    read::<Arc<str>>(bytes);
    read::<i64>(bytes);
    read::<u64>(bytes);
    read::<i32>(bytes);
    read::<u16>(bytes);
    read::<bool>(bytes);
    read::<Uuid>(bytes);
    read::<Vec<u8>>(bytes);
    read::<Bytes>(bytes);
    read::<(String, i64)>(bytes);
    read::<(Vec<u8>, String, Uuid)>(bytes);
    read::<Windowed<String>>(bytes);
    read::<Windowed<(i32, String), SessionWindow>>(bytes);
    read::<Windowed<Windowed<String>>>(bytes);
}

proptest! {
    #[test]
    fn every_key_reads_as_it_was_written(
        text in ".*", number: i64, small: i16, flag: bool, id: u128, raw in vec(any::<u8>(), 0..40),
        start in 0_i64.., length in 0_i64..1_000_000,
    ) {
        round_trip(&text);
        round_trip(&Arc::<str>::from(text.as_str()));
        round_trip(&number);
        round_trip(&number.cast_unsigned());
        round_trip(&(number as i32));
        round_trip(&(number as u32));
        round_trip(&small);
        round_trip(&small.cast_unsigned());
        round_trip(&flag);
        round_trip(&Uuid::from_u128(id));
        round_trip(&raw);
        round_trip(&Bytes::from(raw.clone()));
        round_trip(&(text.clone(), number));
        round_trip(&(raw.clone(), text.clone(), small));
        round_trip(&((text.clone(), raw), (number, text.clone())));
        round_trip(&Windowed::new(text.clone(), TimeWindow { start, end: i64::MAX }));
        let end = start.saturating_add(length);
        round_trip(&Windowed::new((number, text), SessionWindow { start, end }));
    }

    #[test]
    fn bytes_that_anybody_may_write_are_read_or_refused(bytes in vec(any::<u8>(), 0..64)) {
        read_as_each(&bytes);
    }

    #[test]
    fn different_pairs_have_different_bytes(a in ("[ab]{0,3}", "[ab]{0,3}"), b in ("[ab]{0,3}", "[ab]{0,3}")) {
        prop_assert_eq!(a == b, bytes_of(&a) == bytes_of(&b));
    }
}

#[test]
fn a_pair_is_laid_out_as_kafka_streams_combined_keys_are() {
    let bytes = bytes_of(&("fk".to_owned(), 7_i64));
    assert_eq!(bytes, b"\0\0\0\x02fk\0\0\0\0\0\0\0\x07");
    assert_eq!(
        bytes_of(&("a".to_owned(), "b".to_owned(), "c".to_owned())),
        b"\0\0\0\x01a\0\0\0\x01bc"
    );
}

#[test]
fn all_windows_of_a_key_have_its_route() {
    let key = "cup".to_owned();
    let mut routes = HashMap::new();
    for start in [0, 60_000, 120_000] {
        let end = start + 60_000;
        let mut route = Vec::new();
        Windowed::new(key.clone(), TimeWindow { start, end }).write_route(&mut route);
        *routes.entry(route).or_insert(0) += 1;
        let mut route = Vec::new();
        Windowed::new(key.clone(), SessionWindow { start, end }).write_route(&mut route);
        *routes.entry(route).or_insert(0) += 1;
    }
    assert_eq!(routes, HashMap::from([(b"cup".to_vec(), 6)]));
}

#[test]
fn a_window_of_a_windowed_key_has_the_route_of_the_innermost_key() {
    let window = TimeWindow {
        start: 60,
        end: 120,
    };
    let mut route = Vec::new();
    Windowed::new(Windowed::new("cup".to_owned(), window), window).write_route(&mut route);
    assert_eq!(route, b"cup");
}

#[test]
fn hostile_bytes_are_refused_and_the_error_says_what_was_wrong() {
    fn refused<K: Key>(bytes: &[u8], expected: &str) {
        let error = K::read(bytes).expect_err("hostile").to_string();
        assert_eq!(error, expected);
    }
    refused::<i64>(b"1234567", "long: 7 bytes, where it has 8");
    refused::<i16>(b"", "short: 0 bytes, where it has 2");
    refused::<bool>(b"\x02", "boolean: 2, where it is 0 or 1");
    refused::<bool>(b"", "boolean: 0 bytes, where it has 1");
    refused::<String>(
        b"a\xff",
        "string: not UTF-8: invalid utf-8 sequence of 1 bytes from index 1",
    );
    refused::<Uuid>(
        b"550e8400e29b41d4a716446655440000",
        "uuid: 32 bytes, where it has 36",
    );
    refused::<(String, String)>(b"\0\0", "pair: 2 bytes end within a length");
    refused::<(String, String)>(
        b"\xff\xff\xff\xffab",
        "pair: a part of 4294967295 bytes, where 2 are left",
    );
    refused::<(String, String, bool)>(
        b"\0\0\0\x01a\0\0\0\x01b",
        "boolean: 0 bytes, where it has 1",
    );
    refused::<Windowed<String>>(b"cup", "time-windowed: 3 bytes end within a time");
    refused::<Windowed<String>>(
        &[0xff; 8],
        "time-windowed: a window's bound of -1 is negative",
    );
    refused::<Windowed<String, SessionWindow>>(
        &[0; 15],
        "session-windowed: 7 bytes end within a time",
    );
    let backwards = [1_i64.to_be_bytes(), 2_i64.to_be_bytes()].concat();
    refused::<Windowed<String, SessionWindow>>(
        &backwards,
        "session-windowed: a session that ends at 1 and starts at 2",
    );
}

#[test]
fn an_uuid_in_upper_case_is_read_and_written_in_lower_case() {
    let key = Uuid::read(b"550E8400-E29B-41D4-A716-446655440000").expect("Java reads it too");
    assert_eq!(bytes_of(&key), b"550e8400-e29b-41d4-a716-446655440000");
}
