//! Versioned tables (KIP-889, KIP-914, KIP-923): records out of order, joins as of a time.

use std::time::Duration;

use bytes::Bytes;
use headwater_streams::context::DropReason;
use headwater_streams::serde::{KeySerde, Nullable, Utf8};
use headwater_streams::test_driver::{CrashPoint, Disk, TestDriver};
use headwater_streams::{Builder, Record, Topic};

const ROWS: Topic<i32, String> = Topic::string("rows");
const CHANGES: Topic<i32, Option<String>> = Topic::new("rows", &KeySerde, &Nullable(Utf8));
const OTHERS: Topic<i32, String> = Topic::string("others");
const STREAM: Topic<i32, String> = Topic::string("stream");
const OUT: Topic<i32, Option<String>> = Topic::new("out", &KeySerde, &Nullable(Utf8));

const HISTORY: Duration = Duration::from_millis(100);

#[track_caller]
fn row(driver: &mut TestDriver, key: i32, value: Option<&str>, at: i64) {
    driver.pipe(&CHANGES, Record::new(key, value.map(str::to_owned), at));
    driver.run();
}

#[track_caller]
fn ask(driver: &mut TestDriver, key: i32, value: &str, at: i64) {
    driver.pipe(&STREAM, Record::new(key, value.to_owned(), at));
    driver.run();
}

#[track_caller]
fn gives(driver: &mut TestDriver, expected: &[(i32, Option<&str>, i64)]) {
    let read: Vec<_> = driver
        .read(&OUT)
        .into_iter()
        .map(|record| (record.key, record.value, record.timestamp))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(key, value, at)| (Some(*key), value.map(str::to_owned), *at))
        .collect();
    assert_eq!(read, expected);
}

fn as_of(b: &Builder) {
    let rows = b.table_versioned(ROWS, "rows", HISTORY);
    b.stream(STREAM)
        .left_join_table(rows)
        .map(|(asked, row)| Some(format!("{asked}+{}", row.as_deref().unwrap_or("null"))))
        .to(OUT);
}

#[test]
fn a_stream_finds_the_version_of_its_own_time() {
    let mut driver = TestDriver::new("app", as_of);
    row(&mut driver, 1, Some("v10"), 10);
    row(&mut driver, 1, Some("v30"), 30);
    row(&mut driver, 1, None, 40);
    for at in [9, 10, 29, 30, 39, 40, 50] {
        ask(&mut driver, 1, &at.to_string(), at);
    }
    gives(
        &mut driver,
        &[
            (1, Some("9+null"), 9),
            (1, Some("10+v10"), 10),
            (1, Some("29+v10"), 29),
            (1, Some("30+v30"), 30),
            (1, Some("39+v30"), 39),
            (1, Some("40+null"), 40),
            (1, Some("50+null"), 50),
        ],
    );
}

#[test]
fn a_record_out_of_order_takes_its_place_among_the_versions() {
    let mut driver = TestDriver::new("app", as_of);
    row(&mut driver, 1, Some("v10"), 10);
    row(&mut driver, 1, Some("v30"), 30);
    row(&mut driver, 1, Some("v20"), 20);
    for at in [19, 20, 30] {
        ask(&mut driver, 1, &at.to_string(), at);
    }
    gives(
        &mut driver,
        &[
            (1, Some("19+v10"), 19),
            (1, Some("20+v20"), 20),
            (1, Some("30+v30"), 30),
        ],
    );
}

#[test]
fn what_is_older_than_the_history_is_dropped_and_counted() {
    let topology = |b: &Builder| {
        b.table_versioned(ROWS, "rows", HISTORY).to_stream().to(OUT);
    };
    let mut driver = TestDriver::new("app", topology);
    row(&mut driver, 1, Some("v200"), 200);
    row(&mut driver, 1, Some("v99"), 99);
    row(&mut driver, 1, Some("v100"), 100);
    gives(
        &mut driver,
        &[(1, Some("v200"), 200), (1, Some("v100"), 100)],
    );
    assert_eq!(driver.dropped_in_all(DropReason::Expired), 1);
}

