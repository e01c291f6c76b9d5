//! Joins of two streams. Expected results are those of Kafka Streams 4.3 with results without a partner emitted as
//! soon as stream time allows.

use std::time::Duration;

use bytes::Bytes;
use headwater_streams::context::DropReason;
use headwater_streams::test_driver::{CrashPoint, Disk, TestDriver};
use headwater_streams::{Builder, JoinWindows, Record, Topic, within};

const LEFT: Topic<i32, String> = Topic::string("left");
const RIGHT: Topic<i32, String> = Topic::string("right");
const JOINED: Topic<i32, String> = Topic::string("joined");

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn show(left: Option<String>, right: Option<String>) -> String {
    let show = |side: Option<String>| side.unwrap_or_else(|| "null".to_owned());
    format!("{}+{}", show(left), show(right))
}

fn inner(windows: JoinWindows) -> impl Fn(&Builder) + Send + Sync + 'static {
    move |b: &Builder| {
        b.stream(LEFT)
            .join("joined", b.stream(RIGHT), windows)
            .map(|(left, right)| show(Some(left), Some(right)))
            .to(JOINED);
    }
}

fn left(windows: JoinWindows) -> impl Fn(&Builder) + Send + Sync + 'static {
    move |b: &Builder| {
        b.stream(LEFT)
            .left_join("joined", b.stream(RIGHT), windows)
            .map(|(left, right)| show(Some(left), right))
            .to(JOINED);
    }
}

fn outer(windows: JoinWindows) -> impl Fn(&Builder) + Send + Sync + 'static {
    move |b: &Builder| {
        b.stream(LEFT)
            .outer_join("joined", b.stream(RIGHT), windows)
            .map(|(left, right)| show(left, right))
            .to(JOINED);
    }
}

/// Feeds one record at a time, so that they are processed in this order whatever their timestamps.
struct Feed(TestDriver);

impl Feed {
    fn new(topology: impl Fn(&Builder) + Send + Sync + 'static) -> Self {
        Self(TestDriver::new("app", topology))
    }

    #[track_caller]
    fn one(&mut self, topic: &Topic<i32, String>, key: i32, value: &str, at: i64) -> &mut Self {
        self.0.pipe(topic, Record::new(key, value.to_owned(), at));
        self.0.run();
        self
    }

    #[track_caller]
    fn left(&mut self, key: i32, value: &str, at: i64) -> &mut Self {
        self.one(&LEFT, key, value, at)
    }

    #[track_caller]
    fn right(&mut self, key: i32, value: &str, at: i64) -> &mut Self {
        self.one(&RIGHT, key, value, at)
    }

    #[track_caller]
    fn gives(&mut self, expected: &[(i32, &str, i64)]) -> &mut Self {
        let read: Vec<_> = self
            .0
            .read(&JOINED)
            .into_iter()
            .map(|record| (record.key, record.value, record.timestamp))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(key, value, at)| (Some(*key), (*value).to_owned(), *at))
            .collect();
        assert_eq!(read, expected);
        self
    }
}

#[test]
fn a_pair_of_streams_has_the_larger_timestamp_and_the_headers_of_its_second_record() {
    let mut driver = TestDriver::new("app", inner(within(millis(100))));
    let mut first = Record::new(1, "A".to_owned(), 50);
    first.headers.push("from", Bytes::from_static(b"left"));
    let mut second = Record::new(1, "a".to_owned(), 20);
    second.headers.push("from", Bytes::from_static(b"right"));
    driver.pipe(&LEFT, first).run();
    driver.pipe(&RIGHT, second.clone()).run();
    let mut expected = Record::new(1, "A+a".to_owned(), 50);
    expected.headers = second.headers;
    assert_eq!(driver.read(&JOINED), [expected]);
}

#[test]
fn records_of_equal_time_both_join() {
    let mut feed = Feed::new(inner(within(Duration::ZERO)));
    feed.left(1, "A", 5).left(1, "B", 5).gives(&[]);
    feed.right(1, "a", 5).gives(&[(1, "A+a", 5), (1, "B+a", 5)]);
    feed.right(1, "a", 5).gives(&[(1, "A+a", 5), (1, "B+a", 5)]);
    feed.right(1, "b", 6).gives(&[]);
}

