use super::*;
use crate::context::SourceRecord;
use crate::runtime::consumer::{Consumer, Isolation, Signal, StartOffset};
use crate::runtime::test_store::{PATIENCE, TestStore, eventually, send};

const TOPIC: &str = "results";

fn transactional(store: &TestStore, id: &str) -> Producer {
    let mut producer = Producer::transactional(&store.settings, id).unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

#[test]
fn only_a_committed_transaction_is_read() {
    let store = TestStore::with_topic(TOPIC, 1);
    let mut producer = transactional(&store, "tx");
    send(&mut producer, TOPIC, 0, 0..2);
    producer.commit().unwrap();
    send(&mut producer, TOPIC, 0, 2..4);
    producer.flush().unwrap();
    producer.abort().unwrap();
    send(&mut producer, TOPIC, 0, 4..6);
    producer.commit().unwrap();
    send(&mut producer, TOPIC, 0, 6..8);
    producer.flush().unwrap();
    assert_eq!(store.values(TOPIC, 0), ["0", "1", "4", "5"]);
}

#[test]
fn what_an_abort_throws_away_unsent_is_no_failure() {
    let mut store = TestStore::with_topic(TOPIC, 1);
    store.settings.set("linger.ms", "5000").unwrap();
    let mut producer = transactional(&store, "tx");
    send(&mut producer, TOPIC, 0, 0..100);
    producer.abort().unwrap();
    send(&mut producer, TOPIC, 0, 100..101);
    producer.commit().unwrap();
    assert_eq!(store.values(TOPIC, 0), ["100"]);
}

#[test]
fn an_abort_leaves_no_gap_in_the_sequence_that_the_next_transaction_fails_with() {
    let store = TestStore::with_topic(TOPIC, 1);
    let mut producer = transactional(&store, "tx");
    for round in 0..40 {
        // Some of these have their sequence numbers, and are not sent yet.
        send(&mut producer, TOPIC, 0, 0..200);
        producer.serve(0);
        producer.abort().unwrap();
        send(&mut producer, TOPIC, 0, round..round + 1);
        producer.commit().unwrap();
    }
    let committed: Vec<_> = (0..40).map(|round: i32| round.to_string()).collect();
    assert_eq!(store.values(TOPIC, 0), committed);
}

#[test]
fn what_a_failed_transaction_refuses_is_told_with_the_record_that_it_failed_with() {
    let store = TestStore::start();
    store.make(TOPIC, 2, &[("max.message.bytes", "1000")]);
    let mut producer = transactional(&store, "tx");
    let produce = |producer: &mut Producer, partition, size| {
        producer.produce(&Outgoing {
            topic: &TOPIC.into(),
            partition,
            key: None,
            value: Some(&vec![0; size]),
            timestamp: 1,
            headers: &Headers::default(),
        })
    };
    produce(&mut producer, 1, 5000).unwrap();
    let error = eventually("the transaction has failed", || {
        produce(&mut producer, 0, 1).err()
    });
    assert_eq!(error.kind, ErrorKind::Fatal, "{error}");
    assert!(error.action.contains("results-1"), "{error}");
    // Told once: what else the transaction refuses is to be sent again in another.
    let error = produce(&mut producer, 0, 1).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AbortTransaction, "{error}");
    producer.abort().unwrap();
    send(&mut producer, TOPIC, 0, 7..8);
    producer.commit().unwrap();
    assert_eq!(store.values(TOPIC, 0), ["7"]);
}

#[test]
fn a_producer_of_the_same_id_fences_the_one_before() {
    let store = TestStore::with_topic(TOPIC, 1);
    let mut zombie = transactional(&store, "tx");
    send(&mut zombie, TOPIC, 0, 0..1);
    zombie.flush().unwrap();
    let mut successor = transactional(&store, "tx");
    let error = zombie.commit().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fenced, "{error}");
    send(&mut successor, TOPIC, 0, 1..2);
    successor.commit().unwrap();
    assert_eq!(store.values(TOPIC, 0), ["1"]);
}

#[test]
fn offsets_of_a_member_that_was_replaced_are_refused_and_the_transaction_is_to_be_aborted() {
    let store = TestStore::with_topic(TOPIC, 1);
    let join = || {
        let member =
            Consumer::group(&store.settings, "shop", None, Isolation::ReadCommitted).unwrap();
        member.subscribe(&[TOPIC]).unwrap();
        let partitions = eventually("an assignment", || {
            match member.poll(std::time::Duration::from_millis(50)) {
                Some(Signal::Assigned(partitions)) => Some(partitions),
                _ => None,
            }
        });
        member
            .assign(&[(partitions[0].clone(), StartOffset::Beginning)])
            .unwrap();
        member
    };
    let gone = join();
    let stale = gone.group_metadata().unwrap();
    gone.close().unwrap();
    let _successor = join();

    let mut zombie = transactional(&store, "other");
    send(&mut zombie, TOPIC, 0, 0..1);
    let offsets = [OffsetToCommit {
        partition: TopicPartition::new(TOPIC, 0),
        offset: 1,
        metadata: String::new(),
    }];
    let error = zombie.send_offsets(&offsets, &stale).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fenced, "{error}");
    zombie.abort().unwrap();
    send(&mut zombie, TOPIC, 0, 1..2);
    zombie.commit().unwrap();
    assert_eq!(store.values(TOPIC, 0), ["1"], "the producer itself is well");
}

