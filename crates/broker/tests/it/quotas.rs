//! Quotas: set, described, kept, and felt by clients.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use headwater_broker::Broker;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, EntityData, EntryData, OpData,
};
use headwater_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use headwater_protocol::messages::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest,
};
use headwater_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use rdkafka::ClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::statistics::Statistics;

use crate::security::{authenticating, connected_as};
use crate::support::batches::{batch_of_size, records};
use crate::support::clients::config;
use crate::support::wire::{FETCH, PRODUCE, Wire, fetch_request, produce_request};
use crate::support::{DEADLINE, durable_in, ephemeral_with};

/// What raw requests call themselves.
const CLIENT: &str = "raw";

type Entity<'a> = &'a [(&'a str, Option<&'a str>)];

fn alteration(entity: Entity<'_>, operations: &[(&str, Option<f64>)]) -> EntryData {
    EntryData {
        entity: entity
            .iter()
            .map(|(entity_type, name)| EntityData {
                entity_type: (*entity_type).to_owned(),
                entity_name: name.map(str::to_owned),
            })
            .collect(),
        ops: operations
            .iter()
            .map(|(key, value)| OpData {
                key: (*key).to_owned(),
                value: value.unwrap_or_default(),
                remove: value.is_none(),
            })
            .collect(),
    }
}

async fn set(wire: &mut Wire, entity: Entity<'_>, key: &str, value: f64) {
    let request = AlterClientQuotasRequest {
        entries: vec![alteration(entity, &[(key, Some(value))])],
        validate_only: false,
    };
    let response = wire.call(1, &request).await;
    let entry = &response.entries[0];
    assert_eq!((entry.error_code, &entry.error_message), (0, &None));
}

/// Type, name and value of all quotas found, in text.
async fn described(wire: &mut Wire, request: &DescribeClientQuotasRequest) -> Vec<String> {
    let response = wire.call(1, request).await;
    assert_eq!(response.error_code, 0, "{:?}", response.error_message);
    let mut found = Vec::new();
    for entry in response.entries.unwrap() {
        let parts = entry.entity.iter().map(|part| {
            let name = part.entity_name.as_deref().unwrap_or("<default>");
            format!("{}={name}", part.entity_type)
        });
        let parts: Vec<String> = parts.collect();
        for value in entry.values {
            found.push(format!("{} {}={}", parts.join(","), value.key, value.value));
        }
    }
    found
}

fn component(entity_type: &str, match_type: i8, name: Option<&str>) -> ComponentData {
    ComponentData {
        entity_type: entity_type.to_owned(),
        match_type,
        r#match: name.map(str::to_owned),
    }
}

fn filter(components: &[ComponentData]) -> DescribeClientQuotasRequest {
    DescribeClientQuotasRequest {
        components: components.to_vec(),
        strict: false,
    }
}

#[tokio::test]
async fn quotas_are_described_by_name_by_default_by_type_and_strictly() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let rate = "producer_byte_rate";
    set(&mut wire, &[("user", Some("alice"))], rate, 1.0).await;
    set(&mut wire, &[("user", None)], rate, 2.0).await;
    let both = [("user", Some("alice")), ("client-id", Some("app"))];
    set(&mut wire, &both, rate, 3.0).await;
    let alice = component("user", 0, Some("alice"));
    let (default, any) = (component("user", 1, None), component("user", 2, None));
    let (own, shared) = (
        "user=alice producer_byte_rate=1",
        "user=<default> producer_byte_rate=2",
    );
    let app = "user=alice,client-id=app producer_byte_rate=3";
    let exact = filter(std::slice::from_ref(&alice));
    assert_eq!(described(&mut wire, &exact).await, [own, app]);
    let strict = DescribeClientQuotasRequest {
        strict: true,
        ..exact
    };
    assert_eq!(described(&mut wire, &strict).await, [own]);
    assert_eq!(described(&mut wire, &filter(&[default])).await, [shared]);
    let mut all = described(&mut wire, &filter(&[any])).await;
    all.sort();
    assert_eq!(all, [shared, own, app]);
    let everything = described(&mut wire, &filter(&[])).await;
    assert_eq!(everything.len(), 3);
}