#[test]
fn both_ends_of_a_join_window_are_within() {
    let mut feed = Feed::new(inner(within(millis(100))));
    feed.left(1, "A", 1000);
    feed.right(1, "a", 899).gives(&[]);
    feed.right(1, "b", 900).gives(&[(1, "A+b", 1000)]);
    feed.right(1, "c", 1100).gives(&[(1, "A+c", 1100)]);
    feed.right(1, "d", 1101).gives(&[]);
}

#[test]
fn before_and_after_are_seen_from_the_left_stream() {
    let windows = within(millis(100)).before(Duration::ZERO);
    let mut feed = Feed::new(inner(windows));
    feed.left(1, "A", 1000);
    feed.right(1, "a", 999).gives(&[]);
    feed.right(1, "b", 1100).gives(&[(1, "A+b", 1100)]);
    feed.left(1, "B", 1101).gives(&[]);
    feed.left(1, "C", 1000).gives(&[(1, "C+b", 1100)]);
}

#[test]
fn a_stream_join_drops_nothing_at_grace_only_its_retention_bounds_it() {
    // Before 100, after 50, grace 10: a record is kept while it is less than 160 older than the newest of its side.
    let windows = within(millis(50)).before(millis(100)).grace(millis(10));
    let mut feed = Feed::new(inner(windows));
    feed.left(1, "A", 1000).left(2, "B", 1159);
    // Stream time is far past the end of A's window and its grace, and A is joined still.
    feed.right(3, "x", 5000).right(1, "a", 1000);
    feed.gives(&[(1, "A+a", 1000)]);
    feed.left(2, "C", 1160);
    feed.right(1, "b", 1000).gives(&[]);
    assert_eq!(feed.0.dropped_in_all(DropReason::Late), 0);
    assert_eq!(feed.0.dropped_in_all(DropReason::Expired), 0);
}

#[test]
fn an_inner_stream_join_drops_and_counts_records_without_a_key() {
    let mut driver = TestDriver::new("app", inner(within(millis(100))));
    driver.pipe(&LEFT, Record::new(None, "A".to_owned(), 1));
    driver.pipe(&RIGHT, Record::new(None, "a".to_owned(), 1));
    driver.run();
    assert!(driver.read(&JOINED).is_empty());
    assert_eq!(driver.dropped("joined", DropReason::NullKey), 2);
}

#[test]
fn left_and_outer_stream_joins_emit_a_record_without_a_key_at_once() {
    let mut driver = TestDriver::new("app", left(within(millis(100))));
    driver.pipe(&LEFT, Record::new(None, "A".to_owned(), 1));
    driver.pipe(&RIGHT, Record::new(None, "a".to_owned(), 1));
    driver.run();
    let alone = |value: &str| Record::new(None, value.to_owned(), 1);
    assert_eq!(driver.read(&JOINED), [alone("A+null")]);
    assert_eq!(driver.dropped("joined", DropReason::NullKey), 1);

    let mut driver = TestDriver::new("app", outer(within(millis(100))));
    driver
        .pipe(&LEFT, Record::new(None, "A".to_owned(), 1))
        .run();
    driver
        .pipe(&RIGHT, Record::new(None, "a".to_owned(), 1))
        .run();
    assert_eq!(driver.read(&JOINED), [alone("A+null"), alone("null+a")]);
    assert_eq!(driver.dropped("joined", DropReason::NullKey), 0);
}

#[test]
fn a_null_value_is_dropped_and_counted_by_a_stream_join() {
    const MAYBE: Topic<i32, Option<u64>> = Topic::json("maybe");
    let topology = |b: &Builder| {
        b.stream(MAYBE)
            .outer_join("joined", b.stream(RIGHT), within(millis(100)))
            .map(|(left, right)| show(left.flatten().map(|n| n.to_string()), right))
            .to(JOINED);
    };
    let mut driver = TestDriver::new("app", topology);
    driver.pipe(&MAYBE, Record::new(1, None, 1));
    driver.pipe(&MAYBE, Record::new(1, Some(7), 2));
    driver.run();
    driver.pipe(&RIGHT, Record::new(1, "a".to_owned(), 3)).run();
    assert_eq!(driver.read(&JOINED), [Record::new(1, "7+a".to_owned(), 3)]);
    assert_eq!(driver.dropped("joined", DropReason::NullValue), 1);
}

