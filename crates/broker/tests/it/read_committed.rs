//! What consumers see of transactions: `Fetch`, `ListOffsets` and `DescribeProducers`.

use bytes::Bytes;
use headwater_broker::Broker;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use headwater_protocol::messages::describe_producers::{
    DescribeProducersRequest, PartitionResponse, TopicRequest,
};
use headwater_protocol::messages::fetch::{FetchRequest, PartitionData};
use headwater_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
};
use headwater_records::Batches;
use rdkafka::producer::Producer;

use crate::support::batches::{batch, now_ms};
use crate::support::transactions::Transactional;
use crate::support::wire::{FETCH, Wire, fetch_request};
use crate::support::{DEADLINE, clients, durable_in};

const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;

fn reading(isolation_level: i8, offset: i64) -> FetchRequest {
    FetchRequest {
        isolation_level,
        ..fetch_request("orders", &[(0, offset)])
    }
}

async fn fetch(wire: &mut Wire, isolation_level: i8, offset: i64) -> PartitionData {
    let mut response = wire.call(FETCH, &reading(isolation_level, offset)).await;
    response.responses.remove(0).partitions.remove(0)
}

/// Values of the records that are no markers.
fn values(data: &PartitionData) -> Vec<String> {
    let batches = Batches::new(data.records.clone().unwrap()).map(Result::unwrap);
    let data = batches.filter(|batch| !batch.header.is_control());
    data.flat_map(|batch| batch.records(1 << 20).unwrap().map(Result::unwrap))
        .map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap())
        .collect()
}

fn aborted(data: &PartitionData) -> Option<Vec<(i64, i64)>> {
    let aborted = data.aborted_transactions.as_ref()?.iter();
    Some(
        aborted
            .map(|one| (one.producer_id, one.first_offset))
            .collect(),
    )
}

#[tokio::test]
async fn read_committed_stops_at_the_last_stable_offset() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    wire.produce("orders", 0, batch(&["before"])).await;
    let mut producer = Transactional::begin(&broker, "payments").await;
    producer.produce("orders", "open").await;
    wire.produce("orders", 0, batch(&["behind"])).await;

    let committed = fetch(&mut wire, READ_COMMITTED, 0).await;
    assert_eq!(values(&committed), ["before"]);
    assert_eq!(
        (committed.last_stable_offset, committed.high_watermark),
        (1, 3)
    );
    assert_eq!(aborted(&committed), Some(vec![]));
    let at_the_end = fetch(&mut wire, READ_COMMITTED, 1).await;
    assert_eq!((at_the_end.error_code, values(&at_the_end).len()), (0, 0));
    let uncommitted = fetch(&mut wire, READ_UNCOMMITTED, 0).await;
    assert_eq!(values(&uncommitted), ["before", "open", "behind"]);
    assert_eq!(
        (uncommitted.last_stable_offset, uncommitted.high_watermark),
        (1, 3)
    );

    producer.commit().await;
    let committed = fetch(&mut wire, READ_COMMITTED, 0).await;
    assert_eq!(values(&committed), ["before", "open", "behind"]);
    assert_eq!(
        (committed.last_stable_offset, committed.high_watermark),
        (4, 4)
    );
    assert_eq!(aborted(&committed), Some(vec![]));
}

#[tokio::test]
async fn read_committed_gets_the_aborted_list_ordered_by_first_offset() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut first = Transactional::begin(&broker, "first").await;
    let mut second = Transactional::begin(&broker, "second").await;
    first.produce("orders", "of the first").await;
    second.produce("orders", "of the second").await;
    let expected = vec![(first.producer_id, 0), (second.producer_id, 1)];
    // Ended the other way about.
    second.abort().await;
    first.abort().await;
    let data = fetch(&mut wire, READ_COMMITTED, 0).await;
    assert_eq!(aborted(&data), Some(expected));
    assert_eq!(data.last_stable_offset, 4);
}

#[tokio::test]
async fn read_uncommitted_does_see_aborted_data_and_no_list() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut producer = Transactional::begin(&broker, "payments").await;
    producer.produce("orders", "aborted").await;
    producer.abort().await;
    let data = fetch(&mut wire, READ_UNCOMMITTED, 0).await;
    assert_eq!(values(&data), ["aborted"]);
    assert_eq!(aborted(&data), None);
}

