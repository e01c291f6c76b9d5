//! Transactional batches: who may write them where.

use bytes::Bytes;
use headwater_broker::Broker;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::produce::{PartitionProduceData, ProduceRequest};

use crate::support::transactions::Transactional;
use crate::support::wire::{Wire, produce_request};

const ID: &str = "payments";

fn code(error: ErrorCode) -> i16 {
    error.into()
}

fn request(batch: Bytes) -> ProduceRequest {
    ProduceRequest {
        transactional_id: Some(ID.to_owned()),
        ..produce_request("orders", 0, batch)
    }
}

/// The error of the first partition.
async fn produced(wire: &mut Wire, version: i16, request: &ProduceRequest) -> i16 {
    let response = wire.call(version, request).await;
    response.responses[0].partition_responses[0].error_code
}

#[tokio::test]
async fn a_partition_that_was_not_added_is_refused_in_words_that_the_client_knows() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let producer = Transactional::begin(&broker, ID).await;
    let request = request(producer.batch("paid"));
    for (version, expected) in [
        (7, code(ErrorCode::InvalidTxnState)),
        (10, code(ErrorCode::InvalidTxnState)),
        (11, code(ErrorCode::TransactionAbortable)),
    ] {
        assert_eq!(produced(&mut wire, version, &request).await, expected);
    }
    // From 12 on it is added by being written to.
    assert_eq!(produced(&mut wire, 12, &request).await, 0);
    // And then it is part of the transaction for everybody; the batch is a duplicate.
    assert_eq!(produced(&mut wire, 7, &request).await, 0);
    assert_eq!(wire.fetch("orders", 0, 0).await.high_watermark, 1);
}

#[tokio::test]
async fn a_stale_epoch_is_invalid_producer_epoch_on_produce() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let zombie = Transactional::begin(&broker, ID).await;
    let stale = request(zombie.batch("of the zombie"));
    let _successor = Transactional::begin(&broker, ID).await;
    for version in [7, 10, 11, 12] {
        let expected = code(ErrorCode::InvalidProducerEpoch);
        assert_eq!(produced(&mut wire, version, &stale).await, expected);
    }
    assert_eq!(wire.fetch("orders", 0, 0).await.high_watermark, 0);
}

#[tokio::test]
async fn a_transactional_batch_needs_a_transactional_id_that_is_its_producers() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 2).await;
    let producer = Transactional::begin(&broker, ID).await;
    let other = Transactional::begin(&broker, "other").await;
    let without = produce_request("orders", 0, producer.batch("x"));
    let expected = code(ErrorCode::TransactionalIdAuthorizationFailed);
    assert_eq!(produced(&mut wire, 12, &without).await, expected);
    let of_another = request(other.batch("x"));
    let expected = code(ErrorCode::InvalidProducerIdMapping);
    assert_eq!(produced(&mut wire, 12, &of_another).await, expected);
    let mut of_two = request(producer.batch("x"));
    of_two.topic_data[0]
        .partition_data
        .push(PartitionProduceData {
            index: 1,
            records: Some(other.batch("x")),
        });
    assert_eq!(produced(&mut wire, 12, &of_two).await, expected);
    let nobodys = ProduceRequest {
        transactional_id: Some("nobody's".to_owned()),
        ..request(producer.batch("x"))
    };
    assert_eq!(produced(&mut wire, 12, &nobodys).await, expected);
}

#[tokio::test]
async fn a_partition_that_does_not_exist_is_refused_and_the_others_are_written() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut producer = Transactional::begin(&broker, ID).await;
    let mut both = request(producer.batch("x"));
    let missing = PartitionProduceData {
        index: 5,
        records: Some(producer.batch("x")),
    };
    both.topic_data[0].partition_data.push(missing);
    let response = wire.call(12, &both).await;
    let codes: Vec<i16> = response.responses[0]
        .partition_responses
        .iter()
        .map(|partition| partition.error_code)
        .collect();
    assert_eq!(codes, [0, code(ErrorCode::UnknownTopicOrPartition)]);
    producer.commit().await;
    assert_eq!(wire.fetch("orders", 0, 0).await.last_stable_offset, 2);
}

#[tokio::test]
async fn acks_0_is_told_of_a_refused_transactional_batch_by_the_end_of_the_connection() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let producer = Transactional::begin(&broker, ID).await;
    let request = ProduceRequest {
        acks: 0,
        ..produce_request("orders", 0, producer.batch("x"))
    };
    wire.send(12, 1, &request).await;
    assert!(wire.is_closed().await);
}
