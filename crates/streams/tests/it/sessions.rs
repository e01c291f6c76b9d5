//! Sessions: what they hold, how they merge, and when they are closed.

use headwater_streams::context::DropReason;
use headwater_streams::test_driver::TestDriver;
use headwater_streams::windows::{millis, session};
use headwater_streams::{Builder, Materialized, Record};

use crate::results::{INPUT, RESULTS, at, header, pipe, results, show};

fn counted(b: &Builder) {
    show(
        b.stream(INPUT)
            .window(session(millis(10)).grace(millis(100)))
            .count("counts"),
    );
}

#[test]
fn a_session_holds_both_its_ends_and_whoever_is_no_more_than_the_gap_away() {
    let mut driver = TestDriver::new("app", counted);
    assert_eq!(
        at(&mut driver, &[20, 30, 41]),
        [
            "a@[20, 20] 1 @20",
            "a@[20, 20] - @20",
            "a@[20, 30] 2 @30",
            "a@[41, 41] 1 @41"
        ]
    );
}

#[test]
fn a_merge_looks_a_gap_to_both_sides_and_leaves_a_tombstone_for_each_session_merged() {
    let mut driver = TestDriver::new("app", counted);
    at(&mut driver, &[20, 40]);
    assert_eq!(
        at(&mut driver, &[30]),
        ["a@[20, 20] - @20", "a@[40, 40] - @40", "a@[20, 40] 3 @40"]
    );
    assert_eq!(
        driver
            .store::<String, u64>("counts")
            .sessions(&"a".to_owned())
            .len(),
        1
    );
}

#[test]
fn a_record_within_a_session_replaces_it_and_one_of_the_same_time_as_its_only_one_does_not() {
    let mut driver = TestDriver::new("app", counted);
    at(&mut driver, &[20, 30]);
    assert_eq!(
        at(&mut driver, &[25]),
        ["a@[20, 30] - @30", "a@[20, 30] 3 @30"]
    );
    at(&mut driver, &[60]);
    assert_eq!(
        at(&mut driver, &[60]),
        ["a@[60, 60] 2 @60"],
        "no tombstone for [t, t]"
    );
}

#[test]
fn a_session_is_closed_when_its_merged_end_is_before_stream_time_less_grace_and_gap() {
    let late = |driver: &TestDriver| driver.dropped("counts", DropReason::Late);
    let mut driver = TestDriver::new("app", |b| {
        show(
            b.stream(INPUT)
                .window(session(millis(10)).grace(millis(5)))
                .count("counts"),
        );
    });
    pipe(&mut driver, "b", 1, 50);
    results(&mut driver);
    // Closed is what ends before 50 - 5 - 10.
    assert!(at(&mut driver, &[34]).is_empty());
    assert_eq!(late(&driver), 1);
    assert_eq!(at(&mut driver, &[35]), ["a@[35, 35] 1 @35"]);
    // The store forgets a millisecond before a session is closed, as Kafka Streams' does: 36 finds nothing at 35.
    assert_eq!(at(&mut driver, &[36]), ["a@[36, 36] 1 @36"]);
    // Alone it would be late, merged it is not.
    assert_eq!(
        at(&mut driver, &[30]),
        ["a@[36, 36] - @36", "a@[30, 36] 2 @36"]
    );
    assert_eq!(late(&driver), 1);
}

#[test]
fn a_sessions_result_has_its_end_as_timestamp_and_no_headers() {
    let mut driver = TestDriver::new("app", counted);
    for timestamp in [30, 25] {
        let mut record = Record::new("a".to_owned(), 1, timestamp);
        record.headers = header("lost");
        driver.pipe(&INPUT, record);
    }
    driver.run();
    let written = driver.read(&RESULTS);
    assert_eq!(written.len(), 3);
    assert!(written.iter().all(|record| record.timestamp == 30));
    assert!(written.iter().all(|record| record.headers.is_empty()));
}

#[test]
fn merged_sessions_are_folded_in_order_of_time() {
    let mut driver = TestDriver::new("app", |b| {
        let windows = session(millis(10)).grace(millis(100));
        show(b.stream(INPUT).window(windows).fold(
            "lists",
            String::new(),
            |list, value| list.push_str(&value.to_string()),
            |list, next| list.push_str(&next),
        ));
    });
    for (value, timestamp) in [(1, 40), (2, 20), (3, 30)] {
        pipe(&mut driver, "a", value, timestamp);
    }
    let merged = results(&mut driver).pop();
    assert_eq!(merged.as_deref(), Some("a@[20, 40] 213 @40"));
}

#[test]
fn sessions_are_reduced_and_merged_by_the_same_function() {
    let mut driver = TestDriver::new("app", |b| {
        let windows = session(millis(10)).grace(millis(100));
        show(
            b.stream(INPUT)
                .window(windows)
                .reduce("sums", |sum, value| 10 * sum + value),
        );
    });
    for (value, timestamp) in [(1, 40), (2, 20), (3, 30)] {
        pipe(&mut driver, "a", value, timestamp);
    }
    let merged = results(&mut driver).pop();
    assert_eq!(merged.as_deref(), Some("a@[20, 40] 213 @40"));
}

#[test]
fn sessions_grouped_by_another_key_are_taken_out_of_their_group_when_they_merge() {
    let mut driver = TestDriver::new("app", |b| {
        let sessions = b
            .stream(INPUT)
            .window(session(millis(10)).grace(millis(100)))
            .count("counts");
        show(
            sessions
                .group_by("all", |_, count| ("all".to_owned(), count))
                .fold(
                    "totals",
                    0_u64,
                    |total, count| *total += count,
                    |total, count| *total -= count,
                ),
        );
    });
    let totals = at(&mut driver, &[20, 20, 40, 30]);
    assert_eq!(totals.last().map(String::as_str), Some("all 4 @40"));
}

#[test]
fn sessions_with_a_cache_tell_nothing_of_those_that_came_and_went() {
    let mut driver = TestDriver::new("app", |b| {
        let windows = session(millis(10)).grace(millis(100));
        let store = Materialized::named("counts").cached();
        show(b.stream(INPUT).window(windows).count(store));
    });
    assert_eq!(at(&mut driver, &[20, 40, 30]), ["a@[20, 40] 3 @40"]);
    assert_eq!(
        at(&mut driver, &[45]),
        ["a@[20, 40] - @40", "a@[20, 45] 4 @45"]
    );
}

#[test]
fn a_session_goes_on_after_a_restart() {
    let mut driver = TestDriver::new("app", counted);
    at(&mut driver, &[20]);
    driver.rebalance();
    assert_eq!(
        at(&mut driver, &[30]),
        ["a@[20, 20] - @20", "a@[20, 30] 2 @30"]
    );
}
