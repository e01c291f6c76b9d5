//! Committing, fetching and expiring offsets.

use headwater_coordinator::{GroupConfig, Response};
use headwater_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition,
};
use headwater_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use headwater_protocol::{ErrorCode, Uuid};

use crate::harness::{Bench, GROUP, Join, TOPIC, code, commit, commit_by, subscription};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const RETENTION_MS: i64 = 7 * DAY_MS;
const CHECK_MS: i64 = 600_000;

#[test]
fn a_commit_is_fetched_with_its_offset_epoch_and_metadata() {
    let mut bench = Bench::new();
    let mut request = commit(GROUP, TOPIC, 42);
    request.topics[0].partitions[0].committed_leader_epoch = 3;
    request.topics[0].partitions[0].committed_metadata = Some("größe 2".to_owned());
    assert_eq!(bench.commit(&request), 0);
    let fetched = bench.fetch(GROUP, TOPIC);
    assert_eq!(fetched.committed_offset, 42);
    assert_eq!(fetched.committed_leader_epoch, 3);
    assert_eq!(fetched.metadata.as_deref(), Some("größe 2"));
    assert_eq!(fetched.error_code, 0);
}

#[test]
fn a_commit_without_metadata_is_fetched_with_empty_metadata() {
    let mut bench = Bench::new();
    let mut request = commit(GROUP, TOPIC, 42);
    request.topics[0].partitions[0].committed_metadata = None;
    bench.commit(&request);
    assert_eq!(bench.fetch(GROUP, TOPIC).metadata.as_deref(), Some(""));
}

#[test]
fn what_was_never_committed_has_offset_minus_one_and_no_error() {
    let mut bench = Bench::new();
    for _ in 0..2 {
        let fetched = bench.fetch(GROUP, "another");
        assert_eq!((fetched.committed_offset, fetched.error_code), (-1, 0));
        assert_eq!(fetched.committed_leader_epoch, -1);
        bench.commit(&commit(GROUP, TOPIC, 42));
    }
}

#[test]
fn commit_metadata_round_trips_and_over_4096_bytes_is_an_error() {
    let mut bench = Bench::new();
    let mut request = commit(GROUP, TOPIC, 1);
    let partition = |index: i32, metadata: &str| OffsetCommitRequestPartition {
        partition_index: index,
        committed_offset: 7,
        committed_metadata: Some(metadata.to_owned()),
        ..OffsetCommitRequestPartition::default()
    };
    request.topics[0].partitions = vec![
        partition(0, &"x".repeat(4_096)),
        partition(1, &"x".repeat(4_097)),
        // Counted in UTF-16 units, as Kafka does.
        partition(2, &"ö".repeat(4_096)),
    ];
    let too_large = code(ErrorCode::OffsetMetadataTooLarge);
    assert_eq!(bench.commit_all(&request), [0, too_large, 0]);
    assert_eq!(bench.coordinator.durable_state().offsets.len(), 2);
    let metadata = bench.fetch(GROUP, TOPIC).metadata;
    assert_eq!(metadata, Some("x".repeat(4_096)));
}

#[test]
fn a_commit_without_a_generation_makes_a_group_that_others_can_see() {
    let mut bench = Bench::new();
    bench.commit(&commit("simple", TOPIC, 1));
    let described = bench.describe("simple");
    assert_eq!(
        (described.error_code, described.group_state.as_str()),
        (0, "Empty")
    );
    assert_eq!(described.protocol_type, "");
}

#[test]
fn a_commit_with_a_generation_to_a_group_that_does_not_exist_is_refused() {
    let mut bench = Bench::new();
    let request = commit_by(5, "nobody", 1);
    let illegal = code(ErrorCode::IllegalGeneration);
    assert_eq!(bench.commit_at(8, &request), [illegal]);
    let not_found = code(ErrorCode::GroupIdNotFound);
    assert_eq!(bench.commit_at(9, &request), [not_found]);
    assert_eq!(bench.state(), "Dead");
}

