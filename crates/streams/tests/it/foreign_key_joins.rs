//! Foreign-key joins of tables. Expected results are those of Kafka Streams 4.3.

use headwater_streams::context::DropReason;
use headwater_streams::partitioner::partition_for;
use headwater_streams::serde::{KeySerde, Nullable, Utf8};
use headwater_streams::test_driver::{CrashPoint, Disk, TestDriver};
use headwater_streams::{Builder, Record, Topic};

const ORDERS: Topic<i32, String> = Topic::string("orders");
const ORDER_ROWS: Topic<i32, Option<String>> = Topic::new("orders", &KeySerde, &Nullable(Utf8));
const CUSTOMERS: Topic<String, String> = Topic::string("customers");
const CUSTOMER_ROWS: Topic<String, Option<String>> =
    Topic::new("customers", &KeySerde, &Nullable(Utf8));
const JOINED: Topic<i32, Option<String>> = Topic::new("joined", &KeySerde, &Nullable(Utf8));

/// Of "ann|cup", "ann"; of "-|cup", none.
fn customer(order: &str) -> Option<String> {
    let (customer, _) = order.split_once('|').expect("customer|item");
    (customer != "-").then(|| customer.to_owned())
}

fn inner(b: &Builder) {
    b.table(ORDERS, "orders")
        .join_foreign(
            "results",
            b.table(CUSTOMERS, "customers"),
            |order: &String| customer(order),
        )
        .map(|(order, customer)| format!("{order}+{customer}"))
        .to_stream()
        .to(JOINED);
}

fn left(b: &Builder) {
    b.table(ORDERS, "orders")
        .left_join_foreign(
            "results",
            b.table(CUSTOMERS, "customers"),
            |order: &String| customer(order),
        )
        .map(|(order, customer)| format!("{order}+{}", customer.as_deref().unwrap_or("null")))
        .to_stream()
        .to(JOINED);
}

fn driver(topology: fn(&Builder)) -> TestDriver {
    TestDriver::builder("app")
        .partitions("orders", 3)
        .partitions("customers", 2)
        .build(topology)
}

#[track_caller]
fn order(driver: &mut TestDriver, key: i32, value: Option<&str>, at: i64) {
    driver.pipe(&ORDER_ROWS, Record::new(key, value.map(str::to_owned), at));
    driver.run();
}

#[track_caller]
fn named(driver: &mut TestDriver, key: &str, value: Option<&str>, at: i64) {
    let record = Record::new(key.to_owned(), value.map(str::to_owned), at);
    driver.pipe(&CUSTOMER_ROWS, record);
    driver.run();
}

#[track_caller]
fn gives(driver: &mut TestDriver, expected: &[(i32, Option<&str>, i64)]) {
    let mut read: Vec<_> = driver
        .read(&JOINED)
        .into_iter()
        .map(|record| (record.key, record.value, record.timestamp))
        .collect();
    read.sort();
    let expected: Vec<_> = expected
        .iter()
        .map(|(key, value, at)| (Some(*key), value.map(str::to_owned), *at))
        .collect();
    assert_eq!(read, expected);
}

#[test]
fn a_foreign_key_join_has_the_larger_timestamp_when_the_left_row_changed_else_the_right_rows() {
    let mut driver = driver(inner);
    named(&mut driver, "ann", Some("Ann"), 50);
    order(&mut driver, 1, Some("ann|cup"), 10);
    gives(&mut driver, &[(1, Some("ann|cup+Ann"), 50)]);
    order(&mut driver, 1, Some("ann|jug"), 60);
    gives(&mut driver, &[(1, Some("ann|jug+Ann"), 60)]);
    named(&mut driver, "ann", Some("Anna"), 20);
    gives(&mut driver, &[(1, Some("ann|jug+Anna"), 20)]);
}

#[test]
fn a_change_of_the_right_row_reaches_all_that_refer_to_it_and_no_others() {
    let mut driver = driver(inner);
    for (key, value) in [
        (1, "ann|cup"),
        (2, "bob|jug"),
        (3, "ann|pot"),
        (4, "anna|lid"),
    ] {
        order(&mut driver, key, Some(value), 10);
    }
    gives(&mut driver, &[]);
    named(&mut driver, "ann", Some("Ann"), 20);
    gives(
        &mut driver,
        &[(1, Some("ann|cup+Ann"), 20), (3, Some("ann|pot+Ann"), 20)],
    );
    named(&mut driver, "ann", None, 30);
    gives(&mut driver, &[(1, None, 30), (3, None, 30)]);
}

