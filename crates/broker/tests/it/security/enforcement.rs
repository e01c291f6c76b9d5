//! What ACLs keep whom from: what is refused is told apart from what is granted in one request, and
//! nothing that is refused is disclosed.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic,
};
use headwater_protocol::messages::consumer_group_describe::ConsumerGroupDescribeRequest;
use headwater_protocol::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use headwater_protocol::messages::describe_client_quotas::DescribeClientQuotasRequest;
use headwater_protocol::messages::describe_cluster::DescribeClusterRequest;
use headwater_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use headwater_protocol::messages::find_coordinator::FindCoordinatorRequest;
use headwater_protocol::messages::init_producer_id::InitProducerIdRequest;
use headwater_protocol::messages::join_group::JoinGroupRequest;
use headwater_protocol::messages::list_groups::ListGroupsRequest;
use headwater_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use headwater_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use headwater_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use headwater_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use headwater_protocol::messages::produce::ProduceRequest;

use super::acls::{
    ALLOW, DESCRIBE, GROUP, LITERAL, PREFIXED, READ, TOPIC, TRANSACTIONAL_ID, WRITE, create, entry,
};
use super::{NONE, authorizing, connected_as};
use crate::support::batches::batch;
use crate::support::wire::{FETCH, PRODUCE, Wire, fetch_request, produce_request};
use headwater_broker::Broker;

const TOPIC_REFUSED: i16 = ErrorCode::TopicAuthorizationFailed as i16;
const GROUP_REFUSED: i16 = ErrorCode::GroupAuthorizationFailed as i16;
const CLUSTER_REFUSED: i16 = ErrorCode::ClusterAuthorizationFailed as i16;
const ID_REFUSED: i16 = ErrorCode::TransactionalIdAuthorizationFailed as i16;

/// Three topics: one that alice may read, one that she may write, one that is not for her.
async fn node() -> (Broker, Wire, Wire) {
    let broker = authorizing().await;
    let mut admin = connected_as(&broker, "admin").await;
    for topic in ["readable", "writable", "hidden"] {
        admin.create_topic(topic, 1).await;
    }
    let entries = vec![
        entry(TOPIC, LITERAL, "readable", READ, ALLOW),
        entry(TOPIC, LITERAL, "writable", WRITE, ALLOW),
    ];
    assert_eq!(create(&mut admin, entries).await, [NONE; 2]);
    let alice = connected_as(&broker, "alice").await;
    (broker, admin, alice)
}

#[tokio::test]
async fn produce_takes_what_may_be_written_and_refuses_the_rest() {
    let (_broker, _admin, mut alice) = node().await;
    let mut request = produce_request("writable", 0, batch(&["a"]));
    for topic in ["readable", "hidden"] {
        let more = produce_request(topic, 0, batch(&["a"]));
        request.topic_data.extend(more.topic_data);
    }
    let response = alice.call(PRODUCE, &request).await;
    let codes: Vec<_> = response
        .responses
        .iter()
        .map(|topic| (topic.name.as_str(), topic.partition_responses[0].error_code))
        .collect();
    assert_eq!(
        codes,
        [
            ("writable", NONE),
            ("readable", TOPIC_REFUSED),
            ("hidden", TOPIC_REFUSED)
        ]
    );
}

#[tokio::test]
async fn a_producer_without_answers_learns_of_its_refusal_by_losing_its_connection() {
    let (_broker, _admin, mut alice) = node().await;
    let request = ProduceRequest {
        acks: 0,
        ..produce_request("hidden", 0, batch(&["a"]))
    };
    alice.send(PRODUCE, 1, &request).await;
    assert!(alice.is_closed().await);
}

#[tokio::test]
async fn fetch_reads_what_may_be_read_and_keeps_no_session_that_would_go_on_without_asking() {
    let (_broker, mut admin, mut alice) = node().await;
    assert_eq!(
        admin.produce("readable", 0, batch(&["a"])).await.error_code,
        NONE
    );
    let mut request = fetch_request("readable", &[(0, 0)]);
    request
        .topics
        .extend(fetch_request("writable", &[(0, 0)]).topics);
    request.session_epoch = 0;
    let response = alice.call(FETCH, &request).await;
    assert_eq!((response.error_code, response.session_id), (NONE, 0));
    let partitions: Vec<_> = response
        .responses
        .iter()
        .map(|topic| {
            let partition = &topic.partitions[0];
            let bytes = partition.records.as_ref().map_or(0, bytes::Bytes::len);
            (topic.topic.as_str(), partition.error_code, bytes > 0)
        })
        .collect();
    assert_eq!(
        partitions,
        [("readable", NONE, true), ("writable", TOPIC_REFUSED, false)]
    );
}

