//! Windowed aggregation: which records fall into which windows, which are late, and how long windows are kept.

use std::collections::BTreeMap;

use headwater_streams::context::DropReason;
use headwater_streams::test_driver::TestDriver;
use headwater_streams::windows::{days, hopping, millis, session, sliding, tumbling};
use headwater_streams::{Builder, Materialized, Record, StreamsError, Topology};

use crate::results::{INPUT, at, header, pipe, results, show};

/// The values of a window, in the order they came.
fn listed(list: &mut String, value: i64) {
    list.push('+');
    list.push_str(&value.to_string());
}

#[test]
fn time_windows_hold_their_start_and_not_their_end_and_are_aligned_to_the_epoch() {
    let mut driver = TestDriver::new("app", |b| {
        show(b.stream(INPUT).window(tumbling(millis(10))).count("counts"));
    });
    assert_eq!(
        at(&mut driver, &[0, 9, 10, 19, 33]),
        [
            "a@[0, 10) 1 @0",
            "a@[0, 10) 2 @9",
            "a@[10, 20) 1 @10",
            "a@[10, 20) 2 @19",
            "a@[30, 40) 1 @33",
        ]
    );
}

#[test]
fn hopping_windows_overlap_and_none_begins_before_the_epoch() {
    let mut driver = TestDriver::new("app", |b| {
        let windows = hopping(millis(10), millis(4));
        show(
            b.stream(INPUT)
                .window(windows)
                .reduce("sums", |sum, value| sum + value),
        );
    });
    assert_eq!(
        at(&mut driver, &[3, 9, 12]),
        [
            "a@[0, 10) 1 @3",
            "a@[0, 10) 2 @9",
            "a@[4, 14) 1 @9",
            "a@[8, 18) 1 @9",
            "a@[4, 14) 2 @12",
            "a@[8, 18) 2 @12",
            "a@[12, 22) 1 @12",
        ]
    );
}

#[test]
fn a_record_is_late_for_a_time_window_that_ends_at_or_before_stream_time_less_grace() {
    let mut driver = TestDriver::new("app", |b| {
        let windows = tumbling(millis(10)).grace(millis(5));
        show(b.stream(INPUT).window(windows).count("counts"));
    });
    assert_eq!(
        at(&mut driver, &[14, 9]),
        ["a@[10, 20) 1 @14", "a@[0, 10) 1 @9"]
    );
    assert_eq!(at(&mut driver, &[15, 9, 0]), ["a@[10, 20) 2 @15"]);
    assert_eq!(driver.dropped("counts", DropReason::Late), 2);
}

#[test]
fn a_record_may_be_late_for_some_of_its_windows_and_each_is_counted() {
    let mut driver = TestDriver::new("app", |b| {
        show(
            b.stream(INPUT)
                .window(hopping(millis(10), millis(5)))
                .count("counts"),
        );
    });
    assert_eq!(
        at(&mut driver, &[12]),
        ["a@[5, 15) 1 @12", "a@[10, 20) 1 @12"]
    );
    assert_eq!(at(&mut driver, &[8]), ["a@[5, 15) 2 @12"]);
    assert_eq!(driver.dropped("counts", DropReason::Late), 1);
}

#[test]
fn stream_time_of_windows_is_that_of_all_keys_and_survives_a_restart() {
    let mut driver = TestDriver::new("app", |b| {
        show(b.stream(INPUT).window(tumbling(millis(10))).count("counts"));
    });
    pipe(&mut driver, "b", 1, 25);
    results(&mut driver);
    driver.rebalance();
    assert!(at(&mut driver, &[9]).is_empty());
    assert_eq!(driver.dropped("counts", DropReason::Late), 1);
}

#[test]
fn without_grace_a_record_is_late_as_soon_as_its_window_has_ended() {
    assert_eq!(headwater_streams::windows::DEFAULT_GRACE.as_millis(), 0);
    for (first, late) in [(19, 0), (20, 1)] {
        let mut driver = TestDriver::new("app", |b| {
            show(
                b.stream(INPUT)
                    .window(tumbling(millis(10)).grace(millis(0)))
                    .count("counts"),
            );
        });
        at(&mut driver, &[first, 19]);
        assert_eq!(driver.dropped("counts", DropReason::Late), late);
    }
}

