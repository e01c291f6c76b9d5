//! Static members: instances that keep their place (KIP-345, KIP-814).

use headwater_protocol::ErrorCode;

use crate::harness::{Bench, GROUP, Join, TOPIC, code, commit_by, subscription};

fn static_group(bench: &mut Bench) -> Vec<String> {
    bench.stable_group_with(&[Join::static_member("rack-1"), Join::static_member("rack-2")])
}

#[test]
fn a_static_member_joins_in_one_step_and_is_named_after_its_instance() {
    let mut bench = Bench::new();
    let token = bench.join(&Join::static_member("rack-1"));
    bench.advance(3_000);
    assert_eq!(bench.joined(token).error_code, 0);
    assert!(bench.joined(token).member_id.starts_with("rack-1-"));
    let members = &bench.joined(token).members;
    assert_eq!(members[0].group_instance_id.as_deref(), Some("rack-1"));
}

#[test]
fn a_follower_that_comes_back_gets_a_new_id_and_its_old_assignment_without_a_rebalance() {
    let mut bench = Bench::new();
    let members = static_group(&mut bench);
    let back = bench.join(&Join::static_member("rack-2"));
    let joined = bench.joined(back);
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    assert_ne!(joined.member_id, members[1]);
    assert_eq!(joined.leader, members[0]);
    assert!(!joined.skip_assignment);
    assert_eq!(bench.state(), "Stable");
    let sync = bench.sync(1, &joined.member_id, &[]);
    let assignment = format!("for {}", members[1]);
    assert_eq!(bench.synced(sync).assignment, assignment.as_bytes());
    assert_eq!(bench.heartbeat(1, &members[0]), 0);
    assert!(bench.durable_group().member(&joined.member_id).is_some());
    assert!(bench.durable_group().member(&members[1]).is_none());
}

#[test]
fn a_leader_that_comes_back_leads_but_is_told_to_assign_nothing() {
    let mut bench = Bench::new();
    static_group(&mut bench);
    let back = bench.join(&Join::static_member("rack-1"));
    let joined = bench.joined(back);
    assert_eq!(joined.leader, joined.member_id);
    assert!(joined.skip_assignment);
    assert_eq!(joined.members.len(), 2);
    assert_eq!(bench.durable_group().leader, Some(joined.member_id));
}

#[test]
fn before_version_9_a_leader_that_comes_back_is_told_that_its_old_self_leads() {
    let mut bench = Bench::new();
    let members = static_group(&mut bench);
    let back = bench.join(&Join {
        version: 8,
        ..Join::static_member("rack-1")
    });
    let joined = bench.joined(back);
    assert_eq!(joined.leader, members[0]);
    assert!(!joined.skip_assignment);
    assert!(joined.members.is_empty());
}

#[test]
fn whoever_still_uses_the_old_id_is_fenced() {
    let mut bench = Bench::new();
    let members = static_group(&mut bench);
    let back = bench.join(&Join::static_member("rack-2"));
    let renamed = bench.joined(back).member_id;
    let fenced = code(ErrorCode::FencedInstanceId);
    let old = Some("rack-2");
    assert_eq!(bench.heartbeat_as(1, &members[1], old), fenced);
    let rejoin = Join {
        member_id: members[1].clone(),
        ..Join::static_member("rack-2")
    };
    assert_eq!(bench.join_error(&rejoin), fenced);
    let mut commit = commit_by(1, &members[1], 5);
    commit.group_instance_id = old.map(str::to_owned);
    assert_eq!(bench.commit(&commit), fenced);
    let left = bench.leave(&[(&members[1], old)]);
    assert_eq!(left.members[0].error_code, fenced);
    assert_eq!(bench.heartbeat_as(1, &renamed, old), 0);
}

#[test]
fn a_second_instance_of_the_same_name_frees_the_first_ones_parked_join() {
    let mut bench = Bench::new();
    let first = bench.join(&Join::static_member("rack-1"));
    let second = bench.join(&Join::static_member("rack-1"));
    let fenced = code(ErrorCode::FencedInstanceId);
    assert_eq!(bench.joined(first).error_code, fenced);
    bench.advance(3_000);
    assert_eq!(bench.joined(second).members.len(), 1);
}

