//! Produce: what is appended, what is refused, and with which error.

use bytes::Bytes;
use headwater_broker::Broker;
use headwater_protocol::messages::init_producer_id::InitProducerIdRequest;
use headwater_protocol::messages::produce::{PartitionProduceResponse, ProduceRequest};
use headwater_protocol::{ErrorCode, Request, Uuid};
use headwater_records::{BatchBuilder, Compression};

use crate::support::batches::{batch, batch_of_size, now_ms, records, sequenced};
use crate::support::wire::{PRODUCE, Wire, produce_request};

async fn produced(
    wire: &mut Wire,
    version: i16,
    request: &ProduceRequest,
) -> PartitionProduceResponse {
    let mut response = wire.call(version, request).await;
    response.responses.remove(0).partition_responses.remove(0)
}

fn assert_refused(response: &PartitionProduceResponse, code: ErrorCode) {
    let got = ErrorCode::try_from(response.error_code).unwrap();
    assert_eq!(got, code, "{:?}", response.error_message);
    assert_eq!(response.base_offset, -1);
}

#[tokio::test]
async fn every_version_appends_and_answers_base_offset_and_log_start() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let topic_id = wire.create_topic("orders", 1).await;
    for (offset, version) in ProduceRequest::VERSIONS.enumerate() {
        let mut request = produce_request("orders", 0, batch(&["a value"]));
        request.topic_data[0].topic_id = topic_id;
        let response = produced(&mut wire, version, &request).await;
        assert_eq!(
            response.error_code, 0,
            "version {version}: {:?}",
            response.error_message
        );
        assert_eq!(response.base_offset, offset as i64);
        assert_eq!(response.log_append_time_ms, -1);
        assert_eq!(response.log_start_offset, if version < 5 { -1 } else { 0 });
    }
}

#[tokio::test]
async fn acks_other_than_minus_1_0_and_1_are_invalid() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    for acks in [2, -2, 100] {
        let mut request = produce_request("orders", 0, batch(&["x"]));
        request.acks = acks;
        let response = produced(&mut wire, PRODUCE, &request).await;
        assert_eq!(
            response.error_code,
            i16::from(ErrorCode::InvalidRequiredAcks)
        );
    }
    assert_eq!(wire.fetch("orders", 0, 0).await.high_watermark, 0);
}

#[tokio::test]
async fn unknown_topics_partitions_and_ids_are_told_apart() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    assert_refused(
        &wire.produce("nowhere", 0, batch(&["x"])).await,
        ErrorCode::UnknownTopicOrPartition,
    );
    for partition in [1, -1, i32::MAX] {
        assert_refused(
            &wire.produce("orders", partition, batch(&["x"])).await,
            ErrorCode::UnknownTopicOrPartition,
        );
    }
    let mut by_id = produce_request("", 0, batch(&["x"]));
    by_id.topic_data[0].topic_id = Uuid([9; 16]);
    assert_refused(
        &produced(&mut wire, 13, &by_id).await,
        ErrorCode::UnknownTopicId,
    );
}

#[tokio::test]
async fn unknown_topic_id_after_a_topic_is_made_again() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let old = wire.create_topic("orders", 1).await;
    wire.delete_topic("orders").await;
    let new = wire.create_topic("orders", 1).await;
    assert_ne!(old, new);
    let mut request = produce_request("", 0, batch(&["x"]));
    request.topic_data[0].topic_id = old;
    assert_refused(
        &produced(&mut wire, 13, &request).await,
        ErrorCode::UnknownTopicId,
    );
    request.topic_data[0].topic_id = new;
    assert_eq!(produced(&mut wire, 13, &request).await.error_code, 0);
}

#[tokio::test]
async fn a_request_without_a_batch_is_an_invalid_record() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    for nothing in [None, Some(Bytes::new())] {
        let mut request = produce_request("orders", 0, Bytes::new());
        request.topic_data[0].partition_data[0].records = nothing;
        assert_refused(
            &produced(&mut wire, PRODUCE, &request).await,
            ErrorCode::InvalidRecord,
        );
    }
}

