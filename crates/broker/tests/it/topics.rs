//! Topics made, grown and deleted.

use headwater_broker::Broker;
use headwater_protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsTopic,
};
use headwater_protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicResult,
    CreateTopicsRequest,
};
use headwater_protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use headwater_protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponseTopic,
};
use headwater_protocol::{ErrorCode, Uuid};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

use crate::support::clients::config;
use crate::support::durable_in;
use crate::support::wire::Wire;

fn code(error: ErrorCode) -> i16 {
    error.into()
}

fn topic(name: &str, partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic {
        name: name.to_owned(),
        num_partitions: partitions,
        replication_factor,
        ..CreatableTopic::default()
    }
}

fn with_config(name: &str, value: Option<&str>) -> CreatableTopic {
    CreatableTopic {
        configs: vec![CreatableTopicConfig {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        }],
        ..topic("configured", 1, 1)
    }
}

async fn create(wire: &mut Wire, topics: Vec<CreatableTopic>) -> Vec<CreatableTopicResult> {
    let request = CreateTopicsRequest {
        topics,
        ..CreateTopicsRequest::default()
    };
    wire.call(7, &request).await.topics
}

/// The topic as metadata shows it, without creating it.
async fn described(wire: &mut Wire, name: &str) -> MetadataResponseTopic {
    let request = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(name.to_owned()),
            ..MetadataRequestTopic::default()
        }]),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    wire.call(12, &request).await.topics.remove(0)
}

fn admin(broker: &Broker) -> AdminClient<DefaultClientContext> {
    config(&broker.bootstrap(), &[]).create().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_admin_client_creates_grows_and_deletes_topics() {
    let broker = Broker::ephemeral().await.unwrap();
    let (admin, options) = (admin(&broker), AdminOptions::new());
    let orders =
        [NewTopic::new("orders", 2, TopicReplication::Fixed(1)).set("retention.ms", "1000")];
    let created = admin.create_topics(&orders, &options).await;
    assert_eq!(created.unwrap(), [Ok("orders".to_owned())]);
    let again = admin.create_topics(&orders, &options).await.unwrap();
    let (name, error) = again[0].clone().unwrap_err();
    assert_eq!(
        (name.as_str(), error),
        ("orders", RDKafkaErrorCode::TopicAlreadyExists)
    );
    let grown = admin
        .create_partitions(&[NewPartitions::new("orders", 5)], &options)
        .await;
    assert_eq!(grown.unwrap(), [Ok("orders".to_owned())]);
    let metadata = admin
        .inner()
        .fetch_metadata(None, crate::support::DEADLINE)
        .unwrap();
    let topic = &metadata.topics()[0];
    assert_eq!((topic.name(), topic.partitions().len()), ("orders", 5));
    assert_eq!(
        metadata.brokers()[0].port(),
        i32::from(broker.local_addr().port())
    );
    let deleted = admin.delete_topics(&["orders"], &options).await;
    assert_eq!(deleted.unwrap(), [Ok("orders".to_owned())]);
    let gone = admin.delete_topics(&["orders"], &options).await.unwrap();
    assert_eq!(
        gone[0].clone().unwrap_err().1,
        RDKafkaErrorCode::UnknownTopicOrPartition
    );
}

#[tokio::test]
async fn an_answer_tells_what_was_made() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let mut wanted = topic("orders", 3, -1);
    wanted.configs = with_config("cleanup.policy", Some("compact")).configs;
    let results = create(&mut wire, vec![wanted]).await;
    let result = &results[0];
    assert_eq!((result.error_code, &result.error_message), (0, &None));
    assert_eq!((result.num_partitions, result.replication_factor), (3, 1));
    assert_ne!(result.topic_id, Uuid::ZERO);
    let configs = result.configs.as_ref().unwrap();
    let policy = configs
        .iter()
        .find(|config| config.name == "cleanup.policy")
        .unwrap();
    assert_eq!(
        (policy.value.as_deref(), policy.config_source),
        (Some("compact"), 1)
    );
    let retention = configs
        .iter()
        .find(|config| config.name == "retention.ms")
        .unwrap();
    assert_eq!(
        (retention.value.as_deref(), retention.config_source),
        (Some("604800000"), 5)
    );
}

#[tokio::test]
async fn a_topic_without_a_count_gets_the_brokers_number_of_partitions() {
    let broker = crate::support::ephemeral_with("num.partitions", "7").await;
    let mut wire = Wire::to(&broker).await;
    let results = create(&mut wire, vec![topic("orders", -1, -1)]).await;
    assert_eq!(results[0].num_partitions, 7);
}

