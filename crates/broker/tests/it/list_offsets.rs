//! `ListOffsets` and `OffsetForLeaderEpoch`.

use headwater_broker::Broker;
use headwater_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
};
use headwater_protocol::messages::metadata::MetadataRequest;
use headwater_protocol::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use headwater_protocol::{ErrorCode, Request};
use headwater_records::{BatchBuilder, BatchHeader};

use crate::support::batches::{batch, now_ms};
use crate::support::wire::{FETCH, Wire, fetch_request};

fn asking(partitions: &[(i32, i64)]) -> ListOffsetsRequest {
    let partition = |(partition_index, timestamp): &(i32, i64)| ListOffsetsPartition {
        partition_index: *partition_index,
        timestamp: *timestamp,
        ..ListOffsetsPartition::default()
    };
    ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: "orders".to_owned(),
            partitions: partitions.iter().map(partition).collect(),
        }],
        ..ListOffsetsRequest::default()
    }
}

async fn ask(wire: &mut Wire, version: i16, timestamp: i64) -> ListOffsetsPartitionResponse {
    let mut response = wire.call(version, &asking(&[(0, timestamp)])).await;
    response.topics.remove(0).partitions.remove(0)
}

fn answer(response: &ListOffsetsPartitionResponse) -> (i16, i64, i64) {
    (response.error_code, response.offset, response.timestamp)
}

#[tokio::test]
async fn list_offsets_of_an_empty_partition() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    for version in ListOffsetsRequest::VERSIONS {
        assert_eq!(
            answer(&ask(&mut wire, version, -1).await),
            (0, 0, -1),
            "version {version}"
        );
        assert_eq!(
            answer(&ask(&mut wire, version, -2).await),
            (0, 0, -1),
            "version {version}"
        );
    }
    assert_eq!(answer(&ask(&mut wire, 7, -3).await), (0, -1, -1));
    assert_eq!(answer(&ask(&mut wire, 8, -4).await), (0, 0, -1));
    assert_eq!(answer(&ask(&mut wire, 9, -5).await), (0, -1, -1));
    assert_eq!(answer(&ask(&mut wire, 11, -6).await), (0, -1, -1));
    assert_eq!(answer(&ask(&mut wire, 11, now_ms()).await), (0, -1, -1));
}

#[tokio::test]
async fn list_offsets_by_time_latest_max_timestamp_and_no_match() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let base = now_ms() - 100_000;
    // Offsets 0 to 5, out of order in time as producers' clocks are.
    for times in [[0, 10], [30, 20], [25, 40]] {
        let mut builder = BatchBuilder::new();
        for time in times {
            builder.append(base + time, None, Some(b"x"), &[]);
        }
        assert_eq!(
            wire.produce("orders", 0, builder.build(0)).await.error_code,
            0
        );
    }
    for (time, offset, found) in [
        (-5, 0, 0),
        (0, 0, 0),
        (5, 1, 10),
        (11, 2, 30),
        (30, 2, 30),
        (31, 5, 40),
    ] {
        assert_eq!(
            answer(&ask(&mut wire, 11, base + time).await),
            (0, offset, base + found),
            "{time}"
        );
    }
    assert_eq!(answer(&ask(&mut wire, 11, base + 41).await), (0, -1, -1));
    assert_eq!(answer(&ask(&mut wire, 11, -1).await), (0, 6, -1));
    assert_eq!(answer(&ask(&mut wire, 11, -3).await), (0, 5, base + 40));
}

#[tokio::test]
async fn questions_newer_than_the_version_are_unsupported() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    for (version, timestamp) in [(6, -3), (7, -4), (8, -5), (10, -6), (11, -7)] {
        let response = ask(&mut wire, version, timestamp).await;
        assert_eq!(
            response.error_code,
            i16::from(ErrorCode::UnsupportedVersion),
            "{version} {timestamp}"
        );
    }
}

