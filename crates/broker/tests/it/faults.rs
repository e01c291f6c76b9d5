//! Slow, full and failing disks, and power cuts.

use std::path::Path;
use std::sync::Arc;

use headwater_broker::Broker;
use headwater_log::disk::{FaultyDisk, Survival};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::fetch::FetchRequest;
use headwater_protocol::messages::init_producer_id::InitProducerIdRequest;
use headwater_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use headwater_protocol::messages::produce::ProduceRequest;

use crate::support::batches::{batch, records};
use crate::support::durable_in;
use crate::support::gated_disk::GatedDisk;
use crate::support::wire::{FETCH, PRODUCE, Wire, fetch_request, produce_request};

async fn start_on(disk: &FaultyDisk) -> Broker {
    let settings = durable_in(Path::new("/data"));
    Broker::start_on(Arc::new(disk.clone()), settings)
        .await
        .unwrap()
}

async fn latest_offset(wire: &mut Wire, topic: &str) -> i64 {
    let partition = ListOffsetsPartition {
        timestamp: -1,
        ..ListOffsetsPartition::default()
    };
    let request = ListOffsetsRequest {
        topics: vec![ListOffsetsTopic {
            name: topic.to_owned(),
            partitions: vec![partition],
        }],
        ..ListOffsetsRequest::default()
    };
    wire.call(5, &request).await.topics[0].partitions[0].offset
}

