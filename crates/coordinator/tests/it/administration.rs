//! Describing, listing and deleting groups.

use headwater_protocol::ErrorCode;

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
