//! What clients are told of topics and of the node.

use headwater_broker::Broker;
use headwater_protocol::messages::describe_cluster::DescribeClusterRequest;
use headwater_protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, TopicRequest,
};
use headwater_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use headwater_protocol::{ErrorCode, Uuid};

use crate::support::wire::Wire;
use crate::support::{durable_in, ephemeral_with};

const NOT_ASKED: i32 = i32::MIN;

fn named(names: &[&str]) -> MetadataRequest {
    let topics = names
        .iter()
        .map(|name| MetadataRequestTopic {
            name: Some((*name).to_owned()),
            ..MetadataRequestTopic::default()
        })
        .collect();
    MetadataRequest {
        topics: Some(topics),
        ..MetadataRequest::default()
    }
}

fn all() -> MetadataRequest {
    MetadataRequest {
        topics: None,
        ..MetadataRequest::default()
    }
}

#[tokio::test]
async fn no_topics_means_all_in_version_0_and_none_after_it() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("a", 1).await;
    wire.create_topic("b", 2).await;
    for (version, request, count) in [
        (0, named(&[]), 2),
        (1, named(&[]), 0),
        (1, all(), 2),
        (13, named(&[]), 0),
        (13, all(), 2),
    ] {
        let response = wire.call(version, &request).await;
        assert_eq!(response.topics.len(), count, "version {version}");
        assert_eq!(response.brokers.len(), 1);
    }
}

#[tokio::test]
async fn the_advertised_listener_is_the_one_the_client_came_in_on() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let id = wire.create_topic("orders", 2).await;
    let response = wire.call(12, &all()).await;
    let node = &response.brokers[0];
    assert_eq!((node.node_id, response.controller_id), (1, 1));
    assert_eq!(
        (node.host.as_str(), node.port),
        ("127.0.0.1", i32::from(broker.local_addr().port()))
    );
    let topic = &response.topics[0];
    assert_eq!((topic.topic_id, topic.is_internal), (id, false));
    assert_eq!(topic.topic_authorized_operations, NOT_ASKED);
    let partition = &topic.partitions[1];
    assert_eq!((partition.partition_index, partition.error_code), (1, 0));
    assert_eq!((partition.leader_id, partition.leader_epoch), (1, 0));
    assert_eq!(
        (&partition.replica_nodes, &partition.isr_nodes),
        (&vec![1], &vec![1])
    );
}

#[tokio::test]
async fn the_settings_can_name_another_address() {
    let root = tempfile::tempdir().unwrap();
    let mut settings = durable_in(root.path());
    settings.advertised = Some(("store.example".to_owned(), 443));
    let broker = Broker::start(settings).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let node = wire.call(12, &all()).await.brokers.remove(0);
    assert_eq!((node.host.as_str(), node.port), ("store.example", 443));
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn unknown_topic_id_after_a_topic_is_made_again() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let old = wire.create_topic("orders", 1).await;
    wire.delete_topic("orders").await;
    let new = wire.create_topic("orders", 1).await;
    for (topic_id, code) in [(old, ErrorCode::UnknownTopicId), (new, ErrorCode::None)] {
        // The Java client sends the schema's default name beside an id: ids win, and names are not looked at.
        for name in [None, Some(String::new()), Some("other".to_owned())] {
            let by_id = MetadataRequestTopic { topic_id, name };
            let by_name = MetadataRequestTopic {
                topic_id: Uuid::ZERO,
                name: Some("orders".to_owned()),
            };
            let request = MetadataRequest {
                topics: Some(vec![by_id, by_name]),
                ..MetadataRequest::default()
            };
            for version in 12..=13 {
                let response = wire.call(version, &request).await;
                assert_eq!(response.topics.len(), 1, "{version}");
                let topic = &response.topics[0];
                assert_eq!(topic.error_code, i16::from(code), "{version}");
                assert_eq!(topic.topic_id, topic_id);
                assert_eq!(topic.name.is_some(), code == ErrorCode::None);
            }
        }
    }
}

#[tokio::test]
async fn auto_creation_honours_the_requests_flag_and_illegal_names_are_refused() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let mut request = named(&["fresh", "not/legal", "__cluster_metadata"]);
    request.allow_auto_topic_creation = false;
    let topics = wire.call(12, &request).await.topics;
    assert_eq!(
        topics[0].error_code,
        i16::from(ErrorCode::UnknownTopicOrPartition)
    );
    assert_eq!(
        topics[1].error_code,
        i16::from(ErrorCode::InvalidTopicException)
    );
    request.allow_auto_topic_creation = true;
    let topics = wire.call(12, &request).await.topics;
    assert_eq!((topics[0].error_code, topics[0].partitions.len()), (0, 1));
    assert_ne!(topics[0].topic_id, Uuid::ZERO);
    assert_eq!(
        topics[1].error_code,
        i16::from(ErrorCode::InvalidTopicException)
    );
    assert_eq!(
        topics[2].error_code,
        i16::from(ErrorCode::UnknownTopicOrPartition)
    );
}

