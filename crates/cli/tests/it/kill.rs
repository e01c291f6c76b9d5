//! `kill -9` in the middle of everything: what was acknowledged stays, once and in order.
//!
//! `HEADWATER_KILL_ROUNDS` says how often; `cargo xtask crash` sets it.

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use headwater_testkit::Store;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use crate::cluster::settings;
use crate::headwater::headwater;

/// Rounds of a normal test run.
const ROUNDS: u32 = 3;
/// Partitions of the topic: each keeps its own order.
const PARTITIONS: i32 = 4;

pub(crate) fn rounds() -> u32 {
    env::var("HEADWATER_KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// A pause that differs from round to round, so that kills meet different moments.
pub(crate) fn some_milliseconds(from: u64, to: u64) -> Duration {
    let noise = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .subsec_nanos();
    Duration::from_millis(from + u64::from(noise / 1000) % (to - from))
}

/// The numbers that were acknowledged, by partition.
#[derive(Clone, Default)]
struct Acknowledged {
    numbers: Arc<Mutex<Vec<Vec<u64>>>>,
    refused: Arc<Mutex<Vec<String>>>,
}

impl ClientContext for Acknowledged {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(record) => {
                let number = std::str::from_utf8(record.payload().unwrap())
                    .unwrap()
                    .parse()
                    .unwrap();
                let mut numbers = self.numbers.lock().unwrap();
                numbers.resize(PARTITIONS as usize, Vec::new());
                numbers[record.partition() as usize].push(number);
            }
            Err((error, _)) => self.refused.lock().unwrap().push(error.to_string()),
        }
    }
}

#[test]
fn a_killed_store_loses_no_acknowledged_record_and_doubles_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::start(settings(dir.path().join("data"))).unwrap();
    let bootstrap = store.bootstrap().to_owned();
    let topic = "killed";
    headwater(
        &[
            "topics",
            "create",
            topic,
            "--partitions",
            &PARTITIONS.to_string(),
            "-b",
            &bootstrap,
        ],
        "",
    )
    .ok();
    let acknowledged = Acknowledged::default();
    let producer: ThreadedProducer<Acknowledged> = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "1")
        .set("batch.num.messages", "100")
        .set("message.timeout.ms", "300000")
        .set("reconnect.backoff.ms", "10")
        .set("reconnect.backoff.max.ms", "100")
        .create_with_context(acknowledged.clone())
        .unwrap();
    let stopped = Arc::new(AtomicBool::new(false));
    let sending = thread::spawn({
        let (producer, stopped) = (producer.clone(), Arc::clone(&stopped));
        move || send_until(&stopped, &producer, topic)
    });
    for _ in 0..rounds() {
        thread::sleep(some_milliseconds(100, 600));
        store.kill();
        store = store.restart().unwrap();
    }
    thread::sleep(Duration::from_millis(200));
    stopped.store(true, Ordering::Relaxed);
    let sent = sending.join().unwrap();
    producer.flush(Duration::from_mins(5)).unwrap();
    assert_eq!(*acknowledged.refused.lock().unwrap(), [""; 0]);
    let mut acknowledged = acknowledged.numbers.lock().unwrap().clone();
    // The flush and the producer's own thread both take reports, so two of them may pass one another.
    for numbers in &mut acknowledged {
        numbers.sort_unstable();
    }
    assert_eq!(
        acknowledged.iter().map(Vec::len).sum::<usize>() as u64,
        sent
    );
    for (partition, acknowledged) in acknowledged.iter().enumerate() {
        let arguments = [
            "consume",
            topic,
            "-e",
            "-p",
            &partition.to_string(),
            "-f",
            "%s\\n",
            "-b",
            &bootstrap,
        ];
        let text = headwater(&arguments, "").ok();
        let stored: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
        // Everything was acknowledged in the end, so what is stored is that: nothing lost, doubled or out of order.
        assert_eq!(stored.len(), acknowledged.len(), "partition {partition}");
        let turn = stored.windows(2).find(|pair| pair[0] >= pair[1]);
        assert_eq!(turn, None, "partition {partition}: out of order");
        let other = std::iter::zip(&stored, acknowledged).find(|(stored, told)| stored != told);
        assert_eq!(
            other, None,
            "partition {partition}: stored against acknowledged"
        );
    }
    println!(
        "{} rounds: {sent} records acknowledged, lost 0, doubled 0, in order",
        rounds()
    );
}

/// Sends numbers to all partitions in turn; how many.
fn send_until(stopped: &AtomicBool, producer: &ThreadedProducer<Acknowledged>, topic: &str) -> u64 {
    let mut number = 0_u64;
    while !stopped.load(Ordering::Relaxed) {
        let payload = number.to_string();
        let partition = (number % PARTITIONS as u64) as i32;
        let record: BaseRecord<'_, (), str> =
            BaseRecord::to(topic).partition(partition).payload(&payload);
        match producer.send(record) {
            Ok(()) => number += 1,
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
        if number.is_multiple_of(50) {
            // About 50,000 a second: a queue that never empties, and never fills the disk.
            thread::sleep(Duration::from_millis(1));
        }
    }
    number
}
