//! Heartbeats, and members that stop sending them.

use headwater_protocol::ErrorCode;

use crate::harness::{Bench, GROUP, Join, code, commit_by};

#[test]
fn a_member_that_heartbeats_stays() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    bench.advance_with_heartbeats(100_000, 1, &[&members[0]]);
    assert_eq!(bench.heartbeat(1, &members[0]), 0);
}

#[test]
fn the_last_member_that_falls_silent_leaves_an_empty_group() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    bench.advance(9_999);
    assert_eq!(bench.state(), "Stable");
    bench.advance(1);
    assert_eq!(bench.state(), "Empty");
    let unknown = code(ErrorCode::UnknownMemberId);
    assert_eq!(bench.heartbeat(2, &members[0]), unknown);
}

#[test]
fn commits_keep_a_session_alive() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    for offset in 0..10 {
        bench.advance(5_000);
        assert_eq!(bench.commit(&commit_by(1, &members[0], offset)), 0);
    }
    assert_eq!(bench.state(), "Stable");
}

#[test]
fn members_that_wait_for_the_coordinator_need_not_heartbeat() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let rejoin = bench.join(&Join::of(&members[0]));
    bench.advance_with_heartbeats(50_000, 1, &[&members[1]]);
    assert_eq!(bench.reply(rejoin), None);
    bench.join(&Join::of(&members[1]));
    assert_eq!(bench.joined(rejoin).members.len(), 2);
    let waiting = bench.sync(2, &members[1], &[]);
    bench.advance_with_heartbeats(50_000, 2, &[&members[0]]);
    bench.sync(2, &members[0], &[(&members[1], "still there")]);
    assert_eq!(bench.synced(waiting).assignment, "still there");
    // From then on they do.
    bench.advance(10_000);
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn heartbeats_of_the_wrong_generation_or_member_are_refused() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    let unknown = code(ErrorCode::UnknownMemberId);
    let illegal = code(ErrorCode::IllegalGeneration);
    assert_eq!(bench.heartbeat(2, &members[0]), illegal);
    assert_eq!(bench.heartbeat(1, "nobody"), unknown);
    assert_eq!(bench.heartbeat_as(1, &members[0], Some("i")), unknown);
    assert_eq!(bench.heartbeat_in("x", 1, &members[0], None), unknown);
    let invalid = code(ErrorCode::InvalidGroupId);
    assert_eq!(bench.heartbeat_in("", 1, &members[0], None), invalid);
}

#[test]
fn a_member_that_falls_silent_in_a_rebalance_does_not_hold_it_up() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let rejoin = bench.join(&Join::of(&members[0]));
    bench.advance(10_000);
    assert_eq!(bench.joined(rejoin).generation_id, 2);
    assert_eq!(bench.describe(GROUP).members.len(), 1);
}