#[tokio::test]
async fn what_cannot_be_is_refused_topic_by_topic() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("a.b", 1).await;
    let assigned = |replicas: &[i32]| CreatableTopic {
        assignments: vec![CreatableReplicaAssignment {
            partition_index: 0,
            broker_ids: replicas.to_vec(),
        }],
        ..topic("assigned", -1, -1)
    };
    let mut unknown_config = with_config("nope", Some("1"));
    unknown_config.name = "c1".into();
    let mut null_config = with_config("retention.ms", None);
    null_config.name = "c2".into();
    let wanted = [
        (topic("a.b", 1, 1), ErrorCode::TopicAlreadyExists),
        (topic("a_b", 1, 1), ErrorCode::InvalidTopicException),
        (topic("a/b", 1, 1), ErrorCode::InvalidTopicException),
        (topic("zero", 0, 1), ErrorCode::InvalidPartitions),
        (topic("three", 1, 3), ErrorCode::InvalidReplicationFactor),
        (
            topic("__consumer_offsets", 1, 1),
            ErrorCode::InvalidTopicException,
        ),
        (topic("__cluster_metadata", 1, 1), ErrorCode::InvalidRequest),
        (assigned(&[2]), ErrorCode::InvalidReplicaAssignment),
        (unknown_config, ErrorCode::InvalidConfig),
        (null_config, ErrorCode::InvalidConfig),
        (topic("fine", 1, 1), ErrorCode::None),
    ];
    let topics = wanted.iter().map(|(topic, _)| topic.clone()).collect();
    for (result, (topic, error)) in create(&mut wire, topics).await.iter().zip(&wanted) {
        assert_eq!(result.name, topic.name);
        assert_eq!(result.error_code, code(*error), "{result:?}");
        assert_eq!(result.error_message.is_some(), *error != ErrorCode::None);
    }
}

#[tokio::test]
async fn a_request_for_too_many_partitions_in_all_makes_none() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let wanted = vec![
        topic("small", 1, 1),
        topic("large", 9_999, 1),
        topic("default", -1, 1),
    ];
    for result in create(&mut wire, wanted).await {
        assert_eq!(result.error_code, code(ErrorCode::PolicyViolation));
    }
    wire.create_topic("small", 1).await;
    let request = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic {
            name: "small".into(),
            count: 10_001,
            assignments: None,
        }],
        ..CreatePartitionsRequest::default()
    };
    let results = wire.call(3, &request).await.results;
    assert_eq!(results[0].error_code, code(ErrorCode::PolicyViolation));
}

#[tokio::test]
async fn a_topic_named_twice_is_refused_once_and_not_made() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let twice = vec![
        topic("twice", 1, 1),
        topic("once", 1, 1),
        topic("twice", 2, 1),
    ];
    let results = create(&mut wire, twice).await;
    let codes: Vec<(&str, i16)> = results
        .iter()
        .map(|result| (result.name.as_str(), result.error_code))
        .collect();
    assert_eq!(
        codes,
        [("once", 0), ("twice", code(ErrorCode::InvalidRequest))]
    );
    assert_eq!(
        described(&mut wire, "twice").await.error_code,
        code(ErrorCode::UnknownTopicOrPartition)
    );
}

#[tokio::test]
async fn validate_only_makes_nothing() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let request = CreateTopicsRequest {
        topics: vec![topic("orders", 2, 1)],
        validate_only: true,
        ..CreateTopicsRequest::default()
    };
    let results = wire.call(7, &request).await.topics;
    assert_eq!((results[0].error_code, results[0].num_partitions), (0, 2));
    assert_eq!(
        described(&mut wire, "orders").await.error_code,
        code(ErrorCode::UnknownTopicOrPartition)
    );
    wire.create_topic("orders", 2).await;
    let request = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic {
            name: "orders".into(),
            count: 9,
            assignments: None,
        }],
        validate_only: true,
        ..CreatePartitionsRequest::default()
    };
    assert_eq!(wire.call(3, &request).await.results[0].error_code, 0);
    assert_eq!(described(&mut wire, "orders").await.partitions.len(), 2);
}