#[tokio::test]
async fn a_parked_read_committed_fetch_wakes_on_commit() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut consumer = Wire::to(&broker).await;
    consumer.create_topic("orders", 1).await;
    let mut producer = Transactional::begin(&broker, "payments").await;
    producer.produce("orders", "paid").await;
    let parked = FetchRequest {
        max_wait_ms: 600_000,
        ..reading(READ_COMMITTED, 0)
    };
    consumer.send(FETCH, 1, &parked).await;
    producer.commit().await;
    let (_, mut response) = consumer.receive::<FetchRequest>(FETCH).await;
    let data = response.responses.remove(0).partitions.remove(0);
    assert_eq!(values(&data), ["paid"]);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_parked_fetch_wakes_on_an_error_of_its_partition() {
    let root = tempfile::tempdir().unwrap();
    let durable = Broker::start(durable_in(root.path())).await.unwrap();
    for broker in [Broker::ephemeral().await.unwrap(), durable] {
        let mut consumer = Wire::to(&broker).await;
        consumer.create_topic("orders", 1).await;
        let mut producer = Transactional::begin(&broker, "payments").await;
        producer.produce("orders", "open").await;
        let parked = FetchRequest {
            max_wait_ms: 600_000,
            ..reading(READ_COMMITTED, 0)
        };
        consumer.send(FETCH, 1, &parked).await;
        // The log now begins behind the offset at which it waits.
        let delete = DeleteRecordsRequest {
            topics: vec![DeleteRecordsTopic {
                name: "orders".to_owned(),
                partitions: vec![DeleteRecordsPartition {
                    partition_index: 0,
                    offset: -1,
                }],
            }],
            timeout_ms: 60_000,
        };
        let deleted = Wire::to(&broker).await.call(2, &delete).await;
        assert_eq!(deleted.topics[0].partitions[0].error_code, 0);
        let (_, response) = consumer.receive::<FetchRequest>(FETCH).await;
        let data = &response.responses[0].partitions[0];
        assert_eq!(data.error_code, i16::from(ErrorCode::OffsetOutOfRange));
        assert_eq!((data.log_start_offset, data.last_stable_offset), (-1, -1));
    }
}

#[tokio::test]
async fn a_transaction_is_open_after_an_abrupt_end_until_its_producer_comes_back() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut producer = Transactional::begin(&broker, "payments").await;
    producer.produce("orders", "committed").await;
    producer.commit().await;
    producer.produce("orders", "open").await;
    let unfinished = (producer.producer_id, 2);
    broker.abandon().await;

    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let data = fetch(&mut wire, READ_COMMITTED, 0).await;
    assert_eq!(values(&data), ["committed"]);
    assert_eq!((data.last_stable_offset, data.high_watermark), (2, 3));
    // Coming back aborts what it had not finished.
    let mut producer = Transactional::begin(&broker, "payments").await;
    producer.produce("orders", "again").await;
    producer.commit().await;
    let data = fetch(&mut wire, READ_COMMITTED, 0).await;
    assert_eq!(values(&data), ["committed", "open", "again"]);
    assert_eq!(aborted(&data), Some(vec![unfinished]));
    broker.stop().await.unwrap();
}

async fn latest(
    wire: &mut Wire,
    isolation_level: i8,
    timestamp: i64,
) -> ListOffsetsPartitionResponse {
    let request = ListOffsetsRequest {
        replica_id: -1,
        isolation_level,
        topics: vec![ListOffsetsTopic {
            name: "orders".to_owned(),
            partitions: vec![ListOffsetsPartition {
                partition_index: 0,
                timestamp,
                ..ListOffsetsPartition::default()
            }],
        }],
        ..ListOffsetsRequest::default()
    };
    let mut response = wire.call(11, &request).await;
    response.topics.remove(0).partitions.remove(0)
}

#[tokio::test]
async fn list_offsets_with_read_committed_ends_at_the_last_stable_offset() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let before = now_ms();
    wire.produce("orders", 0, batch(&["before"])).await;
    let mut producer = Transactional::begin(&broker, "payments").await;
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    producer.produce("orders", "open").await;
    for (isolation_level, end) in [(READ_UNCOMMITTED, 2), (READ_COMMITTED, 1)] {
        assert_eq!(latest(&mut wire, isolation_level, -1).await.offset, end);
        assert_eq!(latest(&mut wire, isolation_level, before).await.offset, 0);
    }
    // The record with the greatest timestamp is in the open transaction.
    assert_eq!(latest(&mut wire, READ_UNCOMMITTED, -3).await.offset, 1);
    assert_eq!(latest(&mut wire, READ_COMMITTED, -3).await.offset, -1);
    producer.commit().await;
    assert_eq!(latest(&mut wire, READ_COMMITTED, -1).await.offset, 3);
}

async fn describe(wire: &mut Wire, topic: &str, partition: i32) -> PartitionResponse {
    let request = DescribeProducersRequest {
        topics: vec![TopicRequest {
            name: topic.to_owned(),
            partition_indexes: vec![partition],
        }],
    };
    let mut response = wire.call(0, &request).await;
    assert_eq!(response.topics[0].name, topic);
    response.topics.remove(0).partitions.remove(0)
}

