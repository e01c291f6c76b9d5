//! Operators without state: what becomes of keys, values and the number of records.

use std::sync::{Arc, Mutex};

use headwater_streams::test_driver::TestDriver;
use headwater_streams::{Builder, Policy, Record, Topic};

const NUMBERS: Topic<String, u64> = Topic::json("numbers");
const OTHERS: Topic<String, u64> = Topic::json("others");
const TEXTS: Topic<String, String> = Topic::string("texts");

/// The texts that come of these numbers, with their keys.
fn texts(numbers: &[u64], topology: impl Fn(&Builder) + Send + Sync + 'static) -> Vec<String> {
    let mut driver = TestDriver::builder("app")
        .policy(&Policy::Skip)
        .build(topology);
    for number in numbers {
        let record = Record::new("k".to_owned(), *number, 1);
        driver.pipe(&NUMBERS, record);
    }
    driver.run();
    let texts = driver.key_values(&TEXTS).into_iter();
    texts.map(|(key, text)| format!("{key} {text}")).collect()
}

#[test]
fn values_are_mapped_and_filtered_with_their_keys_or_without() {
    let mapped = texts(&[1, 2, 3, 4], |b| {
        b.stream(NUMBERS)
            .filter(|n| *n > 1)
            .filter_with_key(|key, n| key.is_some_and(|key| key == "k") && *n < 4)
            .map(|n| n * 10)
            .map_with_key(|key, n| format!("{}:{n}", key.map_or("-", String::as_str)))
            .to(TEXTS);
    });
    assert_eq!(mapped, ["k k:20", "k k:30"]);
}

#[test]
fn one_record_becomes_none_or_many_in_their_order() {
    let many = texts(&[0, 2, 3], |b| {
        b.stream(NUMBERS)
            .flat_map(|n| (0..n).map(move |part| format!("{part} of {n}")))
            .to(TEXTS);
    });
    assert_eq!(
        many,
        ["k 0 of 2", "k 1 of 2", "k 0 of 3", "k 1 of 3", "k 2 of 3"]
    );
}

#[test]
fn keys_are_changed_and_whole_records_too() {
    let keyed = texts(&[1, 2], |b| {
        b.stream(NUMBERS)
            .map_key(|_, n| format!("key{n}"))
            .map(|n| n.to_string())
            .to(TEXTS);
    });
    assert_eq!(keyed, ["key1 1", "key2 2"]);
    let whole = texts(&[1, 2], |b| {
        b.stream(NUMBERS)
            .map_record(|record| {
                let twin = |key: &str| {
                    let record = record.clone().with_key(key.to_owned());
                    record.map(|n| n.to_string())
                };
                vec![twin("a"), twin("b")]
            })
            .to(TEXTS);
    });
    assert_eq!(whole, ["a 1", "b 1", "a 2", "b 2"]);
}

#[test]
fn closures_that_fail_are_treated_by_the_policy_and_the_others_go_on() {
    let tried = texts(&[1, 2, 3, 4], |b| {
        b.stream(NUMBERS)
            .try_filter(|n| if *n == 2 { Err("two") } else { Ok(*n != 1) })
            .try_map(|n| {
                if n == 3 {
                    Err("three")
                } else {
                    Ok(n.to_string())
                }
            })
            .to(TEXTS);
    });
    assert_eq!(tried, ["k 4"]);
}

#[test]
fn streams_are_merged_teed_and_looked_at_on_their_way() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seeing = Arc::clone(&seen);
    let mut driver = TestDriver::new("app", move |b: &Builder| {
        let seeing = Arc::clone(&seeing);
        let numbers = b.stream(NUMBERS).merge(b.stream(OTHERS));
        let (first, second) = numbers
            .inspect(move |record| seeing.lock().unwrap().push(record.value))
            .tee();
        first
            .map(|n| format!("first {n}"))
            .merge(second.map(|n| format!("second {n}")))
            .to(TEXTS);
    });
    driver
        .pipe(&NUMBERS, Record::new("k".to_owned(), 1, 1))
        .pipe(&OTHERS, Record::new("k".to_owned(), 2, 2))
        .run();
    assert_eq!(
        driver.values(&TEXTS),
        ["first 1", "second 1", "first 2", "second 2"]
    );
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
}
