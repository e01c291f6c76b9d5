//! What a connection may and may not do to the node.

use headwater_broker::{Broker, BrokerSettings, StartError};
use headwater_protocol::messages::api_versions::ApiVersionsRequest;
use headwater_protocol::messages::list_offsets::ListOffsetsRequest;
use headwater_protocol::messages::metadata::MetadataRequest;
use headwater_protocol::messages::produce::{ProduceRequest, ProduceResponse};
use tokio::net::TcpStream;

use crate::support::batches::batch_of_size;
use crate::support::wire::{FETCH, PRODUCE, Wire, encoded, fetch_request, produce_request};
use crate::support::{durable_in, ephemeral_with};

async fn assert_answers(broker: &Broker) {
    let mut wire = Wire::to(broker).await;
    assert_eq!(
        wire.call(0, &ApiVersionsRequest::default())
            .await
            .error_code,
        0
    );
}

#[tokio::test]
async fn a_hostile_frame_length_closes_the_connection_and_nothing_else() {
    let broker = Broker::ephemeral().await.unwrap();
    for length in [-1, 0, 7, (100 << 20) + 1, i32::MAX, i32::MIN] {
        let mut wire = Wire::to(&broker).await;
        wire.send_bytes(&length.to_be_bytes()).await;
        assert!(wire.is_closed().await, "{length}");
    }
    assert_answers(&broker).await;
}

#[tokio::test]
async fn a_hostile_array_length_is_refused_before_anything_is_allocated() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    // ListOffsets 1: replica id, then an array that claims two thousand million topics.
    let mut frame = vec![0, 2, 0, 1, 0, 0, 0, 1, 0xff, 0xff];
    frame.extend_from_slice(&(-1_i32).to_be_bytes());
    frame.extend_from_slice(&i32::MAX.to_be_bytes());
    wire.send_frame(&frame).await;
    assert!(wire.is_closed().await);
    assert_answers(&broker).await;
}

#[tokio::test]
async fn an_unknown_api_or_version_closes_the_connection() {
    let broker = Broker::ephemeral().await.unwrap();
    for (key, version) in [(-1, 0), (999, 0), (4, 0), (0, 2), (0, 99), (1, 3), (3, 99)] {
        let mut wire = Wire::to(&broker).await;
        let (key, version) = (i16::to_be_bytes(key), i16::to_be_bytes(version));
        wire.send_frame(&[
            key[0], key[1], version[0], version[1], 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0,
        ])
        .await;
        assert!(wire.is_closed().await, "{key:?} {version:?}");
    }
    assert_answers(&broker).await;
}

#[tokio::test]
async fn a_body_that_is_cut_short_closes_the_connection() {
    let broker = Broker::ephemeral().await.unwrap();
    let whole = encoded(1, 1, &ListOffsetsRequest::default());
    let mut wire = Wire::to(&broker).await;
    wire.send_frame(&whole[4..whole.len() - 1]).await;
    assert!(wire.is_closed().await);
    assert_answers(&broker).await;
}

#[tokio::test]
async fn bytes_after_the_body_are_ignored_because_librdkafka_sends_some() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    // Metadata 13 for all topics as librdkafka 2.12 sends it: the null array takes one byte, not four.
    let mut frame = vec![0, 3, 0, 13, 0, 0, 0, 3, 0, 1, b'c', 0];
    frame.extend_from_slice(&[0; 7]);
    wire.send_frame(&frame).await;
    let (correlation_id, response) = wire.receive::<MetadataRequest>(13).await;
    assert_eq!((correlation_id, response.error_code), (3, 0));
}

#[tokio::test]
async fn unknown_tagged_fields_are_skipped_not_refused() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    // ApiVersions 3, correlation id 9, client id null, one tagged field in the header and two in the body.
    let mut frame = vec![0, 18, 0, 3, 0, 0, 0, 9, 0xff, 0xff, 1, 100, 3, 1, 2, 3];
    frame.extend_from_slice(&[4, b'r', b'a', b'w', 2, b'1', 2, 50, 0, 51, 1, 255]);
    wire.send_frame(&frame).await;
    let (correlation_id, response) = wire.receive::<ApiVersionsRequest>(3).await;
    assert_eq!((correlation_id, response.error_code), (9, 0));
}

