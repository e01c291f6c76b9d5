//! Makes a job's topics where they are missing and appends records to them.
//!
//! Arguments are `key=value`: bootstrap, job, prefix (of topic names), records, keys (`cubed` or `distinct`).

use std::time::Duration;

use anyhow::{Result, ensure};
use headwater_bench::arguments::Arguments;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

mod input;

use input::Input;

/// How long it may take till all is acknowledged.
const LIMIT: Duration = Duration::from_mins(5);

fn main() -> Result<()> {
    let arguments = Arguments::of_process()?;
    let input = Input::of(arguments.text("job")?, arguments.text("keys")?)?;
    let bootstrap = arguments.text("bootstrap")?;
    let prefix = arguments.text("prefix")?;
    let topics: Vec<String> = input
        .topics()
        .iter()
        .map(|topic| format!("{prefix}{topic}"))
        .collect();
    create(bootstrap, &topics, input.partitions())?;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .set("linger.ms", "20")
        // As Java's clients choose it.
        .set("partitioner", "murmur2_random")
        .create()?;
    for record in input.records(arguments.number("records")?) {
        let Some(topic) = topics.get(record.topic) else {
            continue;
        };
        let mut sent = BaseRecord::<[u8], [u8]>::to(topic)
            .payload(record.value.as_slice())
            .timestamp(record.timestamp);
        if let Some(key) = &record.key {
            sent = sent.key(key.as_slice());
        }
        while let Err((error, unsent)) = producer.send(sent) {
            ensure!(
                error == KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull),
                error
            );
            producer.poll(Duration::from_millis(10));
            sent = unsent;
        }
    }
    producer.flush(LIMIT)?;
    Ok(())
}

fn create(bootstrap: &str, topics: &[String], partitions: i32) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()?;
    let topics: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|topic| {
            NewTopic::new(topic, partitions, TopicReplication::Fixed(1)).set("retention.ms", "-1")
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let options = AdminOptions::new();
    for created in runtime.block_on(admin.create_topics(&topics, &options))? {
        if let Err((topic, error)) = created {
            ensure!(
                error == RDKafkaErrorCode::TopicAlreadyExists,
                "{topic}: {error}"
            );
        }
    }
    Ok(())
}