#[test]
fn windows_are_kept_for_size_and_grace_and_a_shorter_retention_is_refused() {
    let keeps = |topology: fn(&Builder)| {
        let topology = Topology::build("app", topology)?;
        Ok::<_, StreamsError>(topology.stores()[0].retention_ms())
    };
    let size = |b: &Builder| {
        show(
            b.stream(INPUT)
                .window(tumbling(millis(10)).grace(millis(5)))
                .count("counts"),
        );
    };
    assert_eq!(keeps(size).ok(), Some(Some(15)));
    let longer = |b: &Builder| {
        show(
            b.stream(INPUT)
                .window(hopping(millis(10), millis(5)).retention(days(1)))
                .count("counts"),
        );
    };
    assert_eq!(keeps(longer).ok(), Some(Some(86_400_000)));
    let twice = |b: &Builder| {
        show(
            b.stream(INPUT)
                .window(sliding(millis(10)).grace(millis(5)))
                .count("counts"),
        );
    };
    assert_eq!(keeps(twice).ok(), Some(Some(25)));
    let shorter: [fn(&Builder); 3] = [
        |b| {
            let windows = tumbling(millis(10)).grace(millis(5)).retention(millis(14));
            show(b.stream(INPUT).window(windows).count("counts"));
        },
        |b| {
            show(
                b.stream(INPUT)
                    .window(sliding(millis(10)).retention(millis(19)))
                    .count("counts"),
            );
        },
        |b| {
            show(
                b.stream(INPUT)
                    .window(session(millis(10)).retention(millis(9)))
                    .count("counts"),
            );
        },
    ];
    for shorter in shorter {
        let text = keeps(shorter).expect_err("too short").to_string();
        assert!(text.contains("shorter than the windows live"), "{text}");
        assert!(text.contains("windows.rs"), "{text}");
    }
}

#[test]
fn windows_that_cannot_be_are_refused_with_their_place() {
    let cases: [fn(&Builder); 4] = [
        |b| show(b.stream(INPUT).window(tumbling(millis(0))).count("counts")),
        |b| {
            show(
                b.stream(INPUT)
                    .window(hopping(millis(10), millis(0)))
                    .count("counts"),
            );
        },
        |b| {
            show(
                b.stream(INPUT)
                    .window(hopping(millis(10), millis(11)))
                    .count("counts"),
            );
        },
        |b| show(b.stream(INPUT).window(sliding(millis(0))).count("counts")),
    ];
    for case in cases {
        let text = Topology::build("app", case)
            .expect_err("no such windows")
            .to_string();
        assert!(
            text.contains("windows.rs") && text.contains("millisecond"),
            "{text}"
        );
    }
}

#[test]
fn a_windows_timestamp_is_the_largest_of_its_records_and_its_headers_the_current_records() {
    let mut driver = TestDriver::new("app", |b| {
        show(b.stream(INPUT).window(tumbling(millis(10))).count("counts"));
    });
    for (timestamp, headers) in [(7, "first"), (2, "second")] {
        let mut record = Record::new("a".to_owned(), 1, timestamp);
        record.headers = header(headers);
        driver.pipe(&INPUT, record);
    }
    driver.run();
    let written = driver.read(&crate::results::RESULTS);
    assert_eq!([written[0].timestamp, written[1].timestamp], [7, 7]);
    assert_eq!(
        [&written[0].headers, &written[1].headers],
        [&header("first"), &header("second")]
    );
}

#[test]
fn a_windowed_record_without_a_key_is_dropped_and_moves_no_clock() {
    let mut driver = TestDriver::new("app", |b| {
        show(b.stream(INPUT).window(tumbling(millis(10))).count("counts"));
    });
    driver.pipe(&INPUT, Record::new(None, 1, 100));
    assert_eq!(at(&mut driver, &[5]), ["a@[0, 10) 1 @5"]);
    assert_eq!(driver.dropped("counts", DropReason::NullKey), 1);
}

#[test]
fn windows_with_a_cache_emit_the_latest_per_commit() {
    let mut driver = TestDriver::new("app", |b| {
        let store = Materialized::named("counts").cached();
        show(b.stream(INPUT).window(tumbling(millis(10))).count(store));
    });
    assert_eq!(
        at(&mut driver, &[1, 3, 11, 12]),
        ["a@[0, 10) 2 @3", "a@[10, 20) 2 @12"]
    );
    assert_eq!(at(&mut driver, &[14]), ["a@[10, 20) 3 @14"]);
}

fn slid(b: &Builder) {
    let windows = sliding(millis(10)).grace(millis(100));
    show(
        b.stream(INPUT)
            .window(windows)
            .fold("lists", String::new(), listed),
    );
}

#[test]
fn sliding_windows_hold_both_their_ends() {
    let mut driver = TestDriver::new("app", slid);
    pipe(&mut driver, "a", 1, 20);
    pipe(&mut driver, "a", 2, 30);
    pipe(&mut driver, "a", 3, 42);
    assert_eq!(
        results(&mut driver),
        [
            "a@[10, 20) +1 @20",
            "a@[21, 31) +2 @30",
            "a@[20, 30) +1+2 @30",
            "a@[32, 42) +3 @42",
        ]
    );
}

