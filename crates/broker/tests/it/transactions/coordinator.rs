//! What coordinators tell clients of every age, and what is there after the store went away.

use headwater_broker::Broker;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use headwater_protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use headwater_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use headwater_protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use headwater_protocol::messages::end_txn::EndTxnRequest;
use headwater_protocol::messages::find_coordinator::FindCoordinatorRequest;
use headwater_protocol::messages::init_producer_id::InitProducerIdRequest;
use headwater_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};

use crate::support::batches::batch;
use crate::support::durable_in;
use crate::support::gated_disk::GatedDisk;
use crate::support::transactions::Transactional;
use crate::support::wire::{Wire, fetch_request};

const ID: &str = "payments";

fn code(error: ErrorCode) -> i16 {
    error.into()
}

fn init(timeout_ms: i32) -> InitProducerIdRequest {
    InitProducerIdRequest {
        transactional_id: Some(ID.to_owned()),
        transaction_timeout_ms: timeout_ms,
        producer_id: -1,
        producer_epoch: -1,
    }
}

fn end(producer_id: i64, producer_epoch: i16) -> EndTxnRequest {
    EndTxnRequest {
        transactional_id: ID.to_owned(),
        producer_id,
        producer_epoch,
        committed: true,
    }
}

fn add(producer_id: i64, producer_epoch: i16, topics: &[(&str, i32)]) -> AddPartitionsToTxnRequest {
    AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: ID.to_owned(),
        v3_and_below_producer_id: producer_id,
        v3_and_below_producer_epoch: producer_epoch,
        v3_and_below_topics: topics
            .iter()
            .map(|(name, partition)| AddPartitionsToTxnTopic {
                name: (*name).to_owned(),
                partitions: vec![*partition],
            })
            .collect(),
        ..AddPartitionsToTxnRequest::default()
    }
}

async fn added(wire: &mut Wire, version: i16, request: &AddPartitionsToTxnRequest) -> Vec<i16> {
    let response = wire.call(version, request).await;
    let topics = response.results_by_topic_v3_and_below.into_iter();
    topics
        .flat_map(|topic| topic.results_by_partition)
        .map(|partition| partition.partition_error_code)
        .collect()
}

#[tokio::test]
async fn a_transaction_timeout_over_the_maximum_is_refused() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let refused = wire.call(5, &init(900_001)).await;
    let expected = code(ErrorCode::InvalidTransactionTimeout);
    assert_eq!((refused.error_code, refused.producer_id), (expected, -1));
    assert_eq!(wire.call(5, &init(900_000)).await.error_code, 0);
}

#[tokio::test]
async fn this_node_coordinates_every_transaction() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    for version in [1, 3] {
        let find = FindCoordinatorRequest {
            key: ID.to_owned(),
            key_type: 1,
            ..FindCoordinatorRequest::default()
        };
        let found = wire.call(version, &find).await;
        assert_eq!((found.error_code, found.node_id), (0, 1));
        assert_eq!(found.port, i32::from(broker.local_addr().port()));
    }
}

#[tokio::test]
async fn internal_topics_are_visible_internal_and_not_writable_by_clients() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let internal = ["__consumer_offsets", "__transaction_state"];
    for (key_type, name) in (0..).zip(internal) {
        // Nobody but its coordinator makes it.
        let create = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: name.to_owned(),
                num_partitions: 1,
                replication_factor: 1,
                ..CreatableTopic::default()
            }],
            ..CreateTopicsRequest::default()
        };
        let invalid = code(ErrorCode::InvalidTopicException);
        assert_eq!(wire.call(7, &create).await.topics[0].error_code, invalid);
        let find = FindCoordinatorRequest {
            key: "any".to_owned(),
            key_type,
            ..FindCoordinatorRequest::default()
        };
        assert_eq!(wire.call(3, &find).await.error_code, 0);
        let named = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                name: Some(name.to_owned()),
                ..MetadataRequestTopic::default()
            }]),
            ..MetadataRequest::default()
        };
        let topic = wire.call(12, &named).await.topics.remove(0);
        assert_eq!((topic.error_code, topic.partitions.len()), (0, 50));
        assert!(topic.is_internal);
        let written = wire.produce(name, 0, batch(&["x"])).await;
        assert_eq!(written.error_code, invalid);
        let delete = DeleteTopicsRequest {
            topics: vec![DeleteTopicState {
                name: Some(name.to_owned()),
                ..DeleteTopicState::default()
            }],
            ..DeleteTopicsRequest::default()
        };
        let deleted = wire.call(6, &delete).await;
        assert_ne!(deleted.responses[0].error_code, 0);
    }
    let all = MetadataRequest {
        topics: None,
        ..MetadataRequest::default()
    };
    let topics = wire.call(12, &all).await.topics;
    let listed: Vec<&str> = topics
        .iter()
        .filter_map(|topic| topic.name.as_deref())
        .collect();
    assert_eq!(listed, internal);
    // Readable, as in Kafka.
    let response = wire.call(12, &fetch_request(internal[1], &[(0, 0)])).await;
    assert_eq!(response.responses[0].partitions[0].error_code, 0);
}