#[test]
fn offsets_are_committed_with_their_transaction() {
    let store = TestStore::with_topic(TOPIC, 1);
    let member = Consumer::group(&store.settings, "shop", None, Isolation::ReadCommitted).unwrap();
    let group = member.group_metadata().unwrap();
    let partition = TopicPartition::new(TOPIC, 0);
    let offset = |offset| OffsetToCommit {
        partition: partition.clone(),
        offset,
        metadata: format!("at {offset}"),
    };
    let committed = || {
        let mut found = member
            .committed(std::slice::from_ref(&partition), PATIENCE)
            .unwrap();
        found.remove(0).1
    };
    let mut producer = transactional(&store, "tx");
    producer.begin().unwrap();
    producer.send_offsets(&[offset(7)], &group).unwrap();
    producer.commit().unwrap();
    assert_eq!(committed(), Some((7, "at 7".to_owned())));
    producer.begin().unwrap();
    producer.send_offsets(&[offset(9)], &group).unwrap();
    producer.abort().unwrap();
    assert_eq!(committed(), Some((7, "at 7".to_owned())));
}

#[test]
fn a_record_that_the_store_refuses_fails_the_flush_and_is_named() {
    let store = TestStore::start();
    store.make(TOPIC, 2, &[("max.message.bytes", "1000")]);
    let mut producer = Producer::idempotent(&store.settings).unwrap();
    producer
        .produce(&Outgoing {
            topic: &TOPIC.into(),
            partition: 1,
            key: None,
            value: Some(&[0; 5000]),
            timestamp: 1,
            headers: &Headers::default(),
        })
        .unwrap();
    let error = producer.flush().unwrap_err();
    assert!(error.action.contains("results-1"), "{error}");
    assert!(!error.is_retriable(), "{error}");
}

#[test]
fn a_partition_that_does_not_exist_is_refused_and_named() {
    let store = TestStore::with_topic(TOPIC, 1);
    let mut producer = Producer::idempotent(&store.settings).unwrap();
    assert_eq!(producer.partition_count(&TOPIC.into()).unwrap(), 1);
    let sent = producer.produce(&Outgoing {
        topic: &TOPIC.into(),
        partition: 5,
        key: None,
        value: None,
        timestamp: 1,
        headers: &Headers::default(),
    });
    let error = sent.unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownTopic, "{error}");
    assert!(error.action.contains("results-5"), "{error}");
}

#[test]
fn a_full_local_queue_holds_the_sender_up_and_loses_nothing() {
    let mut store = TestStore::with_topic(TOPIC, 1);
    store
        .settings
        .set("producer.queue.buffering.max.messages", "10")
        .unwrap();
    store.settings.set("producer.linger.ms", "1").unwrap();
    let mut producer = Producer::idempotent(&store.settings).unwrap();
    send(&mut producer, TOPIC, 0, 0..100);
    assert!(producer.full_waits() > 0);
    producer.flush().unwrap();
    assert_eq!(store.read(TOPIC, 0).len(), 100);
}

#[test]
fn the_highest_acknowledged_offset_of_each_partition_is_known() {
    let store = TestStore::with_topic(TOPIC, 2);
    let mut producer = transactional(&store, "tx");
    let acknowledged = |producer: &Producer, partition| {
        producer.acknowledged(&TopicPartition::new(TOPIC, partition))
    };
    assert_eq!(acknowledged(&producer, 0), None);
    send(&mut producer, TOPIC, 0, 0..3);
    producer.commit().unwrap();
    assert_eq!(acknowledged(&producer, 0), Some(2));
    assert_eq!(acknowledged(&producer, 1), None);
    send(&mut producer, TOPIC, 0, 3..4);
    producer.commit().unwrap();
    assert_eq!(
        acknowledged(&producer, 0),
        Some(4),
        "the marker took offset 3"
    );
}

#[test]
fn time_zero_is_written_as_one_and_not_as_now() {
    let store = TestStore::with_topic(TOPIC, 1);
    let mut producer = Producer::idempotent(&store.settings).unwrap();
    for timestamp in [0, 1, 2] {
        producer
            .produce(&Outgoing {
                topic: &TOPIC.into(),
                partition: 0,
                key: None,
                value: None,
                timestamp,
                headers: &Headers::default(),
            })
            .unwrap();
    }
    producer.flush().unwrap();
    let times: Vec<_> = store
        .read(TOPIC, 0)
        .iter()
        .map(SourceRecord::timestamp)
        .collect();
    assert_eq!(times, [1, 1, 2]);
}