#[tokio::test]
async fn list_offsets_refuses_what_may_not_be_described() {
    let (_broker, _admin, mut alice) = node().await;
    let topic = |name: &str| ListOffsetsTopic {
        name: name.to_owned(),
        partitions: vec![ListOffsetsPartition {
            timestamp: -1,
            ..ListOffsetsPartition::default()
        }],
    };
    let request = ListOffsetsRequest {
        topics: ["readable", "writable", "hidden", "absent"]
            .map(topic)
            .to_vec(),
        ..ListOffsetsRequest::default()
    };
    let topics = alice.call(7, &request).await.topics;
    let codes: Vec<_> = topics
        .iter()
        .map(|topic| topic.partitions[0].error_code)
        .collect();
    assert_eq!(codes, [NONE, NONE, TOPIC_REFUSED, TOPIC_REFUSED]);
}

#[tokio::test]
async fn metadata_does_not_disclose_topics_nor_makes_them_for_those_who_may_not() {
    let (_broker, mut admin, mut alice) = node().await;
    let all = MetadataRequest {
        topics: None,
        include_topic_authorized_operations: true,
        ..MetadataRequest::default()
    };
    let shown: Vec<_> = alice
        .call(9, &all)
        .await
        .topics
        .into_iter()
        .map(|topic| (topic.name.unwrap(), topic.topic_authorized_operations))
        .collect();
    assert_eq!(
        shown,
        [
            ("readable".to_owned(), 1 << READ | 1 << DESCRIBE),
            ("writable".to_owned(), 1 << WRITE | 1 << DESCRIBE)
        ]
    );
    let named = MetadataRequest {
        topics: Some(
            ["readable", "hidden", "absent"]
                .map(|name| MetadataRequestTopic {
                    name: Some(name.to_owned()),
                    ..MetadataRequestTopic::default()
                })
                .to_vec(),
        ),
        ..MetadataRequest::default()
    };
    let codes = |topics: Vec<headwater_protocol::messages::metadata::MetadataResponseTopic>| {
        topics
            .iter()
            .map(|topic| topic.error_code)
            .collect::<Vec<_>>()
    };
    let told = codes(alice.call(9, &named).await.topics);
    assert_eq!(told, [NONE, TOPIC_REFUSED, TOPIC_REFUSED]);

    // Who may describe a topic that is not there has it made only if it may be created too.
    create(
        &mut admin,
        vec![entry(TOPIC, LITERAL, "absent", DESCRIBE, ALLOW)],
    )
    .await;
    let told = codes(alice.call(9, &named).await.topics);
    assert_eq!(told, [NONE, TOPIC_REFUSED, TOPIC_REFUSED]);
    let quiet = MetadataRequest {
        allow_auto_topic_creation: false,
        ..named
    };
    let told = codes(admin.call(9, &quiet).await.topics);
    assert_eq!(
        told,
        [NONE, NONE, i16::from(ErrorCode::UnknownTopicOrPartition)]
    );
}

#[tokio::test]
async fn a_name_that_may_be_known_opens_no_topic_by_an_id_beside_it() {
    let (_broker, mut admin, mut alice) = node().await;
    let all = MetadataRequest {
        topics: None,
        ..MetadataRequest::default()
    };
    let topics = admin.call(12, &all).await.topics;
    let hidden = topics
        .iter()
        .find(|topic| topic.name.as_deref() == Some("hidden"));
    let request = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some("readable".to_owned()),
            topic_id: hidden.unwrap().topic_id,
        }]),
        ..MetadataRequest::default()
    };
    let topics = alice.call(12, &request).await.topics;
    assert_eq!(topics.len(), 1);
    assert_eq!(topics[0].error_code, TOPIC_REFUSED);
    assert!(topics[0].partitions.is_empty());
}