#[test]
fn a_left_join_gives_up_on_a_record_when_stream_time_has_passed_its_window_and_grace() {
    let mut feed = Feed::new(left(within(millis(100)).grace(millis(10))));
    feed.left(0, "A0", 0).left(1, "A1", 0).gives(&[]);
    feed.right(0, "a0", 101).right(1, "a1", 101).gives(&[]);
    feed.right(3, "x", 110).gives(&[]);
    feed.right(3, "x", 111)
        .gives(&[(0, "A0+null", 0), (1, "A1+null", 0)]);
    feed.right(3, "x", 1201).gives(&[]);
}

#[test]
fn either_side_moves_the_time_of_a_left_join() {
    let mut feed = Feed::new(left(within(millis(100))));
    feed.left(0, "A0", 1)
        .left(1, "A1", 2)
        .left(0, "A0-0", 3)
        .gives(&[]);
    feed.right(1, "a1", 3).gives(&[(1, "A1+a1", 3)]);
    feed.right(2, "dummy", 401)
        .gives(&[(0, "A0+null", 1), (0, "A0-0+null", 3)]);
    feed.left(2, "dummy", 402).gives(&[(2, "dummy+dummy", 402)]);
    feed.left(3, "B", 500)
        .left(3, "C", 601)
        .gives(&[(3, "B+null", 500)]);
}

#[test]
fn a_left_join_that_looks_back_only_waits_for_the_next_record() {
    let mut feed = Feed::new(left(within(millis(100)).after(Duration::ZERO)));
    for key in 0..4 {
        feed.left(key, &format!("A{key}"), 1000 + i64::from(key));
    }
    feed.gives(&[
        (0, "A0+null", 1000),
        (1, "A1+null", 1001),
        (2, "A2+null", 1002),
    ]);
    for key in 0..4 {
        feed.right(key, &format!("a{key}"), 999);
    }
    feed.gives(&[
        (0, "A0+a0", 1000),
        (1, "A1+a1", 1001),
        (2, "A2+a2", 1002),
        (3, "A3+a3", 1003),
    ]);
    for key in 0..4 {
        feed.right(key, &format!("b{key}"), 1001);
    }
    feed.gives(&[(1, "A1+b1", 1001), (2, "A2+b2", 1002), (3, "A3+b3", 1003)]);
    for key in 0..4 {
        feed.right(key, &format!("c{key}"), 1100);
    }
    feed.gives(&[]);
}

#[test]
fn a_left_join_that_looks_forward_only_does_not_give_up_early() {
    let mut feed = Feed::new(left(within(millis(100)).before(Duration::ZERO)));
    feed.left(0, "A0", 0).left(1, "A1", 1).gives(&[]);
    feed.right(0, "a0", 100).gives(&[(0, "A0+a0", 100)]);
    feed.right(1, "a1", 102).gives(&[(1, "A1+null", 1)]);
}

#[test]
fn a_record_that_comes_after_its_window_is_emitted_at_once_without_partner() {
    let mut feed = Feed::new(left(within(millis(100)).grace(millis(1000))));
    feed.right(9, "x", 500);
    feed.left(1, "A", 399).gives(&[(1, "A+null", 399)]);
    feed.left(2, "B", 400).gives(&[]);
    feed.right(2, "b", 400).gives(&[(2, "B+b", 400)]);
}

#[test]
fn an_outer_join_emits_what_is_left_over_in_order_of_time_then_right_before_left() {
    let mut feed = Feed::new(outer(within(millis(100)).grace(millis(10))));
    feed.left(0, "A0", 0).left(0, "A0-0", 0);
    feed.right(1, "11", 0).right(1, "12", 0).gives(&[]);
    feed.right(1, "10", 111);
    feed.right(3, "100", 211).gives(&[
        (1, "null+11", 0),
        (1, "null+12", 0),
        (0, "A0+null", 0),
        (0, "A0-0+null", 0),
    ]);
    feed.left(2, "A2", 200).left(2, "A2-0", 200);
    feed.right(2, "13", 201).right(2, "14", 201).gives(&[
        (2, "A2+13", 201),
        (2, "A2-0+13", 201),
        (2, "A2+14", 201),
        (2, "A2-0+14", 201),
    ]);
    feed.right(3, "100", 1500)
        .gives(&[(1, "null+10", 111), (3, "null+100", 211)]);
}

