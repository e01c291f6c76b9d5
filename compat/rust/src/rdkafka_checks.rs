//! rdkafka: librdkafka's bindings.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{
    BaseRecord, DefaultProducerContext, FutureProducer, FutureRecord, Producer, ThreadedProducer,
};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::suite::{Kafka, LIMIT, Suite, expect, numbers, until};

pub(crate) async fn run(suite: &mut Suite) {
    suite
        .check(
            "rdkafka: records in every codec with keys, headers and timestamps come back",
            codecs,
        )
        .await;
    suite
        .check(
            "rdkafka: an idempotent producer's records arrive once and in order",
            idempotence,
        )
        .await;
    suite
        .check(
            "rdkafka: two members of a cooperative group share partitions, and one takes over",
            |kafka| share(kafka, "classic"),
        )
        .await;
    suite
        .check(
            "rdkafka: two members of a KIP-848 group share partitions, and one takes over",
            |kafka| share(kafka, "consumer"),
        )
        .await;
    suite
        .check(
            "rdkafka: a group commits and goes on where it stopped",
            resume,
        )
        .await;
    suite
        .check(
            "rdkafka: an exactly-once copy with commits and an abort",
            copy,
        )
        .await;
    suite
        .check(
            "rdkafka: an older producer of a transactional id is fenced",
            fencing,
        )
        .await;
    suite
        .check("rdkafka: admin: topics, partitions, offsets by time", admin)
        .await;
}

fn config(kafka: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.bootstrap);
    config
}

fn consumer(kafka: &Kafka, group: &str, settings: &[(&str, &str)]) -> Result<StreamConsumer> {
    let mut config = config(kafka);
    config
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("topic.metadata.refresh.interval.ms", "1000");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    Ok(config.create()?)
}

/// A topic. It keeps old records: checks write some that retention would take away.
async fn create(kafka: &Kafka, what: &str, partitions: i32) -> Result<String> {
    let topic = kafka.name(what);
    let admin: AdminClient<DefaultClientContext> = config(kafka).create()?;
    let new =
        NewTopic::new(&topic, partitions, TopicReplication::Fixed(1)).set("retention.ms", "-1");
    for created in admin.create_topics(&[new], &AdminOptions::new()).await? {
        if let Err((topic, code)) = created {
            bail!("{topic}: {code}");
        }
    }
    until("the topic is known", || async {
        let metadata = admin.inner().fetch_metadata(Some(&topic), LIMIT)?;
        let found = metadata.topics().first();
        Ok(found.is_some_and(|found| found.partitions().len() == partitions as usize))
    })
    .await?;
    Ok(topic)
}

async fn send(
    kafka: &Kafka,
    topic: &str,
    values: &[String],
    settings: &[(&str, &str)],
) -> Result<()> {
    let mut config = config(kafka);
    for (key, value) in settings {
        config.set(*key, *value);
    }
    let producer: FutureProducer = config.create()?;
    let mut sent = Vec::new();
    for value in values {
        let record = FutureRecord::to(topic).key(value).payload(value);
        match producer.send_result(record) {
            Ok(delivery) => sent.push(delivery),
            Err((error, _)) => return Err(error.into()),
        }
    }
    for delivery in sent {
        delivery.await?.map_err(|(error, _)| error)?;
    }
    Ok(())
}

