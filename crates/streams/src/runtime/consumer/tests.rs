use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::collector::Outgoing;
use crate::context::SourceRecord;
use crate::record::Headers;
use crate::runtime::producer::Producer;
use crate::runtime::raw_record::RawRecord;
use crate::runtime::test_store::{PATIENCE, TestStore, eventually, read_to_end, send, value};

const TOPIC: &str = "orders";
const BEAT: Duration = Duration::from_millis(50);

fn group(store: &TestStore, instance: Option<&str>) -> Consumer {
    let mut settings = store.settings.clone();
    settings.set("session.timeout.ms", "6000").unwrap();
    let consumer = Consumer::group(&settings, "shop", instance, Isolation::ReadCommitted).unwrap();
    consumer.subscribe(&[TOPIC]).unwrap();
    consumer
}

fn assigned(consumer: &Consumer) -> Vec<TopicPartition> {
    let mut partitions = eventually("an assignment", || match consumer.poll(BEAT) {
        Some(Signal::Assigned(partitions)) => Some(partitions),
        Some(Signal::Error(error)) => panic!("{error}"),
        _ => None,
    });
    partitions.sort();
    partitions
}

#[test]
fn a_batch_is_in_the_order_of_offsets_with_all_that_was_written() {
    let store = TestStore::with_topic(TOPIC, 1);
    let mut producer = Producer::idempotent(&store.settings).unwrap();
    let mut headers = Headers::default();
    headers.push("trace", Some(Bytes::from_static(b"abc")));
    headers.push("empty", Some(Bytes::new()));
    headers.push("null", None);
    for (key, payload) in [
        (Some(&b"k"[..]), Some(&b"v"[..])),
        (None, Some(b"no key")),
        (Some(b"tombstone"), None),
        (Some(b""), Some(b"")),
    ] {
        producer
            .produce(&Outgoing {
                topic: &TOPIC.into(),
                partition: 0,
                key,
                value: payload,
                timestamp: 77,
                headers: &headers,
            })
            .unwrap();
    }
    producer.flush().unwrap();
    send(&mut producer, TOPIC, 0, 0..5000);
    producer.flush().unwrap();

    let records = store.read(TOPIC, 0);
    let offsets: Vec<_> = records.iter().map(RawRecord::offset).collect();
    assert_eq!(offsets, (0..5004).collect::<Vec<_>>());
    let bytes: Vec<_> = records[..4].iter().map(|r| (r.key(), r.value())).collect();
    assert_eq!(
        bytes,
        [
            (Some(&b"k"[..]), Some(&b"v"[..])),
            (None, Some(b"no key")),
            (Some(b"tombstone"), None),
            (Some(b""), Some(b"")),
        ]
    );
    assert_eq!(records[0].timestamp(), 77);
    assert_eq!(records[0].headers(), headers);
    assert!(records[4].headers().is_empty());
    assert_eq!(value(&records[5003]), "4999");
}

#[test]
fn a_record_is_plain_if_it_has_no_headers_whatever_its_batch_is_compressed_with() {
    for compression in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let mut store = TestStore::with_topic(TOPIC, 1);
        store.settings.set("compression.type", compression).unwrap();
        let mut producer = Producer::idempotent(&store.settings).unwrap();
        let mut headers = Headers::default();
        headers.push("trace", None);
        let none = Headers::default();
        for number in 0..300 {
            let with = number % 3 == 0 || number == 299;
            let value = vec![b'v'; 1 + number % 200];
            producer
                .produce(&Outgoing {
                    topic: &TOPIC.into(),
                    partition: 0,
                    key: None,
                    value: Some(&value),
                    timestamp: 77,
                    headers: if with { &headers } else { &none },
                })
                .unwrap();
        }
        producer.flush().unwrap();
        let records = store.read(TOPIC, 0);
        assert_eq!(records.len(), 300);
        for (number, record) in records.iter().enumerate() {
            let with = number % 3 == 0 || number == 299;
            assert_eq!(record.is_plain(), !with, "{compression}: record {number}");
            assert_eq!(record.headers().is_empty(), !with);
        }
    }
}

#[test]
fn records_outlive_the_queue_and_the_consumer_they_came_from() {
    let store = TestStore::with_topic(TOPIC, 1);
    store.write(TOPIC, 0, 0..3);
    let records = store.read(TOPIC, 0);
    let elsewhere = std::thread::spawn(move || records.iter().map(value).collect::<Vec<_>>());
    assert_eq!(elsewhere.join().unwrap(), ["0", "1", "2"]);
}

