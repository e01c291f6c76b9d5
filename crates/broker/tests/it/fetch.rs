//! Fetch: limits, waiting, waking, epochs and ids.

use headwater_broker::Broker;
use headwater_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchResponse};
use headwater_protocol::{ErrorCode, Request, Uuid};

use crate::support::batches::{batch, batch_of_size, records};
use crate::support::durable_in;
use crate::support::wire::{FETCH, Wire, fetch_request};

const LONG: i32 = 600_000;

fn values(response: &FetchResponse, partition: usize) -> Vec<(i64, String)> {
    records(
        response.responses[0].partitions[partition]
            .records
            .as_ref()
            .unwrap(),
    )
}

/// Two connections to a node with one topic.
async fn two(broker: &Broker, topic: &str, partitions: i32) -> (Wire, Wire) {
    let mut first = Wire::to(broker).await;
    first.create_topic(topic, partitions).await;
    (first, Wire::to(broker).await)
}

#[tokio::test]
async fn every_version_returns_what_was_produced() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let topic_id = wire.create_topic("orders", 1).await;
    wire.produce("orders", 0, batch(&["a", "b"])).await;
    for version in FetchRequest::VERSIONS {
        let mut request = fetch_request("orders", &[(0, 0)]);
        request.topics[0].topic_id = topic_id;
        let response = wire.call(version, &request).await;
        assert_eq!(
            values(&response, 0),
            [(0, "a".to_owned()), (1, "b".to_owned())],
            "version {version}"
        );
        let partition = &response.responses[0].partitions[0];
        assert_eq!(
            (partition.high_watermark, partition.last_stable_offset),
            (2, 2)
        );
        assert_eq!(response.session_id, 0);
    }
}

#[tokio::test]
async fn a_fetch_from_the_middle_of_a_batch_returns_the_whole_batch() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    wire.produce("orders", 0, batch(&["a", "b", "c"])).await;
    let fetched = wire.fetch("orders", 0, 1).await.records.unwrap();
    assert_eq!(records(&fetched)[0], (0, "a".to_owned()));
}

#[tokio::test]
async fn the_first_batch_is_returned_even_above_max_bytes() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    for _ in 0..2 {
        wire.produce("orders", 0, batch_of_size(500_000)).await;
    }
    let mut request = fetch_request("orders", &[(0, 0)]);
    request.max_bytes = 1;
    request.topics[0].partitions[0].partition_max_bytes = 1;
    assert_eq!(values(&wire.call(FETCH, &request).await, 0).len(), 1);
}

#[tokio::test]
async fn max_bytes_bounds_all_partitions_together() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 3).await;
    for partition in 0..3 {
        wire.produce("orders", partition, batch_of_size(10_000))
            .await;
    }
    let mut request = fetch_request("orders", &[(0, 0), (1, 0), (2, 0)]);
    request.max_bytes = 25_000;
    let response = wire.call(FETCH, &request).await;
    let found: Vec<usize> = (0..3)
        .map(|partition| values(&response, partition).len())
        .collect();
    assert_eq!(found, [1, 1, 0]);
    // What was left out still says that there is more.
    assert_eq!(response.responses[0].partitions[2].high_watermark, 1);
}

#[tokio::test]
async fn a_parked_fetch_wakes_on_append_once_it_is_on_disk() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let (mut consumer, mut producer) = two(&broker, "orders", 1).await;
    let mut request = fetch_request("orders", &[(0, 0)]);
    request.max_wait_ms = LONG;
    consumer.send(FETCH, 1, &request).await;
    producer.produce("orders", 0, batch(&["news"])).await;
    let (_, response) = consumer.receive::<FetchRequest>(FETCH).await;
    assert_eq!(values(&response, 0), [(0, "news".to_owned())]);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn min_bytes_sums_over_partitions() {
    let broker = Broker::ephemeral().await.unwrap();
    let (mut consumer, mut producer) = two(&broker, "orders", 2).await;
    let mut request = fetch_request("orders", &[(0, 0), (1, 0)]);
    request.max_wait_ms = LONG;
    request.min_bytes = 1_500;
    consumer.send(FETCH, 1, &request).await;
    producer.produce("orders", 0, batch_of_size(1_000)).await;
    producer.produce("orders", 1, batch_of_size(1_000)).await;
    let (_, response) = consumer.receive::<FetchRequest>(FETCH).await;
    assert_eq!(
        (values(&response, 0).len(), values(&response, 1).len()),
        (1, 1)
    );
}

