//! Crashes: nothing is lost, and under exactly-once nothing is doubled and the local state is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use headwater_streams::{Membership, Policy, State, WorkerFailure};

use super::cluster::eventually;
use super::word_count::{assert_exactly_once, cluster, topology, wait_for, write};

#[test]
fn an_instance_that_is_killed_again_and_again_counts_exactly_once() {
    let cluster = cluster(2);
    let directory = tempfile::tempdir().unwrap();
    let app = || {
        let app = cluster.app(directory.path()).exactly_once().threads(2);
        app.commit_interval(std::time::Duration::from_millis(20))
    };
    let mut words = 0;
    for round in 0..4 {
        write(&cluster, 2, 700);
        words += 700;
        let running = app().start(topology).unwrap();
        let records = 150 * round;
        eventually("it gets somewhere", || {
            (running.metrics().records() >= records).then_some(())
        });
        running.abandon();
    }
    let running = app().start(topology).unwrap();
    wait_for(&cluster, words);
    cluster.stop(running);
    assert_exactly_once(&cluster);
}

#[test]
fn a_crash_under_exactly_once_keeps_the_local_state() {
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 1, 1400);
    let app = || cluster.app(directory.path()).exactly_once();
    let running = app().start(topology).unwrap();
    wait_for(&cluster, 1400);
    running.abandon();

    let running = cluster.run(app().start(topology).unwrap());
    let restored: u64 = running
        .metrics()
        .workers
        .iter()
        .map(|w| w.restored_records)
        .sum();
    assert_eq!(restored, 0, "what is on disk is used");
    let counts = running.store("counts").unwrap().partitions();
    assert_eq!(
        counts[&0].get(b"salt").unwrap().unwrap().value,
        "200".as_bytes()
    );
    write(&cluster, 1, 700);
    wait_for(&cluster, 2100);
    cluster.stop(running);
    assert_exactly_once(&cluster);
}

#[test]
fn at_least_once_a_crash_loses_nothing() {
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 1, 700);
    let running = cluster.app(directory.path()).start(topology).unwrap();
    eventually("it gets somewhere", || {
        (running.metrics().records() >= 100).then_some(())
    });
    running.abandon();
    let running = cluster.app(directory.path()).start(topology).unwrap();
    eventually(
        "every word is counted at least as often as it was written",
        || {
            let counts = cluster.table("counts");
            let enough = |count: &String| count.parse::<u64>().unwrap() >= 100;
            (counts.len() == 7 && counts.values().all(enough)).then_some(())
        },
    );
    cluster.stop(running);
}

#[test]
fn a_record_that_fails_for_a_while_is_tried_again_with_everything_rolled_back() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static FAILURES: AtomicU32 = AtomicU32::new(0);
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 1, 70);
    let retry = Policy::Retry {
        attempts: 5,
        backoff: std::time::Duration::from_millis(10),
        then: Box::new(Policy::Fail),
    };
    let app = cluster
        .app(directory.path())
        .exactly_once()
        .on_error(&retry);
    let running = app
        .start(|b| {
            b.stream(super::word_count::WORDS)
                .try_map(|word| {
                    let failed = FAILURES.load(Ordering::Relaxed);
                    if word == "milk" && failed < 3 {
                        FAILURES.fetch_add(1, Ordering::Relaxed);
                        return Err("out of milk");
                    }
                    Ok(word)
                })
                .key_by("by-word", |word: &String| word.clone())
                .count("counts")
                .to(super::word_count::COUNTS);
        })
        .unwrap();
    wait_for(&cluster, 70);
    assert_eq!(FAILURES.load(Ordering::Relaxed), 3);
    cluster.stop(running);
    assert_exactly_once(&cluster);
}

#[test]
fn attempts_are_counted_while_other_tasks_of_the_worker_commit() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static ATTEMPTS: AtomicU32 = AtomicU32::new(0);
    let cluster = cluster(2);
    let directory = tempfile::tempdir().unwrap();
    let retry = Policy::Retry {
        attempts: 3,
        backoff: std::time::Duration::from_millis(300),
        then: Box::new(Policy::Skip),
    };
    let running = cluster
        .app(directory.path())
        .exactly_once()
        .on_error(&retry)
        .start(|b| {
            b.stream(super::word_count::WORDS)
                .try_map(|word| {
                    if word == "poison" {
                        ATTEMPTS.fetch_add(1, Ordering::Relaxed);
                        return Err("poisoned");
                    }
                    Ok(1)
                })
                .to(super::word_count::COUNTS);
        })
        .unwrap();
    cluster.write("words", [(0, "key", "poison", 1), (0, "key", "wine", 2)]);
    eventually(
        "the record is given up, and the one behind it comes",
        || {
            cluster.write("words", [(1, "key", "oil", 3)]);
            let results = cluster.read("counts");
            results
                .iter()
                .any(|result| result.timestamp == 2)
                .then_some(())
        },
    );
    assert_eq!(ATTEMPTS.load(Ordering::Relaxed), 4, "one, and three more");
    cluster.stop(running);
}

