//! Offsets committed and read back.

use headwater_broker::Broker;
use headwater_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponsePartition,
};
use headwater_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use headwater_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    OffsetFetchResponseGroup,
};
use headwater_protocol::{ErrorCode, Uuid};

use crate::support::durable_in;
use crate::support::wire::Wire;

fn commit(group: &str, topic: &str, offset: i64, metadata: &str) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: group.to_owned(),
        topics: vec![OffsetCommitRequestTopic {
            name: topic.to_owned(),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: 0,
                committed_offset: offset,
                committed_metadata: Some(metadata.to_owned()),
                ..OffsetCommitRequestPartition::default()
            }],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    }
}

async fn committed_code(wire: &mut Wire, request: &OffsetCommitRequest) -> i16 {
    let response = wire.call(9, request).await;
    response.topics[0].partitions[0].error_code
}

/// The groups' offsets of partition 0 of `topic`, or of all there are.
fn fetch(groups: &[&str], topic: Option<&str>) -> OffsetFetchRequest {
    let topics = topic.map(|name| {
        vec![OffsetFetchRequestTopics {
            name: name.to_owned(),
            partition_indexes: vec![0],
            ..OffsetFetchRequestTopics::default()
        }]
    });
    let groups = groups
        .iter()
        .map(|group| OffsetFetchRequestGroup {
            group_id: (*group).to_owned(),
            topics: topics.clone(),
            ..OffsetFetchRequestGroup::default()
        })
        .collect();
    OffsetFetchRequest {
        groups,
        ..OffsetFetchRequest::default()
    }
}

async fn fetched(wire: &mut Wire, group: &str, topic: &str) -> (i64, Option<String>) {
    let mut groups = wire.call(9, &fetch(&[group], Some(topic))).await.groups;
    let mut group: OffsetFetchResponseGroup = groups.remove(0);
    assert_eq!(group.error_code, 0);
    let partition = group.topics.remove(0).partitions.remove(0);
    assert_eq!(partition.error_code, 0);
    (partition.committed_offset, partition.metadata)
}

#[tokio::test]
async fn an_offset_and_its_note_come_back_at_every_version() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    for version in 2..=9 {
        let request = commit("billing", "orders", i64::from(version), "note");
        let response = wire.call(version, &request).await;
        assert_eq!(
            response.topics[0].partitions[0].error_code, 0,
            "version {version}"
        );
    }
    for version in 1..=7 {
        let request = OffsetFetchRequest {
            group_id: "billing".into(),
            topics: Some(vec![OffsetFetchRequestTopic {
                name: "orders".into(),
                partition_indexes: vec![0],
            }]),
            ..OffsetFetchRequest::default()
        };
        let response = wire.call(version, &request).await;
        let partition = &response.topics[0].partitions[0];
        assert_eq!(partition.committed_offset, 9, "version {version}");
        assert_eq!(partition.metadata.as_deref(), Some("note"));
    }
    assert_eq!(
        fetched(&mut wire, "billing", "orders").await,
        (9, Some("note".to_owned()))
    );
}

#[tokio::test]
async fn several_groups_are_fetched_at_once_each_with_its_own_offsets() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    for (group, offset) in [("billing", 5), ("mail", 7)] {
        assert_eq!(
            committed_code(&mut wire, &commit(group, "orders", offset, "")).await,
            0
        );
    }
    let groups = wire
        .call(9, &fetch(&["mail", "none", "billing"], None))
        .await
        .groups;
    let shown: Vec<_> = groups
        .iter()
        .map(|group| {
            let offset = group
                .topics
                .first()
                .map(|topic| topic.partitions[0].committed_offset);
            (group.group_id.as_str(), group.error_code, offset)
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("mail", 0, Some(7)),
            ("none", 0, None),
            ("billing", 0, Some(5))
        ]
    );
    // Nothing committed is -1, not an error.
    assert_eq!(fetched(&mut wire, "none", "orders").await.0, -1);
}