#[tokio::test]
async fn a_consumer_group_is_described_to_those_who_may_describe_its_topics() {
    let (_broker, mut admin, mut alice) = node().await;
    create(&mut admin, vec![entry(GROUP, PREFIXED, "of-", READ, ALLOW)]).await;
    for (group, topic) in [("of-alice", "readable"), ("of-admin", "hidden")] {
        let join = ConsumerGroupHeartbeatRequest {
            group_id: group.to_owned(),
            member_id: "member".to_owned(),
            rebalance_timeout_ms: 30_000,
            subscribed_topic_names: Some(vec![topic.to_owned()]),
            topic_partitions: Some(Vec::new()),
            ..ConsumerGroupHeartbeatRequest::default()
        };
        assert_eq!(admin.call(1, &join).await.error_code, NONE);
    }
    let describe = ConsumerGroupDescribeRequest {
        group_ids: vec!["of-alice".to_owned(), "of-admin".to_owned()],
        ..ConsumerGroupDescribeRequest::default()
    };
    let groups = alice.call(1, &describe).await.groups;
    let told: Vec<_> = groups
        .iter()
        .map(|group| (group.error_code, group.members.len()))
        .collect();
    assert_eq!(told, [(NONE, 1), (TOPIC_REFUSED, 0)]);
}

#[tokio::test]
async fn groups_are_for_those_who_may_read_or_describe_them() {
    let (_broker, mut admin, mut alice) = node().await;
    let join = JoinGroupRequest {
        group_id: "of-alice".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".to_owned(),
        ..JoinGroupRequest::default()
    };
    assert_eq!(alice.call(5, &join).await.error_code, GROUP_REFUSED);
    create(
        &mut admin,
        vec![entry(GROUP, PREFIXED, "of-alice", READ, ALLOW)],
    )
    .await;
    assert_ne!(alice.call(5, &join).await.error_code, GROUP_REFUSED);

    let find = FindCoordinatorRequest {
        coordinator_keys: vec!["of-alice".to_owned(), "of-bob".to_owned()],
        ..FindCoordinatorRequest::default()
    };
    let found = alice.call(4, &find).await.coordinators;
    let codes: Vec<_> = found
        .iter()
        .map(|found| (found.key.as_str(), found.error_code))
        .collect();
    assert_eq!(codes, [("of-alice", NONE), ("of-bob", GROUP_REFUSED)]);

    let commit = |group: &str| OffsetCommitRequest {
        group_id: group.to_owned(),
        topics: ["readable", "hidden"]
            .map(|name| OffsetCommitRequestTopic {
                name: name.to_owned(),
                partitions: vec![OffsetCommitRequestPartition::default()],
                ..OffsetCommitRequestTopic::default()
            })
            .to_vec(),
        ..OffsetCommitRequest::default()
    };
    for (wire, group, expected) in [
        (&mut alice, "of-alice", [NONE, TOPIC_REFUSED]),
        (&mut admin, "of-bob", [NONE, NONE]),
    ] {
        let topics = wire.call(8, &commit(group)).await.topics;
        let codes: Vec<_> = topics
            .iter()
            .map(|topic| topic.partitions[0].error_code)
            .collect();
        assert_eq!(codes, expected, "{group}");
    }
    let refused = alice.call(8, &commit("of-bob")).await.topics;
    assert_eq!(refused[0].partitions[0].error_code, GROUP_REFUSED);

    let groups = alice.call(4, &ListGroupsRequest::default()).await.groups;
    let names: Vec<_> = groups.iter().map(|group| group.group_id.as_str()).collect();
    assert_eq!(names, ["of-alice"]);
}

