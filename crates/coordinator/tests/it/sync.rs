//! Syncing: assignments come from the leader, once they are in the log.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::sync_group::SyncGroupRequest;

use crate::harness::{Bench, Join, code, sync_request};

/// Two members that know their generation; the first leads.
fn completing(bench: &mut Bench) -> (String, String) {
    let (first, _) = bench.join_with_new_id(&Join::default());
    let (second, _) = bench.join_with_new_id(&Join::default());
    bench.advance(6_000);
    assert_eq!(bench.state(), "CompletingRebalance");
    (first, second)
}

#[test]
fn followers_wait_for_the_leader_and_everyone_gets_what_it_assigned() {
    let mut bench = Bench::new();
    let (leader, follower) = completing(&mut bench);
    let waiting = bench.sync(1, &follower, &[]);
    assert_eq!(bench.reply(waiting), None);
    let leading = bench.sync(1, &leader, &[(&leader, "L"), (&follower, "F")]);
    assert_eq!(bench.synced(leading).assignment, "L");
    assert_eq!(bench.synced(waiting).assignment, "F");
    assert_eq!(
        bench.synced(waiting).protocol_type.as_deref(),
        Some("consumer")
    );
    assert_eq!(
        bench.synced(waiting).protocol_name.as_deref(),
        Some("range")
    );
}

#[test]
fn a_follower_that_syncs_after_the_leader_gets_the_assignment_from_the_log() {
    let mut bench = Bench::new();
    let (leader, follower) = completing(&mut bench);
    bench.sync(1, &leader, &[(&leader, "L"), (&follower, "F")]);
    let late = bench.sync(1, &follower, &[]);
    assert_eq!(bench.synced(late).assignment, "F");
    let again = bench.sync(1, &follower, &[]);
    assert_eq!(bench.synced(again).assignment, "F");
}

#[test]
fn a_member_that_the_leader_left_out_gets_an_empty_assignment() {
    let mut bench = Bench::new();
    let (leader, follower) = completing(&mut bench);
    let waiting = bench.sync(1, &follower, &[]);
    bench.sync(1, &leader, &[(&leader, "L"), ("stranger", "S")]);
    assert_eq!(bench.synced(waiting).error_code, 0);
    assert_eq!(bench.synced(waiting).assignment, "");
    assert_eq!(bench.durable_group().members.len(), 2);
}

#[test]
fn members_that_do_not_sync_in_time_are_removed_and_the_others_rebalance() {
    let mut bench = Bench::new();
    let (leader, follower) = completing(&mut bench);
    bench.sync(1, &leader, &[(&leader, "L"), (&follower, "F")]);
    bench.advance_with_heartbeats(60_000, 1, &[&leader, &follower]);
    assert_eq!(bench.state(), "PreparingRebalance");
    let unknown = code(ErrorCode::UnknownMemberId);
    assert_eq!(bench.heartbeat(1, &follower), unknown);
    let rejoin = bench.join(&Join::of(&leader));
    assert_eq!(bench.joined(rejoin).members.len(), 1);
}

#[test]
fn a_leader_that_does_not_sync_in_time_is_removed_and_the_followers_are_freed() {
    let mut bench = Bench::new();
    let (leader, follower) = completing(&mut bench);
    let waiting = bench.sync(1, &follower, &[]);
    bench.advance_with_heartbeats(60_000, 1, &[&leader]);
    let freed = bench.synced(waiting);
    assert_eq!(freed.error_code, code(ErrorCode::RebalanceInProgress));
    let rejoin = bench.join(&Join::of(&follower));
    assert_eq!(bench.joined(rejoin).leader, follower);
}

#[test]
fn a_sync_of_the_wrong_generation_member_or_protocol_is_refused() {
    let mut bench = Bench::new();
    let (leader, _) = completing(&mut bench);
    let mut refusal = |change: &dyn Fn(&mut SyncGroupRequest)| {
        let mut request = sync_request(1, &leader, &[]);
        change(&mut request);
        let token = bench.sync_with(&request);
        bench.synced(token).error_code
    };
    let unknown = code(ErrorCode::UnknownMemberId);
    let inconsistent = code(ErrorCode::InconsistentGroupProtocol);
    let illegal = code(ErrorCode::IllegalGeneration);
    assert_eq!(refusal(&|request| request.generation_id = 0), illegal);
    assert_eq!(refusal(&|request| request.generation_id = 2), illegal);
    assert_eq!(refusal(&|request| request.member_id = "x".into()), unknown);
    assert_eq!(refusal(&|request| request.group_id = "x".into()), unknown);
    let instance = |request: &mut SyncGroupRequest| request.group_instance_id = Some("i".into());
    assert_eq!(refusal(&instance), unknown);
    let protocol_type = |request: &mut SyncGroupRequest| request.protocol_type = Some("x".into());
    assert_eq!(refusal(&protocol_type), inconsistent);
    let protocol_name = |request: &mut SyncGroupRequest| request.protocol_name = Some("x".into());
    assert_eq!(refusal(&protocol_name), inconsistent);
    let empty_group = |request: &mut SyncGroupRequest| request.group_id = String::new();
    assert_eq!(refusal(&empty_group), code(ErrorCode::InvalidGroupId));
}

#[test]
fn a_sync_in_a_rebalance_is_told_to_join() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    bench.join(&Join::of(&members[0]));
    let sync = bench.sync(1, &members[1], &[]);
    let error = bench.synced(sync).error_code;
    assert_eq!(error, code(ErrorCode::RebalanceInProgress));
}

#[test]
fn a_repeated_sync_takes_the_place_of_the_one_that_waits() {
    let mut bench = Bench::new();
    let (leader, follower) = completing(&mut bench);
    let first = bench.sync(1, &follower, &[]);
    let second = bench.sync(1, &follower, &[]);
    let superseded = code(ErrorCode::RebalanceInProgress);
    assert_eq!(bench.synced(first).error_code, superseded);
    bench.sync(1, &leader, &[(&follower, "F")]);
    assert_eq!(bench.synced(second).assignment, "F");
}