#[tokio::test]
async fn a_reader_that_stops_does_not_hold_up_others() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("big", 1).await;
    for _ in 0..8 {
        assert_eq!(
            wire.produce("big", 0, batch_of_size(900_000))
                .await
                .error_code,
            0
        );
    }
    // Asks for 64 times 8 MB and never reads a byte.
    let mut deaf = Wire::to(&broker).await;
    let mut fetch = fetch_request("big", &[(0, 0)]);
    fetch.topics[0].partitions[0].partition_max_bytes = 50 << 20;
    for _ in 0..64 {
        deaf.send(FETCH, 1, &fetch).await;
    }
    for _ in 0..20 {
        assert!(!wire.fetch("big", 0, 0).await.records.unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let broker = ephemeral_with("connections.max.idle.ms", "200").await;
    let mut wire = Wire::to(&broker).await;
    assert_eq!(
        wire.call(0, &ApiVersionsRequest::default())
            .await
            .error_code,
        0
    );
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn a_parked_fetch_is_not_idle() {
    let broker = ephemeral_with("connections.max.idle.ms", "200").await;
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("quiet", 1).await;
    let mut fetch = fetch_request("quiet", &[(0, 0)]);
    fetch.max_wait_ms = 1_500;
    let response = wire.call(FETCH, &fetch).await;
    assert_eq!(response.responses[0].partitions[0].error_code, 0);
}

#[tokio::test]
async fn connections_above_the_limit_are_closed_at_once() {
    let broker = ephemeral_with("max.connections", "1").await;
    let mut first = Wire::to(&broker).await;
    assert_eq!(
        first
            .call(0, &ApiVersionsRequest::default())
            .await
            .error_code,
        0
    );
    let mut second = Wire::to(&broker).await;
    assert!(second.is_closed().await);
    assert_eq!(
        first
            .call(0, &ApiVersionsRequest::default())
            .await
            .error_code,
        0
    );
}

#[tokio::test]
async fn a_port_in_use_is_named_with_the_remedy_and_the_data_directory_stays_free() {
    let other = Broker::ephemeral().await.unwrap();
    let root = tempfile::tempdir().unwrap();
    let settings = BrokerSettings {
        listen: other.local_addr(),
        ..durable_in(root.path())
    };
    let Err(error) = Broker::start(settings).await else {
        panic!("started on a port in use")
    };
    assert!(matches!(error, StartError::PortInUse { .. }), "{error}");
    assert!(error.to_string().contains("choose another port"), "{error}");
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_stopped_node_answers_what_is_parked_and_refuses_connections() {
    let broker = Broker::ephemeral().await.unwrap();
    let address = broker.local_addr();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("quiet", 1).await;
    let mut fetch = fetch_request("quiet", &[(0, 0)]);
    fetch.max_wait_ms = 600_000;
    wire.send(FETCH, 3, &fetch).await;
    // The next reply of another connection shows that the node had time to park it.
    assert_answers(&broker).await;
    let stopped = tokio::spawn(broker.stop());
    let (correlation_id, response) = wire
        .receive::<headwater_protocol::messages::fetch::FetchRequest>(FETCH)
        .await;
    assert_eq!((correlation_id, response.error_code), (3, 0));
    stopped.await.unwrap().unwrap();
    assert!(wire.is_closed().await);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn large_requests_take_turns_when_memory_is_short() {
    let broker = ephemeral_with("queued.max.request.bytes", "1600000").await;
    let mut admin = Wire::to(&broker).await;
    admin.create_topic("big", 1).await;
    let request = encoded(
        PRODUCE,
        1,
        &produce_request("big", 0, batch_of_size(900_000)),
    );
    // All of the first but its last byte: it holds the memory that the others wait for.
    let mut first = Wire::to(&broker).await;
    first.send_bytes(&request[..request.len() - 1]).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let (address, request) = (broker.local_addr(), request.clone());
        waiting.push(tokio::spawn(async move {
            let mut wire = Wire::connect(address).await;
            wire.send_bytes(&request).await;
            wire.receive::<ProduceRequest>(PRODUCE).await
        }));
    }
    // Small requests have room.
    assert_answers(&broker).await;
    first.send_bytes(&request[request.len() - 1..]).await;
    let mut offsets = vec![base_offset(first.receive::<ProduceRequest>(PRODUCE).await)];
    for waiting in waiting {
        offsets.push(base_offset(waiting.await.unwrap()));
    }
    offsets.sort_unstable();
    assert_eq!(offsets, [0, 1, 2, 3]);
}

#[tokio::test]
async fn large_requests_that_are_announced_and_do_not_come_hold_up_nobody() {
    let broker = ephemeral_with("queued.max.request.bytes", "16000000").await;
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("big", 1).await;
    let mut stalled = Vec::new();
    for _ in 0..4 {
        let mut wire = Wire::to(&broker).await;
        wire.send_bytes(&(100_i32 << 20).to_be_bytes()).await;
        wire.send_bytes(&vec![0; 200_000]).await;
        stalled.push(wire);
    }
    assert_answers(&broker).await;
    let produced = wire.produce("big", 0, batch_of_size(500_000)).await;
    assert_eq!(produced.error_code, 0);
}

fn base_offset((_, response): (i32, ProduceResponse)) -> i64 {
    let partition = &response.responses[0].partition_responses[0];
    assert_eq!(partition.error_code, 0);
    partition.base_offset
}