#[tokio::test]
async fn before_version_4_every_request_allows_creation() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let topics = wire.call(1, &named(&["fresh"])).await.topics;
    assert_eq!((topics[0].error_code, topics[0].partitions.len()), (0, 1));
}

#[tokio::test]
async fn creation_by_use_can_be_switched_off() {
    let broker = ephemeral_with("auto.create.topics.enable", "false").await;
    let mut wire = Wire::to(&broker).await;
    let topics = wire.call(12, &named(&["fresh"])).await.topics;
    assert_eq!(
        topics[0].error_code,
        i16::from(ErrorCode::UnknownTopicOrPartition)
    );
}

#[tokio::test]
async fn the_topic_of_offsets_is_shown_as_internal_and_the_metadata_log_not_at_all() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let topics = wire.call(12, &named(&["__consumer_offsets"])).await.topics;
    assert_eq!(
        (topics[0].is_internal, topics[0].partitions.len()),
        (true, 50)
    );
    let names: Vec<_> = wire
        .call(12, &all())
        .await
        .topics
        .into_iter()
        .filter_map(|topic| topic.name)
        .collect();
    assert_eq!(names, ["__consumer_offsets"]);
    let metadata = wire.call(12, &named(&["__cluster_metadata"])).await.topics;
    assert_eq!(
        metadata[0].error_code,
        i16::from(ErrorCode::UnknownTopicOrPartition)
    );
}

#[tokio::test]
async fn authorized_operations_are_told_when_asked_for() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut request = named(&["orders"]);
    request.include_topic_authorized_operations = true;
    request.include_cluster_authorized_operations = true;
    let response = wire.call(8, &request).await;
    // Read, write, create, delete, alter, describe and both of configs.
    assert_eq!(
        response.topics[0].topic_authorized_operations,
        0b1101_1111_1000
    );
    assert_ne!(response.cluster_authorized_operations, NOT_ASKED);
}

#[tokio::test]
async fn the_cluster_is_one_node_with_a_lasting_id() {
    let root = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let broker = Broker::start(durable_in(root.path())).await.unwrap();
        let mut wire = Wire::to(&broker).await;
        let mut request = DescribeClusterRequest {
            include_cluster_authorized_operations: true,
            ..DescribeClusterRequest::default()
        };
        let response = wire.call(2, &request).await;
        assert_eq!((response.error_code, response.controller_id), (0, 1));
        assert_eq!(
            response.brokers[0].port,
            i32::from(broker.local_addr().port())
        );
        assert_ne!(response.cluster_authorized_operations, NOT_ASKED);
        ids.push(response.cluster_id);
        request.endpoint_type = 2;
        let controllers = wire.call(2, &request).await;
        assert_eq!(
            controllers.error_code,
            i16::from(ErrorCode::MismatchedEndpointType)
        );
        broker.stop().await.unwrap();
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0].len(), 22);
}

#[tokio::test]
async fn partitions_are_described_page_by_page() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("a", 3).await;
    wire.create_topic("c", 3).await;
    let wanted = |names: &[&str]| {
        names
            .iter()
            .map(|name| TopicRequest {
                name: (*name).to_owned(),
            })
            .collect::<Vec<_>>()
    };
    let mut request = DescribeTopicPartitionsRequest {
        topics: wanted(&["c", "b", "a"]),
        response_partition_limit: 4,
        cursor: None,
    };
    let first = wire.call(0, &request).await;
    let shown: Vec<_> = first
        .topics
        .iter()
        .map(|topic| {
            (
                topic.name.as_deref().unwrap(),
                topic.error_code,
                topic.partitions.len(),
            )
        })
        .collect();
    assert_eq!(shown, [("a", 0, 3), ("b", 3, 0), ("c", 0, 1)]);
    assert_eq!(
        first.next_cursor,
        Some(Cursor {
            topic_name: "c".into(),
            partition_index: 1
        })
    );
    request.cursor = first.next_cursor;
    let second = wire.call(0, &request).await;
    assert_eq!(second.topics.len(), 1);
    let indexes: Vec<i32> = second.topics[0]
        .partitions
        .iter()
        .map(|partition| partition.partition_index)
        .collect();
    assert_eq!((indexes, second.next_cursor), (vec![1, 2], None));
    request.topics.clear();
    request.cursor = None;
    request.response_partition_limit = 3;
    let all = wire.call(0, &request).await;
    assert_eq!(all.topics.len(), 1);
    assert_eq!(
        all.next_cursor
            .map(|cursor| (cursor.topic_name, cursor.partition_index)),
        Some(("c".to_owned(), 0))
    );
}