#[test]
fn commits_to_a_group_with_members_are_for_its_members_of_this_generation() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    assert_eq!(bench.commit(&commit_by(1, &members[0], 1)), 0);
    let unknown = code(ErrorCode::UnknownMemberId);
    let illegal = code(ErrorCode::IllegalGeneration);
    assert_eq!(bench.commit(&commit_by(-1, "", 2)), unknown);
    assert_eq!(bench.commit(&commit_by(1, "nobody", 2)), unknown);
    assert_eq!(bench.commit(&commit_by(0, &members[0], 2)), illegal);
    assert_eq!(bench.commit(&commit_by(2, &members[0], 2)), illegal);
    let static_member = OffsetCommitRequest {
        group_instance_id: Some("rack-1".to_owned()),
        ..commit_by(1, &members[0], 2)
    };
    assert_eq!(bench.commit(&static_member), unknown);
    assert_eq!(bench.fetch(GROUP, TOPIC).committed_offset, 1);
    bench.leave(&[(&members[0], None)]);
    assert_eq!(bench.commit(&commit_by(-1, "", 2)), 0);
}

#[test]
fn members_may_commit_while_they_rebalance_but_not_before_they_have_synced() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    bench.join(&Join::of(&members[0]));
    assert_eq!(bench.commit(&commit_by(1, &members[1], 8)), 0);
    bench.join(&Join::of(&members[1]));
    assert_eq!(bench.state(), "CompletingRebalance");
    let error = bench.commit(&commit_by(2, &members[1], 9));
    assert_eq!(error, code(ErrorCode::RebalanceInProgress));
}

#[test]
fn the_empty_group_id_keeps_offsets_too() {
    let mut bench = Bench::new();
    assert_eq!(bench.commit(&commit("", TOPIC, 4)), 0);
    assert_eq!(bench.fetch("", TOPIC).committed_offset, 4);
}

#[test]
fn all_topics_of_several_groups_are_fetched_at_once() {
    let mut bench = Bench::new();
    bench.commit(&commit("a", "t1", 1));
    bench.commit(&commit("a", "t2", 2));
    bench.commit(&commit("b", "t1", 3));
    let group = |group_id: &str, topics| OffsetFetchRequestGroup {
        group_id: group_id.to_owned(),
        topics,
        ..OffsetFetchRequestGroup::default()
    };
    let request = OffsetFetchRequest {
        groups: vec![
            group("a", None),
            group("b", Some(Vec::new())),
            group("c", None),
        ],
        ..OffsetFetchRequest::default()
    };
    let Response::OffsetFetch(response) = bench.fetch_with(8, &request) else {
        panic!("not an answer to a fetch");
    };
    let found: Vec<(&str, Vec<(&str, i64)>)> = response
        .groups
        .iter()
        .map(|group| {
            let topics = group.topics.iter();
            let offsets =
                topics.map(|topic| (topic.name.as_str(), topic.partitions[0].committed_offset));
            (group.group_id.as_str(), offsets.collect())
        })
        .collect();
    assert_eq!(
        found,
        [
            ("a", vec![("t1", 1), ("t2", 2)]),
            ("b", vec![]),
            ("c", vec![])
        ]
    );
}

#[test]
fn a_topic_made_again_under_its_name_has_no_commits() {
    let mut bench = Bench::new();
    let (old, new) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut request = commit(GROUP, TOPIC, 5);
    request.topics[0].topic_id = old;
    bench.commit(&request);
    for (topic_id, offset) in [(old, 5), (new, -1), (Uuid::ZERO, 5)] {
        let request = OffsetFetchRequest {
            groups: vec![OffsetFetchRequestGroup {
                group_id: GROUP.to_owned(),
                topics: Some(vec![OffsetFetchRequestTopics {
                    name: TOPIC.to_owned(),
                    topic_id,
                    partition_indexes: vec![0],
                }]),
                ..OffsetFetchRequestGroup::default()
            }],
            ..OffsetFetchRequest::default()
        };
        let Response::OffsetFetch(response) = bench.fetch_with(10, &request) else {
            panic!("not an answer to a fetch");
        };
        let topic = &response.groups[0].topics[0];
        assert_eq!(topic.topic_id, topic_id);
        assert_eq!(topic.partitions[0].committed_offset, offset);
    }
}

