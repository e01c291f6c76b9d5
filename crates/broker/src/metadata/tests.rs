use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_log::Position;
use headwater_protocol::{ErrorCode, Uuid};

use super::history::History;
use super::image::{CLUSTER_METADATA, CONSUMER_OFFSETS, Image, ResourceType};
use super::record::{ConfigRecord, MetadataRecord, ProducerIdsRecord, RemoveTopicRecord};
use super::topics::{NewTopic, TopicDefaults, create, grow, remove};

const DEFAULTS: TopicDefaults = TopicDefaults {
    partitions: 3,
    replication_factor: 1,
};

fn new_topic(name: &str) -> NewTopic {
    NewTopic {
        name: name.to_owned(),
        partitions: -1,
        replication_factor: -1,
        ..NewTopic::default()
    }
}

fn image_with(names: &[&str]) -> Image {
    let mut image = Image::new();
    for (number, name) in (10..).zip(names) {
        let id = Uuid::from_u128(number);
        for record in create(&image.clone(), &new_topic(name), id, DEFAULTS).unwrap() {
            image.replay(&record);
        }
    }
    image
}

fn code_of(topic: &NewTopic) -> ErrorCode {
    create(&image_with(&["a.b"]), topic, Uuid::from_u128(9), DEFAULTS)
        .unwrap_err()
        .code
}

#[test]
fn a_created_topic_is_found_by_name_and_id_with_its_partitions_and_configs() {
    let mut topic = new_topic("orders");
    topic.configs = BTreeMap::from([("retention.ms".to_owned(), "1000".to_owned())]);
    let id = Uuid::from_u128(7);
    let mut image = Image::new();
    for record in create(&image.clone(), &topic, id, DEFAULTS).unwrap() {
        image.replay(&record);
    }
    let found = image.topic("orders").unwrap();
    assert_eq!((found.id, found.partitions.len()), (id, 3));
    assert_eq!(found.partitions[2].leader_epoch, 0);
    assert_eq!(image.topic_by_id(id).unwrap().name, "orders");
    assert_eq!(
        image.configs(ResourceType::Topic, "orders")["retention.ms"],
        "1000"
    );
}

#[test]
fn a_removed_topic_leaves_no_configs_behind() {
    let mut image = image_with(&["orders", "other"]);
    image.replay(&MetadataRecord::Config(ConfigRecord {
        resource_type: 2,
        resource_name: "orders".into(),
        name: "retention.ms".into(),
        value: Some("1".into()),
    }));
    let topic_id = image.topic("orders").unwrap().id;
    image.replay(&MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id }));
    assert!(image.topic("orders").is_none());
    assert!(image.topic_by_id(topic_id).is_none());
    assert!(image.configs(ResourceType::Topic, "orders").is_empty());
    assert_eq!(image.topics().count(), 1);
}

#[test]
fn an_image_taken_before_a_change_does_not_show_it() {
    let mut image = image_with(&["orders"]);
    let before = image.clone();
    for record in grow(&image.clone(), "orders", 5, None).unwrap() {
        image.replay(&record);
    }
    assert_eq!(before.topic("orders").unwrap().partitions.len(), 3);
    assert_eq!(image.topic("orders").unwrap().partitions.len(), 5);
}

#[test]
fn a_config_set_to_null_is_gone() {
    let mut image = Image::new();
    for value in [Some("1".to_owned()), None] {
        image.replay(&MetadataRecord::Config(ConfigRecord {
            resource_type: 4,
            resource_name: String::new(),
            name: "log.retention.ms".into(),
            value,
        }));
    }
    assert!(image.configs(ResourceType::Broker, "").is_empty());
}

#[test]
fn producer_ids_never_go_back() {
    let mut image = Image::new();
    for next_producer_id in [2000, 1000] {
        image.replay(&MetadataRecord::ProducerIds(ProducerIdsRecord {
            broker_id: 1,
            broker_epoch: -1,
            next_producer_id,
        }));
    }
    assert_eq!(image.next_producer_id(), 2000);
}

#[test]
fn names_that_are_taken_reserved_or_collide_are_refused() {
    assert_eq!(code_of(&new_topic("a.b")), ErrorCode::TopicAlreadyExists);
    for name in ["a_b", "a/b", ""] {
        assert_eq!(code_of(&new_topic(name)), ErrorCode::InvalidTopicException);
    }
    let reserved = new_topic(CLUSTER_METADATA);
    assert_eq!(code_of(&reserved), ErrorCode::InvalidRequest);
}

