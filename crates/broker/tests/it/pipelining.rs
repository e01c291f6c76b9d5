//! Several requests on one connection at once.

use headwater_broker::Broker;
use headwater_protocol::messages::api_versions::ApiVersionsRequest;
use headwater_protocol::messages::fetch::FetchRequest;
use headwater_protocol::messages::produce::ProduceRequest;

use crate::support::batches::{batch, records};
use crate::support::durable_in;
use crate::support::wire::{FETCH, PRODUCE, Wire, encoded, fetch_request, produce_request};

#[tokio::test]
async fn replies_keep_the_order_of_requests_past_a_parked_fetch() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut parked = fetch_request("orders", &[(0, 0)]);
    parked.max_wait_ms = 600_000;
    wire.send(FETCH, 1, &parked).await;
    wire.send(0, 2, &ApiVersionsRequest::default()).await;
    // Begun behind the parked fetch, and what wakes it.
    wire.send(PRODUCE, 3, &produce_request("orders", 0, batch(&["first"])))
        .await;
    let (correlation_id, fetched) = wire.receive::<FetchRequest>(FETCH).await;
    assert_eq!(correlation_id, 1);
    let fetched = fetched.responses[0].partitions[0].records.clone().unwrap();
    assert_eq!(records(&fetched), [(0, "first".to_owned())]);
    assert_eq!(wire.receive::<ApiVersionsRequest>(0).await.0, 2);
    let (correlation_id, produced) = wire.receive::<ProduceRequest>(PRODUCE).await;
    assert_eq!(
        (
            correlation_id,
            produced.responses[0].partition_responses[0].base_offset
        ),
        (3, 0)
    );
}

#[tokio::test]
async fn pipelined_produces_append_in_order_and_share_syncs() {
    const REQUESTS: i32 = 60;
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let commits = broker.insight().journal().commits;
    let mut pipelined = Vec::new();
    for request in 0..REQUESTS {
        let batches = batch(&[&format!("value {request}")]);
        pipelined.extend(encoded(
            PRODUCE,
            request,
            &produce_request("orders", 0, batches),
        ));
    }
    wire.send_bytes(&pipelined).await;
    for request in 0..REQUESTS {
        let (correlation_id, response) = wire.receive::<ProduceRequest>(PRODUCE).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((correlation_id, partition.error_code), (request, 0));
        assert_eq!(partition.base_offset, i64::from(request));
    }
    let commits = broker.insight().journal().commits - commits;
    assert!(commits >= 1, "acknowledged without a sync");
    assert!(
        commits < REQUESTS as u64,
        "{commits} syncs for {REQUESTS} pipelined requests"
    );
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn acks_0_is_answered_with_not_one_byte() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("silent", 1).await;
    for value in ["one", "two"] {
        let mut request = produce_request("silent", 0, batch(&[value]));
        request.acks = 0;
        wire.send(PRODUCE, 1, &request).await;
    }
    // The next bytes are those of the next reply.
    wire.send(0, 2, &ApiVersionsRequest::default()).await;
    assert_eq!(wire.receive::<ApiVersionsRequest>(0).await.0, 2);
    let fetched = wire.fetch("silent", 0, 0).await.records.unwrap();
    assert_eq!(
        records(&fetched),
        [(0, "one".to_owned()), (1, "two".to_owned())]
    );
}

#[tokio::test]
async fn an_error_with_acks_0_closes_the_connection() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let mut request = produce_request("nowhere", 0, batch(&["lost"]));
    request.acks = 0;
    wire.send(PRODUCE, 1, &request).await;
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn more_requests_than_may_be_in_flight_are_all_answered_in_order() {
    const REQUESTS: i32 = 500;
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut short = fetch_request("orders", &[(0, 0)]);
    short.max_wait_ms = 1;
    let mut pipelined = Vec::new();
    for request in 0..REQUESTS {
        pipelined.extend(encoded(FETCH, request, &short));
    }
    wire.send_bytes(&pipelined).await;
    for request in 0..REQUESTS {
        assert_eq!(wire.receive::<FetchRequest>(FETCH).await.0, request);
    }
}

#[tokio::test]
async fn what_was_begun_is_answered_to_a_client_that_sends_no_more() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut pipelined = Vec::new();
    for request in 0..3 {
        let produce = produce_request("orders", 0, batch(&["x"]));
        pipelined.extend(encoded(PRODUCE, request, &produce));
    }
    pipelined.extend(encoded(0, 3, &ApiVersionsRequest::default()));
    wire.send_bytes(&pipelined).await;
    wire.half_close().await;
    for request in 0..3 {
        let (correlation_id, response) = wire.receive::<ProduceRequest>(PRODUCE).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((correlation_id, partition.error_code), (request, 0));
    }
    assert_eq!(wire.receive::<ApiVersionsRequest>(0).await.0, 3);
    assert!(wire.is_closed().await);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn what_was_begun_is_answered_before_a_refused_request_closes_the_connection() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let unserved = [0, 0, 0, 10, 3, 231, 0, 0, 0, 0, 0, 9, 0xff, 0xff].as_slice();
    let no_length = [0xff; 4].as_slice();
    for refused in [unserved, no_length] {
        let mut wire = Wire::to(&broker).await;
        let produce = produce_request("orders", 0, batch(&["x"]));
        let mut pipelined = encoded(PRODUCE, 1, &produce);
        pipelined.extend(encoded(0, 2, &ApiVersionsRequest::default()));
        pipelined.extend_from_slice(refused);
        wire.send_bytes(&pipelined).await;
        assert_eq!(wire.receive::<ProduceRequest>(PRODUCE).await.0, 1);
        assert_eq!(wire.receive::<ApiVersionsRequest>(0).await.0, 2);
        assert!(wire.is_closed().await);
    }
    broker.stop().await.unwrap();
}