#[tokio::test]
async fn partitions_cannot_become_fewer() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 3).await;
    for (name, count, error) in [
        ("orders", 3, ErrorCode::InvalidPartitions),
        ("orders", 2, ErrorCode::InvalidPartitions),
        ("unknown", 9, ErrorCode::UnknownTopicOrPartition),
    ] {
        let request = CreatePartitionsRequest {
            topics: vec![CreatePartitionsTopic {
                name: name.into(),
                count,
                assignments: None,
            }],
            ..CreatePartitionsRequest::default()
        };
        let results = wire.call(3, &request).await.results;
        assert_eq!(results[0].error_code, code(error));
        assert!(results[0].error_message.is_some());
    }
}

#[tokio::test]
async fn a_topic_deleted_and_made_again_has_a_new_id_and_no_records() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let first = wire.create_topic("orders", 1).await;
    let batch = crate::support::batches::batch(&["old"]);
    assert_eq!(wire.produce("orders", 0, batch).await.error_code, 0);
    wire.delete_topic("orders").await;
    let second = wire.create_topic("orders", 1).await;
    assert_ne!(first, second);
    assert_eq!(wire.fetch("orders", 0, 0).await.high_watermark, 0);
    let by_id = |topic_id| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            topic_id,
            name: None,
        }]),
        ..MetadataRequest::default()
    };
    let old = wire.call(12, &by_id(first)).await.topics;
    assert_eq!(old[0].error_code, code(ErrorCode::UnknownTopicId));
    let new = wire.call(12, &by_id(second)).await.topics;
    assert_eq!(new[0].name.as_deref(), Some("orders"));
}

#[tokio::test]
async fn topics_are_deleted_by_id_and_internal_ones_not_at_all() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let id = wire.create_topic("orders", 1).await;
    // Asking for it makes it.
    wire.call(
        12,
        &MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                name: Some("__consumer_offsets".into()),
                ..MetadataRequestTopic::default()
            }]),
            ..MetadataRequest::default()
        },
    )
    .await;
    let state = |name: Option<&str>, topic_id| DeleteTopicState {
        name: name.map(str::to_owned),
        topic_id,
    };
    let request = DeleteTopicsRequest {
        topics: vec![
            state(None, id),
            state(None, Uuid::from_u128(99)),
            state(Some("__consumer_offsets"), Uuid::ZERO),
            state(Some("orders"), id),
            state(None, Uuid::ZERO),
            state(None, Uuid::ZERO),
            state(Some("twice"), Uuid::ZERO),
            state(Some("twice"), Uuid::ZERO),
        ],
        ..DeleteTopicsRequest::default()
    };
    let responses = wire.call(6, &request).await.responses;
    let codes: Vec<i16> = responses
        .iter()
        .map(|response| response.error_code)
        .collect();
    assert_eq!(
        codes,
        [
            0,
            code(ErrorCode::UnknownTopicId),
            code(ErrorCode::InvalidTopicException),
            code(ErrorCode::InvalidRequest),
            code(ErrorCode::InvalidRequest),
            code(ErrorCode::InvalidRequest),
            code(ErrorCode::InvalidRequest),
        ]
    );
    assert_eq!(responses[0].name.as_deref(), Some("orders"));
}

#[tokio::test]
async fn deletion_can_be_switched_off() {
    let broker = crate::support::ephemeral_with("delete.topic.enable", "false").await;
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let request = DeleteTopicsRequest {
        topic_names: vec!["orders".into()],
        ..DeleteTopicsRequest::default()
    };
    for (version, error) in [
        (2, ErrorCode::InvalidRequest),
        (4, ErrorCode::TopicDeletionDisabled),
    ] {
        let responses = wire.call(version, &request).await.responses;
        assert_eq!(responses[0].error_code, code(error));
    }
}

#[tokio::test]
async fn topics_and_their_ids_survive_a_clean_stop_and_a_crash() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let orders = wire
        .create_topic_with("orders", 3, &[("retention.ms", "1000")])
        .await;
    wire.create_topic("gone", 1).await;
    wire.delete_topic("gone").await;
    broker.stop().await.unwrap();

    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let found = described(&mut wire, "orders").await;
    assert_eq!((found.topic_id, found.partitions.len()), (orders, 3));
    let late = wire.create_topic("late", 1).await;
    broker.abandon().await;

    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    assert_eq!(described(&mut wire, "orders").await.topic_id, orders);
    assert_eq!(described(&mut wire, "late").await.topic_id, late);
    assert_eq!(
        described(&mut wire, "gone").await.error_code,
        code(ErrorCode::UnknownTopicOrPartition)
    );
    broker.stop().await.unwrap();
}