#[tokio::test]
async fn a_fetch_that_finds_nothing_ends_with_its_timer() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("quiet", 1).await;
    let mut request = fetch_request("quiet", &[(0, 0)]);
    request.max_wait_ms = 50;
    let response = wire.call(FETCH, &request).await;
    let partition = &response.responses[0].partitions[0];
    assert_eq!((partition.error_code, partition.high_watermark), (0, 0));
    assert_eq!(partition.records.as_ref().map(bytes::Bytes::len), Some(0));
}

#[tokio::test]
async fn a_parked_fetch_wakes_on_deletion_of_its_topic() {
    let broker = Broker::ephemeral().await.unwrap();
    let (mut consumer, mut admin) = two(&broker, "orders", 1).await;
    let mut request = fetch_request("orders", &[(0, 0)]);
    request.max_wait_ms = LONG;
    consumer.send(FETCH, 1, &request).await;
    admin.delete_topic("orders").await;
    let (_, response) = consumer.receive::<FetchRequest>(FETCH).await;
    let code = response.responses[0].partitions[0].error_code;
    assert_eq!(code, i16::from(ErrorCode::UnknownTopicOrPartition));
}

#[tokio::test]
async fn a_fetch_with_an_error_does_not_wait() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    wire.produce("orders", 0, batch(&["a"])).await;
    for offset in [2, -1, i64::MAX] {
        let mut request = fetch_request("orders", &[(0, offset)]);
        request.max_wait_ms = LONG;
        let response = wire.call(FETCH, &request).await;
        let partition = &response.responses[0].partitions[0];
        assert_eq!(
            partition.error_code,
            i16::from(ErrorCode::OffsetOutOfRange),
            "{offset}"
        );
        assert_eq!(
            (partition.log_start_offset, partition.high_watermark),
            (-1, -1)
        );
    }
}

#[tokio::test]
async fn leader_epochs_other_than_ours_are_fenced_or_unknown() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    wire.produce("orders", 0, batch(&["a"])).await;
    for (epoch, code) in [
        (-1, ErrorCode::None),
        (0, ErrorCode::None),
        (1, ErrorCode::UnknownLeaderEpoch),
    ] {
        let mut request = fetch_request("orders", &[(0, 0)]);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let response = wire.call(FETCH, &request).await;
        assert_eq!(
            response.responses[0].partitions[0].error_code,
            i16::from(code),
            "{epoch}"
        );
    }
}

#[tokio::test]
async fn unknown_topic_id_after_a_topic_is_made_again() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let old = wire.create_topic("orders", 1).await;
    wire.delete_topic("orders").await;
    let new = wire.create_topic("orders", 1).await;
    for (id, code) in [
        (old, ErrorCode::UnknownTopicId),
        (Uuid([3; 16]), ErrorCode::UnknownTopicId),
        (new, ErrorCode::None),
    ] {
        let mut request = fetch_request("", &[(0, 0)]);
        request.topics[0].topic_id = id;
        let response = wire.call(13, &request).await;
        assert_eq!(response.responses[0].topic_id, id);
        assert_eq!(
            response.responses[0].partitions[0].error_code,
            i16::from(code)
        );
    }
}

#[tokio::test]
async fn aborted_transactions_are_null_or_empty_by_isolation_level() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    for (isolation_level, aborted) in [(0, None), (1, Some(Vec::new()))] {
        let mut request = fetch_request("orders", &[(0, 0)]);
        request.isolation_level = isolation_level;
        let response = wire.call(FETCH, &request).await;
        assert_eq!(
            response.responses[0].partitions[0].aborted_transactions,
            aborted
        );
    }
}

#[tokio::test]
async fn an_unknown_partition_does_not_hide_the_others() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    wire.produce("orders", 0, batch(&["a"])).await;
    let mut request = fetch_request("orders", &[(0, 0)]);
    request.topics[0].partitions.insert(
        0,
        FetchPartition {
            partition: 8,
            ..FetchPartition::default()
        },
    );
    let response = wire.call(FETCH, &request).await;
    assert_eq!(
        response.responses[0].partitions[0].error_code,
        i16::from(ErrorCode::UnknownTopicOrPartition)
    );
    assert_eq!(values(&response, 1), [(0, "a".to_owned())]);
}
