//! A power cut after any entry of the journal: what is decided stays decided, what is not is not.

use std::collections::BTreeMap;

use headwater_coordinator::{Outcome, ProducerIdAndEpoch, TransactionState};

use super::harness::{Bench, Entry, OFFSETS, TIMEOUT_MS, TOPIC};

/// What the markers of the journal say of each transaction and partition.
type Marked = BTreeMap<(i64, i16), BTreeMap<(String, i32), Outcome>>;

fn marked(journal: &[Entry]) -> Marked {
    let mut marked = Marked::new();
    for entry in journal {
        if let Entry::Marker {
            topic,
            partition,
            producer,
            outcome,
        } = entry
        {
            let transaction = (producer.producer_id, producer.producer_epoch);
            let place = (topic.clone(), *partition);
            let earlier = marked
                .entry(transaction)
                .or_default()
                .insert(place, *outcome);
            assert!(
                earlier.is_none_or(|earlier| earlier == *outcome),
                "a transaction ends in one way only"
            );
        }
    }
    marked
}

/// Three transactions of a client of version 2: a commit, an abort, and one that times out.
fn script(bench: &mut Bench) {
    let mut producer = bench.producer();
    for outcome in [Outcome::Commit, Outcome::Abort] {
        for partition in [0, 1] {
            bench.write(producer, partition).unwrap();
        }
        bench.add_offsets(producer, 5);
        producer = bench.ended(producer, outcome);
    }
    bench.write(producer, 0).unwrap();
    bench.advance(i64::from(TIMEOUT_MS) + 20_000);
}

#[test]
fn after_a_crash_at_every_append_a_prepared_transaction_ends_as_it_was_decided_everywhere() {
    let mut whole = Bench::new();
    script(&mut whole);
    let entries = whole.journal.len();
    let decided = marked(&whole.journal);
    assert_eq!(decided.len(), 3);
    let mut found_prepared = 0;
    for kept in 0..=entries {
        let mut bench = Bench::new();
        script(&mut bench);
        bench.journal.truncate(kept);
        let before = marked(&bench.journal);
        bench.restart();
        found_prepared += usize::from(bench.journal.len() > kept);
        let Some(recovered) = bench.find(super::harness::ID) else {
            continue;
        };
        assert!(
            !matches!(
                recovered.state,
                TransactionState::PrepareCommit | TransactionState::PrepareAbort
            ),
            "driven to its end when it was loaded, with {kept} entries kept"
        );
        let after = marked(&bench.journal);
        for (transaction, places) in &after {
            assert_eq!(decided.get(transaction), Some(places), "all or none");
        }
        for transaction in before.keys() {
            assert!(after.contains_key(transaction));
        }
        // And life goes on.
        let producer = bench.next_producer();
        bench.write(producer, 0).unwrap();
        bench.ended(producer, Outcome::Commit);
    }
    assert!(found_prepared >= 6, "prepare, and each of its markers");
}

#[test]
fn an_open_transaction_stays_open_over_a_crash_and_its_producer_goes_on() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    bench.write(producer, 0).unwrap();
    bench.crash(bench.journal.len());
    assert_eq!(bench.state(), TransactionState::Ongoing);
    bench.write(producer, 1).unwrap();
    bench.ended(producer, Outcome::Commit);
    let places = &marked(&bench.journal)[&(producer.producer_id, 1)];
    assert_eq!(places.len(), 2);
}

#[test]
fn markers_that_were_out_of_reach_are_written_after_a_restart() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    bench.add(3, producer, &[0]);
    bench.add_offsets(producer, 5);
    bench.out_of_reach.insert((OFFSETS.to_owned(), 5));
    bench.end(4, producer, Outcome::Commit);
    bench.restart();
    assert_eq!(bench.state(), TransactionState::PrepareCommit);
    bench.out_of_reach.clear();
    bench.advance(1_000);
    assert_eq!(bench.state(), TransactionState::CompleteCommit);
    assert_eq!(bench.markers(OFFSETS, 5), [(0, Outcome::Commit)]);
    assert!(!bench.markers(TOPIC, 0).is_empty());
}

#[test]
fn what_a_new_id_was_promised_survives_a_crash_between_prepare_and_complete() {
    let mut bench = Bench::new();
    let mut last = bench.producer();
    while last.producer_epoch < i16::MAX - 1 {
        last = bench.producer();
    }
    bench.write(last, 0).unwrap();
    let prepared = bench.journal.len() + 1;
    let promised = bench.ended(last, Outcome::Commit);
    bench.crash(prepared);
    let transaction = bench.transaction();
    let found = ProducerIdAndEpoch {
        producer_id: transaction.producer_id,
        producer_epoch: transaction.producer_epoch,
    };
    assert_eq!(found, promised);
    assert_eq!(bench.ended(last, Outcome::Commit), promised);
}
