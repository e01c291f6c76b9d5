//! Rebalances of groups that have members.

use headwater_protocol::ErrorCode;

use crate::harness::{Bench, Join, REBALANCE_MS, TOPIC, code, subscription};

#[test]
fn a_second_member_makes_the_first_rejoin_and_both_get_assignments() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    let (second, second_join) = bench.join_with_new_id(&Join::default());
    assert_eq!(bench.state(), "PreparingRebalance");
    let in_progress = code(ErrorCode::RebalanceInProgress);
    assert_eq!(bench.heartbeat(1, &members[0]), in_progress);
    let first_join = bench.join(&Join::of(&members[0]));
    let (leader, follower) = (bench.joined(first_join), bench.joined(second_join));
    assert_eq!((leader.generation_id, follower.generation_id), (2, 2));
    assert_eq!(leader.leader, members[0]);
    assert_eq!(follower.leader, members[0]);
    assert_eq!(leader.members.len(), 2);
    assert_eq!(follower.members.len(), 0);
    assert_eq!(bench.state(), "CompletingRebalance");
    bench.sync_all(2, &[members[0].clone(), second]);
}

#[test]
fn a_rebalance_waits_for_ids_given_out_until_their_session_ends() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    let pending = bench.join(&Join::default());
    assert_eq!(bench.state(), "Stable", "an id alone changes nothing");
    let changed = Join::of(&members[0]).with_metadata(subscription(&[TOPIC, "another"]));
    let rejoin = bench.join(&changed);
    assert_eq!(bench.reply(rejoin), None);
    bench.advance(10_000);
    assert_eq!(bench.joined(rejoin).generation_id, 2);
    let late = bench.joined(pending).member_id;
    let error = bench.join_error(&Join::of(&late));
    assert_eq!(error, code(ErrorCode::UnknownMemberId));
}

#[test]
fn who_does_not_rejoin_within_the_rebalance_timeout_is_removed() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let rejoin = bench.join(&Join::of(&members[0]));
    bench.advance_with_heartbeats(55_000, 1, &[&members[1]]);
    assert_eq!(bench.reply(rejoin), None);
    bench.advance(5_000);
    assert_eq!(bench.joined(rejoin).generation_id, 2);
    assert_eq!(bench.joined(rejoin).members.len(), 1);
    let unknown = code(ErrorCode::UnknownMemberId);
    assert_eq!(bench.heartbeat(2, &members[1]), unknown);
}

#[test]
fn the_slowest_member_decides_how_long_a_rebalance_may_take() {
    let mut bench = Bench::new();
    let slow = Join {
        rebalance_ms: 2 * REBALANCE_MS,
        ..Join::default()
    };
    let members = bench.stable_group_with(&[Join::default(), slow]);
    let rejoin = bench.join(&Join::of(&members[0]));
    bench.advance_with_heartbeats(115_000, 1, &[&members[1]]);
    assert_eq!(bench.reply(rejoin), None);
    bench.advance_with_heartbeats(10_000, 1, &[&members[1]]);
    assert_eq!(bench.joined(rejoin).members.len(), 1);
}

#[test]
fn a_leader_that_fails_is_succeeded_by_a_member_that_joined() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    bench.advance_with_heartbeats(10_000, 1, &[&members[1]]);
    assert_eq!(bench.state(), "PreparingRebalance");
    let rejoin = bench.join(&Join::of(&members[1]));
    let joined = bench.joined(rejoin);
    assert_eq!(joined.leader, members[1]);
    assert_eq!(joined.members.len(), 1);
    bench.sync_all(2, &members[1..]);
}

#[test]
fn a_leader_that_does_not_rejoin_is_succeeded_at_the_rebalance_timeout() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let changed = Join::of(&members[1]).with_metadata(subscription(&["another"]));
    let rejoin = bench.join(&changed);
    bench.advance_with_heartbeats(60_000, 1, &[&members[0]]);
    assert_eq!(bench.joined(rejoin).leader, members[1]);
}

#[test]
fn a_follower_that_joins_unchanged_is_told_the_generation_and_the_leader_rebalances() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let follower = bench.join(&Join::of(&members[1]));
    assert_eq!(bench.joined(follower).generation_id, 1);
    assert_eq!(bench.state(), "Stable");
    let leader = bench.join(&Join::of(&members[0]));
    assert_eq!(bench.reply(leader), None);
    assert_eq!(bench.state(), "PreparingRebalance");
}

