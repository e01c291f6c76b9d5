//! librdkafka, as any application would use it.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::DEADLINE;

/// A producer with further properties.
pub(crate) fn producer(bootstrap: &str, properties: &[(&str, &str)]) -> FutureProducer {
    config(bootstrap, properties).create().expect("a producer")
}

/// Sends `values` one after the other and returns their offsets.
pub(crate) async fn send_all(
    producer: &FutureProducer,
    topic: &str,
    values: &[String],
) -> Vec<i64> {
    let sends: Vec<_> = values
        .iter()
        .map(|value| {
            let record = FutureRecord::<(), _>::to(topic).partition(0).payload(value);
            producer
                .send_result(record)
                .map_err(|(error, _)| error)
                .expect("queued")
        })
        .collect();
    let mut offsets = Vec::new();
    for send in sends {
        let delivered = send
            .await
            .expect("not cancelled")
            .map_err(|(error, _)| error)
            .expect("delivered");
        offsets.push(delivered.offset);
    }
    offsets
}

/// Reads `count` values of one partition from its start.
pub(crate) async fn read_all(
    bootstrap: &str,
    topic: &str,
    partition: i32,
    count: usize,
) -> Vec<String> {
    let consumer: BaseConsumer = config(
        bootstrap,
        &[("group.id", "unused"), ("enable.auto.commit", "false")],
    )
    .create()
    .expect("a consumer");
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset(topic, partition, Offset::Beginning)
        .expect("an assignment");
    consumer.assign(&assignment).expect("assigns");
    tokio::task::spawn_blocking(move || {
        let begun = std::time::Instant::now();
        let mut values = Vec::new();
        while values.len() < count {
            assert!(
                begun.elapsed() < DEADLINE,
                "only {} of {count} records came",
                values.len()
            );
            match consumer.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => {
                    let value = message.payload().expect("a value");
                    values.push(String::from_utf8(value.to_vec()).expect("text"));
                }
                Some(Err(error)) => panic!("the consumer failed: {error}"),
                None => {}
            }
        }
        values
    })
    .await
    .expect("the consumer's thread")
}

pub(crate) fn config(bootstrap: &str, properties: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    for (name, value) in properties {
        config.set(*name, *value);
    }
    config
}
