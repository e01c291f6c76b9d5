//! Who writes under a transactional id: ids, epochs and fences.

use headwater_coordinator::{Outcome, ProducerIdAndEpoch, TransactionConfig, TransactionState};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::init_producer_id::InitProducerIdRequest;

use super::harness::{Bench, FIRST_ID, ID, TIMEOUT_MS, at_epoch, code, init_request};

const LAST_EPOCH: i16 = i16::MAX - 1;

/// A producer at that epoch, by as many new producers as it takes.
fn at(bench: &mut Bench, epoch: i16) -> ProducerIdAndEpoch {
    let mut producer = bench.producer();
    while producer.producer_epoch < epoch {
        producer = bench.producer();
    }
    producer
}

#[test]
fn a_new_transactional_id_gets_a_new_producer_id_at_epoch_0_and_later_producers_the_next_epochs() {
    let mut bench = Bench::new();
    let first = bench.producer();
    assert_eq!((first.producer_id, first.producer_epoch), (FIRST_ID, 0));
    let second = bench.producer();
    assert_eq!((second.producer_id, second.producer_epoch), (FIRST_ID, 1));
    bench.restart();
    let third = bench.producer();
    assert_eq!((third.producer_id, third.producer_epoch), (FIRST_ID, 2));
    assert_eq!(bench.state(), TransactionState::Empty);
}

#[test]
fn a_stale_epoch_is_producer_fenced_at_the_coordinator_and_invalid_producer_epoch_to_old_clients() {
    let mut bench = Bench::new();
    let zombie = bench.producer();
    bench.producer();
    let fenced = code(ErrorCode::ProducerFenced);
    let invalid = code(ErrorCode::InvalidProducerEpoch);
    assert_eq!(bench.init_again(zombie).error_code, fenced);
    let old_init = bench.init_with(3, &init_request(Some(zombie)));
    assert_eq!(old_init.error_code, invalid);
    for (version, expected) in [(1, invalid), (2, fenced), (3, fenced)] {
        assert_eq!(bench.add(version, zombie, &[0]), expected);
    }
    for (version, expected) in [(1, invalid), (2, fenced), (4, fenced), (5, fenced)] {
        let ended = bench.end(version, zombie, Outcome::Commit);
        assert_eq!(ended.error_code, expected);
        assert_eq!((ended.producer_id, ended.producer_epoch), (-1, -1));
    }
    assert_eq!(bench.add_offsets(zombie, 3), fenced);
    assert_eq!(bench.verify(zombie, 0), Err(ErrorCode::ProducerFenced));
    assert_eq!(bench.write(zombie, 0), Err(ErrorCode::ProducerFenced));
}

#[test]
fn a_transaction_timeout_over_the_maximum_is_invalid_transaction_timeout() {
    let config = TransactionConfig {
        max_timeout_ms: 5_000,
        ..TransactionConfig::default()
    };
    let mut bench = Bench::with(config, 2);
    for (timeout_ms, expected) in [
        (5_001, code(ErrorCode::InvalidTransactionTimeout)),
        (0, code(ErrorCode::InvalidTransactionTimeout)),
        (-1, code(ErrorCode::InvalidTransactionTimeout)),
        (5_000, 0),
    ] {
        let request = InitProducerIdRequest {
            transaction_timeout_ms: timeout_ms,
            ..init_request(None)
        };
        let response = bench.init_with(5, &request);
        assert_eq!(response.error_code, expected, "{timeout_ms} ms");
    }
}

#[test]
fn a_producer_that_starts_while_a_transaction_is_under_way_has_it_aborted_and_comes_again() {
    for version in [0, 1, 2] {
        let mut bench = Bench::with(TransactionConfig::default(), version);
        let first = bench.producer();
        assert_eq!(bench.add(3, first, &[0, 1]), 0);
        let told = bench.init();
        assert_eq!(told.error_code, code(ErrorCode::ConcurrentTransactions));
        assert_eq!(bench.state(), TransactionState::CompleteAbort);
        // The marker's epoch is above that of the records, under every version.
        assert_eq!(bench.markers("orders", 0), [(1, Outcome::Abort)]);
        assert_eq!(bench.markers("orders", 1), [(1, Outcome::Abort)]);
        let second = bench.producer();
        assert_eq!((second.producer_id, second.producer_epoch), (FIRST_ID, 2));
        let commit = bench.end(4, first, Outcome::Commit);
        assert_eq!(commit.error_code, code(ErrorCode::ProducerFenced));
    }
}