#[tokio::test]
async fn filters_that_make_no_sense_are_refused() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let any_user = component("user", 2, None);
    for (components, expected) in [
        (vec![component("", 2, None)], ErrorCode::InvalidRequest),
        (
            vec![component("planet", 2, None)],
            ErrorCode::UnsupportedVersion,
        ),
        (vec![component("user", 0, None)], ErrorCode::InvalidRequest),
        (
            vec![component("user", 1, Some("x"))],
            ErrorCode::InvalidRequest,
        ),
        (vec![component("user", 7, None)], ErrorCode::InvalidRequest),
        (
            vec![any_user.clone(), any_user.clone()],
            ErrorCode::InvalidRequest,
        ),
        (
            vec![any_user, component("ip", 2, None)],
            ErrorCode::InvalidRequest,
        ),
    ] {
        let response = wire.call(1, &filter(&components)).await;
        assert_eq!(response.error_code, i16::from(expected), "{components:?}");
        assert_eq!(response.entries, None);
        assert!(response.error_message.is_some());
    }
}

#[tokio::test]
async fn quotas_are_kept_through_restarts_and_only_checked_when_asked_to() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    set(
        &mut wire,
        &[("client-id", None)],
        "request_percentage",
        12.5,
    )
    .await;
    set(
        &mut wire,
        &[("client-id", Some("a"))],
        "consumer_byte_rate",
        5.0,
    )
    .await;
    let removal = AlterClientQuotasRequest {
        entries: vec![alteration(
            &[("client-id", Some("a"))],
            &[("consumer_byte_rate", None)],
        )],
        validate_only: true,
    };
    assert_eq!(wire.call(0, &removal).await.entries[0].error_code, 0);
    broker.abandon().await;

    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let mut all = described(&mut wire, &filter(&[])).await;
    all.sort();
    assert_eq!(
        all,
        [
            "client-id=<default> request_percentage=12.5",
            "client-id=a consumer_byte_rate=5"
        ]
    );
    let removal = AlterClientQuotasRequest {
        validate_only: false,
        ..removal
    };
    assert_eq!(wire.call(1, &removal).await.entries[0].error_code, 0);
    let bad = AlterClientQuotasRequest {
        entries: vec![alteration(&[("client-id", None)], &[("speed", Some(1.0))])],
        validate_only: false,
    };
    let refused = wire.call(1, &bad).await;
    let invalid = i16::from(ErrorCode::InvalidRequest);
    assert_eq!(refused.entries[0].error_code, invalid);
    broker.stop().await.unwrap();

    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let left = described(&mut wire, &filter(&[])).await;
    assert_eq!(left, ["client-id=<default> request_percentage=12.5"]);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_producer_above_its_quota_is_told_to_wait_and_others_are_not() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let request = produce_request("orders", 0, batch_of_size(60_000));
    assert_eq!(wire.call(PRODUCE, &request).await.throttle_time_ms, 0);
    set(
        &mut wire,
        &[("client-id", Some("other"))],
        "producer_byte_rate",
        1.0,
    )
    .await;
    assert_eq!(wire.call(PRODUCE, &request).await.throttle_time_ms, 0);
    // Less than the request by so little that the wait is short: 60,000 bytes over ten seconds.
    let entity = [("user", Some("ANONYMOUS")), ("client-id", Some(CLIENT))];
    set(&mut wire, &entity, "producer_byte_rate", 5_990.0).await;
    let response = wire.call(PRODUCE, &request).await;
    assert!(response.throttle_time_ms > 0);
    let partition = &response.responses[0].partition_responses[0];
    assert_eq!(
        (partition.error_code, partition.base_offset),
        (0, 2),
        "it was appended"
    );
    // The connection is heard again after the wait, and other requests are not the producer's fault.
    let metadata = wire.call(9, &MetadataRequest::default()).await;
    assert_eq!(metadata.throttle_time_ms, 0);
}

