//! What lasts: loading, and logs that refuse.

use headwater_coordinator::{
    AppendFailure, CoordinatorRecord, Effect, GroupConfig, GroupCoordinator, RecordError, Response,
};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::heartbeat::HeartbeatRequest;

use crate::harness::{Bench, GROUP, Join, TOPIC, code, commit, commit_by, sync_request};

#[test]
fn a_group_is_the_same_after_a_restart_and_its_members_go_on() {
    let mut bench = Bench::new();
    let members = bench.stable_group_with(&[Join::default(), Join::static_member("rack-1")]);
    bench.commit(&commit_by(1, &members[0], 5));
    let before = (bench.coordinator.durable_state(), bench.describe(GROUP));
    bench.restart();
    assert_eq!(
        (bench.coordinator.durable_state(), bench.describe(GROUP)),
        before
    );
    assert_eq!(bench.heartbeat(1, &members[0]), 0);
    assert_eq!(bench.heartbeat_as(1, &members[1], Some("rack-1")), 0);
    let sync = bench.sync(1, &members[1], &[]);
    let assignment = format!("for {}", members[1]);
    assert_eq!(bench.synced(sync).assignment, assignment.as_bytes());
    // Unchanged as far as the log can tell, so no rebalance.
    let rejoin = bench.join(&Join {
        member_id: members[1].clone(),
        ..Join::static_member("rack-1")
    });
    assert_eq!(bench.joined(rejoin).generation_id, 1);
}

#[test]
fn sessions_begin_anew_after_a_restart() {
    let mut bench = Bench::new();
    bench.stable_group(1);
    bench.advance(9_000);
    bench.restart();
    bench.advance(9_999);
    assert_eq!(bench.state(), "Stable");
    bench.advance(1);
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn a_rebalance_under_way_is_lost_in_a_restart_and_the_old_members_start_it_again() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    let (newcomer, _) = bench.join_with_new_id(&Join::default());
    bench.restart();
    assert_eq!(bench.state(), "Stable");
    let unknown = code(ErrorCode::UnknownMemberId);
    assert_eq!(bench.join_error(&Join::of(&newcomer)), unknown);
    let (_, rejoin) = bench.join_with_new_id(&Join::default());
    bench.join(&Join::of(&members[0]));
    assert_eq!(bench.joined(rejoin).generation_id, 2);
}

#[test]
fn a_group_over_capacity_after_a_restart_rebalances() {
    let mut bench = Bench::new();
    bench.stable_group(3);
    let mut smaller = Bench::with(GroupConfig {
        max_size: 2,
        ..GroupConfig::default()
    });
    smaller.log.clone_from(&bench.log);
    smaller.restart();
    assert_eq!(smaller.state(), "PreparingRebalance");
}

#[test]
fn until_the_partition_is_read_requests_are_told_to_wait_and_heartbeats_are_believed() {
    let mut coordinator = GroupCoordinator::new(GroupConfig::default());
    let call = Bench::new().call(4);
    let only_reply = |mut effects: Vec<Effect>| match effects.remove(0) {
        Effect::Reply { token, response } if token == call.token => response,
        other => panic!("not the answer: {other:?}"),
    };
    let heartbeat = coordinator.heartbeat(call, &HeartbeatRequest::default());
    let Response::Heartbeat(answer) = only_reply(heartbeat) else {
        panic!("not a heartbeat");
    };
    assert_eq!(answer.error_code, 0);
    let sync = coordinator.sync_group(call, &sync_request(1, "a", &[]));
    let Response::SyncGroup(answer) = only_reply(sync) else {
        panic!("not a sync");
    };
    let loading = code(ErrorCode::CoordinatorLoadInProgress);
    assert_eq!(answer.error_code, loading);
}

#[test]
fn a_refused_append_of_assignments_sends_the_members_to_the_coordinator_again() {
    let mut bench = Bench::new();
    let (leader, leader_join) = bench.join_with_new_id(&Join::default());
    let (follower, _) = bench.join_with_new_id(&Join::default());
    bench.advance(6_000);
    assert_eq!(bench.joined(leader_join).generation_id, 1);
    let waiting = bench.sync(1, &follower, &[]);
    bench.failure = Some(AppendFailure::Storage);
    let leading = bench.sync(1, &leader, &[(&follower, "F")]);
    let lost = code(ErrorCode::NotCoordinator);
    assert_eq!(bench.synced(leading).error_code, lost);
    assert_eq!(bench.synced(leading).assignment, "");
    assert_eq!(bench.synced(waiting).error_code, lost);
    assert_eq!(bench.unanswered(), []);
    // Back to what the log has: a group that nobody has completed a join of.
    bench.failure = None;
    assert_eq!(bench.state(), "Empty");
    let unknown = code(ErrorCode::UnknownMemberId);
    assert_eq!(bench.heartbeat(1, &leader), unknown);
    bench.stable_group(2);
}