#[test]
fn a_record_that_fails_for_good_ends_the_application_and_nothing_of_it_is_committed() {
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 1, 7);
    let running = cluster
        .app(directory.path())
        .exactly_once()
        .start(|b| {
            b.stream(super::word_count::WORDS)
                .try_map(|word| {
                    if word == "milk" {
                        Err("out of milk")
                    } else {
                        Ok(1)
                    }
                })
                .to(super::word_count::COUNTS);
        })
        .unwrap();
    let mut states = running.states();
    eventually("it fails", || {
        states.borrow_and_update().is_final().then_some(())
    });
    assert_eq!(running.state(), headwater_streams::State::Error);
    let error = running.stop_blocking().unwrap_err();
    let told = error.to_string();
    assert!(told.contains("offset 6 of words-0"), "{told}");
    assert!(told.contains("out of milk"), "{told}");
    assert!(
        cluster.read("counts").is_empty(),
        "the transaction was aborted"
    );
}

#[test]
fn a_store_that_crashes_under_the_application_doubles_and_loses_nothing() {
    let mut cluster = cluster(2);
    let directory = tempfile::tempdir().unwrap();
    let app = cluster.app(directory.path()).exactly_once().threads(2);
    let app = app.commit_interval(std::time::Duration::from_millis(20));
    let running = app.start(topology).unwrap();
    let mut words = 0;
    for further in [0, 100, 500] {
        let before = running.metrics().records();
        write(&cluster, 2, 700);
        words += 700;
        eventually("it gets somewhere", || {
            (running.metrics().records() >= before + further).then_some(())
        });
        cluster.crash();
    }
    wait_for(&cluster, words);
    assert_exactly_once(&cluster);
    cluster.stop(running);
}

#[test]
fn a_static_member_outlives_a_store_that_is_away_for_longer_than_its_session() {
    let mut cluster = cluster(2);
    let directory = tempfile::tempdir().unwrap();
    let app = cluster.app(directory.path()).exactly_once();
    let app = app.membership(Membership::Static);
    let running = app.start(topology).unwrap();
    write(&cluster, 2, 700);
    eventually("it works, with a transaction open", || {
        (running.metrics().records() >= 100).then_some(())
    });
    // Its session is 6 s.
    cluster.be_away(std::time::Duration::from_secs(10));
    write(&cluster, 2, 700);
    wait_for(&cluster, 1400);
    assert_exactly_once(&cluster);
    cluster.stop(running);
}

#[test]
fn a_worker_that_dies_without_a_word_ends_the_application() {
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    let running = cluster
        .app(directory.path())
        .on_failure(|error| panic!("the program's own handler fails over: {error}"))
        .start(|b| {
            b.stream(super::word_count::WORDS)
                .try_map(|_| Err::<u64, _>("poisoned"))
                .to(super::word_count::COUNTS);
        })
        .unwrap();
    write(&cluster, 1, 1);
    eventually("it ends", || {
        (running.state() == State::Error).then_some(())
    });
    let error = running.stop_blocking().unwrap_err();
    assert!(error.to_string().contains("without a word"), "{error}");
}

#[test]
fn a_worker_that_fails_is_replaced_where_the_program_says_so_and_nothing_is_lost_or_doubled() {
    let cluster = cluster(2);
    let directory = tempfile::tempdir().unwrap();
    let (records, failures) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let told = Arc::clone(&failures);
    let running = cluster
        .app(directory.path())
        .exactly_once()
        .on_failure(move |_| {
            told.fetch_add(1, Ordering::Relaxed);
            WorkerFailure::Replace
        })
        .start(move |b| {
            let records = Arc::clone(&records);
            b.stream(super::word_count::WORDS)
                .inspect(move |_| {
                    let record = records.fetch_add(1, Ordering::Relaxed);
                    assert!(record != 100 && record != 600, "record {record}");
                })
                .key_by("by-word", |word: &String| word.clone())
                .count("counts")
                .to(super::word_count::COUNTS);
        })
        .unwrap();
    write(&cluster, 2, 700);
    wait_for(&cluster, 700);
    assert_eq!(failures.load(Ordering::Relaxed), 2);
    assert_exactly_once(&cluster);
    let running = cluster.run(running);
    cluster.stop(running);
}