#[tokio::test]
async fn describe_producers_tells_who_has_a_transaction_open() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    wire.produce("orders", 0, batch(&["of nobody"])).await;
    assert!(
        describe(&mut wire, "orders", 0)
            .await
            .active_producers
            .is_empty()
    );
    let mut producer = Transactional::begin(&broker, "payments").await;
    producer.produce("orders", "one").await;
    producer.produce("orders", "two").await;
    let described = describe(&mut wire, "orders", 0).await;
    let open = &described.active_producers[0];
    assert_eq!(open.producer_id, producer.producer_id);
    assert_eq!(open.producer_epoch, i32::from(producer.epoch));
    assert_eq!((open.last_sequence, open.current_txn_start_offset), (1, 1));
    assert_eq!(open.coordinator_epoch, -1);
    producer.commit().await;
    let described = describe(&mut wire, "orders", 0).await;
    let ended = &described.active_producers[0];
    assert_eq!(ended.current_txn_start_offset, -1);
    assert_eq!(ended.producer_epoch, i32::from(producer.epoch));
    assert!(ended.coordinator_epoch >= 0);
}

#[tokio::test]
async fn describe_producers_refuses_what_it_does_not_know() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    for (topic, partition, code) in [
        ("orders", 1, ErrorCode::UnknownTopicOrPartition),
        ("nowhere", 0, ErrorCode::UnknownTopicOrPartition),
        ("no such/name", 0, ErrorCode::InvalidTopicException),
    ] {
        let described = describe(&mut wire, topic, partition).await;
        assert_eq!(described.error_code, i16::from(code), "{topic}-{partition}");
        assert_eq!(described.partition_index, partition);
    }
}

#[tokio::test]
async fn a_batch_outside_the_open_transaction_is_invalid_txn_state() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut producer = Transactional::begin(&broker, "payments").await;
    producer.produce("orders", "paid").await;
    let outside =
        crate::support::batches::sequenced(producer.producer_id, producer.epoch, 1, &["outside"]);
    let response = wire.produce("orders", 0, outside).await;
    assert_eq!(response.error_code, i16::from(ErrorCode::InvalidTxnState));
}

#[tokio::test]
async fn after_a_transaction_v2_the_old_epoch_is_invalid_and_sequences_begin_at_0() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut producer = Transactional::begin(&broker, "payments").await;
    producer.produce("orders", "one").await;
    let epoch = producer.epoch;
    let late = crate::support::batches::sequenced(producer.producer_id, epoch, 1, &["late"]);
    producer.commit().await;
    assert_eq!(producer.epoch, epoch + 1);
    let response = wire.produce("orders", 0, late).await;
    assert_eq!(
        response.error_code,
        i16::from(ErrorCode::InvalidProducerEpoch)
    );
    assert_eq!(producer.produce("orders", "two").await, 2);
}

#[tokio::test]
async fn the_first_batch_of_a_transaction_v2_cannot_come_behind_one_that_was_refused() {
    let broker = Broker::ephemeral().await.unwrap();
    Wire::to(&broker).await.create_topic("orders", 1).await;
    let mut producer = Transactional::begin(&broker, "payments").await;
    let mut first = producer.batch("first").to_vec();
    let good = Bytes::from(first.clone());
    *first.last_mut().unwrap() ^= 1;
    let refused = producer.send("orders", first.into()).await;
    assert_eq!(refused.error_code, i16::from(ErrorCode::CorruptMessage));
    let second = producer.batch_at(1, "second");
    let behind = producer.send("orders", second.clone()).await;
    assert_eq!(
        behind.error_code,
        i16::from(ErrorCode::OutOfOrderSequenceNumber)
    );
    for (batch, offset) in [(good, 0), (second, 1)] {
        let sent = producer.send("orders", batch).await;
        assert_eq!((sent.error_code, sent.base_offset), (0, offset));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_client_reads_what_was_committed_and_nothing_that_was_aborted() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    Wire::to(&broker).await.create_topic("orders", 1).await;
    let bootstrap = broker.local_addr().to_string();
    let producer = clients::producer(&bootstrap, &[("transactional.id", "payments")]);
    producer.init_transactions(DEADLINE).unwrap();
    let mut committed = Vec::new();
    for round in 0..6 {
        let values: Vec<String> = (0..50).map(|n| format!("{round}: {n}")).collect();
        producer.begin_transaction().unwrap();
        clients::send_all(&producer, "orders", &values).await;
        if round % 2 == 0 {
            producer.abort_transaction(DEADLINE).unwrap();
        } else {
            producer.commit_transaction(DEADLINE).unwrap();
            committed.extend(values);
        }
    }
    // It reads committed records only unless told otherwise.
    let read = clients::read_all(&bootstrap, "orders", 0, committed.len()).await;
    assert_eq!(read, committed);
    broker.stop().await.unwrap();
}
