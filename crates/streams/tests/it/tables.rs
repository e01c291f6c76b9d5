//! Tables: what they take, what they tell of it, and tables grouped by another key.

use headwater_streams::context::DropReason;
use headwater_streams::store::Changelog;
use headwater_streams::test_driver::{CrashPoint, Disk, TestDriver};
use headwater_streams::{Builder, Headers, Materialized, Policy, Record, Topic};

use crate::results::{INPUT, header, pipe, results, show};

const PRICES: Topic<String, i64> = Topic::json("prices");
const ROWS: Topic<String, i64> = Topic::json("rows");

fn delete(driver: &mut TestDriver, key: &str, timestamp: i64) {
    let headers = Headers::default();
    driver.pipe_bytes("input", 0, Some(key.as_bytes()), None, timestamp, headers);
    driver.process();
}

fn table(b: &Builder) {
    show(b.table(INPUT, "rows"));
}

#[test]
fn an_unversioned_table_takes_an_out_of_order_record() {
    let mut driver = TestDriver::new("app", table);
    pipe(&mut driver, "a", 1, 10);
    pipe(&mut driver, "a", 2, 5);
    assert_eq!(results(&mut driver), ["a 1 @10", "a 2 @5"]);
    assert_eq!(
        driver
            .store::<String, i64>("rows")
            .get_stamped(&"a".to_owned()),
        Some((2, 5))
    );
}

#[test]
fn a_null_deletes_a_row_and_is_told() {
    let mut driver = TestDriver::new("app", table);
    pipe(&mut driver, "a", 1, 1);
    delete(&mut driver, "a", 2);
    delete(&mut driver, "never there", 3);
    assert_eq!(
        results(&mut driver),
        ["a 1 @1", "a - @2", "never there - @3"]
    );
    assert!(driver.store::<String, i64>("rows").all().is_empty());
}

#[test]
fn a_deleted_row_stays_deleted_when_the_store_is_restored() {
    let mut driver = TestDriver::new("app", table);
    pipe(&mut driver, "a", 1, 1);
    pipe(&mut driver, "b", 1, 1);
    results(&mut driver);
    delete(&mut driver, "a", 2);
    results(&mut driver);
    driver.crash_at(CrashPoint::Processing, Disk::Lost);
    assert_eq!(
        driver.store::<String, i64>("rows").all(),
        [("b".to_owned(), 1)]
    );
}

#[test]
fn a_record_that_was_skipped_is_no_row_after_a_restore_either() {
    let mut driver = TestDriver::builder("app")
        .policy(&Policy::Skip)
        .build(table);
    pipe(&mut driver, "a", 1, 1);
    for (key, value, timestamp) in [
        (&b"a"[..], &b"no number"[..], 2),
        (b"\xff no text", b"5", 3),
        (b"b", b"6", -1),
    ] {
        let headers = Headers::default();
        driver.pipe_bytes("input", 0, Some(key), Some(value), timestamp, headers);
    }
    assert_eq!(results(&mut driver), ["a 1 @1"]);
    driver.crash_at(CrashPoint::Processing, Disk::Lost);
    assert_eq!(driver.restored(), 4);
    assert_eq!(
        driver.store::<String, i64>("rows").all(),
        [("a".to_owned(), 1)]
    );
}

#[test]
fn a_record_without_a_key_is_no_row() {
    let mut driver = TestDriver::new("app", table);
    driver.pipe(&INPUT, Record::new(None, 1, 1));
    assert!(results(&mut driver).is_empty());
    assert_eq!(driver.dropped("rows", DropReason::NullKey), 1);
}

