//! Which versions of which APIs there are: those of Kafka.

use headwater_protocol::{ApiKey, Message, Request, messages};

use crate::apis::every_api;

/// The ranges that Apache Kafka 4.3.1 advertises for these APIs, with the first flexible version (-1:
/// there is none).
/// (Produce is advertised from 0 and served from 3; of `InitProducerId`, 6 is not stable.)
const KAFKA: [(i16, &str, i16, i16, i16); 52] = [
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
    (17, "SaslHandshake", 0, 1, -1),
    (18, "ApiVersions", 0, 4, 3),
    (19, "CreateTopics", 2, 7, 5),
    (20, "DeleteTopics", 1, 6, 4),
    (21, "DeleteRecords", 0, 2, 2),
    (22, "InitProducerId", 0, 5, 2),
    (23, "OffsetForLeaderEpoch", 2, 4, 4),
    (24, "AddPartitionsToTxn", 0, 5, 3),
    (25, "AddOffsetsToTxn", 0, 4, 3),
    (26, "EndTxn", 0, 5, 3),
    (27, "WriteTxnMarkers", 1, 2, 1),
    (28, "TxnOffsetCommit", 0, 5, 3),
    (29, "DescribeAcls", 1, 3, 2),
    (30, "CreateAcls", 1, 3, 2),
    (31, "DeleteAcls", 1, 3, 2),
    (32, "DescribeConfigs", 1, 4, 4),
    (33, "AlterConfigs", 0, 2, 2),
    (35, "DescribeLogDirs", 1, 5, 2),
    (36, "SaslAuthenticate", 0, 2, 2),
    (37, "CreatePartitions", 0, 3, 2),
    (42, "DeleteGroups", 0, 2, 2),
    (43, "ElectLeaders", 0, 2, 2),
    (44, "IncrementalAlterConfigs", 0, 1, 1),
    (46, "ListPartitionReassignments", 0, 0, 0),
    (47, "OffsetDelete", 0, 0, -1),
    (48, "DescribeClientQuotas", 0, 1, 1),
    (49, "AlterClientQuotas", 0, 1, 1),
    (50, "DescribeUserScramCredentials", 0, 0, 0),
    (51, "AlterUserScramCredentials", 0, 0, 0),
    (55, "DescribeQuorum", 0, 2, 0),
    (57, "UpdateFeatures", 0, 2, 0),
    (60, "DescribeCluster", 0, 2, 0),
    (61, "DescribeProducers", 0, 0, 0),
    (65, "DescribeTransactions", 0, 0, 0),
    (66, "ListTransactions", 0, 2, 0),
    (68, "ConsumerGroupHeartbeat", 0, 1, 0),
    (69, "ConsumerGroupDescribe", 0, 1, 0),
    (74, "ListConfigResources", 0, 1, 0),
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
        R::FIRST_FLEXIBLE.unwrap_or(-1),
    )
}

macro_rules! rows {
    ($($module:ident $request:ident $response:ident;)*) => {
        [$(row::<messages::$module::$request>()),*]
    };
}

#[test]
fn versions_are_those_that_kafka_advertises() {
    let mut rows = every_api!(rows);
    rows.sort_by_key(|(key, ..)| *key);
    assert_eq!(rows, KAFKA);
    assert_eq!(ApiKey::ALL.len(), 93);
}
