//! `kill -9` in the middle of transactions, of the store and of the client: each is whole or not there,
//! in every partition and in the committed offset alike, and none holds readers up afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use headwater_testkit::Store;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;

use crate::cluster::settings;
use crate::headwater::headwater;
use crate::kill::{rounds, some_milliseconds};

const LEDGERS: [&str; 2] = ["debits", "credits"];
const GROUP: &str = "bookkeepers";
/// Whose offsets the transactions commit.
const INPUT: &str = "input";
const DEADLINE: Duration = Duration::from_mins(2);

/// One that polls by itself.
type TransactionalProducer = ThreadedProducer<DefaultProducerContext>;

/// What became of the transactions, by number.
#[derive(Default)]
struct Ledger {
    committed: Vec<u64>,
    aborted: BTreeSet<u64>,
    /// Left open by a client that died.
    abandoned: BTreeSet<u64>,
    /// The client gave up while it was committing.
    unknown: BTreeSet<u64>,
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("reconnect.backoff.ms", "10")
        .set("reconnect.backoff.max.ms", "100")
        .set_log_level(RDKafkaLogLevel::Emerg);
    config
}

fn producer(bootstrap: &str) -> TransactionalProducer {
    let producer: TransactionalProducer = config(bootstrap)
        .set("transactional.id", "bookkeeper")
        .set("linger.ms", "0")
        .create()
        .unwrap();
    again(|| producer.init_transactions(DEADLINE)).unwrap();
    producer
}

/// Repeats what may be repeated.
fn again(mut attempt: impl FnMut() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Err(KafkaError::Transaction(error))
                if error.is_retriable() && begun.elapsed() < DEADLINE => {}
            done => return done,
        }
    }
}

/// The number in both ledgers, and the group's offset behind it.
fn write(
    producer: &TransactionalProducer,
    group: &ConsumerGroupMetadata,
    number: u64,
) -> Result<(), KafkaError> {
    let payload = number.to_string();
    for ledger in LEDGERS {
        let record = BaseRecord::<(), str>::to(ledger).partition(0);
        producer
            .send(record.payload(&payload))
            .map_err(|(error, _)| error)?;
    }
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(INPUT, 0, Offset::Offset(number as i64 + 1))?;
    again(|| producer.send_offsets_to_transaction(&offsets, group, DEADLINE))
}

/// Transactions until it is stopped; the last one is a commit.
fn keep_books(bootstrap: &str, stopped: &AtomicBool) -> Ledger {
    let consumer: BaseConsumer = config(bootstrap).set("group.id", GROUP).create().unwrap();
    let group = consumer.group_metadata().unwrap();
    let mut ledger = Ledger::default();
    let mut client = producer(bootstrap);
    let mut number = 0;
    loop {
        let is_last = stopped.load(Ordering::Relaxed);
        client.begin_transaction().unwrap();
        let written = write(&client, &group, number);
        if number % 10 == 7 && !is_last {
            // It dies in the middle; its successor has the same transactional id.
            ledger.abandoned.insert(number);
            client = producer(bootstrap);
        } else if written.is_ok() && (is_last || number % 5 != 4) {
            match again(|| client.commit_transaction(DEADLINE)) {
                Ok(()) => ledger.committed.push(number),
                Err(error) if requires_abort(&error) => {
                    again(|| client.abort_transaction(DEADLINE)).unwrap();
                    ledger.aborted.insert(number);
                }
                Err(_) => {
                    ledger.unknown.insert(number);
                    client = producer(bootstrap);
                }
            }
        } else if again(|| client.abort_transaction(DEADLINE)).is_ok() {
            ledger.aborted.insert(number);
        } else {
            ledger.abandoned.insert(number);
            client = producer(bootstrap);
        }
        if is_last && ledger.committed.last() == Some(&number) {
            return ledger;
        }
        number += 1;
    }
}

fn requires_abort(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.txn_requires_abort())
}

/// The committed records of a ledger, to the end of what is stable, and that end.
fn read(bootstrap: &str, topic: &str) -> (Vec<u64>, i64) {
    let consumer: BaseConsumer = config(bootstrap)
        .set("group.id", "auditors")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset(topic, 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&assignment).unwrap();
    let begun = Instant::now();
    let mut numbers = Vec::new();
    while begun.elapsed() < DEADLINE {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let text = std::str::from_utf8(message.payload().unwrap()).unwrap();
                numbers.push(text.parse().unwrap());
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {
                let position = consumer.position().unwrap();
                let end = position.find_partition(topic, 0).unwrap().offset();
                return (numbers, end.to_raw().unwrap());
            }
            Some(Err(error)) => panic!("the consumer failed: {error}"),
            None => {}
        }
    }
    panic!("the end of {topic} never came");
}

/// The end of a topic, whatever is stable.
fn high_watermark(bootstrap: &str, topic: &str) -> i64 {
    let consumer: BaseConsumer = config(bootstrap).create().unwrap();
    let (_, high) = consumer
        .fetch_watermarks(topic, 0, Timeout::After(DEADLINE))
        .unwrap();
    high
}

fn committed_offset(bootstrap: &str) -> i64 {
    let consumer: BaseConsumer = config(bootstrap).set("group.id", GROUP).create().unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition(INPUT, 0);
    let committed = consumer.committed_offsets(asked, DEADLINE).unwrap();
    let committed = committed.find_partition(INPUT, 0).unwrap().offset();
    committed.to_raw().unwrap()
}

#[test]
fn transactions_stay_whole_when_store_and_client_are_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::start(settings(dir.path().join("data"))).unwrap();
    let bootstrap = store.bootstrap().to_owned();
    for topic in [LEDGERS[0], LEDGERS[1], INPUT] {
        headwater(&["topics", "create", topic, "-b", &bootstrap], "").ok();
    }
    let stopped = Arc::new(AtomicBool::new(false));
    let keeping = thread::spawn({
        let (bootstrap, stopped) = (bootstrap.clone(), Arc::clone(&stopped));
        move || keep_books(&bootstrap, &stopped)
    });
    for _ in 0..rounds() {
        thread::sleep(some_milliseconds(300, 900));
        store.kill();
        store = store.restart().unwrap();
    }
    thread::sleep(Duration::from_millis(300));
    stopped.store(true, Ordering::Relaxed);
    let ledger = keeping.join().unwrap();
    let mut books = BTreeSet::new();
    for topic in LEDGERS {
        let (numbers, end) = read(&bootstrap, topic);
        let known: Vec<u64> = numbers
            .iter()
            .copied()
            .filter(|number| !ledger.unknown.contains(number))
            .collect();
        assert_eq!(
            known, ledger.committed,
            "{topic}: all of them, once, in order"
        );
        assert!(
            numbers.is_sorted_by(|a, b| a < b),
            "{topic}: once, in order"
        );
        assert_eq!(
            end,
            high_watermark(&bootstrap, topic),
            "{topic}: nothing open"
        );
        books.insert(numbers);
    }
    assert_eq!(books.len(), 1, "what is in one ledger is in the other");
    let last = ledger.committed.last().unwrap();
    assert_eq!(committed_offset(&bootstrap), *last as i64 + 1);
    println!(
        "{} rounds: {} transactions committed, {} aborted, {} left by clients that died, {} unknown: none in part",
        rounds(),
        ledger.committed.len(),
        ledger.aborted.len(),
        ledger.abandoned.len(),
        ledger.unknown.len()
    );
    store.kill();
}
