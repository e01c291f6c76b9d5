//! Joins with tables: of a stream with a table or a global table, of two tables. Expected results are those of Kafka
//! Streams 4.3.

use bytes::Bytes;
use headwater_streams::context::DropReason;
use headwater_streams::serde::{KeySerde, Nullable, Utf8};
use headwater_streams::test_driver::TestDriver;
use headwater_streams::{Builder, Record, Topic};

const LEFT: Topic<i32, String> = Topic::string("left");
const RIGHT: Topic<i32, String> = Topic::string("right");
const LEFT_ROWS: Topic<i32, Option<String>> = Topic::new("left", &KeySerde, &Nullable(Utf8));
const RIGHT_ROWS: Topic<i32, Option<String>> = Topic::new("right", &KeySerde, &Nullable(Utf8));
const JOINED: Topic<i32, Option<String>> = Topic::new("joined", &KeySerde, &Nullable(Utf8));
const ITEMS: Topic<String, String> = Topic::string("items");

type Row = Topic<i32, Option<String>>;

fn show(left: Option<String>, right: Option<String>) -> String {
    let show = |side: Option<String>| side.unwrap_or_else(|| "null".to_owned());
    format!("{}+{}", show(left), show(right))
}

#[track_caller]
fn feed(driver: &mut TestDriver, topic: &Row, key: i32, value: Option<&str>, at: i64) {
    driver.pipe(topic, Record::new(key, value.map(str::to_owned), at));
    driver.run();
}

#[track_caller]
fn gives(driver: &mut TestDriver, expected: &[(i32, Option<&str>, i64)]) {
    let read: Vec<_> = driver
        .read(&JOINED)
        .into_iter()
        .map(|record| (record.key, record.value, record.timestamp))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(key, value, at)| (Some(*key), value.map(str::to_owned), *at))
        .collect();
    assert_eq!(read, expected);
}

fn inner_tables(b: &Builder) {
    b.table(LEFT, "left-rows")
        .join(b.table(RIGHT, "right-rows"))
        .map(|(left, right)| show(Some(left), Some(right)))
        .to_stream()
        .to(JOINED);
}

fn left_tables(b: &Builder) {
    b.table(LEFT, "left-rows")
        .left_join(b.table(RIGHT, "right-rows"))
        .map(|(left, right)| show(Some(left), right))
        .to_stream()
        .to(JOINED);
}

fn outer_tables(b: &Builder) {
    b.table(LEFT, "left-rows")
        .outer_join(b.table(RIGHT, "right-rows"))
        .map(|(left, right)| show(left, right))
        .to_stream()
        .to(JOINED);
}

#[test]
fn a_table_join_has_the_larger_timestamp_of_the_two_rows() {
    let mut driver = TestDriver::new("app", inner_tables);
    feed(&mut driver, &LEFT_ROWS, 1, Some("A"), 10);
    gives(&mut driver, &[]);
    feed(&mut driver, &RIGHT_ROWS, 1, Some("a"), 5);
    gives(&mut driver, &[(1, Some("A+a"), 10)]);
    feed(&mut driver, &RIGHT_ROWS, 1, Some("b"), 20);
    gives(&mut driver, &[(1, Some("A+b"), 20)]);
    feed(&mut driver, &LEFT_ROWS, 1, Some("B"), 12);
    gives(&mut driver, &[(1, Some("B+b"), 20)]);
}

#[test]
fn an_inner_table_join_deletes_its_row_when_either_row_goes() {
    let mut driver = TestDriver::new("app", inner_tables);
    feed(&mut driver, &LEFT_ROWS, 1, Some("A"), 10);
    feed(&mut driver, &RIGHT_ROWS, 1, Some("a"), 20);
    gives(&mut driver, &[(1, Some("A+a"), 20)]);
    feed(&mut driver, &LEFT_ROWS, 1, None, 15);
    gives(&mut driver, &[(1, None, 20)]);
    // Java tells a delete of what is not there, too, as long as the other side has its row.
    feed(&mut driver, &LEFT_ROWS, 1, None, 30);
    gives(&mut driver, &[(1, None, 30)]);
    feed(&mut driver, &RIGHT_ROWS, 1, None, 40);
    gives(&mut driver, &[]);
}