#[tokio::test]
async fn more_than_one_batch_is_refused() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let two = [batch(&["one"]), batch(&["two"])].concat().into();
    assert_refused(
        &wire.produce("orders", 0, two).await,
        ErrorCode::InvalidRecord,
    );
}

#[tokio::test]
async fn a_bad_checksum_is_a_corrupt_message_and_nothing_is_appended() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut bytes = batch(&["a value"]).to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    assert_refused(
        &wire.produce("orders", 0, bytes.into()).await,
        ErrorCode::CorruptMessage,
    );
    let mut short = batch(&["a value"]).to_vec();
    short.pop();
    assert_refused(
        &wire.produce("orders", 0, short.into()).await,
        ErrorCode::CorruptMessage,
    );
    assert_eq!(wire.fetch("orders", 0, 0).await.high_watermark, 0);
}

#[tokio::test]
async fn control_batches_of_clients_are_refused() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut builder = BatchBuilder::new().control();
    builder.append(
        now_ms(),
        Some(&[0, 0, 0, 1]),
        Some(&[0, 0, 0, 0, 0, 0]),
        &[],
    );
    assert_refused(
        &wire.produce("orders", 0, builder.build(0)).await,
        ErrorCode::InvalidRecord,
    );
}

#[tokio::test]
async fn message_too_large_at_the_right_limit() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic_with("small", 1, &[("max.message.bytes", "1000")])
        .await;
    assert_refused(
        &wire.produce("small", 0, batch_of_size(1_000)).await,
        ErrorCode::MessageTooLarge,
    );
    assert_eq!(
        wire.produce("small", 0, batch_of_size(800))
            .await
            .error_code,
        0
    );
}

#[tokio::test]
async fn a_keyless_record_to_a_compacted_topic_is_an_invalid_record_with_per_record_errors() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic_with("state", 1, &[("cleanup.policy", "compact")])
        .await;
    let mut builder = BatchBuilder::new();
    builder.append(now_ms(), Some(b"key"), Some(b"good"), &[]);
    builder.append(now_ms(), None, Some(b"bad"), &[]);
    let response = wire.produce("state", 0, builder.build(0)).await;
    assert_refused(&response, ErrorCode::InvalidRecord);
    let named: Vec<i32> = response
        .record_errors
        .iter()
        .map(|error| error.batch_index)
        .collect();
    assert_eq!(named, [1]);
    assert!(response.error_message.is_some());
}

#[tokio::test]
async fn message_timestamp_before_and_after_max_ms_are_invalid_timestamp() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic_with("recent", 1, &[("message.timestamp.before.max.ms", "60000")])
        .await;
    let mut builder = BatchBuilder::new();
    builder.append(now_ms() - 3_600_000, None, Some(b"old"), &[]);
    assert_refused(
        &wire.produce("recent", 0, builder.build(0)).await,
        ErrorCode::InvalidTimestamp,
    );
}

#[tokio::test]
async fn log_append_time_is_the_brokers() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic_with("stamped", 1, &[("message.timestamp.type", "LogAppendTime")])
        .await;
    let before = now_ms();
    let mut builder = BatchBuilder::new();
    builder.append(1, None, Some(b"old"), &[]);
    let response = wire.produce("stamped", 0, builder.build(0)).await;
    assert_eq!(response.error_code, 0);
    assert!((before..=now_ms()).contains(&response.log_append_time_ms));
    // Its checksum holds after the patch.
    let fetched = wire.fetch("stamped", 0, 0).await.records.unwrap();
    assert_eq!(records(&fetched), [(0, "old".to_owned())]);
}

#[tokio::test]
async fn internal_topics_are_not_writable_by_clients() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    // Finding a coordinator makes the topic.
    let find = headwater_protocol::messages::find_coordinator::FindCoordinatorRequest {
        key: "group".to_owned(),
        ..Default::default()
    };
    wire.call(2, &find).await;
    assert_refused(
        &wire.produce("__consumer_offsets", 0, batch(&["x"])).await,
        ErrorCode::InvalidTopicException,
    );
}

