//! What tools ask of a node: records deleted, directories, the quorum, elections, features.

use headwater_broker::Broker;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::api_versions::ApiVersionsRequest;
use headwater_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use headwater_protocol::messages::describe_cluster::DescribeClusterRequest;
use headwater_protocol::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsRequest,
};
use headwater_protocol::messages::describe_quorum::{
    DescribeQuorumRequest, RequestPartitionData, RequestTopicData,
};
use headwater_protocol::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use headwater_protocol::messages::list_partition_reassignments::ListPartitionReassignmentsRequest;
use headwater_protocol::messages::update_features::{
    FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

use crate::support::batches::batch;
use crate::support::durable_in;
use crate::support::wire::Wire;

fn code(error: ErrorCode) -> i16 {
    error.into()
}

fn delete_request(topic: &str, partition_index: i32, offset: i64) -> DeleteRecordsRequest {
    DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: topic.to_owned(),
            partitions: vec![DeleteRecordsPartition {
                partition_index,
                offset,
            }],
        }],
        timeout_ms: 1_000,
    }
}

/// Low watermark and error code.
async fn delete_records(wire: &mut Wire, topic: &str, partition: i32, offset: i64) -> (i64, i16) {
    let request = delete_request(topic, partition, offset);
    let mut response = wire.call(2, &request).await;
    let result = response.topics.remove(0).partitions.remove(0);
    (result.low_watermark, result.error_code)
}

#[tokio::test]
async fn delete_records_moves_the_log_start_and_below_it_is_offset_out_of_range() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    for _ in 0..5 {
        wire.produce("orders", 0, batch(&["a", "b"])).await;
    }
    assert_eq!(delete_records(&mut wire, "orders", 0, 4).await, (4, 0));
    // What is gone already changes nothing.
    assert_eq!(delete_records(&mut wire, "orders", 0, 2).await, (4, 0));
    let out_of_range = (-1, code(ErrorCode::OffsetOutOfRange));
    assert_eq!(
        delete_records(&mut wire, "orders", 0, 11).await,
        out_of_range
    );
    assert_eq!(
        delete_records(&mut wire, "orders", 0, -2).await,
        out_of_range
    );
    let below = wire.fetch("orders", 0, 3).await;
    assert_eq!(below.error_code, code(ErrorCode::OffsetOutOfRange));
    let above = wire.fetch("orders", 0, 4).await;
    assert_eq!((above.error_code, above.log_start_offset), (0, 4));
    broker.abandon().await;

    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    assert_eq!(wire.fetch("orders", 0, 4).await.log_start_offset, 4);
    // -1 is the high watermark.
    assert_eq!(delete_records(&mut wire, "orders", 0, -1).await, (10, 0));
    assert_eq!(wire.fetch("orders", 0, 10).await.error_code, 0);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn records_are_deleted_only_where_the_topic_deletes() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic_with("compacted", 1, &[("cleanup.policy", "compact")])
        .await;
    wire.create_topic_with("both", 1, &[("cleanup.policy", "compact,delete")])
        .await;
    wire.call(
        4,
        &headwater_protocol::messages::find_coordinator::FindCoordinatorRequest {
            coordinator_keys: vec!["group".to_owned()],
            ..Default::default()
        },
    )
    .await;
    for (topic, partition, low_watermark, error) in [
        ("compacted", 0, -1, ErrorCode::PolicyViolation),
        ("both", 0, 0, ErrorCode::None),
        (
            "__consumer_offsets",
            0,
            -1,
            ErrorCode::InvalidTopicException,
        ),
        (
            "__consumer_offsets",
            99,
            -1,
            ErrorCode::UnknownTopicOrPartition,
        ),
        ("unknown", 0, -1, ErrorCode::UnknownTopicOrPartition),
        ("both", 1, -1, ErrorCode::UnknownTopicOrPartition),
    ] {
        let answer = delete_records(&mut wire, topic, partition, -1).await;
        assert_eq!(answer, (low_watermark, code(error)), "{topic}-{partition}");
    }
}