#[tokio::test]
async fn the_quota_of_a_user_is_felt_by_that_user_alone() {
    let broker = authenticating().await;
    let mut admin = connected_as(&broker, "admin").await;
    let mut alice = connected_as(&broker, "alice").await;
    admin.create_topic("orders", 1).await;
    let entity = [("user", Some("alice"))];
    set(&mut admin, &entity, "producer_byte_rate", 5_990.0).await;
    let request = produce_request("orders", 0, batch_of_size(60_000));
    assert_eq!(admin.call(PRODUCE, &request).await.throttle_time_ms, 0);
    assert!(alice.call(PRODUCE, &request).await.throttle_time_ms > 0);
}

#[tokio::test]
async fn a_fetch_above_its_quota_gets_nothing_until_it_has_waited() {
    // A short window, so that the wait is short too.
    let broker = ephemeral_with("quota.window.num", "2").await;
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    for _ in 0..2 {
        wire.produce("orders", 0, batch_of_size(30_000)).await;
    }
    set(
        &mut wire,
        &[("client-id", None)],
        "consumer_byte_rate",
        31_000.0,
    )
    .await;
    let request = fetch_request("orders", &[(0, 0)]);
    let first = wire.call(FETCH, &request).await;
    assert_eq!(first.throttle_time_ms, 0);
    // No more than a window's worth in one reply, although more is there.
    let fetched = first.responses[0].partitions[0].records.as_ref();
    assert_eq!(records(fetched.unwrap()).len(), 1);
    let mut throttled = 0;
    let mut again = wire.call(FETCH, &request).await;
    while again.throttle_time_ms > 0 {
        assert!(again.responses.is_empty(), "{again:?}");
        throttled += 1;
        again = wire.call(FETCH, &request).await;
    }
    assert!(
        throttled > 0,
        "60,000 bytes at 31,000 a second take their time"
    );
    assert_eq!(again.responses.len(), 1);
}

#[tokio::test]
async fn a_batch_larger_than_the_quota_of_a_window_gets_through() {
    let broker = ephemeral_with("quota.window.num", "2").await;
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    wire.produce("orders", 0, batch_of_size(30_000)).await;
    let entity = [("client-id", Some(CLIENT))];
    set(&mut wire, &entity, "consumer_byte_rate", 1_000.0).await;
    let request = fetch_request("orders", &[(0, 0)]);
    let fetched = wire.call(FETCH, &request).await;
    assert!(fetched.throttle_time_ms > 0);
    let fetched = fetched.responses[0].partitions[0].records.as_ref();
    assert_eq!(records(fetched.unwrap()).len(), 1);
    // The wait is the client's, not the connection's.
    let mut other = Wire::to(&broker).await;
    let again = other.call(FETCH, &request).await;
    assert!(again.throttle_time_ms > 0 && again.responses.is_empty());
}

#[tokio::test]
async fn a_client_that_keeps_threads_busy_is_told_to_wait_in_any_reply() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let smallest = 0.000_001;
    set(&mut wire, &[("user", None)], "request_percentage", smallest).await;
    // Whatever it did was too much.
    let response = wire.call(9, &MetadataRequest::default()).await;
    assert!(response.throttle_time_ms > 0);
    assert!(
        response.throttle_time_ms <= 1_000,
        "no longer than a sample"
    );
}

#[tokio::test]
async fn topic_changes_above_the_quota_are_refused_for_clients_that_know_the_error() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let entity = [("client-id", Some(CLIENT))];
    // Eleven tokens to begin with, one more each second.
    set(&mut wire, &entity, "controller_mutation_rate", 1.0).await;
    let create = |name: &str| CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: name.to_owned(),
            num_partitions: 12,
            replication_factor: -1,
            ..CreatableTopic::default()
        }],
        ..CreateTopicsRequest::default()
    };
    let first = wire.call(7, &create("a")).await;
    assert_eq!((first.topics[0].error_code, first.throttle_time_ms), (0, 0));
    let mut other = Wire::to(&broker).await;
    let second = other.call(7, &create("b")).await;
    let exceeded = i16::from(ErrorCode::ThrottlingQuotaExceeded);
    assert_eq!(second.topics[0].error_code, exceeded);
    assert!(second.throttle_time_ms > 0);
    let mut older = Wire::to(&broker).await;
    let third = older.call(5, &create("c")).await;
    assert_eq!(third.topics[0].error_code, 0);
    assert!(third.throttle_time_ms > 0);
}