#[tokio::test]
async fn a_transaction_of_a_client_of_version_1_goes_through_step_by_step() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 2).await;
    let given = wire.call(1, &init(60_000)).await;
    let (id, epoch) = (given.producer_id, given.producer_epoch);
    let partitions = [("orders", 0), ("orders", 1)];
    assert_eq!(
        added(&mut wire, 2, &add(id, epoch, &partitions)).await,
        [0, 0]
    );
    let offsets = AddOffsetsToTxnRequest {
        transactional_id: ID.to_owned(),
        producer_id: id,
        producer_epoch: epoch,
        group_id: "readers".to_owned(),
    };
    assert_eq!(wire.call(2, &offsets).await.error_code, 0);
    let ended = wire.call(2, &end(id, epoch)).await;
    assert_eq!(ended.error_code, 0);
    // A marker in each, though nothing was written.
    for partition in [0, 1] {
        let data = wire.fetch("orders", partition, 0).await;
        assert_eq!((data.high_watermark, data.last_stable_offset), (1, 1));
    }
    let again = wire.call(2, &end(id, epoch)).await;
    assert_eq!(again.error_code, 0);
}

#[tokio::test]
async fn one_partition_that_does_not_exist_keeps_all_others_out() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let given = wire.call(5, &init(60_000)).await;
    let (id, epoch) = (given.producer_id, given.producer_epoch);
    let unknown = code(ErrorCode::UnknownTopicOrPartition);
    let not_attempted = code(ErrorCode::OperationNotAttempted);
    let request = add(id, epoch, &[("orders", 0), ("orders", 1), ("nowhere", 0)]);
    let results = added(&mut wire, 3, &request).await;
    assert_eq!(results, [not_attempted, unknown, unknown]);
    let commit = wire.call(3, &end(id, epoch)).await;
    assert_eq!(commit.error_code, code(ErrorCode::InvalidTxnState));
}

#[tokio::test]
async fn a_request_for_very_many_transactions_is_answered_for_each_in_its_order() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let given = wire.call(5, &init(60_000)).await;
    let names: Vec<String> = (0..2_500).map(|number| format!("{number}")).collect();
    let asked = |name: &str| AddPartitionsToTxnTransaction {
        transactional_id: name.to_owned(),
        producer_id: given.producer_id,
        producer_epoch: given.producer_epoch,
        verify_only: false,
        topics: vec![AddPartitionsToTxnTopic {
            name: "orders".to_owned(),
            partitions: vec![0],
        }],
    };
    let names = names.iter().map(String::as_str).chain([ID]);
    let request = AddPartitionsToTxnRequest {
        transactions: names.clone().map(asked).collect(),
        ..AddPartitionsToTxnRequest::default()
    };
    let response = wire.call(5, &request).await;
    let results = response.results_by_transaction;
    assert_eq!(results.len(), 2_501);
    for (name, result) in names.zip(results) {
        assert_eq!(result.transactional_id, name);
        let expected = match name {
            ID => 0,
            _ => code(ErrorCode::InvalidProducerIdMapping),
        };
        let partition = &result.topic_results[0].results_by_partition[0];
        assert_eq!(partition.partition_error_code, expected, "{name}");
    }
}

#[tokio::test]
async fn a_stale_epoch_is_fenced_at_the_coordinator_in_words_the_client_knows() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let given = wire.call(5, &init(60_000)).await;
    let (id, stale) = (given.producer_id, given.producer_epoch);
    wire.call(5, &init(60_000)).await;
    let fenced = code(ErrorCode::ProducerFenced);
    let invalid = code(ErrorCode::InvalidProducerEpoch);
    for (version, expected) in [(1, invalid), (3, fenced)] {
        let request = add(id, stale, &[("orders", 0)]);
        assert_eq!(added(&mut wire, version, &request).await, [expected]);
        let ended = wire.call(version, &end(id, stale)).await;
        assert_eq!(ended.error_code, expected);
    }
    let again = InitProducerIdRequest {
        producer_id: id,
        producer_epoch: stale,
        ..init(60_000)
    };
    assert_eq!(wire.call(3, &again).await.error_code, invalid);
    assert_eq!(wire.call(4, &again).await.error_code, fenced);
}