#[test]
fn the_source_topic_is_the_changelog_unless_its_bytes_or_times_are_others() {
    let changelog = |topology: fn(&Builder)| {
        let driver = TestDriver::new("app", topology);
        driver.topology().stores()[0].changelog.clone()
    };
    assert_eq!(changelog(table), Changelog::SourceTopic("input".to_owned()));
    let timed = |b: &Builder| {
        use headwater_streams::Timestamps;
        show(b.table(INPUT.timestamps(Timestamps::of_value(|time| *time)), "rows"));
    };
    assert!(matches!(changelog(timed), Changelog::Topic(_)));
    let guessed = |b: &Builder| {
        use headwater_streams::{OnInvalid, Timestamps};
        let times = Timestamps::of_record().on_invalid(OnInvalid::PartitionTime);
        show(b.table(INPUT.timestamps(times), "rows"));
    };
    assert!(matches!(changelog(guessed), Changelog::Topic(_)));
    let unlogged =
        |b: &Builder| show(b.table(INPUT, Materialized::named("rows").without_changelog()));
    assert_eq!(changelog(unlogged), Changelog::None);
}

#[test]
fn a_filtered_table_deletes_what_no_longer_satisfies_and_tells_nothing_of_what_never_did() {
    let mut driver = TestDriver::new("app", |b| {
        show(b.table(INPUT, "rows").filter(|value| *value > 10));
    });
    for (value, timestamp) in [(1, 1), (20, 2), (21, 3), (5, 4), (6, 5)] {
        pipe(&mut driver, "a", value, timestamp);
    }
    assert_eq!(results(&mut driver), ["a 20 @2", "a 21 @3", "a - @4"]);
}

#[test]
fn a_mapped_table_keeps_keys_times_headers_and_tombstones() {
    let mut driver = TestDriver::new("app", |b| {
        let rows = b.table(INPUT, "rows");
        rows.map_with_key(|key, value| format!("{key}{value}").len() as i64)
            .try_map(|value| u32::try_from(value).map(i64::from))
            .to(ROWS);
    });
    let mut first = Record::new("a".to_owned(), 100, 7);
    first.headers = header("1");
    driver.pipe(&INPUT, first.clone());
    delete(&mut driver, "a", 8);
    driver.run();
    let written = driver.read_bytes("rows");
    assert_eq!(written[0].1.value.as_deref(), Some(&b"4"[..]));
    assert_eq!(
        (written[0].1.timestamp, &written[0].1.headers),
        (7, &first.headers)
    );
    assert_eq!(
        (written[1].1.value.as_deref(), written[1].1.timestamp),
        (None, 8)
    );
}

#[test]
fn a_stream_becomes_a_table_and_a_tables_stream_becomes_one_again() {
    let mut driver = TestDriver::new("app", |b| {
        let rows = b
            .stream(INPUT)
            .filter(|value| *value != 0)
            .to_table("first");
        let again = rows
            .filter(|value| *value < 10)
            .to_stream()
            .to_table_with_tombstones("second");
        show(again.materialize("third"));
    });
    for (value, timestamp) in [(1, 1), (0, 2), (20, 3)] {
        pipe(&mut driver, "a", value, timestamp);
    }
    assert_eq!(results(&mut driver), ["a 1 @1", "a - @3"]);
    assert_eq!(
        driver.store::<String, i64>("first").all(),
        [("a".to_owned(), 20)]
    );
    assert!(driver.store::<String, i64>("second").all().is_empty());
    assert!(driver.store::<String, i64>("third").all().is_empty());
}

#[test]
fn both_tables_of_a_tee_see_old_and_new_values() {
    let mut driver = TestDriver::new("app", |b| {
        let (first, second) = b.table(INPUT, "rows").tee();
        first.to(ROWS);
        show(
            second
                .group_by("all", |_, value| ("all".to_owned(), value))
                .fold(
                    "sums",
                    0_i64,
                    |sum, value| *sum += value,
                    |sum, value| *sum -= value,
                ),
        );
    });
    for (key, value, timestamp) in [("a", 5, 1), ("b", 6, 2), ("a", 1, 3)] {
        pipe(&mut driver, key, value, timestamp);
    }
    assert_eq!(results(&mut driver), ["all 5 @1", "all 11 @2", "all 7 @3"]);
    assert_eq!(driver.values(&ROWS), [5, 6, 1]);
}