#[tokio::test]
async fn topics_made_because_somebody_asked_for_them_count_for_the_quota() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    // A quota that allows for a dozen topics and then for none within the test.
    let entity = [("client-id", Some(CLIENT))];
    set(&mut wire, &entity, "controller_mutation_rate", 0.01).await;
    let names: Vec<String> = (0..50).map(|number| format!("auto-{number}")).collect();
    let wanted = names.iter().map(|name| MetadataRequestTopic {
        name: Some(name.clone()),
        ..MetadataRequestTopic::default()
    });
    let request = MetadataRequest {
        topics: Some(wanted.collect()),
        allow_auto_topic_creation: true,
        ..MetadataRequest::default()
    };
    let answered = wire.call(9, &request).await;
    let unknown = i16::from(ErrorCode::UnknownTopicOrPartition);
    let is = |code: i16| {
        answered
            .topics
            .iter()
            .filter(move |topic| topic.error_code == code)
    };
    assert!(is(0).count() >= 1, "the quota allows for some");
    assert!(is(unknown).count() >= 1, "and refuses others");
    assert_eq!(is(0).count() + is(unknown).count(), names.len());
}

#[tokio::test]
async fn an_address_that_connects_too_often_is_turned_away() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let entity = [("ip", Some("127.0.0.1"))];
    set(&mut wire, &entity, "connection_creation_rate", 1.0).await;
    // Ten seconds' worth, and a few that come in the meantime.
    let mut turned_away = 0;
    for _ in 0..30 {
        let mut connected = Wire::to(&broker).await;
        connected.try_send(9, 1, &MetadataRequest::default()).await;
        if connected.receive_frame().await.is_none() {
            turned_away += 1;
            break;
        }
    }
    assert_eq!(turned_away, 1);
    // Those that are there stay.
    wire.call(9, &MetadataRequest::default()).await;
}

/// Remembers the longest wait that librdkafka was told of.
#[derive(Default)]
struct Waits(AtomicI64);

impl ClientContext for Waits {
    fn stats(&self, statistics: Statistics) {
        for broker in statistics.brokers.values() {
            let longest = broker.throttle.as_ref().map_or(0, |throttle| throttle.max);
            self.0.fetch_max(longest, Ordering::Relaxed);
        }
    }
}

impl rdkafka::producer::ProducerContext for Waits {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &rdkafka::message::DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok(), "{result:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn librdkafka_is_throttled_and_loses_nothing() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let entity = [("client-id", Some("greedy"))];
    set(&mut wire, &entity, "producer_byte_rate", 10_000.0).await;
    let bootstrap = broker.bootstrap();
    let longest = tokio::task::spawn_blocking(move || {
        let producer: BaseProducer<Waits> = config(
            &bootstrap,
            &[
                ("client.id", "greedy"),
                ("linger.ms", "0"),
                ("batch.num.messages", "1"),
                ("statistics.interval.ms", "20"),
            ],
        )
        .create_with_context(Waits::default())
        .expect("a producer");
        let value = vec![b'x'; 10_500];
        for _ in 0..10 {
            let record = BaseRecord::<(), _>::to("orders")
                .partition(0)
                .payload(&value);
            producer
                .send(record)
                .map_err(|(error, _)| error)
                .expect("queued");
        }
        producer.flush(DEADLINE).expect("delivered");
        let begun = std::time::Instant::now();
        while producer.context().0.load(Ordering::Relaxed) == 0 && begun.elapsed() < DEADLINE {
            producer.poll(Duration::from_millis(20));
        }
        producer.context().0.load(Ordering::Relaxed)
    });
    assert!(longest.await.expect("the producer's thread") > 0);
    let end = wire.fetch("orders", 0, 10).await;
    assert_eq!(end.high_watermark, 10);
}
