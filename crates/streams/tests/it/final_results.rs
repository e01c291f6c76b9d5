//! One result per window: `emit(Final)`, which reads the windows' store again, and `suppress`, which has a buffer.

use headwater_streams::context::DropReason;
use headwater_streams::suppress::{until_time_limit, until_window_closes};
use headwater_streams::test_driver::{CrashPoint, Disk, TestDriver};
use headwater_streams::windows::{hopping, millis, session, sliding, tumbling};
use headwater_streams::{Builder, Final, Record, Topic, Topology, Windowed};

use crate::results::{INPUT, RESULTS, at, header, pipe, results, show};

fn emitted(b: &Builder) {
    let windows = tumbling(millis(10)).grace(millis(5));
    show(b.stream(INPUT).window(windows).count("counts").emit(Final));
}

fn suppressed(b: &Builder) {
    let windows = tumbling(millis(10)).grace(millis(5));
    let counts = b.stream(INPUT).window(windows).count("counts");
    show(counts.suppress("held", until_window_closes()));
}

fn idle(b: &Builder) {
    let windows = tumbling(millis(10)).grace(millis(5));
    show(
        b.stream(INPUT)
            .window(windows)
            .count("counts")
            .emit(Final.or_idle(millis(100))),
    );
}

#[test]
fn exactly_one_result_per_window_comes_when_stream_time_has_passed_its_end_and_grace() {
    for topology in [emitted as fn(&Builder), suppressed] {
        let mut driver = TestDriver::new("app", topology);
        assert!(at(&mut driver, &[1, 3, 12, 14, 2]).is_empty());
        assert_eq!(at(&mut driver, &[15]), ["a@[0, 10) 3 @3"]);
        assert!(at(&mut driver, &[4]).is_empty(), "late");
        assert_eq!(driver.dropped("counts", DropReason::Late), 1);
        assert_eq!(at(&mut driver, &[100, 24]), ["a@[10, 20) 3 @15"]);
        assert_eq!(at(&mut driver, &[200]), ["a@[100, 110) 1 @100"]);
    }
}

#[test]
fn windows_that_close_together_come_in_order_of_time_then_key() {
    for topology in [emitted as fn(&Builder), suppressed] {
        let mut driver = TestDriver::new("app", topology);
        for (key, timestamp) in [("b", 5), ("a", 11), ("c", 1), ("a", 2)] {
            pipe(&mut driver, key, 1, timestamp);
        }
        let expected = [
            "a@[0, 10) 1 @2",
            "b@[0, 10) 1 @5",
            "c@[0, 10) 1 @1",
            "a@[10, 20) 1 @11",
        ];
        assert_eq!(at(&mut driver, &[1000]), expected);
    }
}

#[test]
fn a_final_result_has_the_headers_of_the_record_that_closed_it_and_a_suppressed_one_of_its_last() {
    for (topology, expected) in [(emitted as fn(&Builder), "closing"), (suppressed, "last")] {
        let mut driver = TestDriver::new("app", topology);
        for (timestamp, headers) in [(1, "first"), (2, "last"), (50, "closing")] {
            let mut record = Record::new("a".to_owned(), 1, timestamp);
            record.headers = header(headers);
            driver.pipe(&INPUT, record);
        }
        driver.run();
        let written = driver.read(&RESULTS);
        assert_eq!(written.len(), 1);
        assert_eq!(
            (written[0].timestamp, &written[0].headers),
            (2, &header(expected))
        );
    }
}

#[test]
fn no_window_is_emitted_twice_or_lost_over_a_restart() {
    for topology in [emitted as fn(&Builder), suppressed] {
        for disk in [Disk::Kept, Disk::Lost] {
            let mut driver = TestDriver::builder("app").exactly_once().build(topology);
            assert_eq!(at(&mut driver, &[1, 12, 16]), ["a@[0, 10) 1 @1"]);
            pipe(&mut driver, "a", 1, 17);
            driver.crash_at(CrashPoint::Processing, disk);
            assert!(at(&mut driver, &[18]).is_empty());
            driver.crash_at(CrashPoint::BeforeCommit, disk);
            assert_eq!(at(&mut driver, &[26]), ["a@[10, 20) 4 @18"]);
        }
    }
}

#[test]
fn suppress_has_a_changelog_and_emit_has_none_of_its_own() {
    let changelogs = |topology: fn(&Builder)| -> Vec<String> {
        let topology = Topology::build("app", topology).expect("sound");
        topology
            .internal_topics()
            .iter()
            .map(|topic| topic.name.to_string())
            .collect()
    };
    assert_eq!(changelogs(emitted), ["app-counts-changelog"]);
    assert_eq!(
        changelogs(suppressed),
        ["app-counts-changelog", "app-held-changelog"]
    );
}

