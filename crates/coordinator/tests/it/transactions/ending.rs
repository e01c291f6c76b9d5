//! Commits, aborts, and requests that are repeated.

use headwater_coordinator::{
    AppendFailure, Outcome, ProducerIdAndEpoch, TransactionConfig, TransactionState,
};
use headwater_protocol::ErrorCode;

use super::harness::{Bench, FIRST_ID, OFFSETS, TOPIC, at_epoch, code};

const COMMIT: Outcome = Outcome::Commit;
const ABORT: Outcome = Outcome::Abort;
const LAST_EPOCH: i16 = i16::MAX - 1;

#[test]
fn an_end_marks_every_partition_before_it_is_answered() {
    for outcome in [COMMIT, ABORT] {
        let mut bench = Bench::new();
        let producer = bench.producer();
        bench.add(3, producer, &[0, 1]);
        bench.add_offsets(producer, 3);
        let ended = bench.end(4, producer, outcome);
        assert_eq!(ended.error_code, 0);
        let marks = [(0, outcome)];
        assert_eq!(bench.markers(TOPIC, 0), marks);
        assert_eq!(bench.markers(TOPIC, 1), marks);
        assert_eq!(bench.markers(OFFSETS, 3), marks);
        let complete = bench.transaction();
        assert!(complete.partitions.is_empty());
        assert_eq!(complete.producer_epoch, 0, "version 4 keeps the epoch");
    }
}

#[test]
fn transactions_v2_mark_with_the_next_epoch_and_answer_it() {
    let mut bench = Bench::new();
    let mut producer = bench.producer();
    for (round, outcome) in (0_i16..).zip([COMMIT, ABORT, COMMIT]) {
        assert_eq!(producer.producer_epoch, round);
        bench.write(producer, 0).unwrap();
        let old = producer;
        producer = bench.ended(producer, outcome);
        assert_eq!(producer.producer_id, FIRST_ID);
        assert_eq!(producer.producer_epoch, round + 1);
        assert_eq!(bench.write(old, 0), Err(ErrorCode::ProducerFenced));
    }
    let marked = [(1, COMMIT), (2, ABORT), (3, COMMIT)];
    assert_eq!(bench.markers(TOPIC, 0), marked);
}

#[test]
fn a_transaction_of_offsets_only_commits_them() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    assert_eq!(bench.add_offsets(producer, 11), 0);
    assert_eq!(bench.state(), TransactionState::Ongoing);
    assert_eq!(bench.end(4, producer, COMMIT).error_code, 0);
    assert_eq!(bench.markers(OFFSETS, 11), [(0, COMMIT)]);
}

#[test]
fn up_to_version_4_the_state_tells_a_repeated_end() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    let invalid = code(ErrorCode::InvalidTxnState);
    assert_eq!(bench.end(4, producer, COMMIT).error_code, invalid);
    assert_eq!(bench.end(4, producer, ABORT).error_code, invalid);
    bench.add(3, producer, &[0]);
    assert_eq!(bench.end(4, producer, COMMIT).error_code, 0);
    let written = bench.journal.len();
    assert_eq!(bench.end(4, producer, COMMIT).error_code, 0);
    assert_eq!(
        bench.journal.len(),
        written,
        "it is answered, not done again"
    );
    assert_eq!(bench.end(4, producer, ABORT).error_code, invalid);
}

/// What the current and the repeated epoch may do in a state.
struct Row {
    current: [i16; 2],
    repeated: [i16; 2],
}

#[test]
fn from_version_5_on_the_epoch_tells_a_repeated_end() {
    let fenced = code(ErrorCode::ProducerFenced);
    let invalid = code(ErrorCode::InvalidTxnState);
    // Commit, abort.
    let rows = [
        (
            None,
            Row {
                current: [invalid, 0],
                repeated: [fenced, fenced],
            },
        ),
        (
            Some(COMMIT),
            Row {
                current: [invalid, 0],
                repeated: [0, invalid],
            },
        ),
        (
            Some(ABORT),
            Row {
                current: [invalid, 0],
                repeated: [invalid, 0],
            },
        ),
    ];
    for (ended, row) in rows {
        for (at, outcome) in [COMMIT, ABORT].into_iter().enumerate() {
            let prepare = || {
                let mut bench = Bench::new();
                let mut producer = bench.producer();
                if let Some(ended) = ended {
                    bench.write(producer, 0).unwrap();
                    producer = bench.ended(producer, ended);
                } else {
                    producer = bench.producer();
                }
                (bench, producer)
            };
            let (mut bench, producer) = prepare();
            let current = bench.end(5, producer, outcome);
            assert_eq!(current.error_code, row.current[at], "{ended:?} {outcome:?}");
            if current.error_code == 0 {
                assert_eq!(current.producer_epoch, producer.producer_epoch + 1);
            }
            let (mut bench, producer) = prepare();
            let before = at_epoch(producer, producer.producer_epoch - 1);
            let repeated = bench.end(5, before, outcome);
            assert_eq!(
                repeated.error_code, row.repeated[at],
                "{ended:?} {outcome:?}"
            );
            if repeated.error_code == 0 {
                assert_eq!(repeated.producer_epoch, producer.producer_epoch);
                assert_eq!(repeated.producer_id, producer.producer_id);
            }
        }
    }
}