#[test]
fn to_stream_emits_a_record_out_of_order_and_a_table_join_does_not() {
    let topology = |b: &Builder| {
        let (rows, same) = b.table_versioned(ROWS, "rows", HISTORY).tee();
        rows.to_stream().to(OUT);
        same.join(b.table(OTHERS, "others"))
            .map(|(row, other)| format!("{row}+{other}"))
            .to_stream()
            .to(OUT);
    };
    let mut driver = TestDriver::new("app", topology);
    driver
        .pipe(&OTHERS, Record::new(1, "x".to_owned(), 1))
        .run();
    row(&mut driver, 1, Some("v30"), 30);
    gives(&mut driver, &[(1, Some("v30"), 30), (1, Some("v30+x"), 30)]);
    row(&mut driver, 1, Some("v20"), 20);
    gives(&mut driver, &[(1, Some("v20"), 20)]);
    assert_eq!(driver.dropped_in_all(DropReason::OutOfOrder), 1);
    driver
        .pipe(&OTHERS, Record::new(1, "y".to_owned(), 25))
        .run();
    gives(&mut driver, &[(1, Some("v30+y"), 30)]);
}

#[test]
fn an_unversioned_table_takes_a_record_out_of_order() {
    let topology = |b: &Builder| {
        b.stream(STREAM)
            .left_join_table(b.table(ROWS, "rows"))
            .map(|(asked, row)| Some(format!("{asked}+{}", row.as_deref().unwrap_or("null"))))
            .to(OUT);
    };
    let mut driver = TestDriver::new("app", topology);
    row(&mut driver, 1, Some("v30"), 30);
    row(&mut driver, 1, Some("v20"), 20);
    ask(&mut driver, 1, "40", 40);
    gives(&mut driver, &[(1, Some("40+v20"), 40)]);
}

#[test]
fn versions_survive_a_crash_and_the_loss_of_the_disk() {
    for disk in [Disk::Kept, Disk::Lost] {
        let mut driver = TestDriver::new("app", as_of);
        row(&mut driver, 1, Some("v10"), 10);
        row(&mut driver, 1, Some("v30"), 30);
        row(&mut driver, 1, Some("v20"), 20);
        driver.crash_at(CrashPoint::Processing, disk);
        for at in [15, 25, 35] {
            ask(&mut driver, 1, &at.to_string(), at);
        }
        gives(
            &mut driver,
            &[
                (1, Some("15+v10"), 15),
                (1, Some("25+v20"), 25),
                (1, Some("35+v30"), 35),
            ],
        );
    }
}

fn with_grace(b: &Builder) {
    let rows = b.table_versioned(ROWS, "rows", HISTORY);
    b.stream(STREAM)
        .join_table_with_grace("waiting", rows, Duration::from_millis(10))
        .map(|(asked, row)| Some(format!("{asked}+{row}")))
        .to(OUT);
}

#[test]
fn a_join_with_grace_waits_for_the_table_and_gives_results_in_order_of_time() {
    let mut driver = TestDriver::new("app", with_grace);
    ask(&mut driver, 1, "b", 12);
    let mut first = Record::new(1, "a".to_owned(), 10);
    first.headers.push("trace", Bytes::from_static(b"7"));
    driver.pipe(&STREAM, first.clone()).run();
    gives(&mut driver, &[]);
    row(&mut driver, 1, Some("v9"), 9);
    row(&mut driver, 1, Some("v11"), 11);
    ask(&mut driver, 2, "x", 20);
    let expected = first.with_value(Some("a+v9".to_owned()));
    assert_eq!(driver.read(&OUT), [expected]);
    ask(&mut driver, 2, "y", 22);
    gives(&mut driver, &[(1, Some("b+v11"), 12)]);
    // Later than the grace: it is joined with what there is.
    ask(&mut driver, 1, "late", 11);
    gives(&mut driver, &[(1, Some("late+v11"), 11)]);
    ask(&mut driver, 1, "waits", 12);
    gives(&mut driver, &[(1, Some("waits+v11"), 12)]);
}

#[test]
fn what_waits_for_a_table_survives_a_crash_and_the_loss_of_the_disk() {
    for disk in [Disk::Kept, Disk::Lost] {
        let mut driver = TestDriver::new("app", with_grace);
        ask(&mut driver, 1, "a", 10);
        row(&mut driver, 1, Some("v9"), 9);
        driver.crash_at(CrashPoint::Processing, disk);
        ask(&mut driver, 2, "x", 20);
        gives(&mut driver, &[(1, Some("a+v9"), 10)]);
    }
}

#[test]
fn only_a_versioned_table_can_be_waited_for() {
    let topology = |b: &Builder| {
        b.stream(STREAM)
            .join_table_with_grace("waiting", b.table(ROWS, "rows"), Duration::from_millis(10))
            .map(|(asked, row)| Some(format!("{asked}+{row}")))
            .to(OUT);
    };
    let error = TestDriver::builder("app").try_build(topology).err();
    let error = error.expect("there is no past to ask for").to_string();
    assert!(error.contains("table_versioned"), "{error}");
}