#[test]
fn a_second_instance_frees_the_first_ones_parked_sync_and_rebalances() {
    let mut bench = Bench::new();
    bench.join(&Join::static_member("rack-1"));
    let follower = bench.join(&Join::static_member("rack-2"));
    bench.advance(6_000);
    let follower_id = bench.joined(follower).member_id;
    let waiting = bench.sync(1, &follower_id, &[]);
    bench.join(&Join::static_member("rack-2"));
    let fenced = code(ErrorCode::FencedInstanceId);
    assert_eq!(bench.synced(waiting).error_code, fenced);
    assert_eq!(bench.state(), "PreparingRebalance");
}

#[test]
fn coming_back_with_protocols_that_change_the_groups_choice_rebalances() {
    let mut bench = Bench::new();
    let both = Join::static_member("rack-1").with_protocols(&["range", "sticky"]);
    let members =
        bench.stable_group_with(&[both, Join::default().with_protocols(&["range", "sticky"])]);
    let back = bench.join(&Join::static_member("rack-1").with_protocols(&["sticky"]));
    assert_eq!(bench.reply(back), None);
    bench.join(&Join::of(&members[1]).with_protocols(&["range", "sticky"]));
    assert_eq!(bench.joined(back).protocol_name.as_deref(), Some("sticky"));
}

#[test]
fn an_absent_static_member_is_kept_through_a_rebalance_until_its_session_ends() {
    let mut bench = Bench::new();
    let long = Join {
        session_ms: 100_000,
        ..Join::static_member("rack-1")
    };
    let members = bench.stable_group_with(&[long, Join::default()]);
    let changed = Join::of(&members[1]).with_metadata(subscription(&[TOPIC, "another"]));
    let rejoin = bench.join(&changed);
    bench.advance(60_000);
    assert_eq!(bench.joined(rejoin).generation_id, 2);
    assert_eq!(bench.joined(rejoin).leader, members[1]);
    assert_eq!(bench.joined(rejoin).members.len(), 2);
    // It is expected to sync like everyone, and is gone if it does not.
    bench.sync(2, &members[1], &[(&members[1], "all")]);
    bench.advance_with_heartbeats(60_000, 2, &[&members[1]]);
    bench.join(&changed);
    assert_eq!(bench.describe(GROUP).members.len(), 1);
}

#[test]
fn when_only_absent_static_members_are_left_the_rebalance_waits_for_them() {
    let mut bench = Bench::new();
    let long = Join {
        session_ms: 300_000,
        ..Join::static_member("rack-1")
    };
    let members = bench.stable_group_with(&[long, Join::default()]);
    // The dynamic member leaves, and the static one does not come for two rebalance timeouts.
    bench.leave(&[(&members[1], None)]);
    bench.advance(130_000);
    assert_eq!(bench.state(), "PreparingRebalance");
    let back = bench.join(&Join::static_member("rack-1"));
    assert_eq!(bench.joined(back).members.len(), 1);
}

#[test]
fn an_instance_that_does_not_belong_to_the_member_is_refused() {
    let mut bench = Bench::new();
    let members = static_group(&mut bench);
    let fenced = code(ErrorCode::FencedInstanceId);
    let unknown = code(ErrorCode::UnknownMemberId);
    assert_eq!(bench.heartbeat_as(1, &members[0], Some("rack-2")), fenced);
    assert_eq!(bench.heartbeat_as(1, &members[0], Some("rack-3")), unknown);
}

#[test]
fn a_rebalance_timeout_of_zero_does_not_make_the_group_spin_while_it_waits_for_them() {
    let mut bench = Bench::new();
    let hasty = Join {
        rebalance_ms: 0,
        ..Join::static_member("rack-1")
    };
    let join = bench.join(&hasty);
    let other = bench.join(&Join::static_member("rack-2"));
    bench.advance(3_000);
    assert_eq!(bench.joined(join).members.len(), 2);
    let member_id = bench.joined(other).member_id;
    bench.leave(&[(&member_id, Some("rack-2"))]);
    // Waits for rack-1 alone, looking again once in a while until its session ends.
    bench.advance(9_000);
    assert_eq!(bench.state(), "PreparingRebalance");
    bench.advance(2_000);
    assert_eq!(bench.state(), "Empty");
}