#[test]
fn a_late_record_does_not_move_what_is_suppressed_but_a_filtered_one_closes_what_is_emitted() {
    // suppress hears of what reaches it only; emit of every record.
    let both = |b: &Builder| {
        let windows = tumbling(millis(10));
        let counts = b
            .stream(INPUT)
            .window(windows)
            .count("counts")
            .filter(|count| *count > 1);
        show(counts.suppress("held", until_window_closes()));
    };
    let mut driver = TestDriver::new("app", both);
    assert!(at(&mut driver, &[1, 2, 50]).is_empty());
    let emitted = |b: &Builder| {
        let counts = b
            .stream(INPUT)
            .window(tumbling(millis(10)))
            .count("counts")
            .emit(Final);
        show(counts.filter(|count| *count > 1));
    };
    let mut driver = TestDriver::new("app", emitted);
    assert_eq!(at(&mut driver, &[1, 2, 50]), ["a@[0, 10) 2 @2"]);
}

#[test]
fn hopping_and_sliding_windows_are_emitted_when_they_close() {
    let mut driver = TestDriver::new("app", |b| {
        show(
            b.stream(INPUT)
                .window(hopping(millis(10), millis(5)))
                .count("counts")
                .emit(Final),
        );
    });
    assert_eq!(at(&mut driver, &[7, 10]), ["a@[0, 10) 1 @7"]);
    assert_eq!(
        at(&mut driver, &[20]),
        ["a@[5, 15) 2 @10", "a@[10, 20) 1 @10"]
    );

    let topologies: [fn(&Builder); 2] = [
        |b| {
            show(
                b.stream(INPUT)
                    .window(sliding(millis(10)))
                    .count("counts")
                    .emit(Final),
            );
        },
        |b| {
            let counts = b.stream(INPUT).window(sliding(millis(10))).count("counts");
            show(counts.suppress("held", until_window_closes()));
        },
    ];
    for topology in topologies {
        let mut driver = TestDriver::new("app", topology);
        assert!(
            at(&mut driver, &[20, 20]).is_empty(),
            "a record at its end is not late yet"
        );
        assert_eq!(at(&mut driver, &[21]), ["a@[10, 20) 2 @20"]);
        assert_eq!(
            at(&mut driver, &[60]),
            ["a@[11, 21) 3 @21", "a@[21, 31) 1 @21"]
        );
    }
}

#[test]
fn a_session_is_emitted_once_without_tombstones_of_those_it_merged() {
    let topologies: [fn(&Builder); 2] = [
        |b| {
            show(
                b.stream(INPUT)
                    .window(session(millis(10)))
                    .count("counts")
                    .emit(Final),
            );
        },
        |b| {
            let counts = b.stream(INPUT).window(session(millis(10))).count("counts");
            show(counts.suppress("held", until_window_closes()));
        },
    ];
    for topology in topologies {
        let mut driver = TestDriver::new("app", topology);
        assert!(at(&mut driver, &[20, 30]).is_empty());
        pipe(&mut driver, "b", 1, 40);
        assert!(
            results(&mut driver).is_empty(),
            "a record at 30 would still merge"
        );
        pipe(&mut driver, "b", 1, 41);
        assert_eq!(results(&mut driver), ["a@[20, 30] 2 @30"]);
        assert_eq!(at(&mut driver, &[100]), ["b@[40, 41] 2 @41"]);
    }
}

#[test]
fn windows_close_when_no_record_comes_for_the_idle_time() {
    let mut driver = TestDriver::new("app", idle);
    assert!(at(&mut driver, &[1, 12]).is_empty());
    driver.advance(millis(99));
    assert!(results(&mut driver).is_empty());
    driver.advance(millis(1));
    assert_eq!(results(&mut driver), ["a@[0, 10) 1 @1", "a@[10, 20) 1 @12"]);
    driver.advance(millis(1000));
    assert!(results(&mut driver).is_empty(), "nothing is open");
    assert!(at(&mut driver, &[13]).is_empty(), "late");
    assert_eq!(driver.dropped("counts", DropReason::Late), 1);
    assert!(at(&mut driver, &[25]).is_empty());
    driver.advance(millis(100));
    assert_eq!(results(&mut driver), ["a@[20, 30) 1 @25"]);
}