#[test]
fn sliding_windows_come_in_kafka_streams_order() {
    // Kafka's own test of joined sliding windows: first set, then later records of the same keys.
    let mut driver = TestDriver::new("app", slid);
    for (key, timestamp) in [("A", 10), ("B", 11), ("A", 15), ("B", 16)] {
        pipe(&mut driver, key, 1, timestamp);
    }
    pipe(&mut driver, "A", 2, 12);
    pipe(&mut driver, "A", 3, 15);
    assert_eq!(
        results(&mut driver),
        [
            "A@[0, 10) +1 @10",
            "B@[1, 11) +1 @11",
            "A@[11, 21) +1 @15",
            "A@[5, 15) +1+1 @15",
            "B@[12, 22) +1 @16",
            "B@[6, 16) +1+1 @16",
            // Out of order: windows that exist are updated, the latest first; then those that it begins.
            "A@[11, 21) +1+2 @15",
            "A@[5, 15) +1+1+2 @15",
            "A@[2, 12) +1+2 @12",
            "A@[13, 23) +1 @15",
            // At the time of another record nothing new begins.
            "A@[13, 23) +1+3 @15",
            "A@[11, 21) +1+2+3 @15",
            "A@[5, 15) +1+1+2+3 @15",
        ]
    );
}

#[test]
fn records_too_early_for_a_sliding_window_share_the_first_one() {
    // Kafka's own test of early records.
    let mut driver = TestDriver::new("app", |b| {
        show(
            b.stream(INPUT)
                .window(sliding(millis(50)))
                .fold("lists", String::new(), listed),
        );
    });
    for (value, timestamp) in [(1, 0), (2, 5), (3, 6), (4, 3), (5, 13), (6, 10), (7, 70)] {
        pipe(&mut driver, "a", value, timestamp);
    }
    let mut windows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for result in results(&mut driver) {
        let (window, value) = result.split_once(") ").expect("a windowed key");
        windows
            .entry(window.to_owned())
            .or_default()
            .push(value.to_owned());
    }
    let expected = [
        (
            "a@[0, 50",
            &[
                "+1 @0",
                "+1+2 @5",
                "+1+2+3 @6",
                "+1+2+3+4 @6",
                "+1+2+3+4+5 @13",
                "+1+2+3+4+5+6 @13",
            ][..],
        ),
        (
            "a@[1, 51",
            &[
                "+2 @5",
                "+2+3 @6",
                "+2+3+4 @6",
                "+2+3+4+5 @13",
                "+2+3+4+5+6 @13",
            ],
        ),
        ("a@[11, 61", &["+5 @13"]),
        ("a@[20, 70", &["+7 @70"]),
        ("a@[4, 54", &["+2+3 @6", "+2+3+5 @13", "+2+3+5+6 @13"]),
        ("a@[6, 56", &["+3 @6", "+3+5 @13", "+3+5+6 @13"]),
        ("a@[7, 57", &["+5 @13", "+5+6 @13"]),
    ];
    let expected: BTreeMap<_, _> = expected
        .into_iter()
        .map(|(window, values)| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            (window.to_owned(), values)
        })
        .collect();
    assert_eq!(windows, expected);
}

#[test]
fn a_record_is_late_for_sliding_windows_when_those_that_it_begins_end_before_stream_time_less_grace()
 {
    let mut driver = TestDriver::new("app", |b| {
        let windows = sliding(millis(10)).grace(millis(5));
        show(b.stream(INPUT).window(windows).count("counts"));
    });
    pipe(&mut driver, "b", 1, 40);
    results(&mut driver);
    assert!(at(&mut driver, &[24]).is_empty());
    assert_eq!(driver.dropped("counts", DropReason::Late), 1);
    // At 25 the window that ends with the record is closed; the one that it would begin is not, and is empty.
    assert!(at(&mut driver, &[25]).is_empty());
    assert_eq!(driver.dropped("counts", DropReason::Late), 2);
    assert_eq!(at(&mut driver, &[35]), ["a@[25, 35) 1 @35"]);
}

#[test]
fn sliding_windows_are_those_of_the_definition_whatever_the_order_of_the_records() {
    const DIFFERENCE: i64 = 10;
    for seed in 1..60_u64 {
        let mut random = seed;
        let mut next = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let times: Vec<_> = (0..25).map(|_| next(80) as i64).collect();
        let mut driver = TestDriver::new("app", |b| {
            let windows = sliding(millis(DIFFERENCE as u64)).grace(millis(1000));
            show(b.stream(INPUT).window(windows).count("counts"));
        });
        at(&mut driver, &times);
        let within = |start: i64| {
            times
                .iter()
                .filter(|time| (start..=start + DIFFERENCE).contains(*time))
                .count() as u64
        };
        let mut expected = BTreeMap::new();
        for time in &times {
            let left = (time - DIFFERENCE).max(0);
            expected.insert(left, within(left));
            if within(time + 1) > 0 {
                expected.insert(time + 1, within(time + 1));
            }
        }
        let windows = driver
            .store::<String, u64>("counts")
            .windows(&"a".to_owned());
        assert_eq!(
            windows.into_iter().collect::<BTreeMap<_, _>>(),
            expected,
            "{times:?}"
        );
    }
}
