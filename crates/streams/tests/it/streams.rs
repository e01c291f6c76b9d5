//! Streams divided, sent to topics that records name, and through calls to the outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use headwater_streams::context::DropReason;
use headwater_streams::test_driver::{CrashPoint, Disk, TestDriver};
use headwater_streams::{BoxError, Builder, Headers, Policy, Record, Topic, Topology};

const NUMBERS: Topic<String, u64> = Topic::json("numbers");
const SMALL: Topic<String, u64> = Topic::json("small");
const EVEN: Topic<String, u64> = Topic::json("even");
const REST: Topic<String, u64> = Topic::json("rest");

fn number(key: &str, value: u64) -> Record<String, u64> {
    Record::new(key.to_owned(), value, value as i64)
}

#[test]
fn a_record_goes_to_the_first_branch_that_wants_it_else_to_the_rest_else_nowhere() {
    let with_rest = |b: &Builder| {
        let mut numbers = b.stream(NUMBERS).filter(|n| *n != 9).split();
        numbers.branch("small", |n| *n < 3).to(SMALL);
        numbers
            .branch_record("even", |record| record.value % 2 == 0)
            .to(EVEN);
        numbers.rest("rest").to(REST);
    };
    let without = |b: &Builder| {
        let mut numbers = b.stream(NUMBERS).split();
        numbers.branch("small", |n| *n < 3).to(SMALL);
    };
    let mut driver = TestDriver::new("app", with_rest);
    for n in 1..10 {
        driver.pipe(&NUMBERS, number("k", n));
    }
    driver.run();
    assert_eq!(driver.values(&SMALL), [1, 2]);
    assert_eq!(driver.values(&EVEN), [4, 6, 8]);
    assert_eq!(driver.values(&REST), [3, 5, 7]);
    let mut driver = TestDriver::new("app", without);
    for n in 1..10 {
        driver.pipe(&NUMBERS, number("k", n));
    }
    driver.run();
    assert_eq!(driver.values(&SMALL), [1, 2]);
}

#[test]
fn a_branch_of_a_keyed_stream_can_be_grouped_without_a_repartition_topic() {
    let mut driver = TestDriver::new("app", |b| {
        let mut numbers = b.stream(NUMBERS).split();
        let counts = numbers.branch("even", |n| n % 2 == 0).count("counts");
        counts.to_stream().map(Option::unwrap_or_default).to(EVEN);
    });
    driver
        .pipe(&NUMBERS, number("k", 2))
        .pipe(&NUMBERS, number("k", 4))
        .run();
    assert_eq!(driver.values(&EVEN), [1, 2]);
    assert!(
        driver
            .topology()
            .internal_topics()
            .iter()
            .all(|topic| topic.name.ends_with("-changelog"))
    );
}

#[test]
fn a_sink_writes_to_the_topic_that_the_record_names() {
    let mut driver = TestDriver::new("app", |b| {
        b.stream(NUMBERS).to_with("by-parity", |record| {
            if record.value % 2 == 0 {
                "even"
            } else {
                "rest"
            }
        });
    });
    for n in 1..5 {
        driver.pipe(&NUMBERS, number("k", n));
    }
    driver.run();
    assert_eq!(driver.values(&EVEN), [2, 4]);
    assert_eq!(driver.values(&REST), [1, 3]);
}

#[test]
fn a_topic_that_refuses_records_stops_the_application_or_is_skipped_by_the_policy() {
    let topology = |b: &Builder| b.stream(NUMBERS).to(REST);
    let mut driver = TestDriver::new("app", topology);
    driver.refuse("rest").pipe(&NUMBERS, number("k", 1));
    let error = driver.try_run().expect_err("it is refused").to_string();
    assert!(
        error.contains("production failed") && error.contains("rest-0"),
        "{error}"
    );
    let mut driver = TestDriver::builder("app")
        .policy(&Policy::Skip)
        .build(topology);
    driver.refuse("rest").pipe(&NUMBERS, number("k", 1)).run();
    assert_eq!(driver.dropped_in_all(DropReason::Production), 1);
}

/// Calls that take the longer the smaller the number is, and fail for 13.
fn slow(b: &Builder) {
    b.stream(NUMBERS)
        .async_map("slow", 4, |n| async move {
            tokio::time::sleep(Duration::from_millis(20 - n.min(20))).await;
            if n == 13 { Err("unlucky") } else { Ok(n * 10) }
        })
        .to(REST);
}

#[test]
fn results_of_calls_leave_in_the_order_of_their_keys_records_and_all_before_the_commit() {
    let mut driver = TestDriver::builder("app").exactly_once().build(slow);
    for n in 1..13 {
        driver.pipe(&NUMBERS, number(["a", "b", "c"][n as usize % 3], n));
    }
    driver.process();
    // The offsets are committed, and what would come after that never does.
    driver.crash_at(CrashPoint::AfterCommit, Disk::Lost);
    driver.run();
    let results = driver.key_values(&REST);
    for (key, expected) in [
        ("a", [30, 60, 90, 120]),
        ("b", [10, 40, 70, 100]),
        ("c", [20, 50, 80, 110]),
    ] {
        let of_key: Vec<_> = results.iter().filter(|(other, _)| other == key).collect();
        let values: Vec<_> = of_key.iter().map(|(_, value)| *value).collect();
        assert_eq!(values, expected, "{key}");
    }
}

#[test]
fn a_crash_before_the_commit_makes_calls_again_and_loses_no_result() {
    let mut driver = TestDriver::builder("app").exactly_once().build(slow);
    for n in 1..10 {
        driver.pipe(&NUMBERS, number("k", n));
    }
    driver.process();
    driver.crash();
    driver.process();
    driver.crash_at(CrashPoint::BeforeCommit, Disk::Lost).run();
    let expected: Vec<_> = (1..10).map(|n| n * 10).collect();
    assert_eq!(driver.values(&REST), expected);
}