#[test]
fn a_window_closed_by_idleness_stays_closed_after_a_restart() {
    for disk in [Disk::Kept, Disk::Lost] {
        let mut driver = TestDriver::builder("app").exactly_once().build(idle);
        assert!(at(&mut driver, &[1]).is_empty());
        // Nothing is read between restart and close: the clock alone is committed.
        driver.crash_at(CrashPoint::Processing, disk);
        driver.run().advance(millis(100));
        assert_eq!(results(&mut driver), ["a@[0, 10) 1 @1"]);
        driver.crash_at(CrashPoint::Processing, disk);
        assert!(at(&mut driver, &[2]).is_empty());
        assert_eq!(driver.dropped("counts", DropReason::Late), 1);
        driver.advance(millis(1000));
        assert!(results(&mut driver).is_empty(), "it is emitted once");
    }
}

#[test]
fn idleness_closes_nothing_while_there_are_records_to_read() {
    let mut driver = TestDriver::new("app", idle);
    assert!(at(&mut driver, &[1]).is_empty());
    driver.hold("input");
    pipe(&mut driver, "a", 1, 2);
    driver.advance(millis(1000));
    assert!(results(&mut driver).is_empty());
    driver.release("input");
    assert!(results(&mut driver).is_empty());
    driver.advance(millis(100));
    assert_eq!(results(&mut driver), ["a@[0, 10) 2 @2"]);
}

#[test]
fn idle_sessions_and_sliding_windows_close_too() {
    type Case = (fn(&Builder), &'static [&'static str]);
    let topologies: [Case; 2] = [
        (
            |b| {
                let windows = session(millis(10)).grace(millis(5));
                show(
                    b.stream(INPUT)
                        .window(windows)
                        .count("counts")
                        .emit(Final.or_idle(millis(100))),
                );
            },
            &["a@[20, 25] 2 @25"],
        ),
        (
            |b| {
                let windows = sliding(millis(10)).grace(millis(5));
                show(
                    b.stream(INPUT)
                        .window(windows)
                        .count("counts")
                        .emit(Final.or_idle(millis(100))),
                );
            },
            &["a@[10, 20) 1 @20", "a@[15, 25) 2 @25", "a@[21, 31) 1 @25"],
        ),
    ];
    for (topology, expected) in topologies {
        let mut driver = TestDriver::new("app", topology);
        at(&mut driver, &[20, 25]);
        driver.advance(millis(100));
        assert_eq!(results(&mut driver), expected);
        driver.advance(millis(100));
        assert!(results(&mut driver).is_empty());
    }
}

#[test]
fn more_windows_than_a_page_close_at_once() {
    let mut driver = TestDriver::new("app", emitted);
    for n in 0..6000_i64 {
        let record = Record::new(format!("{n:05}"), 1, n / 5000 * 10);
        driver.pipe(&INPUT, record);
    }
    driver.run();
    let closed = at(&mut driver, &[1_000_000]);
    let expected = (0..6000).map(|n| {
        let start = n / 5000 * 10;
        format!("{n:05}@[{start}, {}) 1 @{start}", start + 10)
    });
    assert_eq!(closed, expected.collect::<Vec<_>>());
}

#[test]
fn emit_is_refused_where_there_is_no_aggregation_to_hold_back() {
    const COUNTS: Topic<Windowed<String>, u64> = Topic::json("counts");
    let cases: [fn(&Builder); 3] = [
        |b| show(b.table(COUNTS, "rows").emit(Final)),
        |b| {
            let counts = b.stream(INPUT).window(tumbling(millis(10))).count("counts");
            show(counts.emit(Final).emit(Final));
        },
        |b| {
            let (counts, others) = b
                .stream(INPUT)
                .window(tumbling(millis(10)))
                .count("counts")
                .tee();
            show(counts.emit(Final));
            others.to(COUNTS);
        },
    ];
    for case in cases {
        let text = Topology::build("app", case)
            .expect_err("nothing to emit")
            .to_string();
        assert!(
            text.contains("final_results.rs") && text.contains("emit belongs"),
            "{text}"
        );
    }
    let text = Topology::build("app", |b| {
        show(
            b.table(COUNTS, "rows")
                .suppress("held", until_window_closes()),
        );
    })
    .expect_err("no windows close")
    .to_string();
    assert!(text.contains("until_window_closes belongs"), "{text}");
}

fn limited(b: &Builder) {
    let sums = b
        .stream(INPUT)
        .fold("sums", 0_i64, |sum, value| *sum += value);
    show(sums.suppress("held", until_time_limit(millis(10))));
}

#[test]
fn a_time_limit_counts_from_a_keys_first_change_and_hands_on_the_last() {
    let mut driver = TestDriver::new("app", limited);
    for (key, timestamp) in [("a", 1), ("b", 2), ("a", 10)] {
        pipe(&mut driver, key, 1, timestamp);
    }
    assert!(results(&mut driver).is_empty());
    pipe(&mut driver, "c", 1, 11);
    assert_eq!(results(&mut driver), ["a 2 @10"]);
    pipe(&mut driver, "a", 1, 20);
    assert_eq!(results(&mut driver), ["b 1 @2"]);
    pipe(&mut driver, "d", 1, 30);
    assert_eq!(results(&mut driver), ["c 1 @11", "a 3 @20"]);
}

