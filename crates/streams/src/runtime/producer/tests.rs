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
    store.make("other", 1, &[]);
    let mut producer = transactional(&store, "tx");
    // Too large to wait in front of librdkafka, which knows that the transaction has failed.
    let other = |producer: &mut Producer| {
        producer.produce(&Outgoing {
            topic: &"other".into(),
            partition: 0,
            key: None,
            value: Some(&vec![0; 20_000]),
            timestamp: 1,
            headers: &Headers::default(),
        })
    };
    produce(&mut producer, 1, None, 5000).unwrap();
    let error = eventually("it is told why the transaction has failed", || {
        let error = other(&mut producer).err()?;
        // What went with it is told now and then before.
        (error.kind != ErrorKind::AbortTransaction).then_some(error)
    });
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert!(error.action.contains("results-1"), "{error}");
    // Told once: what else the transaction refuses is to be sent again in another.
    let error = other(&mut producer).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AbortTransaction, "{error}");
    if producer.abort().is_err() {
        // It was about to get a new epoch: as the worker does.
        producer = transactional(&store, "tx");
    }
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

fn produce(
    producer: &mut Producer,
    partition: i32,
    key: Option<&[u8]>,
    size: usize,
) -> Result<(), ClientError> {
    producer.produce(&Outgoing {
        topic: &TOPIC.into(),
        partition,
        key,
        value: Some(&vec![7; size]),
        timestamp: 1,
        headers: &Headers::default(),
    })
}

/// Sends small records and one that the store refuses, whoever of their batch is to blame, as often as the worker
/// would: until all that is left is refused on the spot.
fn produce_until_refused(store: &TestStore, producer: &mut Producer) {
    for _ in 0..10 {
        let mut refused = 0;
        let sent = (0..10).try_for_each(|n| {
            let size = if n == 4 { 5000 } else { 10 + n };
            match produce(producer, 0, Some(b"key"), size) {
                Err(error) if error.kind == ErrorKind::Fatal => {
                    assert_eq!(n, 4, "{error}");
                    assert!(error.reason.contains("max.message.bytes"), "{error}");
                    refused += 1;
                    Ok(())
                }
                other => other,
            }
        });
        let ended = sent.and_then(|()| {
            if producer.is_transactional() {
                producer.commit()
            } else {
                producer.flush()
            }
        });
        let Err(error) = ended else {
            assert_eq!(refused, 1);
            return;
        };
        // What went with a transaction is told now and then before why it went.
        assert!(
            matches!(error.kind, ErrorKind::Refused | ErrorKind::AbortTransaction),
            "{error}"
        );
        if producer.abort().is_err() {
            // As the worker does.
            let successor = transactional(store, "tx");
            successor.succeed(producer).unwrap();
        }
    }
    panic!("it is refused again and again");
}

#[test]
fn a_record_that_the_store_refused_late_is_refused_on_the_spot_when_it_is_sent_again() {
    let store = TestStore::start();
    store.make(TOPIC, 1, &[("max.message.bytes", "1000")]);
    let mut producer = Producer::idempotent(&store.settings).unwrap();
    produce_until_refused(&store, &mut producer);
    assert!(producer.refusals.is_empty(), "a commit has passed it");
}

#[test]
fn a_transaction_that_a_refused_record_broke_is_done_again_without_it() {
    let store = TestStore::start();
    store.make(TOPIC, 1, &[("max.message.bytes", "1000")]);
    let mut producer = transactional(&store, "tx");
    produce_until_refused(&store, &mut producer);
    let sizes = store
        .read(TOPIC, 0)
        .iter()
        .map(|record| record.value().unwrap().len())
        .collect::<Vec<_>>();
    assert_eq!(sizes, [10, 11, 12, 13, 15, 16, 17, 18, 19]);
}

#[test]
fn what_was_refused_is_remembered_until_its_transaction_is_committed() {
    let store = TestStore::start();
    store.make(TOPIC, 1, &[("max.message.bytes", "1000")]);
    let mut producer = transactional(&store, "tx");
    let known = (0..10).any(|_| {
        let sent = produce(&mut producer, 0, None, 5000).and_then(|()| producer.flush());
        let error = sent.unwrap_err();
        if error.kind != ErrorKind::Fatal && producer.abort().is_err() {
            // As the worker does.
            let successor = transactional(&store, "tx");
            successor.succeed(&mut producer).unwrap();
        }
        error.kind == ErrorKind::Fatal
    });
    assert!(known, "it is refused again and again");
    // As when the group is lost between the two.
    producer.flush().unwrap();
    producer.abort().unwrap();
    let error = produce(&mut producer, 0, None, 5000).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fatal, "{error}");
    producer.commit().unwrap();
    assert!(producer.refusals.is_empty(), "a commit has passed it");
}

#[test]
fn nothing_is_committed_past_a_record_that_did_not_arrive_whoever_was_told_of_it() {
    let store = TestStore::start();
    store.make(TOPIC, 1, &[("max.message.bytes", "1000")]);
    let mut producer = Producer::idempotent(&store.settings).unwrap();
    produce(&mut producer, 0, None, 5000).unwrap();
    let told = eventually("it is refused", || producer.poll().err());
    let error = producer.flush().unwrap_err();
    assert_eq!(error.to_string(), told.to_string());
    producer.abort().unwrap();
    send(&mut producer, TOPIC, 0, 0..1);
    producer.flush().unwrap();
    assert_eq!(store.values(TOPIC, 0), ["0"]);
}

#[test]
fn what_was_refused_is_known_to_the_producer_that_takes_anothers_place() {
    let store = TestStore::start();
    store.make("other", 1, &[]);
    store.make(TOPIC, 1, &[("max.message.bytes", "1000")]);
    let mut producer = Producer::idempotent(&store.settings).unwrap();
    // The successor meets its topics in another order.
    producer.partition_count(&"other".into()).unwrap();
    produce(&mut producer, 0, None, 5000).unwrap();
    let error = producer.flush().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    let successor = Producer::idempotent(&store.settings).unwrap();
    successor.succeed(&mut producer).unwrap();
    let error = produce(&mut producer, 0, None, 5000).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fatal, "{error}");
}

#[test]
fn what_a_topic_is_known_not_to_take_is_refused_before_it_is_sent() {
    let store = TestStore::start();
    store.make(
        TOPIC,
        1,
        &[("max.message.bytes", "1000"), ("cleanup.policy", "compact")],
    );
    let limits =
        crate::runtime::topic_limits::read(&[TOPIC.into()], &store.settings, &store.admin());
    let settings = store.settings.with_batches_of(1000);
    let mut producer = Producer::transactional(&settings, "tx")
        .unwrap()
        .with_limits(Arc::new(limits));
    producer.init_transactions(PATIENCE).unwrap();
    let error = produce(&mut producer, 0, Some(b"key"), 5000).unwrap_err();
    assert!(
        error
            .reason
            .contains("takes 5073 bytes, and the topic 1000 at most"),
        "{error}"
    );
    let error = produce(&mut producer, 0, None, 1).unwrap_err();
    assert!(error.reason.contains("without a key"), "{error}");
    assert_eq!(producer.broken(), None, "and nothing broke");
    // The largest that goes through, to the byte.
    let most = (900..1000)
        .take_while(|size| produce(&mut producer, 0, Some(b"key"), *size).is_ok())
        .last()
        .unwrap();
    producer.commit().unwrap();
    let read = store.read(TOPIC, 0);
    assert_eq!(read.last().unwrap().value().unwrap().len(), most);
    assert_eq!(most, 1000 - 73);
}
