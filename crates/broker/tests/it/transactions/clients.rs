//! librdkafka's transactional producer and its `read_committed` consumer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use headwater_broker::Broker;
use rdkafka::Message;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::Offset;

use crate::support::clients::config;
use crate::support::wire::Wire;
use crate::support::{DEADLINE, durable_in, ephemeral_with};

/// A producer that has fenced its predecessors.
fn transactional(bootstrap: &str, transactional_id: &str) -> BaseProducer {
    let producer: BaseProducer = config(
        bootstrap,
        &[
            ("transactional.id", transactional_id),
            ("transaction.timeout.ms", "60000"),
        ],
    )
    .create()
    .unwrap();
    producer.init_transactions(DEADLINE).unwrap();
    producer
}

fn send(producer: &BaseProducer, topic: &str, value: &str) {
    let record = BaseRecord::<(), str>::to(topic).partition(0).payload(value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

/// Reads one partition from its start until its end as the isolation level sees it.
fn read_to_end(bootstrap: &str, topic: &str, isolation_level: &str) -> Vec<String> {
    let consumer: BaseConsumer = config(
        bootstrap,
        &[
            ("group.id", "reading"),
            ("enable.auto.commit", "false"),
            ("enable.partition.eof", "true"),
            ("isolation.level", isolation_level),
        ],
    )
    .create()
    .unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset(topic, 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&assignment).unwrap();
    let mut values = Vec::new();
    while let Some(message) = next(&consumer) {
        values.push(value(&message));
    }
    values
}

/// The next message; `None` at the end of the partition.
fn next(consumer: &BaseConsumer) -> Option<BorrowedMessage<'_>> {
    let begun = Instant::now();
    while begun.elapsed() < DEADLINE {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => return Some(message),
            Some(Err(KafkaError::PartitionEOF(_))) => return None,
            Some(Err(error)) => panic!("the consumer failed: {error}"),
            None => {}
        }
    }
    panic!("neither a message nor the end came");
}