#[tokio::test]
async fn a_transactional_batch_needs_the_id_of_its_transaction() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut builder = BatchBuilder::new().producer(7, 0, 0).transactional();
    builder.append(now_ms(), None, Some(b"x"), &[]);
    assert_refused(
        &wire.produce("orders", 0, builder.build(0)).await,
        ErrorCode::TransactionalIdAuthorizationFailed,
    );
    assert_eq!(wire.fetch("orders", 0, 0).await.high_watermark, 0);
}

#[tokio::test]
async fn each_producer_gets_its_own_id_at_epoch_0() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let mut ids = Vec::new();
    for version in InitProducerIdRequest::VERSIONS {
        let response = wire.call(version, &InitProducerIdRequest::default()).await;
        assert_eq!(
            (response.error_code, response.producer_epoch),
            (0, 0),
            "version {version}"
        );
        assert!(!ids.contains(&response.producer_id));
        ids.push(response.producer_id);
    }
    let again = InitProducerIdRequest {
        producer_id: ids[0],
        producer_epoch: 0,
        ..Default::default()
    };
    let response = wire.call(4, &again).await;
    assert_eq!((response.error_code, response.producer_epoch), (0, 0));
    assert!(!ids.contains(&response.producer_id));
}

#[tokio::test]
async fn five_batches_are_kept_per_producer_and_a_duplicate_gets_its_original_offset_back() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    for sequence in 0..5 {
        let response = wire
            .produce("orders", 0, sequenced(7, 0, sequence, &["x"]))
            .await;
        assert_eq!(
            (response.error_code, response.base_offset),
            (0, i64::from(sequence))
        );
    }
    for sequence in 0..5 {
        let response = wire
            .produce("orders", 0, sequenced(7, 0, sequence, &["x"]))
            .await;
        assert_eq!(
            (response.error_code, response.base_offset),
            (0, i64::from(sequence))
        );
    }
    assert_eq!(wire.fetch("orders", 0, 0).await.high_watermark, 5);
}

#[tokio::test]
async fn a_stale_epoch_is_invalid_producer_epoch_and_a_new_one_starts_at_0() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    assert_eq!(
        wire.produce("orders", 0, sequenced(7, 1, 0, &["x"]))
            .await
            .error_code,
        0
    );
    assert_refused(
        &wire.produce("orders", 0, sequenced(7, 1, 2, &["x"])).await,
        ErrorCode::OutOfOrderSequenceNumber,
    );
    assert_refused(
        &wire.produce("orders", 0, sequenced(7, 0, 1, &["x"])).await,
        ErrorCode::InvalidProducerEpoch,
    );
    // A new epoch starts at 0.
    assert_refused(
        &wire.produce("orders", 0, sequenced(7, 2, 5, &["x"])).await,
        ErrorCode::OutOfOrderSequenceNumber,
    );
    assert_eq!(
        wire.produce("orders", 0, sequenced(7, 2, 0, &["x"]))
            .await
            .error_code,
        0
    );
}

#[tokio::test]
async fn zstd_needs_version_7() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut builder = BatchBuilder::new().compression(Compression::Zstd);
    builder.append(now_ms(), None, Some(b"x"), &[]);
    let request = produce_request("orders", 0, builder.build(0));
    assert_refused(
        &produced(&mut wire, 6, &request).await,
        ErrorCode::UnsupportedCompressionType,
    );
    assert_eq!(produced(&mut wire, 7, &request).await.error_code, 0);
}

#[tokio::test]
async fn a_bad_partition_does_not_spoil_the_others_of_its_request() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 2).await;
    let mut request = produce_request("orders", 0, batch(&["zero"]));
    for (index, value) in [(5, "five"), (1, "one")] {
        let mut partition = request.topic_data[0].partition_data[0].clone();
        partition.index = index;
        partition.records = Some(batch(&[value]));
        request.topic_data[0].partition_data.push(partition);
    }
    let response = wire.call(PRODUCE, &request).await;
    let codes: Vec<(i32, i16)> = response.responses[0]
        .partition_responses
        .iter()
        .map(|one| (one.index, one.error_code))
        .collect();
    assert_eq!(
        codes,
        [
            (0, 0),
            (5, ErrorCode::UnknownTopicOrPartition.into()),
            (1, 0)
        ]
    );
}
