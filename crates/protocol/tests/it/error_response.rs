//! The answer that refuses everything: it names all that was asked for, and every version has it.

use bytes::Bytes;
use headwater_protocol::messages;
use headwater_protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use headwater_protocol::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialDeletion, ScramCredentialUpsertion,
};
use headwater_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use headwater_protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use headwater_protocol::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use headwater_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use headwater_protocol::messages::find_coordinator::FindCoordinatorRequest;
use headwater_protocol::messages::join_group::JoinGroupRequest;
use headwater_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use headwater_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use headwater_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic,
};
use headwater_protocol::messages::produce::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use headwater_protocol::messages::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest,
};
use headwater_protocol::{Decoder, Encoder, ErrorCode, Message, Request, Uuid};
use proptest::test_runner::{Config, TestRunner};

use crate::apis::every_api;
use crate::sample;

/// The answer as a client reads it at that version.
fn refusal<R: Request>(request: &R, version: i16) -> R::Response {
    let response = request.error_response(ErrorCode::KafkaStorageError, version);
    let mut out = Encoder::new();
    response.encode(&mut out, version).unwrap();
    let mut input = Decoder::new(out.into_bytes());
    let read = R::Response::decode(&mut input, version).unwrap();
    input.finish().unwrap();
    read
}

const CODE: i16 = ErrorCode::KafkaStorageError as i16;

fn any_request_can_be_refused<R: Request>() {
    for version in R::VERSIONS {
        let mut runner = TestRunner::new(Config {
            failure_persistence: None,
            ..Config::with_cases(16)
        });
        let outcome = runner.run(&sample::entropy(), |entropy| {
            let bytes = Bytes::from(sample::encoded::<R>(version, &entropy));
            let request = R::decode(&mut Decoder::new(bytes), version).unwrap();
            refusal(&request, version);
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{} at version {version}: {error}", R::SCHEMA.name);
        }
    }
}

macro_rules! tests {
    ($($module:ident $request:ident $response:ident;)*) => {$(
        #[test]
        fn $module() {
            any_request_can_be_refused::<messages::$module::$request>();
        }
    )*};
}

every_api!(tests);

const ID: Uuid = Uuid::from_u128(77);

#[test]
fn produce_names_each_partition() {
    let request = ProduceRequest {
        topic_data: vec![TopicProduceData {
            name: "t".to_owned(),
            topic_id: ID,
            partition_data: [3, 5]
                .map(|index| PartitionProduceData {
                    index,
                    records: None,
                })
                .to_vec(),
        }],
        ..ProduceRequest::default()
    };
    for version in ProduceRequest::VERSIONS {
        let response = refusal(&request, version);
        let [topic] = &response.responses[..] else {
            panic!("{response:?}");
        };
        if version < 13 {
            assert_eq!((topic.name.as_str(), topic.topic_id), ("t", Uuid::ZERO));
        } else {
            assert_eq!((topic.name.as_str(), topic.topic_id), ("", ID));
        }
        let partitions: Vec<_> = topic
            .partition_responses
            .iter()
            .map(|partition| (partition.index, partition.error_code, partition.base_offset))
            .collect();
        assert_eq!(partitions, [(3, CODE, -1), (5, CODE, -1)]);
    }
}

#[test]
fn fetch_names_each_partition_and_the_whole() {
    let request = FetchRequest {
        topics: vec![FetchTopic {
            topic: "t".to_owned(),
            topic_id: ID,
            partitions: vec![FetchPartition {
                partition: 9,
                ..FetchPartition::default()
            }],
        }],
        ..FetchRequest::default()
    };
    for version in FetchRequest::VERSIONS {
        let response = refusal(&request, version);
        assert_eq!(response.error_code, if version < 7 { 0 } else { CODE });
        let partition = &response.responses[0].partitions[0];
        assert_eq!(
            (
                partition.partition_index,
                partition.error_code,
                partition.high_watermark
            ),
            (9, CODE, -1)
        );
    }
}

#[test]
fn metadata_answers_a_topic_asked_for_by_id() {
    let request = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            topic_id: ID,
            name: None,
        }]),
        ..MetadataRequest::default()
    };
    for version in 10..=13 {
        let topic = refusal(&request, version).topics.remove(0);
        assert_eq!((topic.topic_id, topic.error_code), (ID, CODE));
        assert_eq!(topic.name.is_some(), version < 12);
    }
}