/// Rows by whether their value is even.
fn grouped(b: &Builder) {
    let parity = |_: &String, value: i64| ((value % 2).to_string(), value);
    let groups = b.table(INPUT, "rows").group_by("parity", parity);
    show(groups.fold(
        "sums",
        0_i64,
        |sum, value| *sum += value,
        |sum, value| *sum -= value,
    ));
}

#[test]
fn a_row_that_stays_in_its_group_goes_there_as_one_record_else_the_old_value_goes_first() {
    let mut driver = TestDriver::new("app", grouped);
    pipe(&mut driver, "a", 2, 1);
    pipe(&mut driver, "b", 4, 2);
    pipe(&mut driver, "a", 6, 3);
    pipe(&mut driver, "a", 7, 4);
    delete(&mut driver, "b", 5);
    let expected = ["0 2 @1", "0 6 @2", "0 10 @3", "0 4 @4", "1 7 @4", "0 0 @5"];
    assert_eq!(results(&mut driver), expected);
    let sent = driver.read_bytes("app-parity-repartition");
    let sent: Vec<_> = sent
        .iter()
        .map(|(_, record)| record.value.as_deref().unwrap_or_default())
        .collect();
    assert_eq!(
        sent,
        [
            &b"2\x01"[..],
            b"4\x01",
            b"\x0262\x02",
            b"6\x00",
            b"7\x01",
            b"4\x00"
        ]
    );
}

#[test]
fn a_groups_timestamp_is_the_largest_of_its_rows() {
    let mut driver = TestDriver::new("app", grouped);
    pipe(&mut driver, "a", 2, 9);
    pipe(&mut driver, "b", 4, 3);
    assert_eq!(results(&mut driver), ["0 2 @9", "0 6 @9"]);
}

#[test]
fn groups_are_counted_and_reduced() {
    let mut driver = TestDriver::new("app", |b| {
        let (first, second) = b.table(INPUT, "rows").tee();
        let first_digit = |key: &String, value: i64| (key[..1].to_owned(), value);
        show(first.group_by("by-digit", first_digit).count("counts"));
        let groups = second.group_by("by-digit-too", first_digit);
        groups
            .reduce("sums", |sum, value| sum + value, |sum, value| sum - value)
            .to(ROWS);
    });
    for (key, value, timestamp) in [("1a", 5, 1), ("1b", 6, 2), ("1a", 1, 3)] {
        pipe(&mut driver, key, value, timestamp);
    }
    delete(&mut driver, "1b", 4);
    assert_eq!(
        results(&mut driver),
        ["1 1 @1", "1 2 @2", "1 2 @3", "1 1 @4"]
    );
    assert_eq!(driver.values(&ROWS), [5, 11, 7, 1]);
}

#[test]
fn an_aggregate_grouped_again_subtracts_nothing_for_a_key_that_is_new() {
    // Kafka Streams hands on the initial value as the old one, and takes it out of a group it was never in.
    let mut driver = TestDriver::new("app", |b| {
        let counts = b
            .stream(INPUT)
            .fold("sums", 0_i64, |sum, value| *sum += value);
        show(
            counts
                .group_by("by-sum", |_, sum| (sum.to_string(), 1))
                .count("keys"),
        );
    });
    for (key, value) in [("a", 0), ("b", 0), ("c", 5)] {
        pipe(&mut driver, key, value, 1);
    }
    assert_eq!(results(&mut driver), ["0 1 @1", "0 2 @1", "5 1 @1"]);
}

#[test]
fn prices_of_any_topic_are_read_by_the_topics_codec() {
    let mut driver = TestDriver::new("app", |b| b.table(PRICES, "prices").to(ROWS));
    driver
        .pipe(&PRICES, Record::new("a".to_owned(), 3, 1))
        .run();
    assert_eq!(driver.values(&ROWS), [3]);
}