#[test]
fn a_call_that_fails_is_treated_by_the_policy_of_its_own_record() {
    let builder = TestDriver::builder("app")
        .policy(&Policy::DeadLetter)
        .dead_letter("letters");
    let mut driver = builder.build(slow);
    for n in [12, 13, 14] {
        driver.pipe(&NUMBERS, number("k", n));
    }
    driver.run();
    assert_eq!(driver.values(&REST), [120, 140]);
    assert_eq!(driver.dropped("slow", DropReason::Processing), 1);
    let (_, letter) = driver.read_bytes("letters").remove(0);
    assert_eq!(letter.value.as_deref(), Some(&b"13"[..]));
    let offset = letter
        .headers
        .last("__streams.errors.offset")
        .map(|value| value.to_vec());
    assert_eq!(offset, Some(b"1".to_vec()));
    let mut driver = TestDriver::new("app", slow);
    driver.pipe(&NUMBERS, number("k", 13));
    let error = driver
        .try_run()
        .expect_err("the default is to fail")
        .to_string();
    assert!(error.contains("unlucky"), "{error}");
}

#[test]
fn an_async_map_without_a_call_at_a_time_is_refused_with_its_place() {
    let topology = |b: &Builder| {
        b.stream(NUMBERS)
            .async_map("idle", 0, |n| async move { Ok::<_, BoxError>(n) })
            .to(REST);
    };
    let refused = Topology::build("app", topology).expect_err("it would call nothing");
    let text = refused.to_string();
    assert!(
        text.contains("async_map \"idle\"") && text.contains("streams.rs:"),
        "{text}"
    );
}

#[test]
fn a_call_is_made_again_as_often_as_the_policy_says_without_a_rollback() {
    let retry = Policy::Retry {
        attempts: 2,
        backoff: Duration::from_millis(1),
        then: Box::new(Policy::Skip),
    };
    for (succeeds_at, expected) in [(3, vec![5]), (4, vec![])] {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let mut driver = TestDriver::builder("app").policy(&retry).build(move |b| {
            let calls = Arc::clone(&counted);
            b.stream(NUMBERS)
                .async_map("flaky", 2, move |n| {
                    let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
                    async move {
                        if call < succeeds_at {
                            Err("not yet")
                        } else {
                            Ok(n)
                        }
                    }
                })
                .to(REST);
        });
        driver.pipe(&NUMBERS, number("k", 5)).run();
        assert_eq!(driver.values(&REST), expected);
        assert_eq!(calls.load(Ordering::SeqCst), 3);
    }
}

#[test]
fn a_record_that_fails_is_tried_again_from_the_last_commit_and_then_dealt_with() {
    let retry = |then: Policy| Policy::Retry {
        attempts: 2,
        backoff: Duration::from_millis(50),
        then: Box::new(then),
    };
    for (succeeds_at, expected) in [(3, vec![1, 5, 7]), (4, vec![1, 7])] {
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tries);
        let builder = TestDriver::builder("app")
            .exactly_once()
            .policy(&retry(Policy::Skip));
        let mut driver = builder.build(move |b| {
            let tries = Arc::clone(&counted);
            b.stream(NUMBERS)
                .try_map(move |n| {
                    if n == 5 && tries.fetch_add(1, Ordering::SeqCst) + 1 < succeeds_at {
                        return Err("not yet");
                    }
                    Ok(n)
                })
                .to(REST);
        });
        for n in [1, 5, 7] {
            driver.pipe(&NUMBERS, number("k", n));
        }
        driver.run();
        assert_eq!(
            driver.values(&REST),
            expected,
            "once each, though 1 was taken again"
        );
        assert_eq!(tries.load(Ordering::SeqCst), 3);
        assert_eq!(driver.wall_clock(), 100, "two pauses");
        let skipped = driver.dropped_in_all(DropReason::Processing);
        assert_eq!(skipped, u64::from(expected.len() == 2));
    }
    let retry = retry(Policy::Fail);
    let mut driver = TestDriver::builder("app").policy(&retry).build(|b| {
        b.stream(NUMBERS)
            .try_map(|_| Err::<u64, _>("never"))
            .to(REST);
    });
    driver.pipe_bytes("numbers", 0, None, Some(b"1"), 1, Headers::default());
    assert!(driver.try_run().is_err());
}

#[test]
fn a_pattern_reads_all_topics_that_match_it_and_none_of_the_applications_own() {
    let topology = |b: &Builder| {
        let like: Topic<String, u64> = Topic::json("shops");
        b.stream_pattern("shop-(a|b|all).*", like)
            .key_by("all-orders", |n: &u64| n.to_string())
            .to(REST);
    };
    let mut driver = TestDriver::builder("shop")
        .partitions("shop-a", 2)
        .partitions("shop-b", 1)
        .partitions("shop-c", 1)
        .partitions("shop-all-orders-repartition", 2)
        .build(topology);
    for (topic, value) in [("shop-a", "1"), ("shop-b", "2"), ("shop-c", "4")] {
        let headers = Headers::default();
        driver.pipe_bytes(topic, 0, Some(b"k"), Some(value.as_bytes()), 1, headers);
    }
    driver.run();
    let mut read = driver.values(&REST);
    read.sort_unstable();
    assert_eq!(read, [1, 2]);
    let text = driver.topology().text();
    assert!(
        text.contains("Source: shops (topics: [shop-a, shop-b])"),
        "{text}"
    );
    let Err(error) = TestDriver::builder("shop").try_build(topology) else {
        panic!("there is no such topic");
    };
    assert!(
        error.to_string().contains("no topic that exists matches"),
        "{error}"
    );
}