#[tokio::test]
async fn end_txn_v5_answers_the_bumped_epoch_also_when_it_is_repeated() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut producer = Transactional::begin(&broker, ID).await;
    let (id, epoch) = (producer.producer_id, producer.epoch);
    // Written without being added first.
    producer.produce("orders", "paid").await;
    for _ in 0..2 {
        let ended = wire.call(5, &end(id, epoch)).await;
        assert_eq!(ended.error_code, 0);
        assert_eq!((ended.producer_id, ended.producer_epoch), (id, epoch + 1));
    }
    // The marker has the new epoch, so that nothing of the old one gets behind it.
    let batch = producer.batch("late");
    let late = producer.send("orders", batch).await;
    assert_eq!(late.error_code, code(ErrorCode::InvalidProducerEpoch));
}

#[tokio::test]
async fn a_topic_deleted_in_the_middle_of_a_transaction_does_not_hold_it_up() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    wire.create_topic("doomed", 1).await;
    let mut producer = Transactional::begin(&broker, ID).await;
    producer.produce("orders", "stays").await;
    let given = (producer.producer_id, producer.epoch);
    let request = add(given.0, given.1, &[("doomed", 0)]);
    assert_eq!(added(&mut wire, 3, &request).await, [0]);
    wire.delete_topic("doomed").await;
    producer.commit().await;
    let data = wire.fetch("orders", 0, 0).await;
    assert_eq!((data.high_watermark, data.last_stable_offset), (2, 2));
}

#[tokio::test]
async fn an_end_is_answered_when_it_is_on_disk_and_not_before() {
    let disk = GatedDisk::default();
    let settings = durable_in(std::path::Path::new("/data"));
    let broker = Broker::start_on(std::sync::Arc::new(disk.clone()), settings)
        .await
        .unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut producer = Transactional::begin(&broker, ID).await;
    producer.produce("orders", "paid").await;
    disk.close();
    let request = end(producer.producer_id, producer.epoch);
    wire.send(5, 1, &request).await;
    // While it waits, readers of committed records see nothing of it.
    let mut reader = Wire::to(&broker).await;
    let data = reader.fetch("orders", 0, 0).await;
    assert_eq!(data.last_stable_offset, 0);
    disk.open_gate();
    let (_, ended) = wire.receive::<EndTxnRequest>(5).await;
    assert_eq!(ended.error_code, 0);
    let data = reader.fetch("orders", 0, 0).await;
    assert_eq!(data.last_stable_offset, 2);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn coordinators_know_after_a_restart_what_they_knew() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    Wire::to(&broker).await.create_topic("orders", 1).await;
    let mut producer = Transactional::begin(&broker, ID).await;
    producer.produce("orders", "one").await;
    producer.commit().await;
    producer.produce("orders", "two").await;
    let (id, epoch) = (producer.producer_id, producer.epoch);
    broker.abandon().await;

    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let request = end(id, epoch);
    let loading = code(ErrorCode::CoordinatorLoadInProgress);
    let ended = loop {
        let ended = wire.call(5, &request).await;
        if ended.error_code != loading {
            break ended;
        }
    };
    assert_eq!((ended.error_code, ended.producer_epoch), (0, epoch + 1));
    let data = wire.fetch("orders", 0, 0).await;
    assert_eq!((data.high_watermark, data.last_stable_offset), (4, 4));
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_that_dies_leaves_a_transaction_that_its_successor_ends() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut dying = Transactional::begin(&broker, ID).await;
    dying.produce("orders", "lost").await;
    drop(dying);
    let data = wire.fetch("orders", 0, 0).await;
    assert_eq!(data.last_stable_offset, 0);
    let mut successor = Transactional::begin(&broker, ID).await;
    let data = wire.fetch("orders", 0, 0).await;
    assert_eq!((data.high_watermark, data.last_stable_offset), (2, 2));
    successor.produce("orders", "kept").await;
    successor.commit().await;
}
