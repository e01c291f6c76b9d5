//! Offsets of members of consumer groups.

use headwater_coordinator::{ClusterImage, GroupConfig, Response};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::offset_commit::OffsetCommitRequest;
use headwater_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};

use super::bench::{Beat, ConsumerBench, Sim};
use crate::harness::{GROUP, code, commit};

fn commit_of(
    bench: &ConsumerBench,
    member: &str,
    epoch: i32,
    partition: i32,
) -> OffsetCommitRequest {
    let mut request = OffsetCommitRequest {
        member_id: member.to_owned(),
        generation_id_or_member_epoch: epoch,
        ..commit(GROUP, "a", 7)
    };
    let topic = &mut request.topics[0];
    topic.topic_id = bench.cluster.topic("a").unwrap().id;
    topic.partitions[0].partition_index = partition;
    request
}

#[test]
fn members_commit_at_their_epoch() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    Sim::join(&mut bench, "m1", &["a"]);
    let request = commit_of(&bench, "m1", 1, 0);
    assert_eq!(bench.bench.commit_at(9, &request), [0]);
    let ahead = commit_of(&bench, "m1", 2, 0);
    let stale = code(ErrorCode::StaleMemberEpoch);
    assert_eq!(bench.bench.commit_at(9, &ahead), [stale]);
    let stranger = commit_of(&bench, "m9", 1, 0);
    let unknown = code(ErrorCode::UnknownMemberId);
    assert_eq!(bench.bench.commit_at(9, &stranger), [unknown]);
    // Clients that know no member epochs cannot be such members.
    let old = code(ErrorCode::UnsupportedVersion);
    assert_eq!(bench.bench.commit_at(8, &request), [old]);
}

/// KIP-1251.
#[test]
fn a_member_that_lags_behind_commits_for_what_it_has_had_since() {
    let mut bench = ConsumerBench::new(&[("a", 4)]);
    let mut members = vec![
        Sim::join(&mut bench, "m1", &["a"]),
        Sim::join(&mut bench, "m2", &["a"]),
    ];
    bench.settle(&mut members);
    let kept = members[0].owned.first().unwrap().1;
    let given_up = members[1].owned.first().unwrap().1;
    assert_eq!(members[0].epoch, 2);
    let stale = code(ErrorCode::StaleMemberEpoch);
    let request = commit_of(&bench, "m1", 1, kept);
    assert_eq!(bench.bench.commit_at(10, &request), [0]);
    let request = commit_of(&bench, "m1", 1, given_up);
    assert_eq!(bench.bench.commit_at(10, &request), [stale]);
    // m2 got its partitions at epoch 2.
    let request = commit_of(&bench, "m2", 1, given_up);
    assert_eq!(bench.bench.commit_at(10, &request), [stale]);
    bench.restart();
    let request = commit_of(&bench, "m1", 1, kept);
    assert_eq!(
        bench.bench.commit_at(10, &request),
        [0],
        "after a restart too"
    );
}

#[test]
fn administrators_set_offsets_only_of_an_empty_group() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    Sim::join(&mut bench, "m1", &["a"]);
    let unknown = code(ErrorCode::UnknownMemberId);
    assert_eq!(bench.bench.commit(&commit(GROUP, "a", 3)), unknown);
    bench.beat(&Beat::of("m1", -1));
    assert_eq!(bench.bench.commit(&commit(GROUP, "a", 3)), 0);
    assert_eq!(bench.bench.fetch(GROUP, "a").committed_offset, 3);
}

#[test]
fn a_fetch_that_names_its_member_has_to_know_its_epoch() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    Sim::join(&mut bench, "m1", &["a"]);
    let mut fetch = |member: Option<&str>, epoch: i32| {
        let request = OffsetFetchRequest {
            groups: vec![OffsetFetchRequestGroup {
                group_id: GROUP.to_owned(),
                member_id: member.map(str::to_owned),
                member_epoch: epoch,
                topics: Some(vec![OffsetFetchRequestTopics {
                    name: "a".to_owned(),
                    partition_indexes: vec![0],
                    ..OffsetFetchRequestTopics::default()
                }]),
            }],
            ..OffsetFetchRequest::default()
        };
        match bench.bench.fetch_with(9, &request) {
            Response::OffsetFetch(response) => response.groups[0].error_code,
            other => panic!("not an answer to a fetch: {other:?}"),
        }
    };
    assert_eq!(fetch(None, -1), 0);
    assert_eq!(fetch(Some("m1"), 1), 0);
    assert_eq!(fetch(Some("m1"), 2), code(ErrorCode::StaleMemberEpoch));
    assert_eq!(fetch(Some("m9"), 1), code(ErrorCode::UnknownMemberId));
}

#[test]
fn offsets_of_subscribed_topics_stay_and_those_of_others_age() {
    let config = GroupConfig {
        offsets_retention_ms: 300_000,
        offsets_retention_check_interval_ms: 10_000,
        ..GroupConfig::default()
    };
    let mut bench = ConsumerBench::with(config, &[("a", 2)]);
    assert_eq!(bench.bench.commit(&commit(GROUP, "a", 3)), 0);
    assert_eq!(bench.bench.commit(&commit(GROUP, "old", 3)), 0);
    let mut m1 = Sim::join(&mut bench, "m1", &["a"]);
    for _ in 0..11 {
        bench.bench.advance(30_000);
        m1.beat(&mut bench);
    }
    assert_eq!(bench.bench.fetch(GROUP, "a").committed_offset, 3);
    assert_eq!(bench.bench.fetch(GROUP, "old").committed_offset, -1);
    // Without members all of them go, and then the group.
    bench.bench.advance(400_000);
    let state = bench.bench.coordinator.durable_state();
    assert!(state.offsets.is_empty() && state.consumer_groups.is_empty());
}
