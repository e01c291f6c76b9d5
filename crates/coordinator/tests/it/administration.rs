//! Describing, listing and deleting groups.

use headwater_coordinator::AppendFailure;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition,
};

use crate::harness::{Bench, GROUP, Join, Logged, TOPIC, code, commit, commit_by, subscription};

#[test]
fn a_stable_group_is_described_with_metadata_and_assignments() {
    let mut bench = Bench::new();
    let members = bench.stable_group_with(&[Join::static_member("rack-1")]);
    let group = bench.describe(GROUP);
    assert_eq!(group.error_code, 0);
    assert_eq!(group.group_state, "Stable");
    assert_eq!(group.protocol_type, "consumer");
    assert_eq!(group.protocol_data, "range");
    let member = &group.members[0];
    assert_eq!(member.member_id, members[0]);
    assert_eq!(member.group_instance_id.as_deref(), Some("rack-1"));
    assert_eq!(member.client_id, "client");
    assert_eq!(member.client_host, "/127.0.0.1");
    assert_eq!(member.member_metadata, subscription(&[TOPIC]));
    assert_eq!(
        member.member_assignment,
        format!("for {}", members[0]).as_bytes()
    );
}

#[test]
fn a_group_in_a_rebalance_is_described_without_protocol_and_metadata() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    bench.join(&Join::of(&members[0]));
    let group = bench.describe(GROUP);
    assert_eq!(group.group_state, "PreparingRebalance");
    assert_eq!(group.protocol_data, "");
    assert!(
        group
            .members
            .iter()
            .all(|member| member.member_metadata.is_empty())
    );
}

#[test]
fn a_group_that_does_not_exist_is_dead_and_from_version_6_an_error() {
    let mut bench = Bench::new();
    let group = bench.describe_at(5, "nothing");
    assert_eq!((group.error_code, group.group_state.as_str()), (0, "Dead"));
    assert_eq!(group.error_message, None);
    let group = bench.describe_at(6, "nothing");
    assert_eq!(group.error_code, code(ErrorCode::GroupIdNotFound));
    assert!(group.error_message.unwrap().contains("nothing"));
}

#[test]
fn groups_are_listed_by_state_and_type_whatever_the_case() {
    let mut bench = Bench::new();
    bench.stable_group(1);
    bench.commit(&commit("simple", TOPIC, 1));
    let names = |groups: Vec<headwater_protocol::messages::list_groups::ListedGroup>| {
        groups
            .into_iter()
            .map(|group| {
                format!(
                    "{} {} {}",
                    group.group_id, group.group_state, group.group_type
                )
            })
            .collect::<Vec<String>>()
    };
    let (stable, empty) = ("orders Stable classic", "simple Empty classic");
    assert_eq!(names(bench.list(&[], &[])), [stable, empty]);
    assert_eq!(names(bench.list(&["stable"], &[])), [stable]);
    assert_eq!(names(bench.list(&["Empty", "Dead"], &["Classic"])), [empty]);
    assert!(bench.list(&[], &["consumer"]).is_empty());
    assert!(bench.list(&["PreparingRebalance"], &[]).is_empty());
}

#[test]
fn an_empty_group_is_deleted_with_its_offsets_by_tombstones() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    bench.commit(&commit_by(1, &members[0], 5));
    bench.leave(&[(&members[0], None)]);
    let written = bench.log.len();
    assert_eq!(bench.delete(&[GROUP, GROUP]), [0]);
    let tombstones = &bench.log[written..];
    assert_eq!(tombstones.len(), 2);
    let is_tombstone =
        |logged: &Logged| logged.record().is_some_and(|record| record.value.is_none());
    assert!(tombstones.iter().all(is_tombstone));
    assert_eq!(bench.state(), "Dead");
    assert_eq!(bench.fetch(GROUP, TOPIC).committed_offset, -1);
    bench.restart();
    assert_eq!(bench.state(), "Dead");
}

/// Partitions that one batch of tombstones does not hold.
const MANY: i32 = 4_500;

