//! Every API there is, once, for tests that go through all of them.

/// Calls the macro `$then` with `module Request Response;` for each API.
macro_rules! every_api {
    ($then:ident) => {
        $then! {
            api_versions ApiVersionsRequest ApiVersionsResponse;
            create_partitions CreatePartitionsRequest CreatePartitionsResponse;
            create_topics CreateTopicsRequest CreateTopicsResponse;
            delete_groups DeleteGroupsRequest DeleteGroupsResponse;
            delete_topics DeleteTopicsRequest DeleteTopicsResponse;
            describe_cluster DescribeClusterRequest DescribeClusterResponse;
            describe_configs DescribeConfigsRequest DescribeConfigsResponse;
            describe_groups DescribeGroupsRequest DescribeGroupsResponse;
            describe_topic_partitions DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse;
            fetch FetchRequest FetchResponse;
            find_coordinator FindCoordinatorRequest FindCoordinatorResponse;
            heartbeat HeartbeatRequest HeartbeatResponse;
            incremental_alter_configs IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse;
            init_producer_id InitProducerIdRequest InitProducerIdResponse;
            join_group JoinGroupRequest JoinGroupResponse;
            leave_group LeaveGroupRequest LeaveGroupResponse;
            list_groups ListGroupsRequest ListGroupsResponse;
            list_offsets ListOffsetsRequest ListOffsetsResponse;
            metadata MetadataRequest MetadataResponse;
            offset_commit OffsetCommitRequest OffsetCommitResponse;
            offset_fetch OffsetFetchRequest OffsetFetchResponse;
            offset_for_leader_epoch OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse;
            produce ProduceRequest ProduceResponse;
            sync_group SyncGroupRequest SyncGroupResponse;
        }
    };
}

pub(crate) use every_api;

use headwater_protocol::{ApiKey, Request, messages};

/// The ranges that Apache Kafka 4.3.1 advertises for these APIs, with the first flexible version.
/// (Produce is advertised from 0 and served from 3; of `InitProducerId`, 6 is not stable.)
const KAFKA: [(i16, &str, i16, i16, i16); 24] = [
    (0, "Produce", 3, 13, 9),
    (1, "Fetch", 4, 18, 12),
    (2, "ListOffsets", 1, 11, 6),
    (3, "Metadata", 0, 13, 9),
    (8, "OffsetCommit", 2, 10, 8),
    (9, "OffsetFetch", 1, 10, 6),
    (10, "FindCoordinator", 0, 6, 3),
    (11, "JoinGroup", 0, 9, 6),
    (12, "Heartbeat", 0, 4, 4),
    (13, "LeaveGroup", 0, 5, 4),
    (14, "SyncGroup", 0, 5, 4),
    (15, "DescribeGroups", 0, 6, 5),
    (16, "ListGroups", 0, 5, 3),
    (18, "ApiVersions", 0, 4, 3),
    (19, "CreateTopics", 2, 7, 5),
    (20, "DeleteTopics", 1, 6, 4),
    (22, "InitProducerId", 0, 5, 2),
    (23, "OffsetForLeaderEpoch", 2, 4, 4),
    (32, "DescribeConfigs", 1, 4, 4),
    (37, "CreatePartitions", 0, 3, 2),
    (42, "DeleteGroups", 0, 2, 2),
    (44, "IncrementalAlterConfigs", 0, 1, 1),
    (60, "DescribeCluster", 0, 2, 0),
    (75, "DescribeTopicPartitions", 0, 0, 0),
];

fn row<R: Request>() -> (i16, &'static str, i16, i16, i16) {
    assert_eq!(R::FIRST_FLEXIBLE, R::KEY.first_flexible());
    assert_eq!(R::FIRST_FLEXIBLE, R::SCHEMA.first_flexible);
    assert_eq!(R::Response::SCHEMA.first_flexible, R::FIRST_FLEXIBLE);
    let versions = R::VERSIONS;
    (
        R::KEY.into(),
        R::KEY.name(),
        *versions.start(),
        *versions.end(),
        R::FIRST_FLEXIBLE.unwrap(),
    )
}

macro_rules! rows {
    ($($module:ident $request:ident $response:ident;)*) => {
        [$(row::<messages::$module::$request>()),*]
    };
}

use headwater_protocol::Message;

#[test]
fn versions_are_those_that_kafka_advertises() {
    let mut rows = every_api!(rows);
    rows.sort_by_key(|(key, ..)| *key);
    assert_eq!(rows, KAFKA);
    assert_eq!(ApiKey::ALL.len(), 93);
}