#[test]
fn a_producer_that_gives_its_id_and_epoch_goes_on_with_the_next_one() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    let next = bench.init_again(producer);
    assert_eq!((next.error_code, next.producer_epoch), (0, 1));
    // It did not hear that, and asks again.
    let again = bench.init_again(producer);
    assert_eq!((again.error_code, again.producer_epoch), (0, 1));
    // Somebody else comes in between.
    bench.producer();
    let fenced = code(ErrorCode::ProducerFenced);
    assert_eq!(bench.init_again(at_epoch(producer, 1)).error_code, fenced);
    assert_eq!(bench.init_again(at_epoch(producer, 7)).error_code, fenced);
    let stranger = ProducerIdAndEpoch {
        producer_id: 77,
        ..producer
    };
    assert_eq!(bench.init_again(stranger).error_code, fenced);
}

#[test]
fn an_id_that_has_expired_takes_a_producer_that_had_it_for_a_new_one() {
    let mut bench = Bench::new();
    let forgotten = ProducerIdAndEpoch {
        producer_id: 5,
        producer_epoch: 9,
    };
    let given = bench.init_again(forgotten);
    assert_eq!(given.error_code, 0);
    assert_eq!((given.producer_id, given.producer_epoch), (FIRST_ID, 0));
}

#[test]
fn id_and_epoch_come_together_and_the_transactional_id_is_not_empty() {
    let mut bench = Bench::new();
    for (producer_id, producer_epoch, transactional_id) in [(1, -1, ID), (-1, 1, ID), (-1, -1, "")]
    {
        let request = InitProducerIdRequest {
            transactional_id: Some(transactional_id.to_owned()),
            transaction_timeout_ms: TIMEOUT_MS,
            producer_id,
            producer_epoch,
        };
        let response = bench.init_with(5, &request);
        assert_eq!(response.error_code, code(ErrorCode::InvalidRequest));
    }
}

#[test]
fn when_epochs_have_run_out_the_next_producer_gets_a_new_producer_id() {
    let mut bench = Bench::new();
    let last = at(&mut bench, LAST_EPOCH);
    let next = bench.producer();
    assert_eq!((next.producer_id, next.producer_epoch), (FIRST_ID + 1, 0));
    // Not the last one, which has gone on without noticing.
    let fenced = bench.init_again(last);
    assert_eq!(fenced.error_code, code(ErrorCode::ProducerFenced));
}

#[test]
fn a_producer_whose_epochs_have_run_out_goes_on_with_a_new_id_and_may_ask_twice() {
    let mut bench = Bench::new();
    let last = at(&mut bench, LAST_EPOCH);
    let next = bench.init_again(last);
    assert_eq!((next.error_code, next.producer_epoch), (0, 0));
    assert_eq!(next.producer_id, FIRST_ID + 1);
    let again = bench.init_again(last);
    assert_eq!((again.error_code, again.producer_epoch), (0, 0));
    assert_eq!(again.producer_id, FIRST_ID + 1);
}

#[test]
fn a_transaction_aborted_at_the_last_epoch_leaves_room_for_its_fence() {
    let mut bench = Bench::new();
    let last = at(&mut bench, LAST_EPOCH);
    assert_eq!(bench.add(3, last, &[0]), 0);
    let told = bench.init();
    assert_eq!(told.error_code, code(ErrorCode::ConcurrentTransactions));
    assert_eq!(bench.markers("orders", 0), [(i16::MAX, Outcome::Abort)]);
    let next = bench.producer();
    assert_eq!((next.producer_id, next.producer_epoch), (FIRST_ID + 1, 0));
}

#[test]
fn there_is_a_limit_to_transactional_ids() {
    let config = TransactionConfig {
        max_transactional_ids: 1,
        ..TransactionConfig::default()
    };
    let mut bench = Bench::with(config, 2);
    bench.producer();
    let another = InitProducerIdRequest {
        transactional_id: Some("another".to_owned()),
        ..init_request(None)
    };
    let refused = bench.init_with(5, &another);
    assert_eq!(refused.error_code, code(ErrorCode::UnknownServerError));
    assert_eq!(bench.init().error_code, 0, "those that are known go on");
}