/// A group that has an offset in each of many partitions.
fn commit_many(bench: &mut Bench, group: &str) {
    let mut request: OffsetCommitRequest = commit(group, TOPIC, 1);
    let partitions = 0..MANY;
    request.topics[0].partitions = partitions
        .map(|partition_index| OffsetCommitRequestPartition {
            partition_index,
            committed_offset: 7,
            ..OffsetCommitRequestPartition::default()
        })
        .collect();
    assert!(bench.commit_all(&request).iter().all(|code| *code == 0));
    bench.batches.clear();
}

#[test]
fn the_tombstones_of_a_group_with_many_offsets_come_in_several_batches() {
    let mut bench = Bench::new();
    commit_many(&mut bench, "simple");
    assert_eq!(bench.delete(&["simple"]), [0]);
    assert!(bench.batches.len() > 1, "{:?}", bench.batches);
    assert!(bench.batches.iter().all(|records| *records <= 2_001));
    assert_eq!(bench.coordinator.durable_state().offsets.len(), 0);
    bench.restart();
    assert_eq!(bench.describe("simple").group_state, "Dead");
}

#[test]
fn the_names_of_groups_count_for_the_size_of_a_batch_too() {
    let mut bench = Bench::new();
    let group = "g".repeat(20_000);
    commit_many(&mut bench, &group);
    assert_eq!(bench.delete(&[&group]), [0]);
    assert!(bench.batches.iter().all(|records| *records <= 20));
}

#[test]
fn offsets_deleted_one_by_one_come_in_several_batches_too() {
    let mut bench = Bench::new();
    commit_many(&mut bench, "simple");
    let partitions: Vec<i32> = (0..MANY).collect();
    let (error, deleted) = bench.delete_offsets("simple", TOPIC, &partitions);
    assert_eq!((error, deleted.len()), (0, partitions.len()));
    assert!(bench.batches.len() > 1, "{:?}", bench.batches);
    assert_eq!(bench.coordinator.durable_state().offsets.len(), 0);
}

#[test]
fn a_group_whose_deletion_was_cut_short_is_there_to_be_deleted_again() {
    let mut bench = Bench::new();
    commit_many(&mut bench, "simple");
    bench.failure = Some(AppendFailure::Storage);
    bench.taken_before_failure = 1;
    assert_eq!(bench.delete(&["simple"]), [code(ErrorCode::NotCoordinator)]);
    let left = bench.coordinator.durable_state().offsets.len();
    assert!(left > 0 && left < MANY as usize, "{left}");
    assert_eq!(bench.describe("simple").group_state, "Empty");
    bench.failure = None;
    assert_eq!(bench.delete(&["simple"]), [0]);
    assert_eq!(bench.describe("simple").group_state, "Dead");
}

#[test]
fn a_group_with_members_is_not_deleted_in_any_state() {
    let mut bench = Bench::new();
    let not_empty = code(ErrorCode::NonEmptyGroup);
    let (_, _) = bench.join_with_new_id(&Join::default());
    assert_eq!(bench.state(), "PreparingRebalance");
    assert_eq!(bench.delete(&[GROUP]), [not_empty]);
    bench.advance(3_000);
    assert_eq!(bench.state(), "CompletingRebalance");
    assert_eq!(bench.delete(&[GROUP]), [not_empty]);
    let mut bench = Bench::new();
    bench.stable_group(1);
    assert_eq!(bench.delete(&[GROUP]), [not_empty]);
}

#[test]
fn a_group_that_does_not_exist_is_not_found() {
    let mut bench = Bench::new();
    bench.commit(&commit("simple", TOPIC, 1));
    let not_found = code(ErrorCode::GroupIdNotFound);
    assert_eq!(bench.delete(&["nothing", "simple"]), [not_found, 0]);
}

#[test]
fn an_id_given_out_dies_with_its_group() {
    let mut bench = Bench::new();
    let token = bench.join(&Join::default());
    let member_id = bench.joined(token).member_id;
    assert_eq!(bench.delete(&[GROUP]), [0]);
    let error = bench.join_error(&Join::of(&member_id));
    assert_eq!(error, code(ErrorCode::UnknownMemberId));
    bench.advance(100_000);
    assert_eq!(bench.state(), "Dead");
}