#[tokio::test]
async fn topics_are_named_by_id_from_version_10_on() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let id = wire.create_topic("orders", 1).await;
    let unknown = Uuid::from_u128(99);
    let mut request = commit("billing", "", 5, "");
    request.topics[0].topic_id = id;
    let mut other = request.topics[0].clone();
    other.topic_id = unknown;
    request.topics.push(other);
    let response = wire.call(10, &request).await;
    let codes: Vec<_> = response
        .topics
        .iter()
        .map(|topic| (topic.topic_id, topic.partitions[0].error_code))
        .collect();
    assert_eq!(
        codes,
        [(unknown, ErrorCode::UnknownTopicId.into()), (id, 0)]
    );
    let mut request = fetch(&["billing"], Some(""));
    let topics = request.groups[0].topics.as_mut().unwrap();
    topics[0].topic_id = id;
    topics.push(topics[0].clone());
    topics[1].topic_id = unknown;
    let answered = wire.call(10, &request).await.groups.remove(0).topics;
    assert_eq!(
        (
            answered[0].topic_id,
            answered[0].partitions[0].committed_offset
        ),
        (id, 5)
    );
    assert_eq!(
        (answered[1].topic_id, answered[1].partitions[0].error_code),
        (unknown, ErrorCode::UnknownTopicId.into())
    );
    let all = wire
        .call(10, &fetch(&["billing"], None))
        .await
        .groups
        .remove(0)
        .topics;
    assert_eq!((all.len(), all[0].topic_id), (1, id));
}

#[tokio::test]
async fn what_cannot_be_committed_is_refused() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let long_note = "x".repeat(4097);
    let mut stale = commit("billing", "orders", 1, "");
    stale.generation_id_or_member_epoch = 5;
    stale.member_id = "nobody".into();
    for (request, error) in [
        (
            commit("billing", "unknown", 1, ""),
            ErrorCode::UnknownTopicOrPartition,
        ),
        (
            commit("billing", "orders", 1, &long_note),
            ErrorCode::OffsetMetadataTooLarge,
        ),
        (stale, ErrorCode::GroupIdNotFound),
    ] {
        let code = committed_code(&mut wire, &request).await;
        assert_eq!(code, i16::from(error), "{error:?}");
    }
    assert_eq!(fetched(&mut wire, "billing", "orders").await.0, -1);
}

#[tokio::test]
async fn a_partition_that_is_not_there_is_refused_and_the_rest_committed() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut request = commit("billing", "orders", 5, "");
    let mut beyond = request.topics[0].partitions[0].clone();
    beyond.partition_index = 1;
    request.topics[0].partitions.push(beyond);
    let response = wire.call(9, &request).await;
    assert_eq!(response.topics.len(), 1);
    let codes: Vec<(i32, i16)> = response.topics[0]
        .partitions
        .iter()
        .map(|partition| (partition.partition_index, partition.error_code))
        .collect();
    assert_eq!(
        codes,
        [(1, ErrorCode::UnknownTopicOrPartition.into()), (0, 0)]
    );
    assert_eq!(fetched(&mut wire, "billing", "orders").await.0, 5);
}

#[tokio::test]
async fn offsets_survive_a_clean_stop_and_a_crash() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    assert_eq!(
        committed_code(&mut wire, &commit("billing", "orders", 5, "five")).await,
        0
    );
    broker.stop().await.unwrap();

    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wait_until_loaded(&mut wire, "billing").await;
    assert_eq!(
        fetched(&mut wire, "billing", "orders").await,
        (5, Some("five".to_owned()))
    );
    assert_eq!(
        committed_code(&mut wire, &commit("billing", "orders", 6, "six")).await,
        0
    );
    broker.abandon().await;

    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wait_until_loaded(&mut wire, "billing").await;
    assert_eq!(
        fetched(&mut wire, "billing", "orders").await,
        (6, Some("six".to_owned()))
    );
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_deleted_topic_takes_its_offsets_with_it() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    assert_eq!(
        committed_code(&mut wire, &commit("billing", "orders", 5, "")).await,
        0
    );
    wire.delete_topic("orders").await;
    wire.create_topic("orders", 1).await;
    assert_eq!(fetched(&mut wire, "billing", "orders").await.0, -1);
}

