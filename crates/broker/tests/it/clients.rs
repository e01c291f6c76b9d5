//! An unmodified client, librdkafka, over loopback.

use std::time::Duration;

use headwater_broker::{Broker, BrokerSettings};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::support::clients::{config, producer, read_all, send_all};
use crate::support::{DEADLINE, durable_in};

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("value {number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_back_in_order_with_consecutive_offsets() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let values = numbered(1_000);
    let producer = producer(&broker.bootstrap(), &[]);
    let offsets = send_all(&producer, "orders", &values).await;
    assert_eq!(offsets, (0..1_000).collect::<Vec<i64>>());
    assert_eq!(
        read_all(&broker.bootstrap(), "orders", 0, values.len()).await,
        values
    );
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_codec_passes_through() {
    let broker = Broker::ephemeral().await.unwrap();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("compressed-{codec}");
        let values: Vec<String> = (0..200)
            .map(|number| format!("{number} {}", "abc".repeat(200)))
            .collect();
        let properties = [("compression.codec", codec), ("linger.ms", "20")];
        send_all(&producer(&broker.bootstrap(), &properties), &topic, &values).await;
        assert_eq!(
            read_all(&broker.bootstrap(), &topic, 0, values.len()).await,
            values,
            "{codec}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotent_producer_gets_an_id_and_writes_each_record_once() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let values = numbered(500);
    let producer = producer(
        &broker.bootstrap(),
        &[("enable.idempotence", "true"), ("linger.ms", "0")],
    );
    let offsets = send_all(&producer, "orders", &values).await;
    assert_eq!(offsets, (0..500).collect::<Vec<i64>>());
    assert_eq!(
        read_all(&broker.bootstrap(), "orders", 0, values.len()).await,
        values
    );
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acks_setting_delivers() {
    let broker = Broker::ephemeral().await.unwrap();
    for acks in ["0", "1", "all"] {
        let topic = format!("acks-{acks}");
        let values = numbered(50);
        let producer = producer(&broker.bootstrap(), &[("acks", acks)]);
        send_all(&producer, &topic, &values).await;
        producer.flush(DEADLINE).unwrap();
        assert_eq!(
            read_all(&broker.bootstrap(), &topic, 0, values.len()).await,
            values,
            "{acks}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_records_go_through() {
    let broker = Broker::ephemeral().await.unwrap();
    let values: Vec<String> = (0..5)
        .map(|number| number.to_string().repeat(900_000))
        .collect();
    send_all(&producer(&broker.bootstrap(), &[]), "big", &values).await;
    assert_eq!(
        read_all(&broker.bootstrap(), "big", 0, values.len()).await,
        values
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_partitions_are_written_and_read() {
    const PARTITIONS: i32 = 64;
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let admin: AdminClient<DefaultClientContext> =
        config(&broker.bootstrap(), &[]).create().unwrap();
    let topic = NewTopic::new("wide", PARTITIONS, TopicReplication::Fixed(1));
    for created in admin
        .create_topics([&topic], &AdminOptions::new())
        .await
        .unwrap()
    {
        created.unwrap();
    }
    let producer = producer(&broker.bootstrap(), &[]);
    let mut sends = Vec::new();
    for number in 0..PARTITIONS * 10 {
        let payload = format!("value {number}");
        let record = FutureRecord::<(), _>::to("wide")
            .partition(number % PARTITIONS)
            .payload(&payload);
        sends.push(
            producer
                .send_result(record)
                .map_err(|(error, _)| error)
                .unwrap(),
        );
    }
    for send in sends {
        send.await.unwrap().unwrap();
    }
    for partition in [0, 17, PARTITIONS - 1] {
        let read = read_all(&broker.bootstrap(), "wide", partition, 10).await;
        let expected: Vec<String> = (0..10)
            .map(|round| format!("value {}", round * PARTITIONS + partition))
            .collect();
        assert_eq!(read, expected);
    }
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_consumer_hears_of_a_record_sent_later() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let producer = producer(&broker.bootstrap(), &[]);
    send_all(&producer, "orders", &["first".to_owned()]).await;
    let bootstrap = broker.bootstrap();
    let waiting = tokio::spawn(async move { read_all(&bootstrap, "orders", 0, 2).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    send_all(&producer, "orders", &["second".to_owned()]).await;
    assert_eq!(waiting.await.unwrap(), ["first", "second"]);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn data_is_there_after_a_restart_on_the_same_directory() {
    let root = tempfile::tempdir().unwrap();
    let values = numbered(100);
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    send_all(&producer(&broker.bootstrap(), &[]), "orders", &values).await;
    broker.stop().await.unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    assert_eq!(
        read_all(&broker.bootstrap(), "orders", 0, values.len()).await,
        values
    );
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_found_by_time() {
    let broker = Broker::ephemeral().await.unwrap();
    let producer = producer(&broker.bootstrap(), &[]);
    let base = crate::support::batches::now_ms() - 60_000;
    for second in 0..10 {
        let payload = format!("value {second}");
        let record = FutureRecord::<(), _>::to("timed")
            .partition(0)
            .payload(&payload)
            .timestamp(base + second * 1_000);
        producer
            .send(record, DEADLINE)
            .await
            .map_err(|(error, _)| error)
            .unwrap();
    }
    let consumer: BaseConsumer = config(&broker.bootstrap(), &[("group.id", "unused")])
        .create()
        .unwrap();
    let found = tokio::task::spawn_blocking(move || {
        let mut asked = TopicPartitionList::new();
        asked
            .add_partition_offset("timed", 0, Offset::Offset(base + 4_500))
            .unwrap();
        let by_time = consumer.offsets_for_times(asked, DEADLINE).unwrap();
        (
            by_time.elements()[0].offset(),
            consumer.fetch_watermarks("timed", 0, DEADLINE).unwrap(),
        )
    });
    assert_eq!(found.await.unwrap(), (Offset::Offset(5), (0, 10)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotent_producer_writes_each_record_once_across_crashes_of_the_node() {
    const RECORDS: usize = 3_000;
    let root = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(durable_in(root.path())).await.unwrap();
    let address = broker.local_addr();
    let producer = producer(
        &broker.bootstrap(),
        &[
            ("enable.idempotence", "true"),
            ("linger.ms", "1"),
            ("batch.num.messages", "10"),
            ("reconnect.backoff.ms", "10"),
            ("reconnect.backoff.max.ms", "100"),
            ("retry.backoff.ms", "10"),
        ],
    );
    let values = numbered(RECORDS);
    let sending = {
        let (producer, values) = (producer.clone(), values.clone());
        tokio::spawn(async move {
            let mut offsets = Vec::new();
            for some in values.chunks(50) {
                offsets.extend(send_all(&producer, "orders", some).await);
            }
            offsets
        })
    };
    for _ in 0..4 {
        let before = broker.insight().journal().commits;
        while broker.insight().journal().commits < before + 8 && !sending.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        broker.abandon().await;
        let settings = BrokerSettings {
            listen: address,
            ..durable_in(root.path())
        };
        broker = Broker::start(settings).await.unwrap();
    }
    let offsets = sending.await.unwrap();
    assert_eq!(offsets, (0..RECORDS as i64).collect::<Vec<i64>>());
    assert_eq!(
        read_all(&broker.bootstrap(), "orders", 0, RECORDS).await,
        values
    );
    broker.stop().await.unwrap();
}