#[tokio::test]
async fn the_data_directory_is_described_with_sizes_and_room() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 2).await;
    wire.create_topic("payments", 1).await;
    wire.produce("orders", 1, batch(&["a"])).await;
    let all = DescribeLogDirsRequest { topics: None };
    for version in 1..=5 {
        let response = wire.call(version, &all).await;
        assert_eq!((response.error_code, response.results.len()), (0, 1));
        let directory = &response.results[0];
        assert_eq!(directory.error_code, 0);
        assert_eq!(directory.log_dir, root.path().display().to_string());
        assert_eq!(directory.topics.len(), 2);
        let sizes: Vec<bool> = directory.topics[0]
            .partitions
            .iter()
            .map(|partition| partition.partition_size > 0)
            .collect();
        assert_eq!(sizes, [false, true]);
        assert_eq!(directory.total_bytes > 0, version >= 4);
        assert!(directory.usable_bytes <= directory.total_bytes);
    }
    let wanted = |topic: &str, partitions: &[i32]| DescribableLogDirTopic {
        topic: topic.to_owned(),
        partitions: partitions.to_vec(),
    };
    let some = DescribeLogDirsRequest {
        topics: Some(vec![wanted("orders", &[1, 7]), wanted("unknown", &[0])]),
    };
    let topics = wire.call(4, &some).await.results.remove(0).topics;
    assert_eq!((topics.len(), topics[0].partitions.len()), (1, 1));
    assert_eq!(topics[0].partitions[0].partition_index, 1);
    broker.stop().await.unwrap();
}

fn quorum_of(topic: &str, partition_index: i32) -> DescribeQuorumRequest {
    DescribeQuorumRequest {
        topics: vec![RequestTopicData {
            topic_name: topic.to_owned(),
            partitions: vec![RequestPartitionData { partition_index }],
        }],
    }
}

#[tokio::test]
async fn the_quorum_is_this_node_and_its_offsets_grow_with_the_metadata() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let mut offsets = Vec::new();
    for version in 0..=2 {
        wire.create_topic(&format!("topic-{version}"), 1).await;
        let mut response = wire
            .call(version, &quorum_of("__cluster_metadata", 0))
            .await;
        let partition = response.topics.remove(0).partitions.remove(0);
        assert_eq!((partition.error_code, partition.leader_id), (0, 1));
        assert_eq!(partition.current_voters.len(), 1);
        assert!(partition.observers.is_empty());
        let voter = &partition.current_voters[0];
        assert_eq!(voter.log_end_offset, partition.high_watermark);
        assert_eq!(voter.last_fetch_timestamp > 0, version >= 1);
        assert_eq!(response.nodes.len(), usize::from(version >= 2));
        offsets.push(partition.high_watermark);
    }
    assert!(
        offsets.windows(2).all(|pair| pair[0] < pair[1]),
        "{offsets:?}"
    );
    for (topic, partition) in [("orders", 0), ("__cluster_metadata", 1)] {
        let response = wire.call(2, &quorum_of(topic, partition)).await;
        let found = response.topics[0].partitions[0].error_code;
        assert_eq!(found, code(ErrorCode::UnknownTopicOrPartition));
    }
}

