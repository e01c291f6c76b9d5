//! Aggregation by key: values, timestamps, headers, emission, errors, cogrouping.

use headwater_streams::test_driver::{CrashPoint, Disk, TestDriver};
use headwater_streams::windows::{hopping, millis, session, sliding, tumbling};
use headwater_streams::{Builder, Materialized, Policy, Record, Topic};

use crate::results::{INPUT, at, header, pipe, results, show};

const SUMS: Topic<String, i64> = Topic::json("sums");
const OTHER: Topic<String, String> = Topic::json("other");
const OTHER_LATEST: Topic<String, String> = Topic::json("other-latest");

fn sums(b: &Builder) {
    show(
        b.stream(INPUT)
            .fold("sums", 0_i64, |sum, value| *sum += value),
    );
}

#[test]
fn an_aggregates_timestamp_is_the_largest_of_its_records() {
    let mut driver = TestDriver::new("app", sums);
    for (value, timestamp) in [(1, 10), (2, 5), (3, 20)] {
        pipe(&mut driver, "a", value, timestamp);
    }
    assert_eq!(results(&mut driver), ["a 1 @10", "a 3 @10", "a 6 @20"]);
    let stored = driver
        .store::<String, i64>("sums")
        .get_stamped(&"a".to_owned());
    assert_eq!(stored, Some((6, 20)));
}

#[test]
fn an_aggregates_headers_are_the_current_records() {
    let mut driver = TestDriver::new("app", |b| {
        b.stream(INPUT)
            .reduce("sums", |sum, value| sum + value)
            .to(SUMS);
    });
    for (n, headers) in ["1", "2"].into_iter().enumerate() {
        let mut record = Record::new("a".to_owned(), 1, n as i64);
        record.headers = header(headers);
        driver.pipe(&INPUT, record);
    }
    driver.run();
    let read = driver.read(&SUMS);
    assert_eq!(
        [&read[0].headers, &read[1].headers],
        [&header("1"), &header("2")]
    );
    assert_eq!([read[0].value, read[1].value], [1, 2]);
}

#[test]
fn every_update_is_emitted_by_default_and_the_latest_per_commit_with_a_cache() {
    let cached = |b: &Builder| {
        let store = Materialized::named("sums").cached();
        show(
            b.stream(INPUT)
                .fold(store, 0_i64, |sum, value| *sum += value),
        );
    };
    let updates = [("b", 1, 1), ("a", 2, 2), ("b", 3, 9), ("b", 4, 4)];
    let mut driver = TestDriver::new("app", sums);
    for (key, value, timestamp) in updates {
        pipe(&mut driver, key, value, timestamp);
    }
    assert_eq!(
        results(&mut driver),
        ["b 1 @1", "a 2 @2", "b 4 @9", "b 8 @9"]
    );

    let mut driver = TestDriver::new("app", cached);
    for (key, value, timestamp) in updates {
        pipe(&mut driver, key, value, timestamp);
    }
    assert_eq!(
        results(&mut driver),
        ["b 8 @9", "a 2 @2"],
        "in order of the first update"
    );
    pipe(&mut driver, "a", 1, 3);
    assert_eq!(results(&mut driver), ["a 3 @3"], "only what changed since");
    assert!(results(&mut driver).is_empty());
}

#[test]
fn what_was_rolled_back_does_not_pass_on_from_a_cache() {
    let mut driver = TestDriver::builder("app").exactly_once().build(|b| {
        let store = Materialized::named("sums").cached();
        show(
            b.stream(INPUT)
                .fold(store, 0_i64, |sum, value| *sum += value),
        );
    });
    pipe(&mut driver, "a", 1, 1);
    driver.process();
    driver.crash();
    pipe(&mut driver, "a", 2, 2);
    assert_eq!(
        results(&mut driver),
        ["a 3 @2"],
        "both records were taken again, and one result passed on"
    );
}

#[test]
fn a_cache_is_full_by_the_size_of_its_values() {
    let mut driver = TestDriver::new("app", |b| {
        let store = Materialized::named("long").cached();
        b.stream(OTHER).reduce(store, |_, new| new).to(OTHER_LATEST);
    });
    for key in ["a", "b"] {
        let long = Record::new(key.to_owned(), "x".repeat(1_500_000), 1);
        driver.pipe(&OTHER, long);
    }
    driver.process();
    let passed = driver.key_values(&OTHER_LATEST);
    let keys: Vec<_> = passed.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["a"], "what waited longest, before any commit");
}

#[test]
fn a_cached_aggregates_old_value_is_the_one_that_was_emitted_last() {
    let mut driver = TestDriver::new("app", |b| {
        let store = Materialized::named("sums").cached();
        let sums = b
            .stream(INPUT)
            .fold(store, 0_i64, |sum, value| *sum += value);
        show(
            sums.group_by("all", |_, sum| ("all".to_owned(), sum))
                .reduce("total", |total, sum| total + sum, |total, sum| total - sum),
        );
    });
    for round in 0..3 {
        for key in ["a", "b"] {
            pipe(&mut driver, key, 1, round);
            pipe(&mut driver, key, 1, round);
        }
        let total = (round + 1) * 4;
        let expected = [
            format!("all {} @{round}", total - 2),
            format!("all {total} @{round}"),
        ];
        assert_eq!(results(&mut driver), expected);
    }
}