#[tokio::test]
async fn what_was_committed_to_an_earlier_topic_of_the_name_is_not_shown_at_any_version() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let id = wire.create_topic("orders", 2).await;
    let mut request = commit("billing", "", 5, "");
    request.topics[0].topic_id = id;
    assert_eq!(
        wire.call(10, &request).await.topics[0].partitions[0].error_code,
        0
    );
    wire.delete_topic("orders").await;
    for made_again in [false, true] {
        if made_again {
            wire.create_topic("orders", 2).await;
        }
        for version in 1..=7 {
            let topic = OffsetFetchRequestTopic {
                name: "orders".into(),
                partition_indexes: vec![0],
            };
            for topics in [Some(vec![topic.clone()]), None] {
                if topics.is_none() && version == 1 {
                    continue;
                }
                let request = OffsetFetchRequest {
                    group_id: "billing".into(),
                    topics,
                    ..OffsetFetchRequest::default()
                };
                let response = wire.call(version, &request).await;
                let offsets = response.topics.iter().flat_map(|topic| &topic.partitions);
                let shown = offsets.map(|partition| partition.committed_offset);
                assert_eq!(shown.max().unwrap_or(-1), -1, "version {version}");
            }
        }
        for topic in [Some("orders"), None] {
            let group = wire.call(9, &fetch(&["billing"], topic)).await.groups;
            let topics = group[0].topics.iter();
            let mut offsets = topics.flat_map(|topic| &topic.partitions);
            assert!(offsets.all(|partition| partition.committed_offset == -1));
        }
    }
}

#[tokio::test]
async fn offsets_are_deleted_partition_by_partition_and_not_of_what_is_not_there() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 2).await;
    let delete = |group: &str| OffsetDeleteRequest {
        group_id: group.to_owned(),
        topics: ["orders", "unknown"]
            .into_iter()
            .map(|name| OffsetDeleteRequestTopic {
                name: name.to_owned(),
                partitions: [0, 1, 2]
                    .into_iter()
                    .map(|partition_index| OffsetDeleteRequestPartition { partition_index })
                    .collect(),
            })
            .collect(),
    };
    let nobody = wire.call(0, &delete("billing")).await;
    assert_eq!(
        (nobody.error_code, nobody.topics.len()),
        (i16::from(ErrorCode::GroupIdNotFound), 0)
    );
    let request = commit("billing", "orders", 5, "");
    assert_eq!(committed_code(&mut wire, &request).await, 0);
    let deleted = wire.call(0, &delete("billing")).await;
    assert_eq!(deleted.error_code, 0);
    let mut codes: Vec<(&str, i32, i16)> = Vec::new();
    for topic in &deleted.topics {
        for partition in &topic.partitions {
            codes.push((&topic.name, partition.partition_index, partition.error_code));
        }
    }
    codes.sort_unstable();
    let missing = i16::from(ErrorCode::UnknownTopicOrPartition);
    let expected = [
        ("orders", 0, 0),
        ("orders", 1, 0),
        ("orders", 2, missing),
        ("unknown", 0, missing),
        ("unknown", 1, missing),
        ("unknown", 2, missing),
    ];
    assert_eq!(codes, expected);
    assert_eq!(fetched(&mut wire, "billing", "orders").await.0, -1);
}

/// Asks until the coordinator has read its partition.
async fn wait_until_loaded(wire: &mut Wire, group: &str) {
    let deadline = tokio::time::Instant::now() + crate::support::DEADLINE;
    let loading = i16::from(ErrorCode::CoordinatorLoadInProgress);
    while wire.call(9, &fetch(&[group], None)).await.groups[0].error_code == loading {
        assert!(tokio::time::Instant::now() < deadline, "still loading");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_commit_larger_than_a_batch_may_be_is_refused_as_a_whole() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut request = commit("billing", "orders", 1, &"x".repeat(4_000));
    let partition = request.topics[0].partitions[0].clone();
    request.topics[0].partitions = vec![partition; 300];
    let response = wire.call(9, &request).await;
    let too_large = i16::from(ErrorCode::InvalidCommitOffsetSize);
    let refused = |partition: &OffsetCommitResponsePartition| partition.error_code == too_large;
    assert!(response.topics[0].partitions.iter().all(refused));
    assert_eq!(fetched(&mut wire, "billing", "orders").await.0, -1);
    let smaller = commit("billing", "orders", 2, "");
    assert_eq!(committed_code(&mut wire, &smaller).await, 0);
    assert_eq!(fetched(&mut wire, "billing", "orders").await.0, 2);
}
