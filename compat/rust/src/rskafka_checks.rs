//! rskafka, a client in Rust alone: no groups, no transactions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use rskafka::chrono::{DateTime, Utc};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::producer::{BatchProducerBuilder, aggregator::RecordAggregator};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;

use crate::suite::{Kafka, Suite, expect, numbers, until};

pub(crate) async fn run(suite: &mut Suite) {
    suite
        .check(
            "rskafka: records in every codec with keys and headers come back",
            codecs,
        )
        .await;
    suite
        .check(
            "rskafka: a batching producer's records keep their order",
            batching,
        )
        .await;
    suite
        .check(
            "rskafka: topics and records are made, listed and deleted",
            admin,
        )
        .await;
}

async fn client(kafka: &Kafka) -> Result<Client> {
    let brokers = kafka.bootstrap.split(',').map(str::to_owned).collect();
    Ok(ClientBuilder::new(brokers).build().await?)
}

async fn partition(kafka: &Kafka, topic: &str) -> Result<PartitionClient> {
    let client = client(kafka).await?;
    client
        .controller_client()?
        .create_topic(topic, 1, 1, 5_000)
        .await?;
    Ok(client
        .partition_client(topic, 0, UnknownTopicHandling::Retry)
        .await?)
}

fn record(key: &str, value: &str) -> Record {
    Record {
        key: Some(key.into()),
        value: Some(value.into()),
        headers: BTreeMap::from([("codec".to_owned(), key.into())]),
        timestamp: now(),
    }
}

/// The client keeps milliseconds. Now, since its topics are made with the default retention.
fn now() -> DateTime<Utc> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let milliseconds = since.map_or(0, |since| since.as_millis() as i64);
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

async fn read(partition: &PartitionClient, count: usize) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    while records.len() < count {
        let offset = i64::try_from(records.len())?;
        let (fetched, high_watermark) =
            partition.fetch_records(offset, 1..1_000_000, 1_000).await?;
        ensure!(
            high_watermark >= i64::try_from(count)?,
            "the high watermark is {high_watermark}"
        );
        records.extend(fetched.into_iter().map(|fetched| fetched.record));
    }
    Ok(records)
}

async fn codecs(kafka: Kafka) -> Result<()> {
    let partition = partition(&kafka, &kafka.name("codecs")).await?;
    let codecs = [
        ("none", Compression::NoCompression),
        ("gzip", Compression::Gzip),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ];
    let mut sent = Vec::new();
    for (name, codec) in codecs {
        let batch: Vec<_> = (0..20)
            .map(|number| record(name, &format!("{name} {number} value value value")))
            .collect();
        sent.extend(batch.clone());
        partition.produce(batch, codec).await?;
    }
    expect("records", &read(&partition, sent.len()).await?, &sent)
}

async fn batching(kafka: Kafka) -> Result<()> {
    let partition = Arc::new(partition(&kafka, &kafka.name("batching")).await?);
    let producer = BatchProducerBuilder::new(Arc::clone(&partition))
        .with_linger(Duration::from_millis(2))
        .build(RecordAggregator::new(10_000));
    for value in numbers(300) {
        producer.produce(record("k", &value)).await?;
    }
    let values: Vec<_> = read(&partition, 300)
        .await?
        .into_iter()
        .map(|record| String::from_utf8_lossy(&record.value.unwrap_or_default()).into_owned())
        .collect();
    expect("values", &values, &numbers(300))
}

async fn admin(kafka: Kafka) -> Result<()> {
    let topic = kafka.name("admin");
    let partition = partition(&kafka, &topic).await?;
    let batch = numbers(10).iter().map(|value| record("k", value)).collect();
    partition.produce(batch, Compression::NoCompression).await?;
    expect("end", &partition.get_offset(OffsetAt::Latest).await?, &10)?;
    partition.delete_records(4, 5_000).await?;
    expect(
        "start",
        &partition.get_offset(OffsetAt::Earliest).await?,
        &4,
    )?;
    let client = client(&kafka).await?;
    // It asks any broker, and a cluster's others hear of a new topic later.
    until("the topic is listed", || async {
        let listed = client.list_topics().await?;
        Ok(listed.iter().any(|listed| listed.name == topic))
    })
    .await?;
    client
        .controller_client()?
        .delete_topic(&topic, 5_000)
        .await?;
    Ok(())
}
