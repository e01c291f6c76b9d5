//! Transactions that take too long, and ids that nobody uses.

use headwater_coordinator::{AppendFailure, Outcome, TransactionConfig, TransactionState};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::init_producer_id::InitProducerIdRequest;

use super::harness::{Bench, FIRST_ID, ID, TIMEOUT_MS, TOPIC, code, init_request};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

#[test]
fn a_timed_out_transaction_is_aborted_and_its_producer_fenced() {
    for version in [0, 2] {
        let mut bench = Bench::with(TransactionConfig::default(), version);
        let producer = bench.producer();
        bench.add(3, producer, &[0, 1]);
        bench.advance(i64::from(TIMEOUT_MS));
        assert_eq!(bench.state(), TransactionState::Ongoing);
        // The next search finds it.
        bench.advance(20_000);
        assert_eq!(bench.state(), TransactionState::CompleteAbort);
        for partition in [0, 1] {
            assert_eq!(bench.markers(TOPIC, partition), [(1, Outcome::Abort)]);
        }
        let fenced = code(ErrorCode::ProducerFenced);
        assert_eq!(bench.add(3, producer, &[0]), fenced);
        assert_eq!(bench.end(4, producer, Outcome::Commit).error_code, fenced);
        assert_eq!(bench.verify(producer, 0), Err(ErrorCode::ProducerFenced));
        let next = bench.producer();
        assert_eq!((next.producer_id, next.producer_epoch), (FIRST_ID, 2));
    }
}

#[test]
fn a_commit_that_comes_after_the_timeout_is_refused_and_an_abort_is_taken_for_heard() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    bench.write(producer, 0).unwrap();
    bench.advance(i64::from(TIMEOUT_MS) + 20_000);
    let commit = bench.end(5, producer, Outcome::Commit);
    assert_eq!(commit.error_code, code(ErrorCode::InvalidTxnState));
    let abort = bench.end(5, producer, Outcome::Abort);
    assert_eq!((abort.error_code, abort.producer_epoch), (0, 1));
}

#[test]
fn a_transaction_that_ends_in_time_is_left_alone() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    bench.write(producer, 0).unwrap();
    let next = bench.ended(producer, Outcome::Commit);
    bench.advance(3 * i64::from(TIMEOUT_MS));
    assert_eq!(bench.state(), TransactionState::CompleteCommit);
    // Its time counts from its own start.
    bench.write(next, 0).unwrap();
    bench.advance(i64::from(TIMEOUT_MS));
    assert_eq!(bench.state(), TransactionState::Ongoing);
}

#[test]
fn the_time_of_a_transaction_goes_on_over_a_restart() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    bench.write(producer, 0).unwrap();
    bench.now_ms += i64::from(TIMEOUT_MS) + 1;
    bench.restart();
    bench.advance(10_000);
    assert_eq!(bench.state(), TransactionState::CompleteAbort);
}

#[test]
fn an_abort_that_the_log_does_not_take_is_made_up_for() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    bench.write(producer, 0).unwrap();
    bench.failure = Some(AppendFailure::Storage);
    bench.advance(i64::from(TIMEOUT_MS) + 20_000);
    assert_eq!(bench.state(), TransactionState::Ongoing);
    bench.failure = None;
    bench.advance(10_000);
    assert_eq!(bench.state(), TransactionState::CompleteAbort);
    assert_eq!(bench.transaction().producer_epoch, 1, "raised once");
}

#[test]
fn an_id_that_nobody_uses_is_forgotten_but_never_one_whose_transaction_is_open() {
    let config = TransactionConfig {
        // So that the open one stays open.
        abort_timed_out_interval_ms: 100 * DAY_MS,
        ..TransactionConfig::default()
    };
    let mut bench = Bench::with(config, 2);
    let producer = bench.producer();
    let other = InitProducerIdRequest {
        transactional_id: Some("other".to_owned()),
        ..init_request(None)
    };
    bench.init_with(5, &other);
    bench.write(producer, 0).unwrap();
    bench.advance(7 * DAY_MS - 1);
    assert!(bench.find("other").is_some());
    bench.advance(DAY_MS);
    assert_eq!(bench.find("other"), None);
    assert!(bench.find(ID).is_some());
    bench.restart();
    assert_eq!(bench.find("other"), None);
    bench.ended(producer, Outcome::Commit);
    bench.advance(8 * DAY_MS);
    assert_eq!(bench.find(ID), None);
    let new = bench.producer();
    assert_eq!((new.producer_id, new.producer_epoch), (FIRST_ID + 2, 0));
}

#[test]
fn a_log_that_takes_no_tombstones_is_not_asked_at_every_moment() {
    let mut bench = Bench::new();
    for number in 0..600 {
        let request = InitProducerIdRequest {
            transactional_id: Some(format!("id-{number}")),
            ..init_request(None)
        };
        bench.init_with(5, &request);
    }
    bench.failure = Some(AppendFailure::Storage);
    bench.advance(7 * DAY_MS + 1_000);
    assert_eq!(bench.coordinator.transactions().count(), 600);
    let mut attempts = 0;
    let until_ms = bench.now_ms + 1_000;
    while bench.now_ms < until_ms {
        let next_ms = bench.coordinator.next_deadline_ms().unwrap();
        bench.advance(next_ms - bench.now_ms);
        attempts += 1;
    }
    assert!((1..=20).contains(&attempts), "{attempts} in a second");
}

#[test]
fn more_ids_than_fit_into_a_batch_are_forgotten_batch_by_batch() {
    let mut bench = Bench::new();
    for number in 0..1_200 {
        let request = InitProducerIdRequest {
            transactional_id: Some(format!("id-{number}")),
            ..init_request(None)
        };
        bench.init_with(5, &request);
    }
    bench.advance(8 * DAY_MS);
    assert_eq!(bench.coordinator.transactions().count(), 0);
}