#[test]
fn a_fold_that_fails_leaves_the_aggregate_as_it_was() {
    let mut driver = TestDriver::builder("app").policy(&Policy::Skip).build(|b| {
        show(b.stream(INPUT).fold("sums", 0_u32, |sum, value| {
            *sum += 1;
            u32::try_from(value).map(|value| *sum += value)
        }));
    });
    for value in [1, -1, 2] {
        pipe(&mut driver, "a", value, 1);
    }
    assert_eq!(results(&mut driver), ["a 2 @1", "a 5 @1"]);
}

#[test]
fn a_record_that_fails_in_one_of_its_windows_is_one_dead_letter() {
    let topologies: [fn(&Builder); 2] = [
        |b| {
            let windows = b.stream(INPUT).window(hopping(millis(10), millis(2)));
            show(windows.fold("sums", 0_u32, |_, value| u32::try_from(value).map(|_| ())));
        },
        |b| {
            let windows = b.stream(INPUT).window(sliding(millis(10)));
            show(windows.fold("sums", 0_u32, |_, value| u32::try_from(value).map(|_| ())));
        },
    ];
    for topology in topologies {
        let builder = TestDriver::builder("app").policy(&Policy::DeadLetter);
        let mut driver = builder.dead_letter("letters").build(topology);
        for (value, timestamp) in [(1, 20), (1, 24), (-1, 25)] {
            pipe(&mut driver, "a", value, timestamp);
        }
        driver.run();
        assert_eq!(driver.read_bytes("letters").len(), 1);
    }
}

#[test]
fn an_aggregate_goes_on_where_it_was_after_a_crash_in_memory_and_on_disk() {
    let in_memory = |b: &Builder| {
        show(
            b.stream(INPUT)
                .count(Materialized::named("counts").in_memory()),
        );
    };
    let on_disk = |b: &Builder| show(b.stream(INPUT).count("counts"));
    for topology in [in_memory as fn(&Builder), on_disk] {
        for disk in [Disk::Kept, Disk::Lost] {
            let mut driver = TestDriver::builder("app").exactly_once().build(topology);
            assert_eq!(at(&mut driver, &[1, 2]), ["a 1 @1", "a 2 @2"]);
            pipe(&mut driver, "a", 1, 3);
            driver.crash_at(CrashPoint::Processing, disk);
            assert_eq!(at(&mut driver, &[4]), ["a 3 @3", "a 4 @4"]);
        }
    }
}

#[test]
fn without_a_changelog_lost_state_begins_empty_again() {
    let mut driver = TestDriver::new("app", |b| {
        show(
            b.stream(INPUT)
                .count(Materialized::named("counts").without_changelog()),
        );
    });
    assert_eq!(at(&mut driver, &[1, 2]), ["a 1 @1", "a 2 @2"]);
    assert!(
        !driver
            .topics()
            .iter()
            .any(|topic| topic.ends_with("-changelog"))
    );
    driver.crash_at(CrashPoint::Processing, Disk::Lost);
    assert_eq!(at(&mut driver, &[3]), ["a 1 @3"]);
}

/// Sums of a stream of numbers and lengths of a stream of texts.
fn pipe_both(driver: &mut TestDriver) -> Vec<String> {
    pipe(driver, "a", 5, 1);
    driver.pipe(&OTHER, Record::new("a".to_owned(), "xy".to_owned(), 4));
    driver.process();
    pipe(driver, "a", 1, 13);
    driver.pipe(&OTHER, Record::new("b".to_owned(), "z".to_owned(), 14));
    driver.process();
    results(driver)
}

#[test]
fn cogrouped_streams_share_one_aggregate() {
    let mut driver = TestDriver::new("app", |b| {
        let numbers = b
            .stream(INPUT)
            .cogroup(|sum: &mut i64, value| *sum += value);
        let both = numbers.and(b.stream(OTHER), |sum, text| *sum += text.len() as i64);
        show(both.fold("sums", 0));
    });
    assert_eq!(
        pipe_both(&mut driver),
        ["a 5 @1", "a 7 @4", "a 8 @13", "b 1 @14"]
    );
}

#[test]
fn cogrouped_streams_are_cut_into_any_windows() {
    type Cogrouped<'b> = headwater_streams::dsl::Cogrouped<'b, String, i64>;
    fn both(b: &Builder) -> Cogrouped<'_> {
        let numbers = b
            .stream(INPUT)
            .cogroup(|sum: &mut i64, value| *sum += value);
        numbers.and(b.stream(OTHER), |sum, text| *sum += text.len() as i64)
    }
    let run = |topology: fn(&Builder)| pipe_both(&mut TestDriver::new("app", topology));
    assert_eq!(
        run(|b| show(both(b).window(tumbling(millis(10))).fold("sums", 0))),
        [
            "a@[0, 10) 5 @1",
            "a@[0, 10) 7 @4",
            "a@[10, 20) 1 @13",
            "b@[10, 20) 1 @14"
        ]
    );
    assert_eq!(
        run(|b| show(both(b).window(sliding(millis(3))).fold("sums", 0))),
        [
            "a@[0, 3) 5 @1",
            "a@[2, 5) 2 @4",
            "a@[1, 4) 7 @4",
            "a@[10, 13) 1 @13",
            "b@[11, 14) 1 @14",
        ]
    );
    assert_eq!(
        run(|b| show(
            both(b)
                .window(session(millis(5)))
                .fold("sums", 0, |sum, next| *sum += next)
        )),
        [
            "a@[1, 1] 5 @1",
            "a@[1, 1] - @1",
            "a@[1, 4] 7 @4",
            "a@[13, 13] 1 @13",
            "b@[14, 14] 1 @14"
        ]
    );
}