#[test]
fn a_queue_that_nobody_polls_holds_a_bounded_amount() {
    let mut store = TestStore::with_topic(TOPIC, 1);
    let mut producer = Producer::idempotent(&store.settings).unwrap();
    let payload = vec![7; 1000];
    for _ in 0..20_000 {
        producer
            .produce(&Outgoing {
                topic: &TOPIC.into(),
                partition: 0,
                key: None,
                value: Some(&payload),
                timestamp: 1,
                headers: &Headers::default(),
            })
            .unwrap();
    }
    producer.flush().unwrap();
    store
        .settings
        .set("queued.max.messages.kbytes", "64")
        .unwrap();
    store
        .settings
        .set("fetch.message.max.bytes", "100000")
        .unwrap();
    let (_reader, mut queue) =
        store.reader(TOPIC, 0, StartOffset::Beginning, Isolation::ReadCommitted);
    eventually("something fetched", || (queue.fetched() > 0).then_some(()));
    // Long enough for all of it, if nothing held it back.
    std::thread::sleep(Duration::from_millis(500));
    assert!(
        queue.fetched() < 3000,
        "{} of 20000 are here",
        queue.fetched()
    );
    assert_eq!(
        read_to_end(&mut queue).unwrap().len(),
        20_000,
        "and all come"
    );
}

#[test]
fn a_partition_is_caught_up_when_its_end_was_polled_and_not_before() {
    let store = TestStore::with_topic(TOPIC, 1);
    let (_reader, mut queue) =
        store.reader(TOPIC, 0, StartOffset::Beginning, Isolation::ReadCommitted);
    assert!(!queue.is_caught_up(), "nothing is known yet");
    assert!(
        read_to_end(&mut queue).unwrap().is_empty(),
        "an empty partition has an end"
    );

    store.write(TOPIC, 0, 0..10);
    eventually("the records come", || (queue.fetched() > 0).then_some(()));
    assert!(!queue.is_caught_up());
    assert_eq!(read_to_end(&mut queue).unwrap().len(), 10);
    assert_eq!(queue.position(), Some(10));
}

#[test]
fn a_partition_that_ends_in_a_commit_marker_is_caught_up() {
    let store = TestStore::with_topic(TOPIC, 1);
    let mut producer = Producer::transactional(&store.settings, "tx").unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    send(&mut producer, TOPIC, 0, 0..3);
    producer.commit().unwrap();
    let (_reader, mut queue) =
        store.reader(TOPIC, 0, StartOffset::Beginning, Isolation::ReadCommitted);
    assert_eq!(read_to_end(&mut queue).unwrap().len(), 3);
    assert_eq!(queue.position(), Some(3), "before the marker");
    assert_eq!(queue.watermarks(), Some((0, 4)), "which is the last");
}

#[test]
fn what_is_committed_behind_an_open_transaction_is_reached_when_that_has_ended() {
    let store = TestStore::with_topic(TOPIC, 1);
    let begin = |id: &str| {
        let mut producer = Producer::transactional(&store.settings, id).unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer
    };
    let (mut zombie, mut successor) = (begin("zombie"), begin("successor"));
    send(&mut zombie, TOPIC, 0, 0..1);
    zombie.flush().unwrap();
    send(&mut successor, TOPIC, 0, 1..3);
    successor.commit().unwrap();
    let (reader, mut queue) =
        store.reader(TOPIC, 0, StartOffset::Beginning, Isolation::ReadCommitted);
    let partition = TopicPartition::new(TOPIC, 0);
    let (_, stable) = reader.watermarks(&partition, PATIENCE).unwrap();
    assert_eq!(stable, 0, "nothing can be read");
    let (start, end) = reader.extent(&partition, PATIENCE).unwrap();
    assert_eq!(
        (start, end),
        (0, 4),
        "two records and a marker are behind it"
    );
    assert!(read_to_end(&mut queue).unwrap().is_empty());
    assert!(queue.is_caught_up(), "with what can be read");
    assert!(!queue.has_reached(end));
    zombie.abort().unwrap();
    let mut records = Vec::new();
    eventually("the end", || {
        queue.poll(100, &mut records).unwrap();
        queue.has_reached(end).then_some(())
    });
    let values: Vec<_> = records.iter().map(value).collect();
    assert_eq!(values, ["1", "2"]);
}