#[test]
fn a_refused_append_takes_a_group_back_to_its_last_durable_generation() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    let (newcomer, _) = bench.join_with_new_id(&Join::default());
    bench.join(&Join::of(&members[0]));
    bench.failure = Some(AppendFailure::Storage);
    bench.sync(2, &members[0], &[]);
    bench.failure = None;
    assert_eq!(bench.state(), "Stable");
    assert_eq!(bench.heartbeat(1, &members[0]), 0);
    let unknown = code(ErrorCode::UnknownMemberId);
    assert_eq!(bench.heartbeat(1, &newcomer), unknown);
}

#[test]
fn a_group_whose_first_record_is_refused_does_not_come_into_being() {
    let mut bench = Bench::new();
    bench.failure = Some(AppendFailure::Storage);
    let join = bench.join(&Join::default());
    let lost = code(ErrorCode::NotCoordinator);
    assert_eq!(bench.joined(join).error_code, lost);
    let parked = bench.join(&Join::static_member("rack-1"));
    assert_eq!(bench.joined(parked).error_code, lost);
    assert_eq!(bench.state(), "Dead");
    bench.advance(100_000);
    assert_eq!(bench.state(), "Dead");
}

#[test]
fn a_static_member_whose_new_id_is_refused_keeps_the_old_one() {
    let mut bench = Bench::new();
    let members = bench.stable_group_with(&[Join::static_member("rack-1")]);
    bench.failure = Some(AppendFailure::Storage);
    let error = bench.join_error(&Join::static_member("rack-1"));
    assert_eq!(error, code(ErrorCode::NotCoordinator));
    bench.failure = None;
    assert_eq!(bench.heartbeat_as(1, &members[0], Some("rack-1")), 0);
}

#[test]
fn refused_commits_leave_the_group_alone() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let rejoin = bench.join(&Join::of(&members[0]));
    bench.failure = Some(AppendFailure::Storage);
    let error = bench.commit(&commit_by(1, &members[1], 5));
    assert_eq!(error, code(ErrorCode::NotCoordinator));
    bench.failure = Some(AppendFailure::TooLarge);
    let error = bench.commit(&commit_by(1, &members[1], 5));
    assert_eq!(error, code(ErrorCode::InvalidCommitOffsetSize));
    assert_eq!(bench.reply(rejoin), None);
    assert_eq!(bench.fetch(GROUP, TOPIC).committed_offset, -1);
}

#[test]
fn refused_tombstones_leave_the_group_in_place() {
    let mut bench = Bench::new();
    bench.commit(&commit(GROUP, TOPIC, 5));
    bench.failure = Some(AppendFailure::Storage);
    assert_eq!(bench.delete(&[GROUP]), [code(ErrorCode::NotCoordinator)]);
    assert_eq!(bench.fetch(GROUP, TOPIC).committed_offset, 5);
    bench.advance(8 * 24 * 60 * 60 * 1_000);
    assert_eq!(bench.fetch(GROUP, TOPIC).committed_offset, 5);
    bench.failure = None;
    bench.advance(600_000);
    assert_eq!(bench.state(), "Dead");
}

#[test]
fn a_group_too_large_for_its_partition_is_not_asked_to_try_again() {
    let mut bench = Bench::new();
    let (leader, _) = bench.join_with_new_id(&Join::default());
    bench.advance(3_000);
    bench.failure = Some(AppendFailure::TooLarge);
    let sync = bench.sync(1, &leader, &[]);
    let error = bench.synced(sync).error_code;
    assert_eq!(error, code(ErrorCode::UnknownServerError));
}

#[test]
fn unloading_answers_everyone_who_waits_and_everyone_who_comes() {
    let mut bench = Bench::new();
    let (_, parked) = bench.join_with_new_id(&Join::default());
    let effects = bench.coordinator.unload();
    bench.carry_out(effects);
    let lost = code(ErrorCode::NotCoordinator);
    assert_eq!(bench.joined(parked).error_code, lost);
    assert_eq!(bench.join_error(&Join::default()), lost);
    assert_eq!(bench.heartbeat(1, "anyone"), lost);
    assert_eq!(bench.unanswered(), []);
    assert_eq!(bench.coordinator.next_deadline_ms(), None);
}

#[test]
fn records_of_other_kinds_are_skipped_and_broken_ones_refused() {
    let mut coordinator = GroupCoordinator::new(GroupConfig::default());
    let mut replay = |key: &'static [u8], value: &'static [u8]| {
        coordinator.replay(&CoordinatorRecord {
            key: key.into(),
            value: Some(value.into()),
        })
    };
    // A share group's.
    assert_eq!(replay(&[0, 11, 0, 1, b'g'], &[0, 0]), Ok(()));
    assert!(matches!(
        replay(&[0, 2, 0, 9], &[0, 3]),
        Err(RecordError::Key(_))
    ));
    let group = &[0, 2, 0, 1, b'g'];
    assert!(matches!(
        replay(group, &[0, 3]),
        Err(RecordError::Value { .. })
    ));
    let unknown = replay(group, &[0, 9]);
    assert!(matches!(
        unknown,
        Err(RecordError::UnknownVersion { version: 9, .. })
    ));
}