async fn read(consumer: &StreamConsumer, count: usize) -> Result<Vec<OwnedMessage>> {
    let mut messages = Vec::new();
    while messages.len() < count {
        match tokio::time::timeout(LIMIT, consumer.recv()).await? {
            Ok(message) => messages.push(message.detach()),
            // A cluster's brokers hear of a new topic at different times.
            Err(KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(messages)
}

/// Reads a partition without a group.
async fn read_partition(
    kafka: &Kafka,
    topic: &str,
    count: usize,
    isolation: &str,
) -> Result<Vec<OwnedMessage>> {
    let consumer = consumer(
        kafka,
        &kafka.name("group"),
        &[("isolation.level", isolation)],
    )?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&assignment)?;
    read(&consumer, count).await
}

fn values(messages: &[OwnedMessage]) -> Vec<String> {
    let text = |message: &OwnedMessage| {
        String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned()
    };
    messages.iter().map(text).collect()
}

async fn codecs(kafka: Kafka) -> Result<()> {
    let topic = create(&kafka, "codecs", 1).await?;
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    for codec in codecs {
        let producer: FutureProducer = config(&kafka).set("compression.codec", codec).create()?;
        for _ in 0..20 {
            let headers = OwnedHeaders::new().insert(Header {
                key: "codec",
                value: Some(codec),
            });
            let record = FutureRecord::to(&topic)
                .key(codec)
                .payload("value value value value value value")
                .headers(headers)
                .timestamp(1_700_000_000_123);
            producer
                .send(record, LIMIT)
                .await
                .map_err(|(error, _)| error)?;
        }
    }
    let messages = read_partition(&kafka, &topic, 20 * codecs.len(), "read_committed").await?;
    for (index, message) in messages.iter().enumerate() {
        let codec = codecs[index / 20];
        expect("key", &message.key(), &Some(codec.as_bytes()))?;
        expect(
            "timestamp",
            &message.timestamp().to_millis(),
            &Some(1_700_000_000_123),
        )?;
        let header = message.headers().map(|headers| headers.get(0));
        ensure!(
            header.is_some_and(|header| header.value == Some(codec.as_bytes())),
            "the headers of record {index} are others"
        );
    }
    Ok(())
}

async fn idempotence(kafka: Kafka) -> Result<()> {
    let topic = create(&kafka, "idempotence", 1).await?;
    let sent = numbers(20_000);
    let settings = [
        ("enable.idempotence", "true"),
        ("linger.ms", "0"),
        ("batch.num.messages", "50"),
    ];
    send(&kafka, &topic, &sent, &settings).await?;
    let messages = read_partition(&kafka, &topic, sent.len(), "read_committed").await?;
    expect("values", &values(&messages), &sent)
}

/// Two members join, share six partitions, and one leaves.
async fn share(kafka: Kafka, protocol: &'static str) -> Result<()> {
    let (topic, group) = (create(&kafka, "share", 6).await?, kafka.name("group"));
    let settings: &[_] = match protocol {
        "consumer" => &[("group.protocol", "consumer")],
        _ => &[("partition.assignment.strategy", "cooperative-sticky")],
    };
    let one = consumer(&kafka, &group, settings)?;
    one.subscribe(&[&topic])?;
    owns(&[&one], &[6]).await?;
    let two = consumer(&kafka, &group, settings)?;
    two.subscribe(&[&topic])?;
    owns(&[&one, &two], &[3, 3]).await?;
    drop(one);
    owns(&[&two], &[6]).await
}

/// Polls members until they own so many partitions.
async fn owns(members: &[&StreamConsumer], expected: &[usize]) -> Result<()> {
    let started = Instant::now();
    loop {
        let mut owned = Vec::new();
        for member in members {
            // What it does not wait for, it does not miss: there are no records.
            let _ = tokio::time::timeout(Duration::from_millis(50), member.recv()).await;
            owned.push(member.assignment()?.count());
        }
        if owned == expected {
            return Ok(());
        }
        ensure!(
            started.elapsed() < LIMIT,
            "they own {owned:?}, expected {expected:?}"
        );
    }
}

async fn resume(kafka: Kafka) -> Result<()> {
    let (topic, group) = (create(&kafka, "resume", 1).await?, kafka.name("group"));
    send(&kafka, &topic, &numbers(10), &[]).await?;
    let first = consumer(&kafka, &group, &[])?;
    first.subscribe(&[&topic])?;
    read(&first, 10).await?;
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&topic, 0, Offset::Offset(4))?;
    first.commit(&offsets, rdkafka::consumer::CommitMode::Sync)?;
    drop(first);
    let second = consumer(&kafka, &group, &[])?;
    second.subscribe(&[&topic])?;
    let messages = read(&second, 6).await?;
    expect("values", &values(&messages), &numbers(10)[4..].to_vec())
}

type TransactionalProducer = ThreadedProducer<DefaultProducerContext>;

fn transactional(kafka: &Kafka, id: &str) -> Result<TransactionalProducer> {
    let producer: TransactionalProducer = config(kafka).set("transactional.id", id).create()?;
    producer.init_transactions(LIMIT)?;
    Ok(producer)
}

async fn copy(kafka: Kafka) -> Result<()> {
    let (from, to) = (
        create(&kafka, "from", 1).await?,
        create(&kafka, "to", 1).await?,
    );
    send(&kafka, &from, &numbers(300), &[]).await?;
    let producer = transactional(&kafka, &kafka.name("copy"))?;
    let group = kafka.name("group");
    // The second attempt is thrown away: a reader that begins again must find it uncopied.
    for commit in [true, false, true] {
        let reading = consumer(&kafka, &group, &[("isolation.level", "read_committed")])?;
        reading.subscribe(&[&from])?;
        let messages = read(&reading, 150).await?;
        let metadata = reading.group_metadata();
        let mut offsets = TopicPartitionList::new();
        let next = messages.last().map_or(0, |last| last.offset() + 1);
        offsets.add_partition_offset(&from, 0, Offset::Offset(next))?;
        let producer = producer.clone();
        let to = to.clone();
        tokio::task::spawn_blocking(move || -> Result<()> {
            producer.begin_transaction()?;
            for message in &messages {
                let record =
                    BaseRecord::<(), [u8]>::to(&to).payload(message.payload().unwrap_or_default());
                producer.send(record).map_err(|(error, _)| error)?;
            }
            producer.flush(LIMIT)?;
            let Some(metadata) = metadata else {
                bail!("the consumer has no group");
            };
            producer.send_offsets_to_transaction(&offsets, &metadata, LIMIT)?;
            if commit {
                producer.commit_transaction(LIMIT)?;
            } else {
                producer.abort_transaction(LIMIT)?;
            }
            Ok(())
        })
        .await??;
    }
    let messages = read_partition(&kafka, &to, 300, "read_committed").await?;
    expect("values", &values(&messages), &numbers(300))
}

async fn fencing(kafka: Kafka) -> Result<()> {
    let (topic, id) = (create(&kafka, "fencing", 1).await?, kafka.name("fenced"));
    let (older_id, newer_id, to) = (id.clone(), id, topic.clone());
    let other = kafka.clone();
    let code = tokio::task::spawn_blocking(move || -> Result<Option<RDKafkaErrorCode>> {
        let older = transactional(&other, &older_id)?;
        older.begin_transaction()?;
        let record = |text: &'static str| BaseRecord::<(), str>::to(&to).payload(text);
        older.send(record("older")).map_err(|(error, _)| error)?;
        older.flush(LIMIT)?;
        let newer = transactional(&other, &newer_id)?;
        newer.begin_transaction()?;
        newer.send(record("newer")).map_err(|(error, _)| error)?;
        newer.commit_transaction(LIMIT)?;
        Ok(older
            .commit_transaction(LIMIT)
            .err()
            .and_then(|error| error.rdkafka_error_code()))
    })
    .await??;
    expect("error", &code, &Some(RDKafkaErrorCode::Fenced))?;
    let messages = read_partition(&kafka, &topic, 1, "read_committed").await?;
    expect("values", &values(&messages), &vec!["newer".to_owned()])
}

async fn admin(kafka: Kafka) -> Result<()> {
    let topic = create(&kafka, "admin", 1).await?;
    let admin: AdminClient<DefaultClientContext> = config(&kafka).create()?;
    let grown = admin
        .create_partitions(&[NewPartitions::new(&topic, 3)], &AdminOptions::new())
        .await?;
    ensure!(grown.iter().all(Result::is_ok), "{grown:?}");
    let producer: FutureProducer = config(&kafka).create()?;
    for number in 0..5 {
        let record = FutureRecord::<(), str>::to(&topic)
            .partition(0)
            .payload("x")
            .timestamp(1_700_000_000_000 + number * 1_000);
        producer
            .send(record, LIMIT)
            .await
            .map_err(|(error, _)| error)?;
    }
    let consumer = consumer(&kafka, &kafka.name("group"), &[])?;
    let found = tokio::task::spawn_blocking({
        let topic = topic.clone();
        move || -> Result<_> {
            let mut times = TopicPartitionList::new();
            times.add_partition_offset(&topic, 0, Offset::Offset(1_700_000_002_500))?;
            let found = consumer.offsets_for_times(times, LIMIT)?;
            let watermarks = consumer.fetch_watermarks(&topic, 0, LIMIT)?;
            Ok((found.elements()[0].offset(), watermarks))
        }
    })
    .await??;
    expect("offsets", &found, &(Offset::Offset(3), (0, 5)))?;
    let deleted = admin.delete_topics(&[&topic], &AdminOptions::new()).await?;
    ensure!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    Ok(())
}
