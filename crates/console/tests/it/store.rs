//! The store's pages on a real store: topics, groups, records and the live tail.

use std::sync::Arc;

use headwater_broker::Broker;
use headwater_console::{JournalSnapshot, PartitionSize, StoreInsight, StoreSnapshot};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;

use crate::served::{PATIENCE, Served};

const TOPIC: &str = "purchases";

fn config(broker: &Broker) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap());
    config
}

/// A store with a topic of two partitions.
async fn store() -> Broker {
    let broker = Broker::ephemeral().await.unwrap();
    let admin: AdminClient<DefaultClientContext> = config(&broker).create().unwrap();
    let topic = NewTopic::new(TOPIC, 2, TopicReplication::Fixed(-1));
    let created = admin
        .create_topics([&topic], &AdminOptions::new())
        .await
        .unwrap();
    assert!(created.iter().all(Result::is_ok), "{created:?}");
    broker
}

/// Record `n` goes to partition `n % 2`, with time `1_000_000 + n`.
async fn produce(broker: &Broker, numbers: std::ops::Range<i64>) {
    let producer: FutureProducer = config(broker).create().unwrap();
    for n in numbers {
        let (key, payload) = (
            format!("user-{n}"),
            format!(r#"{{"n":{n},"item":"Basil"}}"#),
        );
        let headers = OwnedHeaders::new().insert(Header {
            key: "traceparent",
            value: Some("00-abc"),
        });
        let record = FutureRecord::to(TOPIC)
            .partition((n % 2) as i32)
            .key(&key)
            .payload(&payload);
        producer
            .send(record.timestamp(1_000_000 + n).headers(headers), PATIENCE)
            .await
            .unwrap();
    }
}

fn keys(page: &Value) -> Vec<String> {
    let records = page["records"]
        .as_array()
        .unwrap_or_else(|| panic!("{page}"));
    records
        .iter()
        .map(|record| record["key"]["text"].as_str().unwrap().to_owned())
        .collect()
}

// A synchronous commit blocks its thread, and the store runs in the same process.
#[tokio::test(flavor = "multi_thread")]
async fn topics_show_offsets_and_groups_show_members_and_lag() {
    let broker = store().await;
    produce(&broker, 0..10).await;
    let mut reader = config(&broker);
    reader
        .set("group.id", "billing")
        .set("client.id", "billing-1")
        .set("auto.offset.reset", "earliest");
    let reader: StreamConsumer = reader.set("enable.auto.commit", "false").create().unwrap();
    reader.subscribe(&[TOPIC]).unwrap();
    tokio::time::timeout(PATIENCE, reader.recv())
        .await
        .unwrap()
        .unwrap();
    let mut read = TopicPartitionList::new();
    read.add_partition_offset(TOPIC, 0, Offset::Offset(1))
        .unwrap();
    read.add_partition_offset(TOPIC, 1, Offset::Offset(3))
        .unwrap();
    reader.commit(&read, CommitMode::Sync).unwrap();

    let served = Served::start(&broker.bootstrap()).await;
    assert_eq!(served.get("/readyz").send().await.unwrap().status(), 200);
    let mut events = served.events("store").await;
    let view = events
        .until("store", |view| view["groups"][0]["lag"] == 6)
        .await;
    let topics = view["topics"].as_array().unwrap();
    let topic = topics.iter().find(|topic| topic["name"] == TOPIC).unwrap();
    assert_eq!(
        (
            topic["records"].as_i64(),
            topic["partitions"].as_array().unwrap().len()
        ),
        (Some(10), 2)
    );
    assert_eq!(
        (
            &topic["partitions"][0]["log_end_offset"],
            &topic["size_bytes"]
        ),
        (&5.into(), &Value::Null)
    );
    let group = &view["groups"][0];
    assert_eq!(
        (group["group_id"].as_str(), group["state"].as_str()),
        (Some("billing"), Some("Stable"))
    );
    assert_eq!(group["members"][0]["client_id"], "billing-1");
    assert_eq!(
        group["members"][0]["assigned"][0]["partitions"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(group["partitions"][0]["client_id"], "billing-1");

    // Looking changed nothing: no group of the page's own, and rates come with the second look.
    let view = events
        .until("store", |view| {
            view["topics"][0]["records_per_second"].is_number()
        })
        .await;
    assert_eq!(view["groups"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn pages_of_records_join_without_gap_or_repeat_in_both_directions() {
    let broker = store().await;
    produce(&broker, 0..30).await;
    let served = Served::start(&broker.bootstrap()).await;
    let address = |from: &str| format!("/api/topics/{TOPIC}/records?limit=7&from={from}");

    for (first, cursor, direction) in [("newest", "older", "before"), ("oldest", "newer", "after")]
    {
        let mut seen = Vec::new();
        let mut from = first.to_owned();
        loop {
            let (status, page) = served.json(&address(&from)).await;
            assert_eq!(status, 200, "{page}");
            seen.extend(keys(&page));
            let Some(next) = page[cursor].as_str() else {
                break;
            };
            from = format!("{direction}:{next}");
        }
        let mut expected: Vec<String> = (0..30).map(|n| format!("user-{n}")).collect();
        if first == "newest" {
            expected.reverse();
        }
        assert_eq!(seen, expected, "{first}");
    }
}

#[tokio::test]
async fn records_are_found_by_offset_time_partition_and_text() {
    let broker = store().await;
    produce(&broker, 0..20).await;
    let served = Served::start(&broker.bootstrap()).await;
    for (query, expected) in [
        (
            "from=offset:8",
            vec!["user-16", "user-17", "user-18", "user-19"],
        ),
        ("from=time:1000018", vec!["user-18", "user-19"]),
        ("from=offset:8&partition=1", vec!["user-17", "user-19"]),
        ("from=oldest&filter=USER-7", vec!["user-7"]),
        ("filter=%22n%22:1,", vec!["user-1"]),
        ("from=offset:999", vec![]),
    ] {
        let (status, page) = served
            .json(&format!("/api/topics/{TOPIC}/records?{query}"))
            .await;
        assert_eq!(status, 200, "{query}: {page}");
        assert_eq!(keys(&page), expected, "{query}");
    }
    let (_, page) = served
        .json(&format!("/api/topics/{TOPIC}/records?partition=0&limit=1"))
        .await;
    let record = &page["records"][0];
    assert_eq!(
        (
            record["value"]["format"].as_str(),
            record["offset"].as_i64()
        ),
        (Some("json"), Some(9))
    );
    assert_eq!(record["headers"][0]["key"], "traceparent");
    let (status, record) = served
        .json(&format!("/api/topics/{TOPIC}/records/1/3"))
        .await;
    assert_eq!(
        (status, record["key"]["text"].as_str()),
        (200, Some("user-7"))
    );
    for missing in [
        format!("/api/topics/{TOPIC}/records/1/99"),
        "/api/topics/nothing/records".to_owned(),
    ] {
        let (status, problem) = served.json(&missing).await;
        assert_eq!(status, 404, "{missing}: {problem}");
        assert!(!problem["remedy"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_tail_shows_records_produced_after_it_began_and_none_before() {
    let broker = store().await;
    produce(&broker, 0..4).await;
    let served = Served::start(&broker.bootstrap()).await;
    let mut events = served.events(&format!("tail:{TOPIC},changes")).await;
    events
        .until("tail", |batch| {
            batch["records"].as_array().unwrap().is_empty()
        })
        .await;
    produce(&broker, 4..6).await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let batch = events
            .until("tail", |batch| {
                !batch["records"].as_array().unwrap().is_empty()
            })
            .await;
        seen.extend(keys(&batch));
    }
    seen.sort();
    assert_eq!(seen, ["user-4", "user-5"]);
}

#[tokio::test]
async fn a_topic_too_busy_to_follow_is_thinned_and_says_how_much_was_left_out() {
    let broker = store().await;
    let served = Served::start(&broker.bootstrap()).await;
    let mut events = served.events(&format!("tail:{TOPIC}")).await;
    events.until("tail", |_| true).await;
    let producer: FutureProducer = config(&broker).create().unwrap();
    let total = 5_000;
    let sends = (0..total).map(|n| {
        let payload = n.to_string();
        let producer = producer.clone();
        async move {
            producer
                .send(FutureRecord::<(), _>::to(TOPIC).payload(&payload), PATIENCE)
                .await
        }
    });
    for sent in futures::future::join_all(sends).await {
        sent.unwrap();
    }
    let (mut shown, mut skipped) = (0, 0);
    while shown + skipped < total {
        let batch = events.until("tail", |_| true).await;
        let records = batch["records"].as_array().unwrap().len() as u64;
        assert!(records <= 50);
        shown += records;
        skipped += batch["skipped"].as_u64().unwrap();
    }
    assert_eq!(shown + skipped, total);
    assert!(skipped > 0);
}

/// A store's figures as they are in one moment.
struct Figures;

impl StoreInsight for Figures {
    fn snapshot(&self) -> StoreSnapshot {
        StoreSnapshot {
            version: "0.1.0".into(),
            durability: "fsync".into(),
            journal: JournalSnapshot {
                commits: 12,
                sync_micros_p50: 900,
                sync_micros_p99: 4_000,
            },
            partitions: (0..2)
                .map(|n| PartitionSize {
                    topic: TOPIC.into(),
                    partition: n,
                    size_bytes: 1_000,
                })
                .collect(),
            ..StoreSnapshot::default()
        }
    }
}

#[tokio::test]
async fn what_only_our_store_knows_is_shown_where_it_is_known() {
    let broker = store().await;
    let served = Served::with_insight(&broker.bootstrap(), Some(Arc::new(Figures))).await;
    let (_, view) = served.json("/api/store").await;
    let topics = view["topics"].as_array().unwrap();
    let topic = topics.iter().find(|topic| topic["name"] == TOPIC).unwrap();
    assert_eq!(
        (
            topic["size_bytes"].as_u64(),
            view["insight"]["journal"]["commits"].as_u64()
        ),
        (Some(2_000), Some(12))
    );
    assert_eq!(served.json("/api/about").await.1["has_insight"], true);
}