#[test]
fn offset_commit_names_each_partition() {
    let request = OffsetCommitRequest {
        topics: vec![OffsetCommitRequestTopic {
            name: "t".to_owned(),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: 4,
                ..OffsetCommitRequestPartition::default()
            }],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    };
    for version in OffsetCommitRequest::VERSIONS {
        let partition = refusal(&request, version).topics[0].partitions[0].clone();
        assert_eq!((partition.partition_index, partition.error_code), (4, CODE));
    }
}

#[test]
fn offset_fetch_names_partitions_then_groups() {
    let old = OffsetFetchRequest {
        group_id: "g".to_owned(),
        topics: Some(vec![OffsetFetchRequestTopic {
            name: "t".to_owned(),
            partition_indexes: vec![1],
        }]),
        ..OffsetFetchRequest::default()
    };
    for version in 1..=7 {
        let response = refusal(&old, version);
        assert_eq!(response.error_code, if version < 2 { 0 } else { CODE });
        let partition = &response.topics[0].partitions[0];
        assert_eq!(
            (
                partition.partition_index,
                partition.error_code,
                partition.committed_offset
            ),
            (1, CODE, -1)
        );
    }
    let new = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: "g".to_owned(),
            ..OffsetFetchRequestGroup::default()
        }],
        ..OffsetFetchRequest::default()
    };
    for version in 8..=10 {
        let group = refusal(&new, version).groups.remove(0);
        assert_eq!((group.group_id.as_str(), group.error_code), ("g", CODE));
    }
}

#[test]
fn find_coordinator_answers_each_key() {
    let one = FindCoordinatorRequest {
        key: "g".to_owned(),
        ..FindCoordinatorRequest::default()
    };
    for version in 0..=3 {
        let response = refusal(&one, version);
        assert_eq!((response.error_code, response.node_id), (CODE, -1));
    }
    let several = FindCoordinatorRequest {
        coordinator_keys: vec!["g".to_owned(), "h".to_owned()],
        ..FindCoordinatorRequest::default()
    };
    for version in 4..=6 {
        let keys: Vec<_> = refusal(&several, version)
            .coordinators
            .into_iter()
            .map(|coordinator| (coordinator.key, coordinator.error_code))
            .collect();
        assert_eq!(keys, [("g".to_owned(), CODE), ("h".to_owned(), CODE)]);
    }
}

#[test]
fn join_group_has_a_protocol_name_where_null_is_not_possible() {
    for version in JoinGroupRequest::VERSIONS {
        let response = refusal(&JoinGroupRequest::default(), version);
        assert_eq!((response.error_code, response.generation_id), (CODE, -1));
        assert_eq!(response.protocol_name.is_some(), version < 7);
    }
}

#[test]
fn delete_topics_names_names_and_ids() {
    let by_name = DeleteTopicsRequest {
        topic_names: vec!["a".to_owned(), "b".to_owned()],
        ..DeleteTopicsRequest::default()
    };
    assert_eq!(refusal(&by_name, 1).responses.len(), 2);
    let by_id = DeleteTopicsRequest {
        topics: vec![DeleteTopicState {
            name: None,
            topic_id: ID,
        }],
        ..DeleteTopicsRequest::default()
    };
    let topic = refusal(&by_id, 6).responses.remove(0);
    assert_eq!(
        (topic.name, topic.topic_id, topic.error_code),
        (None, ID, CODE)
    );
}

