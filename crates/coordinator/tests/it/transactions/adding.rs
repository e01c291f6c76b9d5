//! Partitions that become part of a transaction.

use headwater_coordinator::{AppendFailure, Outcome, ProducerIdAndEpoch, TransactionState};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::add_partitions_to_txn::AddPartitionsToTxnTransaction;

use super::harness::{Bench, ID, OFFSETS, TOPIC, at_epoch, code, transaction};

#[test]
fn the_first_partition_begins_a_transaction_and_later_ones_join_it() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    assert_eq!(bench.add(3, producer, &[0]), 0);
    let begun = bench.transaction();
    assert_eq!(begun.state, TransactionState::Ongoing);
    assert_eq!(begun.start_ms, bench.now_ms);
    bench.advance(500);
    assert_eq!(bench.add(3, producer, &[1, 2]), 0);
    assert_eq!(bench.add_offsets(producer, 7), 0);
    let grown = bench.transaction();
    let partitions: Vec<(&str, i32)> = grown.partitions.iter().collect();
    assert_eq!(
        partitions,
        [(OFFSETS, 7), (TOPIC, 0), (TOPIC, 1), (TOPIC, 2)]
    );
    assert_eq!(grown.start_ms, begun.start_ms);
    assert_eq!(grown.last_update_ms, bench.now_ms);
}

#[test]
fn partitions_that_are_part_of_it_already_are_not_written_again() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    bench.add(3, producer, &[0, 1]);
    let written = bench.journal.len();
    assert_eq!(bench.add(3, producer, &[1]), 0);
    assert_eq!(bench.journal.len(), written);
}

#[test]
fn who_is_not_the_producer_adds_nothing() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    let mapping = code(ErrorCode::InvalidProducerIdMapping);
    let stranger = ProducerIdAndEpoch {
        producer_id: 3,
        ..producer
    };
    assert_eq!(bench.add(3, stranger, &[0]), mapping);
    assert_eq!(bench.add_to(3, "nobody's", producer, &[0]), mapping);
    let invalid = code(ErrorCode::InvalidRequest);
    assert_eq!(bench.add_to(3, "", producer, &[0]), invalid);
    let ahead = at_epoch(producer, 1);
    assert_eq!(bench.add(3, ahead, &[0]), code(ErrorCode::ProducerFenced));
    assert_eq!(bench.state(), TransactionState::Empty);
}

#[test]
fn nothing_is_added_to_a_transaction_that_is_ending() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    bench.add(3, producer, &[0]);
    bench.out_of_reach.insert((TOPIC.to_owned(), 0));
    bench.end(4, producer, Outcome::Commit);
    assert_eq!(bench.state(), TransactionState::PrepareCommit);
    let concurrent = code(ErrorCode::ConcurrentTransactions);
    assert_eq!(bench.add(3, producer, &[1]), concurrent);
    assert_eq!(bench.init().error_code, concurrent);
    let written = bench.verify(producer, 0);
    assert_eq!(written, Err(ErrorCode::ConcurrentTransactions));
    bench.out_of_reach.clear();
    bench.advance(1_000);
    assert_eq!(bench.state(), TransactionState::CompleteCommit);
    assert_eq!(bench.add(3, producer, &[1]), 0);
}

#[test]
fn verify_only_adds_nothing_and_tells_partition_by_partition() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    bench.add(3, producer, &[0]);
    let asked = transaction(ID, producer, &[0, 1]);
    assert!(asked.verify_only);
    let abortable = code(ErrorCode::TransactionAbortable);
    assert_eq!(bench.added(5, &asked), [0, abortable]);
    let partitions = bench.transaction().partitions;
    assert_eq!(partitions, [(TOPIC, 0)].into_iter().collect());
    let fenced = transaction(ID, at_epoch(producer, 9), &[0]);
    assert_eq!(bench.added(5, &fenced), [code(ErrorCode::ProducerFenced)]);
}

#[test]
fn a_broker_adds_for_clients_of_transaction_version_2_and_others_add_themselves() {
    for (version, client_version) in [(3, 0), (4, 2), (5, 2)] {
        let mut bench = Bench::new();
        let producer = bench.producer();
        let added = AddPartitionsToTxnTransaction {
            verify_only: false,
            ..transaction(ID, producer, &[0])
        };
        assert_eq!(bench.added(version, &added), [0]);
        assert_eq!(bench.transaction().client_version, client_version);
    }
}

#[test]
fn a_write_of_a_client_of_transactions_v2_adds_its_partition_by_itself() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    assert_eq!(
        bench.verify(producer, 4),
        Err(ErrorCode::TransactionAbortable),
        "an older client has to add it"
    );
    assert_eq!(bench.write(producer, 4), Ok(()));
    assert_eq!(bench.state(), TransactionState::Ongoing);
    assert_eq!(bench.verify(producer, 4), Ok(()));
    let written = bench.journal.len();
    assert_eq!(bench.write(producer, 4), Ok(()));
    assert_eq!(bench.journal.len(), written, "once is enough");
}

#[test]
fn a_partition_that_the_log_did_not_take_is_not_part_of_it() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    for (failure, expected) in [
        (AppendFailure::Storage, ErrorCode::NotCoordinator),
        (AppendFailure::TooLarge, ErrorCode::UnknownServerError),
    ] {
        bench.failure = Some(failure);
        assert_eq!(bench.add(3, producer, &[0]), code(expected));
        assert!(bench.write(producer, 0).is_err());
        assert_eq!(bench.state(), TransactionState::Empty);
    }
    bench.failure = None;
    assert_eq!(bench.add(3, producer, &[0]), 0);
}