#[test]
fn a_left_table_join_keeps_the_rows_of_the_left_table() {
    let mut driver = TestDriver::new("app", left_tables);
    feed(&mut driver, &RIGHT_ROWS, 1, Some("z"), 1);
    gives(&mut driver, &[]);
    feed(&mut driver, &RIGHT_ROWS, 1, None, 2);
    feed(&mut driver, &LEFT_ROWS, 1, Some("A"), 10);
    gives(&mut driver, &[(1, Some("A+null"), 10)]);
    feed(&mut driver, &RIGHT_ROWS, 1, Some("a"), 5);
    gives(&mut driver, &[(1, Some("A+a"), 10)]);
    feed(&mut driver, &RIGHT_ROWS, 1, None, 30);
    gives(&mut driver, &[(1, Some("A+null"), 30)]);
    feed(&mut driver, &LEFT_ROWS, 1, None, 20);
    gives(&mut driver, &[(1, None, 20)]);
    feed(&mut driver, &LEFT_ROWS, 1, None, 21);
    gives(&mut driver, &[]);
    feed(&mut driver, &RIGHT_ROWS, 1, Some("b"), 50);
    gives(&mut driver, &[]);
}

#[test]
fn an_outer_table_join_keeps_the_rows_of_either_table() {
    let mut driver = TestDriver::new("app", outer_tables);
    feed(&mut driver, &RIGHT_ROWS, 1, Some("a"), 5);
    gives(&mut driver, &[(1, Some("null+a"), 5)]);
    feed(&mut driver, &LEFT_ROWS, 1, Some("A"), 3);
    gives(&mut driver, &[(1, Some("A+a"), 5)]);
    feed(&mut driver, &LEFT_ROWS, 1, None, 7);
    gives(&mut driver, &[(1, Some("null+a"), 7)]);
    feed(&mut driver, &RIGHT_ROWS, 1, None, 9);
    gives(&mut driver, &[(1, None, 9)]);
    feed(&mut driver, &RIGHT_ROWS, 1, None, 10);
    gives(&mut driver, &[]);
}

#[test]
fn a_joined_table_can_be_joined_again_without_a_store_of_its_own() {
    const THIRD: Topic<i32, String> = Topic::string("third");
    let topology = |b: &Builder| {
        b.table(LEFT, "left-rows")
            .join(b.table(RIGHT, "right-rows"))
            .filter(|(left, _)| left != "hidden")
            .left_join(b.table(THIRD, "third-rows"))
            .map(|((left, right), third)| show(Some(left + &right), third))
            .to_stream()
            .to(JOINED);
    };
    let mut driver = TestDriver::new("app", topology);
    assert_eq!(driver.topology().stores().len(), 3);
    feed(&mut driver, &LEFT_ROWS, 1, Some("A"), 10);
    feed(&mut driver, &RIGHT_ROWS, 1, Some("a"), 20);
    gives(&mut driver, &[(1, Some("Aa+null"), 20)]);
    driver.pipe(&THIRD, Record::new(1, "x".to_owned(), 5)).run();
    gives(&mut driver, &[(1, Some("Aa+x"), 20)]);
    feed(&mut driver, &LEFT_ROWS, 1, Some("hidden"), 30);
    gives(&mut driver, &[(1, None, 30)]);
    driver
        .pipe(&THIRD, Record::new(1, "y".to_owned(), 40))
        .run();
    gives(&mut driver, &[]);
}

#[test]
fn a_stream_table_join_has_the_streams_timestamp_and_headers_and_only_the_stream_emits() {
    let topology = |b: &Builder| {
        b.stream(LEFT)
            .join_table(b.table(RIGHT, "rows"))
            .map(|(left, right)| Some(show(Some(left), Some(right))))
            .to(JOINED);
    };
    let mut driver = TestDriver::new("app", topology);
    feed(&mut driver, &LEFT_ROWS, 1, Some("A"), 10);
    feed(&mut driver, &RIGHT_ROWS, 1, Some("a"), 50);
    gives(&mut driver, &[]);
    let mut record = Record::new(1, Some("B".to_owned()), 20);
    record.headers.push("trace", Bytes::from_static(b"7"));
    driver.pipe(&LEFT_ROWS, record.clone()).run();
    let expected = record.with_value(Some("B+a".to_owned()));
    assert_eq!(driver.read(&JOINED), [expected]);
    feed(&mut driver, &RIGHT_ROWS, 1, None, 60);
    feed(&mut driver, &LEFT_ROWS, 1, Some("C"), 70);
    gives(&mut driver, &[]);
}