#[test]
fn a_repeated_end_is_answered_the_same_after_a_restart() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    bench.write(producer, 0).unwrap();
    let next = bench.ended(producer, COMMIT);
    bench.restart();
    assert_eq!(bench.ended(producer, COMMIT), next);
}

#[test]
fn when_epochs_run_out_the_end_brings_a_new_producer_id() {
    let mut bench = Bench::new();
    let mut last = bench.producer();
    while last.producer_epoch < LAST_EPOCH {
        last = bench.producer();
    }
    bench.write(last, 0).unwrap();
    let next = bench.ended(last, COMMIT);
    let expected = ProducerIdAndEpoch {
        producer_id: FIRST_ID + 1,
        producer_epoch: 0,
    };
    assert_eq!(next, expected);
    assert_eq!(bench.markers(TOPIC, 0), [(i16::MAX, COMMIT)]);
    // It did not hear that, and neither the answer nor a restart changes it.
    assert_eq!(bench.ended(last, COMMIT), expected);
    bench.restart();
    assert_eq!(bench.ended(last, COMMIT), expected);
    bench.write(next, 0).unwrap();
    assert_eq!(bench.ended(next, ABORT).producer_epoch, 1);
}

#[test]
fn markers_that_cannot_be_appended_are_tried_again_until_all_are_there() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    bench.add(3, producer, &[0, 1]);
    bench.out_of_reach.insert((TOPIC.to_owned(), 1));
    assert_eq!(
        bench.end(4, producer, COMMIT).error_code,
        0,
        "it is decided"
    );
    assert_eq!(bench.state(), TransactionState::PrepareCommit);
    let repeated = bench.end(4, producer, COMMIT).error_code;
    assert_eq!(repeated, code(ErrorCode::ConcurrentTransactions));
    let contrary = bench.end(4, producer, ABORT).error_code;
    assert_eq!(contrary, code(ErrorCode::InvalidTxnState));
    bench.advance(5_000);
    assert_eq!(bench.state(), TransactionState::PrepareCommit);
    bench.out_of_reach.clear();
    bench.advance(1_000);
    assert_eq!(bench.state(), TransactionState::CompleteCommit);
    for partition in [0, 1] {
        assert_eq!(bench.markers(TOPIC, partition), [(0, COMMIT)], "each once");
    }
}

#[test]
fn a_producer_that_has_heard_of_its_next_id_waits_until_the_end_that_brings_it_is_done() {
    let mut bench = Bench::new();
    let mut last = bench.producer();
    while last.producer_epoch < LAST_EPOCH {
        last = bench.producer();
    }
    bench.write(last, 0).unwrap();
    bench.out_of_reach.insert((TOPIC.to_owned(), 0));
    let next = bench.ended(last, COMMIT);
    assert_eq!((next.producer_id, next.producer_epoch), (FIRST_ID + 1, 0));
    let concurrent = code(ErrorCode::ConcurrentTransactions);
    assert_eq!(bench.write(next, 0), Err(ErrorCode::ConcurrentTransactions));
    assert_eq!(bench.add(3, next, &[0]), concurrent);
    assert_eq!(bench.init_again(next).error_code, concurrent);
    bench.out_of_reach.clear();
    bench.advance(1_000);
    assert_eq!(bench.write(next, 0), Ok(()));
}

#[test]
fn an_end_that_the_log_does_not_take_has_not_begun() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    bench.write(producer, 0).unwrap();
    bench.failure = Some(AppendFailure::Storage);
    let refused = bench.end(5, producer, COMMIT);
    assert_eq!(refused.error_code, code(ErrorCode::NotCoordinator));
    assert_eq!(bench.state(), TransactionState::Ongoing);
    assert!(bench.markers(TOPIC, 0).is_empty());
    bench.failure = None;
    assert_eq!(bench.ended(producer, COMMIT).producer_epoch, 1);
}

#[test]
fn a_complete_record_that_the_log_does_not_take_is_tried_again() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    bench.write(producer, 0).unwrap();
    bench.out_of_reach.insert((TOPIC.to_owned(), 0));
    bench.end(5, producer, COMMIT);
    bench.out_of_reach.clear();
    bench.failure = Some(AppendFailure::Storage);
    bench.advance(1_000);
    assert_eq!(bench.state(), TransactionState::PrepareCommit);
    bench.failure = None;
    bench.advance(1_000);
    assert_eq!(bench.state(), TransactionState::CompleteCommit);
    assert_eq!(
        bench.markers(TOPIC, 0),
        [(1, COMMIT)],
        "the marker is there already"
    );
}

#[test]
fn under_transaction_version_1_the_server_fences_without_raising_the_epoch_twice() {
    let mut bench = Bench::with(TransactionConfig::default(), 1);
    let producer = bench.producer();
    bench.add(3, producer, &[0]);
    bench.init();
    let fenced = bench.transaction();
    assert_eq!((fenced.producer_epoch, fenced.client_version), (1, 0));
    assert_eq!(bench.markers(TOPIC, 0), [(1, ABORT)]);
}