#[test]
fn a_member_that_missed_the_answer_to_its_join_gets_it_again_while_the_group_completes() {
    let mut bench = Bench::new();
    let (first, _) = bench.join_with_new_id(&Join::default());
    let (second, _) = bench.join_with_new_id(&Join::default());
    bench.advance(6_000);
    for (member_id, others) in [(&first, 2), (&second, 0)] {
        let again = bench.join(&Join::of(member_id));
        let joined = bench.joined(again);
        assert_eq!(joined.generation_id, 1);
        assert_eq!(joined.members.len(), others);
    }
    assert_eq!(bench.state(), "CompletingRebalance");
}

#[test]
fn a_changed_subscription_while_the_group_completes_starts_over_and_frees_parked_syncs() {
    let mut bench = Bench::new();
    let (_, first) = bench.join_with_new_id(&Join::default());
    let (second, _) = bench.join_with_new_id(&Join::default());
    bench.advance(6_000);
    let leader = bench.joined(first).member_id;
    let follower_sync = bench.sync(1, &second, &[]);
    assert_eq!(bench.reply(follower_sync), None);
    bench.join(&Join::of(&leader).with_metadata(subscription(&["another"])));
    let freed = bench.synced(follower_sync);
    assert_eq!(freed.error_code, code(ErrorCode::RebalanceInProgress));
    let rejoin = bench.join(&Join::of(&second));
    assert_eq!(bench.joined(rejoin).generation_id, 2);
}

/// A cooperative assignor gives a partition up in one rebalance and hands it over in the next: the
/// member that gave up joins again at once, its metadata unchanged but for what it owns.
#[test]
fn cooperative_members_get_their_second_rebalance() {
    let mut bench = Bench::new();
    let owning = |owned: &str| {
        let mut metadata = subscription(&[TOPIC]).to_vec();
        metadata.extend(owned.as_bytes());
        Join::default().with_metadata(metadata.into())
    };
    let as_member = |member_id: &str, join: Join| Join {
        member_id: member_id.to_owned(),
        ..join
    };
    let members = bench.stable_group_with(&[owning("")]);
    let first = &members[0];
    let (second, second_join) = bench.join_with_new_id(&owning(""));
    bench.join(&as_member(first, owning("0,1")));
    assert_eq!(bench.joined(second_join).generation_id, 2);
    // The first gives partition 1 up; the second gets nothing yet, and is told so in words.
    let second_sync = bench.sync(2, &second, &[]);
    let first_sync = bench.sync(2, first, &[(first, "0"), (&second, "none")]);
    assert_eq!(bench.synced(first_sync).assignment, "0");
    assert_eq!(bench.synced(second_sync).assignment, "none");
    // Whoever revoked joins again: a member of a stable group, with what it owns now.
    let rejoin = bench.join(&as_member(first, owning("0")));
    assert_eq!(bench.reply(rejoin), None);
    let in_progress = code(ErrorCode::RebalanceInProgress);
    assert_eq!(bench.heartbeat(2, &second), in_progress);
    bench.join(&as_member(&second, owning("")));
    assert_eq!(bench.joined(rejoin).generation_id, 3);
    let first_sync = bench.sync(3, first, &[(first, "0"), (&second, "1")]);
    let second_sync = bench.sync(3, &second, &[]);
    assert_eq!(bench.synced(first_sync).assignment, "0");
    assert_eq!(bench.synced(second_sync).assignment, "1");
}

#[test]
fn a_group_whose_members_all_leave_in_a_rebalance_is_empty() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let rejoin = bench.join(&Join::of(&members[0]));
    bench.leave(&[(&members[0], None), (&members[1], None)]);
    let error = bench.joined(rejoin).error_code;
    assert_eq!(error, code(ErrorCode::UnknownMemberId));
    assert_eq!(bench.state(), "Empty");
    assert_eq!(bench.durable_group().generation, 2);
    assert_eq!(bench.durable_group().leader, None);
    assert_eq!(bench.durable_group().protocol_type, "consumer");
}
