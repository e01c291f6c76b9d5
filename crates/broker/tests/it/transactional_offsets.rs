//! Offsets that transactions commit for groups.

use std::time::Duration;

use headwater_broker::Broker;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use headwater_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
    OffsetFetchResponsePartitions,
};
use headwater_protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::Producer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::support::clients::{config, producer};
use crate::support::transactions::Transactional;
use crate::support::wire::Wire;
use crate::support::{DEADLINE, durable_in};

const GROUP: &str = "billing";
const TOPIC: &str = "orders";
const ID: &str = "copier";
/// The version that adds the group's partition to the transaction.
const ADDS: i16 = 5;

fn commit(producer: &Transactional, offset: i64) -> TxnOffsetCommitRequest {
    TxnOffsetCommitRequest {
        transactional_id: ID.to_owned(),
        group_id: GROUP.to_owned(),
        producer_id: producer.producer_id,
        producer_epoch: producer.epoch,
        topics: vec![TxnOffsetCommitRequestTopic {
            name: TOPIC.to_owned(),
            partitions: vec![TxnOffsetCommitRequestPartition {
                committed_offset: offset,
                ..TxnOffsetCommitRequestPartition::default()
            }],
        }],
        ..TxnOffsetCommitRequest::default()
    }
}

/// The error of the one partition, once coordinators have loaded and earlier transactions ended.
async fn committed(wire: &mut Wire, version: i16, request: &TxnOffsetCommitRequest) -> i16 {
    let again = [
        ErrorCode::CoordinatorLoadInProgress,
        ErrorCode::ConcurrentTransactions,
    ];
    loop {
        let response = wire.call(version, request).await;
        let code = response.topics[0].partitions[0].error_code;
        if !again.iter().any(|again| i16::from(*again) == code) {
            return code;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn fetched(wire: &mut Wire, require_stable: Stable) -> OffsetFetchResponsePartitions {
    let request = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: GROUP.to_owned(),
            topics: Some(vec![OffsetFetchRequestTopics {
                name: TOPIC.to_owned(),
                partition_indexes: vec![0],
                ..OffsetFetchRequestTopics::default()
            }]),
            ..OffsetFetchRequestGroup::default()
        }],
        require_stable: require_stable == Stable::Required,
        ..OffsetFetchRequest::default()
    };
    loop {
        let mut group = wire.call(9, &request).await.groups.remove(0);
        if group.error_code == 0 {
            return group.topics.remove(0).partitions.remove(0);
        }
        let loading = i16::from(ErrorCode::CoordinatorLoadInProgress);
        assert_eq!(group.error_code, loading);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stable {
    Required,
    NotRequired,
}

#[tokio::test]
async fn offset_only_transactions_commit_their_offsets() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic(TOPIC, 1).await;
    let mut producer = Transactional::begin(&broker, ID).await;
    assert_eq!(committed(&mut wire, ADDS, &commit(&producer, 7)).await, 0);
    producer.commit().await;
    assert_eq!(
        fetched(&mut wire, Stable::Required).await.committed_offset,
        7
    );
    assert_eq!(committed(&mut wire, ADDS, &commit(&producer, 9)).await, 0);
    producer.abort().await;
    assert_eq!(
        fetched(&mut wire, Stable::Required).await.committed_offset,
        7
    );
}

#[tokio::test]
async fn require_stable_gives_unstable_offset_commit() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic(TOPIC, 1).await;
    let mut producer = Transactional::begin(&broker, ID).await;
    assert_eq!(committed(&mut wire, ADDS, &commit(&producer, 7)).await, 0);
    let unstable = fetched(&mut wire, Stable::Required).await;
    let code = i16::from(ErrorCode::UnstableOffsetCommit);
    assert_eq!((unstable.error_code, unstable.committed_offset), (code, -1));
    let before = fetched(&mut wire, Stable::NotRequired).await;
    assert_eq!((before.error_code, before.committed_offset), (0, -1));
    producer.commit().await;
    let after = fetched(&mut wire, Stable::Required).await;
    assert_eq!((after.error_code, after.committed_offset), (0, 7));
}