#[test]
fn commits_of_a_group_without_members_expire_each_by_its_own_age() {
    let mut bench = Bench::new();
    bench.commit(&commit(GROUP, "old", 1));
    bench.advance(DAY_MS);
    bench.commit(&commit(GROUP, "young", 2));
    bench.advance(RETENTION_MS - DAY_MS + CHECK_MS);
    assert_eq!(bench.fetch(GROUP, "old").committed_offset, -1);
    assert_eq!(bench.fetch(GROUP, "young").committed_offset, 2);
    bench.advance(DAY_MS);
    assert_eq!(bench.state(), "Dead");
}

#[test]
fn offsets_expire_after_the_group_is_empty_long_enough() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    bench.commit(&commit_by(1, &members[0], 5));
    bench.advance_with_heartbeats(2 * RETENTION_MS / 1_000, 1, &[&members[0]]);
    bench.leave(&[(&members[0], None)]);
    bench.advance(RETENTION_MS - 1);
    assert_eq!(bench.fetch(GROUP, TOPIC).committed_offset, 5);
    bench.advance(CHECK_MS);
    assert_eq!(bench.fetch(GROUP, TOPIC).committed_offset, -1);
    assert_eq!(bench.state(), "Dead");
    assert!(bench.coordinator.durable_state().groups.is_empty());
}

#[test]
fn a_live_group_keeps_offsets_of_topics_it_subscribes_to_and_loses_others() {
    let mut bench = Bench::with(GroupConfig {
        offsets_retention_ms: 60_000,
        offsets_retention_check_interval_ms: 10_000,
        ..GroupConfig::default()
    });
    let members = bench.stable_group(1);
    let mut other = commit_by(1, &members[0], 6);
    other.topics[0].name = "unsubscribed".to_owned();
    bench.commit(&commit_by(1, &members[0], 5));
    bench.commit(&other);
    bench.advance_with_heartbeats(80_000, 1, &[&members[0]]);
    assert_eq!(bench.fetch(GROUP, TOPIC).committed_offset, 5);
    assert_eq!(bench.fetch(GROUP, "unsubscribed").committed_offset, -1);
}

#[test]
fn a_live_group_whose_subscriptions_cannot_be_read_loses_nothing() {
    let mut bench = Bench::with(GroupConfig {
        offsets_retention_ms: 60_000,
        offsets_retention_check_interval_ms: 10_000,
        ..GroupConfig::default()
    });
    let garbage = subscription(&[TOPIC]).slice(..6);
    let members = bench.stable_group_with(&[Join::default().with_metadata(garbage)]);
    bench.commit(&commit_by(1, &members[0], 5));
    bench.advance_with_heartbeats(80_000, 1, &[&members[0]]);
    assert_eq!(bench.fetch(GROUP, TOPIC).committed_offset, 5);
}

#[test]
fn a_commit_with_a_retention_time_of_its_own_expires_by_it() {
    let mut bench = Bench::new();
    bench.commit(&OffsetCommitRequest {
        retention_time_ms: DAY_MS,
        ..commit(GROUP, TOPIC, 5)
    });
    bench.commit(&commit(GROUP, "another", 6));
    bench.advance(DAY_MS + CHECK_MS);
    assert_eq!(bench.fetch(GROUP, TOPIC).committed_offset, -1);
    assert_eq!(bench.fetch(GROUP, "another").committed_offset, 6);
}

#[test]
fn more_expired_offsets_than_one_batch_holds_go_in_several() {
    let mut bench = Bench::new();
    let mut request = commit(GROUP, TOPIC, 1);
    request.topics[0].partitions = (0..4_500)
        .map(|index| OffsetCommitRequestPartition {
            partition_index: index,
            ..OffsetCommitRequestPartition::default()
        })
        .collect();
    bench.commit(&request);
    bench.advance(RETENTION_MS + 2 * CHECK_MS);
    assert!(bench.coordinator.durable_state().offsets.is_empty());
    assert_eq!(bench.state(), "Dead");
}