#[test]
fn partition_counts_that_cannot_be_are_refused() {
    for (partitions, code) in [
        (0, ErrorCode::InvalidPartitions),
        (-2, ErrorCode::InvalidPartitions),
    ] {
        let mut topic = new_topic("t");
        topic.partitions = partitions;
        assert_eq!(code_of(&topic), code);
    }
}

#[test]
fn replication_is_one_or_the_default() {
    for replication_factor in [0, 2, 3, -2] {
        let mut topic = new_topic("t");
        topic.replication_factor = replication_factor;
        assert_eq!(code_of(&topic), ErrorCode::InvalidReplicationFactor);
    }
    let mut topic = new_topic("t");
    topic.replication_factor = 1;
    assert!(create(&Image::new(), &topic, Uuid::from_u128(9), DEFAULTS).is_ok());
}

#[test]
fn an_assignment_names_this_broker_once_for_every_partition() {
    let assigned = |assignments: &[(i32, &[i32])]| {
        let mut topic = new_topic("t");
        topic.assignments = assignments
            .iter()
            .map(|(partition, replicas)| (*partition, replicas.to_vec()))
            .collect();
        topic
    };
    for bad in [
        assigned(&[(0, &[2])]),
        assigned(&[(0, &[1, 1])]),
        assigned(&[(0, &[])]),
        assigned(&[(1, &[1])]),
        assigned(&[(0, &[1]), (0, &[1])]),
    ] {
        assert_eq!(code_of(&bad), ErrorCode::InvalidReplicaAssignment);
    }
    let mut counted = assigned(&[(0, &[1])]);
    counted.partitions = 1;
    assert_eq!(code_of(&counted), ErrorCode::InvalidRequest);
    let good = assigned(&[(1, &[1]), (0, &[1])]);
    let records = create(&Image::new(), &good, Uuid::from_u128(9), DEFAULTS).unwrap();
    assert_eq!(records.len(), 3);
}

#[test]
fn partitions_are_only_ever_added() {
    let image = image_with(&["t"]);
    for (count, code) in [
        (3, ErrorCode::InvalidPartitions),
        (2, ErrorCode::InvalidPartitions),
        (-1, ErrorCode::InvalidPartitions),
        (10_004, ErrorCode::PolicyViolation),
    ] {
        assert_eq!(grow(&image, "t", count, None).unwrap_err().code, code);
    }
    assert_eq!(
        grow(&image, "u", 9, None).unwrap_err().code,
        ErrorCode::UnknownTopicOrPartition
    );
    for assignments in [vec![vec![2]], vec![vec![1], vec![1]]] {
        assert_eq!(
            grow(&image, "t", 4, Some(&assignments)).unwrap_err().code,
            ErrorCode::InvalidReplicaAssignment
        );
    }
    assert_eq!(grow(&image, "t", 4, Some(&[vec![1]])).unwrap().len(), 1);
}

#[test]
fn the_topic_of_offsets_is_internal_and_stays_as_it_is() {
    let image = image_with(&[CONSUMER_OFFSETS]);
    let topic = image.topic(CONSUMER_OFFSETS).unwrap();
    assert!(topic.internal);
    for refused in [
        remove(topic).unwrap_err(),
        grow(&image, CONSUMER_OFFSETS, 60, None).unwrap_err(),
    ] {
        assert_eq!(refused.code, ErrorCode::InvalidTopicException);
    }
}

#[test]
fn after_a_failed_disk_the_newest_image_that_is_on_it_holds() {
    let images: Vec<Arc<Image>> = [&["a"][..], &["a", "b"], &["a", "b", "c"]]
        .into_iter()
        .map(|names| Arc::new(image_with(names)))
        .collect();
    let topics = |image: Option<Arc<Image>>| image.unwrap().topics().count();
    let nothing = |_: Position| false;
    let everything = |_: Position| true;

    let mut history = History::new(Arc::clone(&images[0]));
    history.push(Arc::clone(&images[1]), nothing);
    history.push(Arc::clone(&images[2]), nothing);
    assert_eq!(topics(history.go_back(nothing)), 1);

    let mut history = History::new(Arc::clone(&images[0]));
    history.push(Arc::clone(&images[1]), everything);
    history.push(Arc::clone(&images[2]), nothing);
    assert_eq!(topics(history.go_back(nothing)), 2);

    let mut history = History::new(Arc::clone(&images[0]));
    history.push(Arc::clone(&images[1]), nothing);
    history.push(Arc::clone(&images[2]), nothing);
    assert_eq!(topics(history.go_back(everything)), 3);
}