#[tokio::test]
async fn committed_offsets_of_topics_that_may_not_be_described_are_kept_back() {
    let (_broker, mut admin, mut alice) = node().await;
    create(&mut admin, vec![entry(GROUP, LITERAL, "g", READ, ALLOW)]).await;
    let commit = OffsetCommitRequest {
        group_id: "g".to_owned(),
        topics: ["readable", "hidden"]
            .map(|name| OffsetCommitRequestTopic {
                name: name.to_owned(),
                partitions: vec![OffsetCommitRequestPartition {
                    committed_offset: 7,
                    ..OffsetCommitRequestPartition::default()
                }],
                ..OffsetCommitRequestTopic::default()
            })
            .to_vec(),
        ..OffsetCommitRequest::default()
    };
    admin.call(8, &commit).await;
    let group = |group: &str, topics| OffsetFetchRequestGroup {
        group_id: group.to_owned(),
        topics,
        ..OffsetFetchRequestGroup::default()
    };
    let named = ["readable", "hidden"].map(|name| OffsetFetchRequestTopics {
        name: name.to_owned(),
        partition_indexes: vec![0],
        ..OffsetFetchRequestTopics::default()
    });
    for (topics, expected) in [
        (None, vec![("readable", NONE, 7)]),
        (
            Some(named.to_vec()),
            vec![("readable", NONE, 7), ("hidden", TOPIC_REFUSED, -1)],
        ),
    ] {
        let request = OffsetFetchRequest {
            groups: vec![group("g", topics), group("other", None)],
            ..OffsetFetchRequest::default()
        };
        let groups = alice.call(8, &request).await.groups;
        let codes: Vec<_> = groups
            .iter()
            .map(|group| (&*group.group_id, group.error_code))
            .collect();
        assert_eq!(codes, [("g", NONE), ("other", GROUP_REFUSED)]);
        let offsets: Vec<_> = groups[0]
            .topics
            .iter()
            .map(|topic| {
                let partition = &topic.partitions[0];
                (
                    &*topic.name,
                    partition.error_code,
                    partition.committed_offset,
                )
            })
            .collect();
        assert_eq!(offsets, expected);
    }
}

#[tokio::test]
async fn transactional_ids_and_producer_ids_are_for_those_who_may_write() {
    let (broker, mut admin, mut alice) = node().await;
    let transactional = InitProducerIdRequest {
        transactional_id: Some("copy".to_owned()),
        transaction_timeout_ms: 10_000,
        ..InitProducerIdRequest::default()
    };
    assert_eq!(alice.call(4, &transactional).await.error_code, ID_REFUSED);
    // She may write to some topic, and so be idempotent.
    let idempotent = InitProducerIdRequest::default();
    assert_eq!(alice.call(4, &idempotent).await.error_code, NONE);

    create(
        &mut admin,
        vec![entry(TRANSACTIONAL_ID, LITERAL, "copy", WRITE, ALLOW)],
    )
    .await;
    let mut given = alice.call(4, &transactional).await;
    for _ in 0..100 {
        if given.error_code == NONE {
            break;
        }
        // The coordinator may be loading yet.
        given = alice.call(4, &transactional).await;
    }
    assert_eq!(given.error_code, NONE);
    let add = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: "copy".to_owned(),
        v3_and_below_producer_id: given.producer_id,
        v3_and_below_producer_epoch: given.producer_epoch,
        v3_and_below_topics: ["writable", "readable"]
            .map(|name| AddPartitionsToTxnTopic {
                name: name.to_owned(),
                partitions: vec![0],
            })
            .to_vec(),
        ..AddPartitionsToTxnRequest::default()
    };
    let topics = alice.call(3, &add).await.results_by_topic_v3_and_below;
    let codes: Vec<_> = topics
        .iter()
        .map(|topic| topic.results_by_partition[0].partition_error_code)
        .collect();
    let not_attempted = i16::from(ErrorCode::OperationNotAttempted);
    assert_eq!(codes, [not_attempted, TOPIC_REFUSED]);
    drop(broker);
}

#[tokio::test]
async fn who_may_write_nowhere_gets_no_producer_id() {
    let broker = authorizing().await;
    let mut alice = connected_as(&broker, "alice").await;
    let response = alice.call(4, &InitProducerIdRequest::default()).await;
    assert_eq!(response.error_code, CLUSTER_REFUSED);
}

#[tokio::test]
async fn administration_is_for_administrators() {
    let (_broker, _admin, mut alice) = node().await;
    let resource = |resource_type, name: &str| DescribeConfigsResource {
        resource_type,
        resource_name: name.to_owned(),
        configuration_keys: None,
    };
    let configs = DescribeConfigsRequest {
        resources: vec![resource(2, "readable"), resource(4, "1"), resource(32, "g")],
        ..DescribeConfigsRequest::default()
    };
    let results = alice.call(4, &configs).await.results;
    let codes: Vec<_> = results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [TOPIC_REFUSED, CLUSTER_REFUSED, GROUP_REFUSED]);
    let cluster = DescribeClusterRequest {
        include_cluster_authorized_operations: true,
        ..DescribeClusterRequest::default()
    };
    assert_eq!(
        alice.call(0, &cluster).await.cluster_authorized_operations,
        0
    );
    let quotas = alice.call(1, &DescribeClientQuotasRequest::default()).await;
    assert_eq!(quotas.error_code, CLUSTER_REFUSED);
}