#[tokio::test]
async fn no_election_is_needed_and_no_partition_moves() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let wanted = |topic: &str, partitions: &[i32]| TopicPartitions {
        topic: topic.to_owned(),
        partitions: partitions.to_vec(),
    };
    let mut request = ElectLeadersRequest {
        topic_partitions: Some(vec![wanted("orders", &[0, 9]), wanted("unknown", &[0])]),
        ..ElectLeadersRequest::default()
    };
    for version in 0..=2 {
        let response = wire.call(version, &request).await;
        let codes: Vec<i16> = response
            .replica_election_results
            .iter()
            .flat_map(|topic| &topic.partition_result)
            .map(|partition| partition.error_code)
            .collect();
        let unknown = code(ErrorCode::UnknownTopicOrPartition);
        assert_eq!(
            codes,
            [code(ErrorCode::ElectionNotNeeded), unknown, unknown]
        );
    }
    request.election_type = 7;
    let refused = wire.call(2, &request).await;
    assert_eq!(refused.error_code, code(ErrorCode::InvalidRequest));
    request.election_type = 1;
    request.topic_partitions = None;
    let all = wire.call(2, &request).await;
    assert!(all.replica_election_results[0].partition_result.is_empty());
    let moving = ListPartitionReassignmentsRequest::default();
    let response = wire.call(0, &moving).await;
    assert_eq!((response.error_code, response.topics.len()), (0, 0));
}

#[tokio::test]
async fn endpoints_of_controllers_are_elsewhere_and_of_others_unknown() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    for (endpoint_type, error) in [
        (1, ErrorCode::None),
        (2, ErrorCode::MismatchedEndpointType),
        (3, ErrorCode::UnsupportedEndpointType),
    ] {
        let request = DescribeClusterRequest {
            endpoint_type,
            include_fenced_brokers: true,
            ..DescribeClusterRequest::default()
        };
        let response = wire.call(2, &request).await;
        assert_eq!(response.error_code, code(error));
        assert_eq!(
            response.brokers.len(),
            usize::from(error == ErrorCode::None)
        );
    }
}

fn update(name: &str, level: i16, upgrade_type: i8) -> UpdateFeaturesRequest {
    UpdateFeaturesRequest {
        feature_updates: vec![FeatureUpdateKey {
            feature: name.to_owned(),
            max_version_level: level,
            allow_downgrade: false,
            upgrade_type,
        }],
        ..UpdateFeaturesRequest::default()
    }
}

async fn level(wire: &mut Wire, name: &str) -> Option<i16> {
    let request = ApiVersionsRequest {
        client_software_name: "raw".to_owned(),
        client_software_version: "1".to_owned(),
    };
    let response = wire.call(4, &request).await;
    let feature = response
        .finalized_features
        .iter()
        .find(|feature| feature.name == name)?;
    Some(feature.max_version_level)
}

fn refused(response: &UpdateFeaturesResponse) -> bool {
    response.error_code == code(ErrorCode::InvalidUpdateVersion) && response.results.is_empty()
}

#[tokio::test]
async fn features_go_up_and_down_as_asked_and_stay_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let name = "transaction.version";
    assert_eq!(level(&mut wire, name).await, Some(2));
    // Up only, unless the request says down.
    assert!(refused(&wire.call(1, &update(name, 1, 1)).await));
    assert!(refused(&wire.call(1, &update(name, 3, 1)).await));
    assert!(refused(&wire.call(2, &update("share.version", 1, 1)).await));
    let mut only_checked = update(name, 1, 2);
    only_checked.validate_only = true;
    assert_eq!(wire.call(2, &only_checked).await.error_code, 0);
    assert_eq!(level(&mut wire, name).await, Some(2));
    let lowered = wire.call(1, &update(name, 0, 2)).await;
    assert_eq!((lowered.error_code, lowered.results.len()), (0, 1));
    assert_eq!(level(&mut wire, name).await, None);
    broker.abandon().await;

    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    assert_eq!(level(&mut wire, name).await, None);
    // Version 0 knows no types: one may go down if the request allows it.
    assert_eq!(wire.call(0, &update(name, 2, 1)).await.error_code, 0);
    let mut downgrade = update(name, 1, 1);
    assert!(refused(&wire.call(0, &downgrade).await));
    downgrade.feature_updates[0].allow_downgrade = true;
    assert_eq!(wire.call(0, &downgrade).await.error_code, 0);
    assert_eq!(level(&mut wire, name).await, Some(1));
    broker.stop().await.unwrap();
}