#[test]
fn a_left_stream_table_join_emits_a_record_without_a_key_and_an_inner_one_drops_and_counts_it() {
    let topology = |b: &Builder| {
        let (first, second) = b.stream(LEFT).tee();
        let (rows, same) = b.table(RIGHT, "rows").tee();
        first
            .join_table(rows)
            .map(|(left, right)| Some(show(Some(left), Some(right))))
            .to(JOINED);
        second
            .left_join_table(same)
            .map(|(left, right)| Some(show(Some(left), right)))
            .to(JOINED);
    };
    let mut driver = TestDriver::new("app", topology);
    driver
        .pipe(&LEFT, Record::new(None, "A".to_owned(), 1))
        .run();
    let expected = Record::new(None, Some("A+null".to_owned()), 1);
    assert_eq!(driver.read(&JOINED), [expected]);
    assert_eq!(driver.dropped_in_all(DropReason::NullKey), 1);
    feed(&mut driver, &LEFT_ROWS, 1, Some("B"), 2);
    gives(&mut driver, &[(1, Some("B+null"), 2)]);
}

#[test]
fn a_stream_is_joined_with_a_mapped_and_filtered_table_as_that_looks_now() {
    let topology = |b: &Builder| {
        let rows = b
            .table(RIGHT, "rows")
            .filter(|row| row.len() < 3)
            .map(|row| row.to_uppercase());
        b.stream(LEFT)
            .left_join_table(rows)
            .map(|(left, right)| Some(show(Some(left), right)))
            .to(JOINED);
    };
    let mut driver = TestDriver::new("app", topology);
    feed(&mut driver, &RIGHT_ROWS, 1, Some("ab"), 1);
    feed(&mut driver, &LEFT_ROWS, 1, Some("A"), 2);
    feed(&mut driver, &RIGHT_ROWS, 1, Some("abc"), 3);
    feed(&mut driver, &LEFT_ROWS, 1, Some("B"), 4);
    gives(&mut driver, &[(1, Some("A+AB"), 2), (1, Some("B+null"), 4)]);
}

#[test]
fn topics_of_a_join_must_have_equally_many_partitions() {
    let driver = TestDriver::builder("app")
        .partitions("right", 3)
        .try_build(inner_tables);
    let error = driver.err().expect("1 is not 3").to_string();
    assert!(
        error.contains("left has 1") && error.contains("right has 3"),
        "{error}"
    );
}

fn by_item(b: &Builder) {
    let items = b.global_table(ITEMS, "items");
    let item = |_: Option<&i32>, order: &String| (order != "none").then(|| order.clone());
    let (first, second) = b.stream(LEFT).tee();
    first
        .join_global(&items, item)
        .map(|(order, item)| Some(format!("inner {order}+{item}")))
        .to(JOINED);
    second
        .left_join_global(&items, item)
        .map(|(order, item)| Some(format!("left {}", show(Some(order), item))))
        .to(JOINED);
}

#[test]
fn a_global_table_is_there_before_the_first_record_and_is_joined_by_any_key() {
    let mut driver = TestDriver::builder("app")
        .partitions("left", 2)
        .partitions("items", 3)
        .build(by_item);
    for (item, price) in [("cup", "3"), ("jug", "4"), ("pot", "5")] {
        driver.pipe(&ITEMS, Record::new(item.to_owned(), price.to_owned(), 900));
    }
    let orders = ["cup", "pot", "lid", "none"];
    for (key, order) in (1..).zip(orders) {
        driver.pipe(&LEFT, Record::new(key, order.to_owned(), 10));
    }
    driver.run();
    let mut values: Vec<_> = driver.values(&JOINED).into_iter().flatten().collect();
    values.sort();
    assert_eq!(
        values,
        [
            "inner cup+3",
            "inner pot+5",
            "left cup+3",
            "left lid+null",
            "left none+null",
            "left pot+5"
        ]
    );
    assert_eq!(
        driver.dropped_in_all(DropReason::NullKey),
        1,
        "the inner join's"
    );
}

#[test]
fn a_global_table_follows_its_topic_and_emits_nothing_by_itself() {
    let mut driver = TestDriver::new("app", by_item);
    let order = |at| Record::new(1, "cup".to_owned(), at);
    driver.pipe(&LEFT, order(1)).run();
    gives(&mut driver, &[(1, Some("left cup+null"), 1)]);
    driver
        .pipe(&ITEMS, Record::new("cup".to_owned(), "3".to_owned(), 2))
        .run();
    gives(&mut driver, &[]);
    driver.pipe(&LEFT, order(3)).run();
    gives(
        &mut driver,
        &[(1, Some("inner cup+3"), 3), (1, Some("left cup+3"), 3)],
    );
    driver.pipe_bytes(
        "items",
        0,
        Some(b"cup"),
        None,
        4,
        headwater_streams::Headers::default(),
    );
    driver.run();
    driver.pipe(&LEFT, order(5)).run();
    gives(&mut driver, &[(1, Some("left cup+null"), 5)]);
}