#[tokio::test]
async fn unknown_and_repeated_partitions_are_told_apart() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 2).await;
    let response = wire
        .call(11, &asking(&[(0, -1), (0, -2), (1, -1), (2, -1)]))
        .await;
    let codes: Vec<i16> = response.topics[0]
        .partitions
        .iter()
        .map(|one| one.error_code)
        .collect();
    let (repeated, unknown) = (
        ErrorCode::InvalidRequest.into(),
        ErrorCode::UnknownTopicOrPartition.into(),
    );
    assert_eq!(codes, [repeated, repeated, 0, unknown]);
}

fn end_of(
    current_leader_epoch: i32,
    leader_epoch: i32,
    partition: i32,
) -> OffsetForLeaderEpochRequest {
    OffsetForLeaderEpochRequest {
        topics: vec![OffsetForLeaderTopic {
            topic: "orders".to_owned(),
            partitions: vec![OffsetForLeaderPartition {
                partition,
                current_leader_epoch,
                leader_epoch,
            }],
        }],
        ..OffsetForLeaderEpochRequest::default()
    }
}

#[tokio::test]
async fn leader_epochs_are_consistent_everywhere() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    wire.produce("orders", 0, batch(&["a", "b"])).await;
    let request = MetadataRequest {
        topics: None,
        ..MetadataRequest::default()
    };
    let metadata = wire.call(12, &request).await;
    let epoch = metadata.topics[0].partitions[0].leader_epoch;
    let fetched = wire.fetch("orders", 0, 0).await.records.unwrap();
    let header = BatchHeader::parse(&fetched).unwrap();
    assert_eq!(header.partition_leader_epoch, epoch);
    for timestamp in [-1, -2, -3, -4, 0] {
        let found = ask(&mut wire, 11, timestamp).await;
        assert_eq!(found.leader_epoch, epoch, "{timestamp}");
    }
    let response = wire.call(4, &end_of(epoch, epoch, 0)).await;
    let end = &response.topics[0].partitions[0];
    assert_eq!((end.leader_epoch, end.end_offset), (epoch, 2));
    // And a client that knows of a later leader than we do is told so by each of them.
    let unknown = i16::from(ErrorCode::UnknownLeaderEpoch);
    let mut request = asking(&[(0, -1)]);
    request.topics[0].partitions[0].current_leader_epoch = epoch + 1;
    let response = wire.call(11, &request).await;
    assert_eq!(response.topics[0].partitions[0].error_code, unknown);
    let mut request = fetch_request("orders", &[(0, 0)]);
    request.topics[0].partitions[0].current_leader_epoch = epoch + 1;
    let response = wire.call(FETCH, &request).await;
    assert_eq!(response.responses[0].partitions[0].error_code, unknown);
    let response = wire.call(4, &end_of(epoch + 1, epoch, 0)).await;
    assert_eq!(response.topics[0].partitions[0].error_code, unknown);
}

#[tokio::test]
async fn an_epoch_ends_at_the_high_watermark() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    wire.produce("orders", 0, batch(&["a", "b"])).await;
    for (request, expected) in [
        (end_of(0, 0, 0), (0, 0, 2)),
        (end_of(-1, 0, 0), (0, 0, 2)),
        (end_of(-1, 7, 0), (0, -1, -1)),
        (
            end_of(3, 0, 0),
            (ErrorCode::UnknownLeaderEpoch.into(), -1, -1),
        ),
        (
            end_of(-1, 0, 4),
            (ErrorCode::UnknownTopicOrPartition.into(), -1, -1),
        ),
    ] {
        for version in OffsetForLeaderEpochRequest::VERSIONS {
            let response = wire.call(version, &request).await;
            let end = &response.topics[0].partitions[0];
            assert_eq!(
                (end.error_code, end.leader_epoch, end.end_offset),
                expected,
                "version {version}"
            );
        }
    }
}