#[test]
fn a_thread_is_woken_when_records_come() {
    let store = TestStore::with_topic(TOPIC, 1);
    let (_reader, mut queue) =
        store.reader(TOPIC, 0, StartOffset::Beginning, Isolation::ReadCommitted);
    queue.wake(std::thread::current());
    read_to_end(&mut queue).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| store.write(TOPIC, 0, 0..1));
        let mut records = Vec::new();
        while records.is_empty() {
            std::thread::park();
            queue.poll(10, &mut records).unwrap();
        }
    });
}

#[test]
fn an_offset_that_is_not_there_is_an_error_of_its_own_kind() {
    let store = TestStore::with_topic(TOPIC, 1);
    store.write(TOPIC, 0, 0..10);
    store
        .admin()
        .delete_records(&[(TopicPartition::new(TOPIC, 0), 5)])
        .unwrap();
    for offset in [2, 99] {
        let (_reader, mut queue) =
            store.reader(TOPIC, 0, StartOffset::At(offset), Isolation::ReadCommitted);
        let error = eventually("an error", || queue.poll(10, &mut Vec::new()).err());
        assert_eq!(error.kind, ErrorKind::OffsetOutOfRange, "{error}");
        assert!(error.to_string().contains("orders-0"), "{error}");
    }
}

#[test]
fn members_are_told_of_what_they_get_and_what_is_taken_away() {
    let store = TestStore::with_topic(TOPIC, 2);
    let all = [TopicPartition::new(TOPIC, 0), TopicPartition::new(TOPIC, 1)];
    let one = group(&store, None);
    assert_eq!(assigned(&one), all);
    one.assign(&all.clone().map(|p| (p, StartOffset::Beginning)))
        .unwrap();

    let two = group(&store, None);
    let revoked = eventually("a revocation", || {
        two.poll(Duration::ZERO);
        match one.poll(BEAT) {
            Some(Signal::Revoked(partitions)) => Some(partitions),
            _ => None,
        }
    });
    assert_eq!(revoked.len(), 2, "range is eager");
    one.unassign().unwrap();
    let (mut first, mut second) = (None, None);
    eventually("both have a part", || {
        for (member, got) in [(&one, &mut first), (&two, &mut second)] {
            if let Some(Signal::Assigned(partitions)) = member.poll(BEAT) {
                member
                    .assign(&[(partitions[0].clone(), StartOffset::Beginning)])
                    .unwrap();
                *got = Some(partitions);
            }
        }
        (first.is_some() && second.is_some()).then_some(())
    });
    let mut both = [first.unwrap(), second.unwrap()].concat();
    both.sort();
    assert_eq!(both, all);
}

#[test]
fn a_member_with_a_name_comes_back_to_its_partitions_without_a_rebalance() {
    let store = TestStore::with_topic(TOPIC, 2);
    let one = group(&store, Some("one"));
    let all = assigned(&one);
    one.assign(&[(all[0].clone(), StartOffset::Beginning)])
        .unwrap();
    let generation = |member: &Consumer| member.group_metadata().unwrap().generation();
    let before = generation(&one);
    assert!(before > 0, "it is a member");
    drop(one);
    let again = group(&store, Some("one"));
    assert_eq!(assigned(&again), all);
    assert_eq!(generation(&again), before, "of the same assignment");
    again.close().unwrap();
}

#[test]
fn committed_offsets_come_back_with_their_metadata() {
    let store = TestStore::with_topic(TOPIC, 2);
    let consumer = group(&store, None);
    let partitions = assigned(&consumer);
    consumer
        .assign(&[
            (partitions[0].clone(), StartOffset::Beginning),
            (partitions[1].clone(), StartOffset::Beginning),
        ])
        .unwrap();
    consumer
        .commit(&[OffsetToCommit {
            partition: partitions[1].clone(),
            offset: 42,
            metadata: "AQAB".to_owned(),
        }])
        .unwrap();
    let committed = consumer.committed(&partitions, PATIENCE).unwrap();
    assert_eq!(
        committed,
        [
            (partitions[0].clone(), None),
            (partitions[1].clone(), Some((42, "AQAB".to_owned()))),
        ]
    );
}