#[test]
fn an_inner_miss_emits_nothing_unless_there_may_be_a_result_to_delete() {
    let mut driver = driver(inner);
    // Inserted, and updated with the same foreign key.
    order(&mut driver, 1, Some("ann|cup"), 10);
    order(&mut driver, 1, Some("ann|jug"), 11);
    gives(&mut driver, &[]);
    // The foreign key changed.
    order(&mut driver, 1, Some("bob|jug"), 12);
    gives(&mut driver, &[(1, None, 12)]);
    // It became null.
    order(&mut driver, 1, Some("-|jug"), 13);
    gives(&mut driver, &[(1, None, 13)]);
    assert_eq!(driver.dropped_in_all(DropReason::NullKey), 1);
    // And null it stayed, also when the row is deleted.
    order(&mut driver, 1, Some("-|pot"), 14);
    order(&mut driver, 1, None, 15);
    gives(&mut driver, &[]);
    assert_eq!(driver.dropped_in_all(DropReason::NullKey), 2);
    // The left row was deleted.
    order(&mut driver, 1, Some("ann|lid"), 16);
    order(&mut driver, 1, None, 17);
    gives(&mut driver, &[(1, None, 17)]);
    order(&mut driver, 1, None, 18);
    gives(&mut driver, &[]);
}

#[test]
fn a_left_miss_emits_the_row_without_partner() {
    let mut driver = driver(left);
    order(&mut driver, 1, Some("ann|cup"), 10);
    gives(&mut driver, &[(1, Some("ann|cup+null"), 10)]);
    order(&mut driver, 1, Some("-|cup"), 11);
    gives(&mut driver, &[(1, Some("-|cup+null"), 11)]);
    named(&mut driver, "ann", Some("Ann"), 12);
    gives(&mut driver, &[]);
    order(&mut driver, 1, Some("ann|jug"), 11);
    gives(&mut driver, &[(1, Some("ann|jug+Ann"), 12)]);
    named(&mut driver, "ann", None, 13);
    gives(&mut driver, &[(1, Some("ann|jug+null"), 13)]);
    order(&mut driver, 1, None, 14);
    gives(&mut driver, &[(1, None, 14)]);
    order(&mut driver, 1, None, 15);
    gives(&mut driver, &[]);
    assert_eq!(driver.dropped_in_all(DropReason::NullKey), 0);
}

#[test]
fn a_changed_foreign_key_leaves_the_old_row_without_effect() {
    let mut driver = driver(inner);
    named(&mut driver, "ann", Some("Ann"), 1);
    named(&mut driver, "bob", Some("Bob"), 2);
    order(&mut driver, 1, Some("ann|cup"), 10);
    order(&mut driver, 1, Some("bob|cup"), 11);
    gives(
        &mut driver,
        &[(1, Some("ann|cup+Ann"), 10), (1, Some("bob|cup+Bob"), 11)],
    );
    named(&mut driver, "ann", Some("Anna"), 12);
    gives(&mut driver, &[]);
    named(&mut driver, "bob", Some("Rob"), 13);
    gives(&mut driver, &[(1, Some("bob|cup+Rob"), 13)]);
}

#[test]
fn a_response_to_a_value_since_replaced_is_dropped_by_the_hash_of_the_value() {
    let mut driver = driver(inner);
    named(&mut driver, "ann", Some("Ann"), 1);
    driver.hold("app-results-registration-repartition");
    order(&mut driver, 1, Some("ann|cup"), 10);
    order(&mut driver, 1, Some("ann|jug"), 11);
    gives(&mut driver, &[]);
    driver.release("app-results-registration-repartition").run();
    gives(&mut driver, &[(1, Some("ann|jug+Ann"), 11)]);
    assert_eq!(driver.dropped_in_all(DropReason::Stale), 1);
}

#[test]
fn subscriptions_are_partitioned_by_the_foreign_key_and_responses_go_back_where_they_were_asked() {
    let mut driver = driver(inner);
    let names = ["ann", "bob", "cid", "dot"];
    for (key, name) in (1..).zip(names) {
        order(&mut driver, key, Some(&format!("{name}|cup")), 10);
        named(&mut driver, name, Some("x"), 20);
    }
    let asked = driver.read_bytes("app-results-registration-repartition");
    assert_eq!(asked.len(), names.len());
    for (partition, record) in asked {
        let key = record.key.expect("a foreign key");
        assert_eq!(partition, partition_for(&key, 2), "as the customers are");
    }
    let answered = driver.read_bytes("app-results-response-repartition");
    assert_eq!(answered.len(), names.len());
    for (partition, record) in answered {
        let key = record.key.expect("a primary key");
        assert_eq!(partition, partition_for(&key, 3), "as the orders are");
    }
}

#[test]
fn a_foreign_key_join_survives_a_crash_and_the_loss_of_the_disk() {
    for disk in [Disk::Kept, Disk::Lost] {
        let mut driver = driver(inner);
        order(&mut driver, 1, Some("ann|cup"), 10);
        driver.crash_at(CrashPoint::Processing, disk);
        named(&mut driver, "ann", Some("Ann"), 20);
        gives(&mut driver, &[(1, Some("ann|cup+Ann"), 20)]);
        driver.crash_at(CrashPoint::Processing, disk);
        order(&mut driver, 1, Some("bob|cup"), 30);
        gives(&mut driver, &[(1, None, 30)]);
    }
}
