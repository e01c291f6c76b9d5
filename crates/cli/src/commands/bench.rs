//! `headwater bench`: how fast records go in and out of any Kafka, seen from one librdkafka client.
//!
//! Figures depend on the machine: compare them within one run, never across.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::json;

use super::runtime;
use crate::client::{self, Context};
use crate::config::{Connection, Properties, Role};
use crate::failure::{Exit, Failure, Result};
use crate::output::{Format, Rows};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Records to produce and consume
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// Bytes of each record's value
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    record_bytes: u32,
    /// Partitions of the topic
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..=1000))]
    partitions: i32,
    /// Records sent one by one, each after the one before it was acknowledged
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    one_by_one: u64,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

/// No progress for that long is a failure.
const STALLED: Duration = Duration::from_mins(1);

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (admin, context) = client::admin(&arguments.connection)?;
    let runtime = runtime::tool()?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let topic = format!("headwater-bench-{}-{now}", process::id());
    let options = AdminOptions::new().operation_timeout(Some(arguments.connection.timeout));
    let new = NewTopic::new(&topic, arguments.partitions, TopicReplication::Fixed(-1));
    let fail = |doing: &str, error: &KafkaError| {
        context.failure(format!("cannot {doing} topic {topic}"), error)
    };
    for result in runtime
        .block_on(admin.create_topics([&new], &options))
        .map_err(|error| fail("create", &error))?
    {
        result.map_err(|(_, code)| Failure::code(format!("cannot create topic {topic}"), code))?;
    }
    let measured = measure(arguments, &topic);
    runtime
        .block_on(admin.delete_topics(&[&topic], &options))
        .map_err(|error| fail("delete", &error))?;
    Ok(measured?.print(arguments.output)?)
}

fn measure(arguments: &Arguments, topic: &str) -> Result<Rows> {
    let mut rows = Rows::new(&["measured", "value", "unit"]);
    let produced = produce(arguments, topic)?;
    rows.push(vec![
        json!("produce"),
        json!(rate(arguments.records, produced)),
        json!("records/s"),
    ]);
    let consumed = consume(arguments, topic)?;
    rows.push(vec![
        json!("consume"),
        json!(rate(arguments.records, consumed)),
        json!("records/s"),
    ]);
    let mut latencies = one_by_one(arguments, topic)?;
    latencies.sort_unstable();
    for (name, percent) in [("one in flight, p50", 50), ("one in flight, p99", 99)] {
        let at = (latencies.len() * percent / 100).min(latencies.len() - 1);
        rows.push(vec![
            json!(name),
            json!(latencies[at].as_micros() as u64),
            json!("µs"),
        ]);
    }
    Ok(rows)
}

fn rate(records: u64, took: Duration) -> u64 {
    (records as f64 / took.as_secs_f64()) as u64
}

fn produce(arguments: &Arguments, topic: &str) -> Result<Duration> {
    let mut properties = producer_properties(arguments)?;
    for (key, value) in [
        ("queue.buffering.max.messages", "500000"),
        ("linger.ms", "5"),
    ] {
        properties.entry(key.into()).or_insert_with(|| value.into());
    }
    let counted = Counted::default();
    let producer: ThreadedProducer<Counted> = client::create(&properties, counted.clone())?;
    let value = value(arguments);
    let started = Instant::now();
    for _ in 0..arguments.records {
        let mut record: BaseRecord<'_, (), [u8]> = BaseRecord::to(topic).payload(&value);
        while let Err((error, returned)) = producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(Failure::kafka(format!("cannot send to {topic}"), &error));
            }
            thread::sleep(Duration::from_millis(1));
            record = returned;
        }
    }
    producer.flush(STALLED).map_err(|error| {
        counted
            .context
            .failure("not all records were delivered", &error)
    })?;
    let took = started.elapsed();
    match counted.failure() {
        None => Ok(took),
        Some(failure) => Err(failure),
    }
}

fn consume(arguments: &Arguments, topic: &str) -> Result<Duration> {
    let mut properties = arguments.connection.properties(Role::Consumer)?;
    properties.insert("group.id".into(), "headwater-bench".into());
    properties.insert("enable.auto.commit".into(), "false".into());
    let consumer: BaseConsumer<Context> = client::create(&properties, Context::default())?;
    let mut partitions = TopicPartitionList::new();
    for partition in 0..arguments.partitions {
        partitions
            .add_partition_offset(topic, partition, Offset::Beginning)
            .map_err(|error| Failure::kafka("cannot assign", &error))?;
    }
    consumer
        .assign(&partitions)
        .map_err(|error| Failure::kafka("cannot assign", &error))?;
    let mut started = None;
    for count in 0..arguments.records {
        match consumer.poll(STALLED) {
            Some(Ok(_)) => {
                started.get_or_insert_with(Instant::now);
            }
            Some(Err(error)) => return Err(Failure::kafka(format!("cannot read {topic}"), &error)),
            None => {
                return Err(Failure::new(Exit::Timeout, "records stopped coming")
                    .evidence(format!("{count} of {} were read", arguments.records)));
            }
        }
    }
    Ok(started.map_or(Duration::ZERO, |started| started.elapsed()))
}

fn one_by_one(arguments: &Arguments, topic: &str) -> Result<Vec<Duration>> {
    let mut properties = producer_properties(arguments)?;
    properties.insert("linger.ms".into(), "0".into());
    let (sender, delivered) = channel();
    let counted = Counted {
        delivered: Some(sender),
        ..Counted::default()
    };
    let producer: ThreadedProducer<Counted> = client::create(&properties, counted.clone())?;
    let value = value(arguments);
    let mut latencies = Vec::new();
    for _ in 0..arguments.one_by_one {
        let record: BaseRecord<'_, (), [u8]> = BaseRecord::to(topic).payload(&value);
        let started = Instant::now();
        producer
            .send(record)
            .map_err(|(error, _)| Failure::kafka(format!("cannot send to {topic}"), &error))?;
        let at = delivered
            .recv_timeout(STALLED)
            .map_err(|_| Failure::new(Exit::Timeout, "a record was not acknowledged"))?;
        latencies.push(at - started);
    }
    match counted.failure() {
        None => Ok(latencies),
        Some(failure) => Err(failure),
    }
}

fn producer_properties(arguments: &Arguments) -> Result<Properties> {
    let mut properties = arguments.connection.properties(Role::Producer)?;
    properties
        .entry("acks".into())
        .or_insert_with(|| "all".into());
    Ok(properties)
}

/// Bytes that do not compress to nothing.
fn value(arguments: &Arguments) -> Vec<u8> {
    (0..arguments.record_bytes)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// Deliveries: each announced to who waits for it, the first failure kept.
#[derive(Clone, Default)]
struct Counted {
    context: Context,
    failed: Arc<AtomicU64>,
    failure: Arc<Mutex<Option<Failure>>>,
    delivered: Option<Sender<Instant>>,
}

impl Counted {
    fn failure(&self) -> Option<Failure> {
        let failed = self.failed.load(Ordering::Relaxed);
        let failure = self
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        failure.inspect(|_| eprintln!("{failed} record(s) were not delivered"))
    }
}

impl ClientContext for Counted {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.context.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }
}

impl ProducerContext for Counted {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failed.fetch_add(1, Ordering::Relaxed);
            self.failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_with(|| self.context.failure("a record was not delivered", error));
        }
        if let Some(delivered) = &self.delivered {
            // Nobody waits any more only when the run has failed already.
            let _ = delivered.send(Instant::now());
        }
    }
}