#[test]
fn a_deleted_topic_takes_its_commits_along_in_all_groups() {
    let mut bench = Bench::new();
    for group in ["a", "b"] {
        bench.commit(&commit(group, "gone", 1));
    }
    bench.commit(&commit("b", TOPIC, 2));
    bench.delete_topic("gone", Uuid::ZERO);
    assert_eq!(bench.describe("a").group_state, "Dead");
    assert_eq!(bench.fetch("b", "gone").committed_offset, -1);
    assert_eq!(bench.fetch("b", TOPIC).committed_offset, 2);
}

#[test]
fn a_deleted_topic_leaves_the_commits_of_the_next_one_of_its_name() {
    let mut bench = Bench::new();
    let (old, new) = (Uuid::from_u128(1), Uuid::from_u128(2));
    for (group, topic_id) in [("a", old), ("b", new), ("c", Uuid::ZERO)] {
        let mut request = commit(group, TOPIC, 1);
        request.topics[0].topic_id = topic_id;
        bench.commit(&request);
    }
    bench.delete_topic(TOPIC, old);
    let left: Vec<String> = bench
        .coordinator
        .durable_state()
        .offsets
        .into_keys()
        .map(|key| key.group)
        .collect();
    assert_eq!(left, ["b"]);
}

#[test]
fn a_topic_that_is_deleted_while_its_commits_are_read_loses_them_afterwards() {
    let mut bench = Bench::new();
    bench.commit(&commit(GROUP, "gone", 1));
    bench.commit(&commit(GROUP, TOPIC, 2));
    bench.restart_with(|bench| bench.delete_topic("gone", Uuid::ZERO));
    bench.advance(1);
    assert_eq!(bench.fetch(GROUP, "gone").committed_offset, -1);
    assert_eq!(bench.fetch(GROUP, TOPIC).committed_offset, 2);
}

#[test]
fn the_offsets_of_a_topic_that_nobody_subscribes_to_are_deleted_for_an_administrator() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    let mut other = commit_by(1, &members[0], 6);
    other.topics[0].name = "unsubscribed".to_owned();
    bench.commit(&commit_by(1, &members[0], 5));
    bench.commit(&other);
    let subscribed = code(ErrorCode::GroupSubscribedToTopic);
    assert_eq!(
        bench.delete_offsets(GROUP, TOPIC, &[0, 1]),
        (0, vec![subscribed, subscribed])
    );
    // Nothing is committed for partition 1, which is as good as deleted.
    assert_eq!(
        bench.delete_offsets(GROUP, "unsubscribed", &[0, 1]),
        (0, vec![0, 0])
    );
    assert_eq!(bench.fetch(GROUP, TOPIC).committed_offset, 5);
    assert_eq!(bench.fetch(GROUP, "unsubscribed").committed_offset, -1);
    bench.leave(&[(&members[0], None)]);
    assert_eq!(bench.delete_offsets(GROUP, TOPIC, &[0]), (0, vec![0]));
    assert_eq!(bench.fetch(GROUP, TOPIC).committed_offset, -1);
}

#[test]
fn offsets_of_a_group_that_is_in_use_otherwise_are_not_deleted() {
    let mut bench = Bench::new();
    let members = bench.stable_group_with(&[Join {
        protocol_type: "connect",
        ..Join::default()
    }]);
    bench.commit(&commit_by(1, &members[0], 5));
    let not_empty = code(ErrorCode::NonEmptyGroup);
    assert_eq!(
        bench.delete_offsets(GROUP, TOPIC, &[0]),
        (not_empty, vec![])
    );
    let not_found = code(ErrorCode::GroupIdNotFound);
    assert_eq!(
        bench.delete_offsets("nobody", TOPIC, &[0]),
        (not_found, vec![])
    );
    let invalid = code(ErrorCode::InvalidGroupId);
    assert_eq!(bench.delete_offsets("", TOPIC, &[0]), (invalid, vec![]));
}