fn value(message: &BorrowedMessage<'_>) -> String {
    String::from_utf8(message.payload().unwrap().to_vec()).unwrap()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_transaction_is_read_and_an_aborted_one_is_not() {
    let root = tempfile::tempdir().unwrap();
    let durable = Broker::start(durable_in(root.path())).await.unwrap();
    for broker in [Broker::ephemeral().await.unwrap(), durable] {
        Wire::to(&broker).await.create_topic("orders", 1).await;
        let bootstrap = broker.bootstrap();
        blocking(move || {
            let producer = transactional(&bootstrap, "payments");
            for (transaction, commits) in [("a", true), ("b", false), ("c", true)] {
                producer.begin_transaction().unwrap();
                for number in 0..3 {
                    send(&producer, "orders", &format!("{transaction}{number}"));
                }
                if commits {
                    producer.commit_transaction(DEADLINE).unwrap();
                } else {
                    producer.flush(DEADLINE).unwrap();
                    producer.abort_transaction(DEADLINE).unwrap();
                }
            }
            let committed = read_to_end(&bootstrap, "orders", "read_committed");
            assert_eq!(committed, ["a0", "a1", "a2", "c0", "c1", "c2"]);
            let all = read_to_end(&bootstrap, "orders", "read_uncommitted");
            assert_eq!(all.len(), 9);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_transaction_over_many_partitions_is_all_or_nothing() {
    const PARTITIONS: i32 = 20;
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("wide", PARTITIONS).await;
    let bootstrap = broker.bootstrap();
    blocking(move || {
        let producer = transactional(&bootstrap, "wide");
        for commits in [false, true] {
            producer.begin_transaction().unwrap();
            for partition in 0..PARTITIONS {
                let payload = commits.to_string();
                let record = BaseRecord::<(), str>::to("wide").partition(partition);
                producer
                    .send(record.payload(&payload))
                    .map_err(|(error, _)| error)
                    .unwrap();
            }
            producer.flush(DEADLINE).unwrap();
            if commits {
                producer.commit_transaction(DEADLINE).unwrap();
            } else {
                producer.abort_transaction(DEADLINE).unwrap();
            }
        }
    })
    .await;
    for partition in 0..PARTITIONS {
        let data = wire.fetch("wide", partition, 0).await;
        // Two records, two markers, and nothing open.
        assert_eq!((data.high_watermark, data.last_stable_offset), (4, 4));
    }
}

/// Copies what a group has not seen yet, a transaction for every two records; each third transaction
/// is aborted the first time. Ends after `transactions`, or at the end of the input.
fn copy(bootstrap: &str, transactions: usize) -> bool {
    let consumer: BaseConsumer = config(
        bootstrap,
        &[
            ("group.id", "copies"),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
            ("isolation.level", "read_committed"),
            ("enable.partition.eof", "true"),
        ],
    )
    .create()
    .unwrap();
    consumer.subscribe(&["input"]).unwrap();
    let producer = transactional(bootstrap, "copies");
    for number in 1..=transactions {
        for commits in [number % 3 != 0, true] {
            producer.begin_transaction().unwrap();
            let mut ended = false;
            let mut offsets: BTreeMap<i32, i64> = BTreeMap::new();
            for _ in 0..2 {
                let Some(message) = next(&consumer) else {
                    ended = true;
                    break;
                };
                send(&producer, "output", &value(&message));
                offsets.insert(message.partition(), message.offset() + 1);
            }
            let mut next_offsets = TopicPartitionList::new();
            for (partition, offset) in &offsets {
                next_offsets
                    .add_partition_offset("input", *partition, Offset::Offset(*offset))
                    .unwrap();
            }
            let metadata = consumer.group_metadata().unwrap();
            producer
                .send_offsets_to_transaction(&next_offsets, &metadata, DEADLINE)
                .unwrap();
            if commits {
                producer.commit_transaction(DEADLINE).unwrap();
                if ended {
                    return true;
                }
                break;
            }
            producer.flush(DEADLINE).unwrap();
            producer.abort_transaction(DEADLINE).unwrap();
            for (partition, offset) in offsets {
                let back = Offset::Offset(offset - 2);
                consumer.seek("input", partition, back, DEADLINE).unwrap();
            }
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_with_offsets_in_its_transactions_is_exactly_once() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("input", 1).await;
    wire.create_topic("output", 1).await;
    let bootstrap = broker.bootstrap();
    blocking(move || {
        let producer: BaseProducer = config(&bootstrap, &[]).create().unwrap();
        let sent: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        for value in &sent {
            send(&producer, "input", value);
        }
        producer.flush(DEADLINE).unwrap();
        // The copying program ends again and again, and goes on where its transactions left off.
        let mut runs = 1;
        while !copy(&bootstrap, 5) {
            runs += 1;
            assert!(runs < 20, "the end of the input never comes");
        }
        assert!(runs > 2);
        let copied = read_to_end(&bootstrap, "output", "read_committed");
        assert_eq!(copied, sent);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_with_the_same_transactional_id_is_fenced() {
    let broker = Broker::ephemeral().await.unwrap();
    Wire::to(&broker).await.create_topic("orders", 1).await;
    let bootstrap = broker.bootstrap();
    blocking(move || {
        let zombie = transactional(&bootstrap, "payments");
        zombie.begin_transaction().unwrap();
        send(&zombie, "orders", "of the zombie");
        zombie.flush(DEADLINE).unwrap();
        let successor = transactional(&bootstrap, "payments");
        let refused = zombie.commit_transaction(DEADLINE).unwrap_err();
        let fenced = zombie.client().fatal_error().map(|(code, _)| code);
        assert_eq!(fenced, Some(RDKafkaErrorCode::Fenced), "{refused}");
        successor.begin_transaction().unwrap();
        send(&successor, "orders", "of its successor");
        successor.commit_transaction(DEADLINE).unwrap();
        let committed = read_to_end(&bootstrap, "orders", "read_committed");
        assert_eq!(committed, ["of its successor"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timed_out_transaction_is_aborted_and_fenced_and_the_last_stable_offset_moves_on() {
    let name = "transaction.abort.timed.out.transaction.cleanup.interval.ms";
    let broker = ephemeral_with(name, "50").await;
    Wire::to(&broker).await.create_topic("orders", 1).await;
    let bootstrap = broker.bootstrap();
    blocking(move || {
        let slow: BaseProducer = config(
            &bootstrap,
            &[
                ("transactional.id", "slow"),
                ("transaction.timeout.ms", "1000"),
            ],
        )
        .create()
        .unwrap();
        slow.init_transactions(DEADLINE).unwrap();
        slow.begin_transaction().unwrap();
        send(&slow, "orders", "too slow");
        slow.flush(DEADLINE).unwrap();
        let quick: BaseProducer = config(&bootstrap, &[]).create().unwrap();
        send(&quick, "orders", "quick");
        quick.flush(DEADLINE).unwrap();
        // Held up until the transaction is aborted.
        let begun = Instant::now();
        while read_to_end(&bootstrap, "orders", "read_committed") != ["quick"] {
            assert!(begun.elapsed() < DEADLINE, "the transaction stays open");
        }
        let refused = slow.commit_transaction(DEADLINE);
        assert!(refused.is_err(), "its producer is fenced");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_only_transaction_commits_its_offsets() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("input", 1).await;
    let bootstrap = broker.bootstrap();
    blocking(move || {
        let consumer: BaseConsumer = config(
            &bootstrap,
            &[("group.id", "readers"), ("enable.auto.commit", "false")],
        )
        .create()
        .unwrap();
        let producer = transactional(&bootstrap, "offsets only");
        let metadata = consumer.group_metadata().unwrap();
        let mut asked = TopicPartitionList::new();
        asked.add_partition("input", 0);
        for (offset, commits, expected) in [
            (5, false, Offset::Invalid),
            (7, true, Offset::Offset(7)),
            (9, false, Offset::Offset(7)),
        ] {
            let mut offsets = TopicPartitionList::new();
            offsets
                .add_partition_offset("input", 0, Offset::Offset(offset))
                .unwrap();
            producer.begin_transaction().unwrap();
            producer
                .send_offsets_to_transaction(&offsets, &metadata, DEADLINE)
                .unwrap();
            if commits {
                producer.commit_transaction(DEADLINE).unwrap();
            } else {
                producer.abort_transaction(DEADLINE).unwrap();
            }
            let committed = consumer.committed_offsets(asked.clone(), DEADLINE).unwrap();
            let committed = committed.find_partition("input", 0).unwrap().offset();
            assert_eq!(committed, expected);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_go_on_after_an_abrupt_end_of_the_store() {
    let root = tempfile::tempdir().unwrap();
    let mut settings = durable_in(root.path());
    let broker = Broker::start(settings.clone()).await.unwrap();
    Wire::to(&broker).await.create_topic("orders", 1).await;
    // The next one takes its place at the same address.
    settings.listen = broker.local_addr();
    let bootstrap = broker.bootstrap();
    let producer = blocking({
        let bootstrap = bootstrap.clone();
        move || {
            let producer = transactional(&bootstrap, "payments");
            producer.begin_transaction().unwrap();
            send(&producer, "orders", "before");
            producer.commit_transaction(DEADLINE).unwrap();
            producer.begin_transaction().unwrap();
            send(&producer, "orders", "across");
            producer.flush(DEADLINE).unwrap();
            producer
        }
    })
    .await;
    broker.abandon().await;
    let broker = Broker::start(settings).await.unwrap();
    blocking(move || {
        send(&producer, "orders", "after");
        producer.commit_transaction(DEADLINE).unwrap();
        let committed = read_to_end(&bootstrap, "orders", "read_committed");
        assert_eq!(committed, ["before", "across", "after"]);
    })
    .await;
    broker.stop().await.unwrap();
}