#[test]
fn what_is_suppressed_is_there_after_a_restart() {
    for disk in [Disk::Kept, Disk::Lost] {
        let mut driver = TestDriver::builder("app").exactly_once().build(limited);
        pipe(&mut driver, "a", 1, 1);
        assert!(results(&mut driver).is_empty());
        driver.crash_at(CrashPoint::Processing, disk);
        pipe(&mut driver, "a", 1, 2);
        driver.crash_at(CrashPoint::Processing, disk);
        pipe(&mut driver, "b", 1, 11);
        assert_eq!(results(&mut driver), ["a 2 @2"]);
    }
}

#[test]
fn a_full_buffer_hands_on_early_or_stops_the_application() {
    let early = |b: &Builder| {
        let sums = b
            .stream(INPUT)
            .fold("sums", 0_i64, |sum, value| *sum += value);
        show(sums.suppress("held", until_time_limit(millis(1000)).max_records(2)));
    };
    let mut driver = TestDriver::new("app", early);
    for (key, timestamp) in [("b", 1), ("a", 2), ("b", 3), ("c", 4)] {
        pipe(&mut driver, key, 1, timestamp);
    }
    assert_eq!(results(&mut driver), ["b 2 @3"]);

    let stops: [fn(&Builder); 2] = [
        |b| {
            let counts = b.stream(INPUT).window(tumbling(millis(10))).count("counts");
            show(counts.suppress("held", until_window_closes().max_records(1)));
        },
        |b| {
            let sums = b
                .stream(INPUT)
                .fold("sums", 0_i64, |sum, value| *sum += value);
            let limit = until_time_limit(millis(1000))
                .max_bytes(30)
                .shut_down_when_full();
            show(sums.suppress("held", limit));
        },
    ];
    for topology in stops {
        let mut driver = TestDriver::new("app", topology);
        for key in ["a", "b", "c", "d"] {
            driver.pipe(&INPUT, Record::new(key.to_owned(), 1, 1));
        }
        let error = driver
            .try_run()
            .expect_err("the buffer is full")
            .to_string();
        assert!(
            error.contains("held") && error.contains("the buffer is full: at most "),
            "{error}"
        );
    }
}

#[test]
fn what_is_behind_suppress_takes_out_what_was_handed_on_before() {
    let mut driver = TestDriver::new("app", |b| {
        let sums = b
            .stream(INPUT)
            .fold("sums", 0_i64, |sum, value| *sum += value);
        let held = sums.suppress("held", until_time_limit(millis(10)));
        show(
            held.group_by("all", |_, sum| ("all".to_owned(), sum))
                .reduce("total", |total, sum| total + sum, |total, sum| total - sum),
        );
    });
    for (value, timestamp) in [(1, 1), (2, 2), (4, 20), (8, 21), (16, 40), (0, 60)] {
        pipe(&mut driver, "a", value, timestamp);
    }
    assert_eq!(results(&mut driver), ["all 7 @20", "all 31 @40"]);
}

#[test]
fn a_deleted_row_that_is_suppressed_is_told_by_a_time_limit() {
    let mut driver = TestDriver::new("app", |b| {
        let rows = b.table(INPUT, "rows").filter(|value| *value > 0);
        show(rows.suppress("held", until_time_limit(millis(0))));
    });
    for (value, timestamp) in [(1, 1), (0, 2)] {
        pipe(&mut driver, "a", value, timestamp);
    }
    assert_eq!(results(&mut driver), ["a 1 @1", "a - @2"]);
}

#[test]
fn joined_windows_are_suppressed_until_both_tables_windows_close() {
    const OTHERS: Topic<String, i64> = Topic::json("others");
    let mut driver = TestDriver::new("app", |b| {
        let counts = b.stream(INPUT).window(tumbling(millis(10))).count("counts");
        let windows = tumbling(millis(10)).grace(millis(5));
        let others = b.stream(OTHERS).window(windows).count("others");
        let pairs = counts
            .join(others)
            .map(|(count, other)| format!("{count}/{other}"));
        show(pairs.suppress("held", until_window_closes()));
    });
    for timestamp in [1, 2, 14] {
        driver.pipe(&OTHERS, Record::new("a".to_owned(), 1, timestamp));
        pipe(&mut driver, "a", 1, timestamp);
    }
    assert!(results(&mut driver).is_empty());
    driver.pipe(&OTHERS, Record::new("a".to_owned(), 1, 15));
    assert_eq!(results(&mut driver), ["a@[0, 10) 2/2 @2"]);
}