#[test]
fn add_partitions_to_txn_names_partitions_then_transactions() {
    let topics = vec![AddPartitionsToTxnTopic {
        name: "t".to_owned(),
        partitions: vec![2, 6],
    }];
    let one = AddPartitionsToTxnRequest {
        v3_and_below_topics: topics.clone(),
        ..AddPartitionsToTxnRequest::default()
    };
    for version in 0..=3 {
        let response = refusal(&one, version);
        assert_eq!(response.error_code, 0);
        let partitions: Vec<_> = response.results_by_topic_v3_and_below[0]
            .results_by_partition
            .iter()
            .map(|partition| (partition.partition_index, partition.partition_error_code))
            .collect();
        assert_eq!(partitions, [(2, CODE), (6, CODE)]);
    }
    let several = AddPartitionsToTxnRequest {
        transactions: vec![AddPartitionsToTxnTransaction {
            transactional_id: "a".to_owned(),
            topics,
            ..AddPartitionsToTxnTransaction::default()
        }],
        ..AddPartitionsToTxnRequest::default()
    };
    for version in 4..=5 {
        let response = refusal(&several, version);
        assert_eq!(response.error_code, CODE);
        let transaction = &response.results_by_transaction[0];
        assert_eq!(transaction.transactional_id, "a");
        assert_eq!(transaction.topic_results[0].results_by_partition.len(), 2);
    }
}

#[test]
fn write_txn_markers_names_each_partition_of_each_marker() {
    let request = WriteTxnMarkersRequest {
        markers: vec![WritableTxnMarker {
            producer_id: 12,
            topics: vec![WritableTxnMarkerTopic {
                name: "t".to_owned(),
                partition_indexes: vec![1],
            }],
            ..WritableTxnMarker::default()
        }],
    };
    for version in WriteTxnMarkersRequest::VERSIONS {
        let marker = refusal(&request, version).markers.remove(0);
        let partition = &marker.topics[0].partitions[0];
        assert_eq!(
            (
                marker.producer_id,
                partition.partition_index,
                partition.error_code
            ),
            (12, 1, CODE)
        );
    }
}

#[test]
fn delete_records_tells_no_low_watermark() {
    let request = DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: "t".to_owned(),
            partitions: vec![DeleteRecordsPartition {
                partition_index: 3,
                offset: 40,
            }],
        }],
        ..DeleteRecordsRequest::default()
    };
    for version in DeleteRecordsRequest::VERSIONS {
        let partition = refusal(&request, version).topics[0].partitions[0].clone();
        assert_eq!(
            (
                partition.partition_index,
                partition.low_watermark,
                partition.error_code
            ),
            (3, -1, CODE)
        );
    }
}

#[test]
fn alter_user_scram_credentials_names_each_user_once() {
    let request = AlterUserScramCredentialsRequest {
        deletions: vec![ScramCredentialDeletion {
            name: "b".to_owned(),
            mechanism: 1,
        }],
        upsertions: ["a", "b"]
            .map(|name| ScramCredentialUpsertion {
                name: name.to_owned(),
                ..ScramCredentialUpsertion::default()
            })
            .to_vec(),
    };
    let users: Vec<_> = refusal(&request, 0)
        .results
        .into_iter()
        .map(|result| (result.user, result.error_code))
        .collect();
    assert_eq!(users, [("a".to_owned(), CODE), ("b".to_owned(), CODE)]);
}

#[test]
fn elect_leaders_names_each_partition_and_the_whole_where_there_is_a_place() {
    let request = ElectLeadersRequest {
        topic_partitions: Some(vec![TopicPartitions {
            topic: "t".to_owned(),
            partitions: vec![5],
        }]),
        ..ElectLeadersRequest::default()
    };
    for version in ElectLeadersRequest::VERSIONS {
        let response = refusal(&request, version);
        assert_eq!(response.error_code, if version == 0 { 0 } else { CODE });
        let partition = &response.replica_election_results[0].partition_result[0];
        assert_eq!((partition.partition_id, partition.error_code), (5, CODE));
    }
}