#[test]
fn an_outer_join_emits_what_is_left_over_before_the_pair_that_moved_the_time() {
    let mut feed = Feed::new(outer(within(millis(100))));
    feed.left(0, "A0", 0).left(1, "A1", 100).gives(&[]);
    feed.right(1, "11", 110)
        .gives(&[(0, "A0+null", 0), (1, "A1+11", 110)]);
}

#[test]
fn each_side_of_an_outer_join_gives_up_by_its_own_reach() {
    let mut feed = Feed::new(outer(within(millis(100)).before(Duration::ZERO)));
    feed.left(0, "A0", 0).left(1, "A1", 1).gives(&[]);
    feed.right(0, "10", 100).gives(&[(0, "A0+10", 100)]);
    feed.right(1, "11", 102).gives(&[(1, "A1+null", 1)]);
    feed.right(2, "12", 103).gives(&[(1, "null+11", 102)]);
    feed.left(2, "A2", 103).gives(&[(2, "A2+12", 103)]);

    let mut feed = Feed::new(outer(within(millis(100)).after(Duration::ZERO)));
    feed.left(0, "A0", 0)
        .left(1, "A1", 1)
        .gives(&[(0, "A0+null", 0)]);
    feed.right(1, "11", 1).gives(&[(1, "A1+11", 1)]);
    feed.right(2, "12", 101).right(3, "13", 101).gives(&[]);
    feed.left(2, "A2", 201).gives(&[(2, "A2+12", 201)]);
}

#[test]
fn a_search_of_a_left_join_sets_when_the_next_one_is_due_as_javas_does() {
    // The first search, at 111, ends at the record of 60, so the next one is due after 160 + 1, not after 150.
    let mut feed = Feed::new(left(within(millis(100))));
    feed.left(1, "A", 10).left(2, "B", 50).left(3, "C", 60);
    feed.right(9, "x", 111).gives(&[(1, "A+null", 10)]);
    feed.right(9, "x", 155).gives(&[]);
    feed.right(9, "x", 160).gives(&[]);
    feed.right(9, "x", 161)
        .gives(&[(2, "B+null", 50), (3, "C+null", 60)]);
}

#[test]
fn what_waits_for_a_partner_survives_a_crash_and_the_loss_of_the_disk() {
    for disk in [Disk::Kept, Disk::Lost] {
        let mut feed = Feed::new(left(within(millis(100))));
        feed.left(1, "A", 10).left(2, "B", 50).left(3, "C", 60);
        feed.right(9, "x", 111).gives(&[(1, "A+null", 10)]);
        feed.0.crash_at(CrashPoint::Processing, disk);
        feed.right(9, "x", 155).gives(&[]);
        feed.right(3, "c", 156).gives(&[(3, "C+c", 156)]);
        feed.right(9, "x", 161).gives(&[(2, "B+null", 50)]);
    }
}

#[test]
fn a_stream_joined_with_itself_meets_each_record_once() {
    let topology = |b: &Builder| {
        let (first, second) = b.stream(LEFT).tee();
        first
            .join("self", second, within(millis(10_000)))
            .map(|(left, right)| format!("{left}-{right}"))
            .to(JOINED);
    };
    let mut feed = Feed::new(topology);
    feed.left(1, "A", 2).gives(&[(1, "A-A", 2)]);
    feed.left(1, "B", 3)
        .gives(&[(1, "B-A", 3), (1, "A-B", 3), (1, "B-B", 3)]);
    feed.left(1, "C", 5).gives(&[
        (1, "C-A", 5),
        (1, "C-B", 5),
        (1, "A-C", 5),
        (1, "B-C", 5),
        (1, "C-C", 5),
    ]);
}
