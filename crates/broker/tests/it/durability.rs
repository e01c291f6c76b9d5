//! What is still there after the node went away, in order or not.

use headwater_broker::{Broker, Durability, StartError};
use headwater_protocol::messages::produce::ProduceRequest;

use crate::support::batches::{batch, batch_of_size, records, sequenced};
use crate::support::durable_in;
use crate::support::wire::{PRODUCE, Wire, encoded, produce_request};

#[tokio::test]
async fn a_clean_stop_keeps_topics_records_and_ids() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let cluster_id = broker.insight().cluster_id();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 2).await;
    for partition in 0..2 {
        wire.produce("orders", partition, batch(&["a", "b"])).await;
    }
    broker.stop().await.unwrap();

    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    assert_eq!(broker.insight().cluster_id(), cluster_id);
    let mut wire = Wire::to(&broker).await;
    for partition in 0..2 {
        let fetched = wire.fetch("orders", partition, 0).await;
        assert_eq!(records(&fetched.records.unwrap()).len(), 2);
        assert_eq!(
            wire.produce("orders", partition, batch(&["c"]))
                .await
                .base_offset,
            2
        );
    }
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn an_abrupt_end_loses_nothing_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..3 {
        let broker = Broker::start(durable_in(root.path())).await.unwrap();
        let mut wire = Wire::to(&broker).await;
        if round == 0 {
            wire.create_topic("orders", 1).await;
        }
        let fetched = wire.fetch("orders", 0, 0).await;
        assert!(
            fetched.high_watermark >= acknowledged,
            "{} of {acknowledged}",
            fetched.high_watermark
        );
        // All sent, half of the replies read, then the node goes away.
        let mut pipelined = Vec::new();
        for request in 0..40 {
            pipelined.extend(encoded(
                PRODUCE,
                request,
                &produce_request("orders", 0, batch(&["x"])),
            ));
        }
        wire.send_bytes(&pipelined).await;
        for _ in 0..20 {
            let (_, response) = wire.receive::<ProduceRequest>(PRODUCE).await;
            let partition = &response.responses[0].partition_responses[0];
            assert_eq!(partition.error_code, 0);
            acknowledged = acknowledged.max(partition.base_offset + 1);
        }
        broker.abandon().await;
    }
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let fetched = wire.fetch("orders", 0, 0).await;
    assert!(fetched.high_watermark >= acknowledged);
    let offsets: Vec<i64> = records(&fetched.records.unwrap())
        .iter()
        .map(|(offset, _)| *offset)
        .collect();
    assert_eq!(offsets, (0..fetched.high_watermark).collect::<Vec<_>>());
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_duplicate_is_known_after_an_abrupt_end() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    assert_eq!(
        wire.produce("orders", 0, sequenced(9, 0, 0, &["a"]))
            .await
            .base_offset,
        0
    );
    assert_eq!(
        wire.produce("orders", 0, sequenced(9, 0, 1, &["b"]))
            .await
            .base_offset,
        1
    );
    broker.abandon().await;

    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    assert_eq!(
        wire.produce("orders", 0, sequenced(9, 0, 1, &["b"]))
            .await
            .base_offset,
        1
    );
    assert_eq!(
        wire.produce("orders", 0, sequenced(9, 0, 2, &["c"]))
            .await
            .base_offset,
        2
    );
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn large_batches_survive_an_abrupt_end() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("big", 1).await;
    for offset in 0..6 {
        let response = wire.produce("big", 0, batch_of_size(900_000)).await;
        assert_eq!(
            (response.error_code, response.base_offset),
            (0, offset),
            "{:?}",
            response.error_message
        );
    }
    broker.abandon().await;
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let fetched = wire.fetch("big", 0, 5).await;
    assert_eq!(fetched.high_watermark, 6);
    assert_eq!(records(&fetched.records.unwrap()).len(), 1);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_deleted_topic_stays_deleted() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    wire.produce("orders", 0, batch(&["a"])).await;
    wire.delete_topic("orders").await;
    broker.abandon().await;
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    assert_eq!(wire.fetch("orders", 0, 0).await.high_watermark, 0);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn relaxed_data_survives_a_clean_stop() {
    let root = tempfile::tempdir().unwrap();
    let mut settings = durable_in(root.path());
    settings.durability = Durability::Relaxed;
    let broker = Broker::start(settings.clone()).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    wire.produce("orders", 0, batch(&["a"])).await;
    assert_eq!(broker.insight().journal().commits, 0);
    broker.stop().await.unwrap();
    let broker = Broker::start(settings).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    assert_eq!(wire.fetch("orders", 0, 0).await.high_watermark, 1);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_data_directory_in_use_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let Err(error) = Broker::start(durable_in(root.path())).await else {
        panic!("two nodes in one directory")
    };
    assert!(matches!(error, StartError::Log(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains(&root.path().display().to_string()),
        "{error}"
    );
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_throw_away_node_leaves_nothing_behind() {
    for _ in 0..5 {
        let broker = Broker::ephemeral().await.unwrap();
        let mut wire = Wire::to(&broker).await;
        wire.create_topic("orders", 3).await;
        for request in 0..30 {
            let produce = produce_request("orders", request % 3, batch(&["x"]));
            wire.send(PRODUCE, request, &produce).await;
        }
        let root = broker.insight().data_dir().to_owned();
        assert!(root.exists());
        drop(broker);
        assert!(!root.exists(), "{}", root.display());
    }
}