#[tokio::test]
async fn nothing_is_acknowledged_or_visible_before_the_sync_and_all_that_waits_shares_one() {
    let disk = GatedDisk::default();
    let settings = durable_in(Path::new("/data"));
    let broker = Broker::start_on(Arc::new(disk.clone()), settings)
        .await
        .unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 2).await;
    let before = broker.insight().journal().commits;
    disk.close();
    for correlation_id in 0..40 {
        let partition = correlation_id % 2;
        let request = produce_request("orders", partition, batch(&["x"]));
        wire.send(PRODUCE, correlation_id, &request).await;
    }
    let appended = || {
        let sizes = broker.insight().partitions();
        sizes
            .iter()
            .filter(|one| one.topic == "orders")
            .map(|one| one.size_bytes)
            .sum::<u64>()
    };
    while appended() < 40 * batch(&["x"]).len() as u64 {
        tokio::task::yield_now().await;
    }
    let mut other = Wire::to(&broker).await;
    assert_eq!(latest_offset(&mut other, "orders").await, 0);
    let fetched = other.fetch("orders", 0, 0).await;
    assert_eq!(
        (fetched.high_watermark, fetched.records.unwrap().len()),
        (0, 0)
    );
    disk.open_gate();
    for correlation_id in 0..40 {
        let (got, response) = wire.receive::<ProduceRequest>(PRODUCE).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((got, partition.error_code), (correlation_id, 0));
        assert_eq!(partition.base_offset, i64::from(correlation_id / 2));
    }
    let commits = broker.insight().journal().commits - before;
    assert!(
        commits < 20,
        "{commits} syncs for 41 requests that waited together"
    );
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_disk_that_does_not_answer_is_a_timeout_and_the_record_is_there_later() {
    let disk = GatedDisk::default();
    let settings = durable_in(Path::new("/data"));
    let broker = Broker::start_on(Arc::new(disk.clone()), settings)
        .await
        .unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    disk.close();
    let mut request = produce_request("orders", 0, batch(&["late"]));
    request.timeout_ms = 1;
    let response = wire.call(PRODUCE, &request).await;
    let code = response.responses[0].partition_responses[0].error_code;
    assert_eq!(code, i16::from(ErrorCode::RequestTimedOut));
    let mut parked = fetch_request("orders", &[(0, 0)]);
    parked.max_wait_ms = 600_000;
    wire.send(FETCH, 2, &parked).await;
    disk.open_gate();
    let (_, response) = wire.receive::<FetchRequest>(FETCH).await;
    let fetched = response.responses[0].partitions[0].records.clone().unwrap();
    assert_eq!(records(&fetched), [(0, "late".to_owned())]);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn after_a_failed_sync_writes_are_refused_and_reads_stay_up() {
    let disk = FaultyDisk::new();
    let broker = start_on(&disk).await;
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    assert_eq!(
        wire.produce("orders", 0, batch(&["kept"])).await.error_code,
        0
    );
    assert_eq!(broker.insight().poisoned(), None);
    disk.fail_sync(disk.syncs());
    for value in ["lost", "refused"] {
        let response = wire.produce("orders", 0, batch(&[value])).await;
        assert_eq!(response.error_code, i16::from(ErrorCode::KafkaStorageError));
        assert!(
            response.error_message.unwrap().contains("restart"),
            "says what to do"
        );
    }
    assert!(broker.insight().poisoned().is_some());
    let fetched = wire.fetch("orders", 0, 0).await;
    assert_eq!((fetched.error_code, fetched.high_watermark), (0, 1));
    assert_eq!(records(&fetched.records.unwrap()), [(0, "kept".to_owned())]);
    assert!(
        broker.stop().await.is_err(),
        "no clean mark after a failed sync"
    );

    let broker = start_on(&disk.power_cut(Survival::Nothing)).await;
    let mut wire = Wire::to(&broker).await;
    let fetched = wire.fetch("orders", 0, 0).await.records.unwrap();
    assert_eq!(records(&fetched), [(0, "kept".to_owned())]);
    assert_eq!(
        wire.produce("orders", 0, batch(&["again"]))
            .await
            .error_code,
        0
    );
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn producer_ids_are_not_handed_out_when_they_cannot_be_kept() {
    let disk = FaultyDisk::new();
    let broker = start_on(&disk).await;
    let mut wire = Wire::to(&broker).await;
    disk.fail_sync(disk.syncs());
    let response = wire.call(4, &InitProducerIdRequest::default()).await;
    assert_ne!(response.error_code, 0);
    assert_eq!(response.producer_id, -1);
    drop(broker);
}

#[tokio::test]
async fn disk_full_is_a_clear_error_reads_stay_up_and_it_recovers_when_there_is_room() {
    let disk = FaultyDisk::new();
    let broker = start_on(&disk).await;
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    assert_eq!(
        wire.produce("orders", 0, batch(&["kept"])).await.error_code,
        0
    );
    // Room for what is written now, but less than is kept back for deletions and commits.
    disk.set_capacity(Some(48 << 20));
    // What is known of the free space may be a moment old.
    let refused = loop {
        let response = wire.produce("orders", 0, batch(&["more"])).await;
        if response.error_code != 0 {
            break response;
        }
    };
    assert_eq!(refused.error_code, i16::from(ErrorCode::KafkaStorageError));
    assert!(refused.error_message.unwrap().contains("make room"));
    let fetched = wire.fetch("orders", 0, 0).await;
    assert_eq!(fetched.error_code, 0);
    assert_eq!(
        records(&fetched.records.unwrap())[0],
        (0, "kept".to_owned())
    );
    disk.set_capacity(None);
    loop {
        if wire
            .produce("orders", 0, batch(&["room again"]))
            .await
            .error_code
            == 0
        {
            break;
        }
    }
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_power_cut_loses_nothing_acknowledged() {
    for seed in 0..8 {
        let disk = FaultyDisk::new();
        let broker = start_on(&disk).await;
        let mut wire = Wire::to(&broker).await;
        wire.create_topic("orders", 2).await;
        let mut acknowledged = [0; 2];
        for round in 0..10 {
            let partition = round % 2;
            let response = wire.produce("orders", partition, batch(&["a", "b"])).await;
            assert_eq!(response.error_code, 0);
            acknowledged[partition as usize] = response.base_offset + 2;
        }
        // On its way when the power fails.
        wire.send(
            PRODUCE,
            1,
            &produce_request("orders", 0, batch(&["perhaps"])),
        )
        .await;
        let survived = disk.power_cut(Survival::Some { seed });
        broker.abandon().await;
        let broker = start_on(&survived).await;
        let mut wire = Wire::to(&broker).await;
        for partition in 0..2 {
            let fetched = wire.fetch("orders", partition, 0).await;
            assert!(
                fetched.high_watermark >= acknowledged[partition as usize],
                "seed {seed}"
            );
            let found = records(&fetched.records.unwrap());
            assert_eq!(found.len() as i64, fetched.high_watermark, "seed {seed}");
        }
        broker.stop().await.unwrap();
    }
}