#[tokio::test]
async fn an_older_client_adds_the_group_to_its_transaction_first() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic(TOPIC, 1).await;
    let producer = Transactional::begin(&broker, ID).await;
    let invalid = i16::from(ErrorCode::InvalidTxnState);
    let abortable = i16::from(ErrorCode::TransactionAbortable);
    assert_eq!(
        committed(&mut wire, 3, &commit(&producer, 7)).await,
        invalid
    );
    assert_eq!(
        committed(&mut wire, 4, &commit(&producer, 7)).await,
        abortable
    );
    let add = AddOffsetsToTxnRequest {
        transactional_id: ID.to_owned(),
        producer_id: producer.producer_id,
        producer_epoch: producer.epoch,
        group_id: GROUP.to_owned(),
    };
    assert_eq!(wire.call(3, &add).await.error_code, 0);
    assert_eq!(committed(&mut wire, 3, &commit(&producer, 7)).await, 0);
    let mut zombie = commit(&producer, 8);
    zombie.producer_epoch -= 1;
    let fenced = i16::from(ErrorCode::InvalidProducerEpoch);
    assert_eq!(committed(&mut wire, 3, &zombie).await, fenced);
}

#[tokio::test]
async fn topics_and_partitions_that_are_not_there_are_refused_one_by_one() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic(TOPIC, 1).await;
    let producer = Transactional::begin(&broker, ID).await;
    let mut request = commit(&producer, 7);
    let mut beyond = request.topics[0].partitions[0].clone();
    beyond.partition_index = 1;
    request.topics[0].partitions.push(beyond);
    let mut unknown = request.topics[0].clone();
    unknown.name = "unknown".to_owned();
    request.topics.push(unknown);
    let response = wire.call(ADDS, &request).await;
    let mut codes: Vec<(&str, i32, i16)> = Vec::new();
    for topic in &response.topics {
        for partition in &topic.partitions {
            codes.push((&topic.name, partition.partition_index, partition.error_code));
        }
    }
    codes.sort_unstable();
    let missing = i16::from(ErrorCode::UnknownTopicOrPartition);
    let expected = [
        (TOPIC, 0, 0),
        (TOPIC, 1, missing),
        ("unknown", 0, missing),
        ("unknown", 1, missing),
    ];
    assert_eq!(codes, expected);
}

#[tokio::test]
async fn what_a_transaction_is_about_to_commit_is_known_after_a_crash() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic(TOPIC, 1).await;
    let producer = Transactional::begin(&broker, ID).await;
    assert_eq!(committed(&mut wire, ADDS, &commit(&producer, 7)).await, 0);
    broker.abandon().await;

    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let unstable = fetched(&mut wire, Stable::Required).await;
    assert_eq!(
        unstable.error_code,
        i16::from(ErrorCode::UnstableOffsetCommit)
    );
    // The next producer of that id ends what the last one left open.
    let mut producer = Transactional::begin(&broker, ID).await;
    assert_eq!(
        fetched(&mut wire, Stable::Required).await.committed_offset,
        -1
    );
    assert_eq!(committed(&mut wire, ADDS, &commit(&producer, 8)).await, 0);
    producer.commit().await;
    broker.abandon().await;

    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    assert_eq!(
        fetched(&mut wire, Stable::Required).await.committed_offset,
        8
    );
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn librdkafka_commits_offsets_in_its_transactions() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic(TOPIC, 1).await;
    let bootstrap = broker.bootstrap();
    let sent = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config(&bootstrap, &[("group.id", GROUP)])
            .create()
            .expect("a consumer");
        let producer = producer(&bootstrap, &[("transactional.id", ID)]);
        producer.init_transactions(DEADLINE)?;
        let group = consumer.group_metadata().expect("metadata of the group");
        for (offset, commits) in [(3, true), (4, false)] {
            let mut offsets = TopicPartitionList::new();
            offsets.add_partition_offset(TOPIC, 0, Offset::Offset(offset))?;
            producer.begin_transaction()?;
            producer.send_offsets_to_transaction(&offsets, &group, DEADLINE)?;
            if commits {
                producer.commit_transaction(DEADLINE)?;
            } else {
                producer.abort_transaction(DEADLINE)?;
            }
        }
        rdkafka::error::KafkaResult::Ok(())
    });
    sent.await
        .expect("the producer's thread")
        .expect("transactions");
    assert_eq!(
        fetched(&mut wire, Stable::Required).await.committed_offset,
        3
    );
}
