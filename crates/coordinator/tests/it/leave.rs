//! Leaving.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::leave_group::LeaveGroupRequest;

use crate::harness::{Bench, GROUP, Join, code};

#[test]
fn a_member_that_leaves_makes_the_others_rebalance_at_once() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let left = bench.leave(&[(&members[0], None)]);
    assert_eq!((left.error_code, left.members[0].error_code), (0, 0));
    assert_eq!(bench.state(), "PreparingRebalance");
    let rejoin = bench.join(&Join::of(&members[1]));
    assert_eq!(bench.joined(rejoin).generation_id, 2);
    assert_eq!(bench.joined(rejoin).leader, members[1]);
}

#[test]
fn the_last_member_that_leaves_leaves_an_empty_group() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    bench.leave(&[(&members[0], None)]);
    assert_eq!(bench.state(), "Empty");
    assert_eq!(bench.durable_group().members, []);
    assert_eq!(bench.durable_group().generation, 2);
}

#[test]
fn several_leave_at_once_each_with_its_own_answer() {
    let mut bench = Bench::new();
    let members = bench.stable_group_with(&[Join::default(), Join::static_member("rack-1")]);
    let left = bench.leave(&[
        (&members[0], None),
        ("nobody", None),
        ("", Some("rack-1")),
        ("", Some("rack-2")),
        ("", None),
    ]);
    let errors: Vec<i16> = left
        .members
        .iter()
        .map(|member| member.error_code)
        .collect();
    let unknown = code(ErrorCode::UnknownMemberId);
    assert_eq!(errors, [0, unknown, 0, unknown, unknown]);
    assert_eq!(left.members[2].group_instance_id.as_deref(), Some("rack-1"));
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn a_member_that_only_has_its_id_can_leave() {
    let mut bench = Bench::new();
    let token = bench.join(&Join::default());
    let member_id = bench.joined(token).member_id;
    let left = bench.leave(&[(&member_id, None)]);
    assert_eq!(left.members[0].error_code, 0);
    let error = bench.join_error(&Join::of(&member_id));
    assert_eq!(error, code(ErrorCode::UnknownMemberId));
}

#[test]
fn before_version_3_the_answer_has_one_error() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    let mut leave = |group_id: &str, member_id: &str| {
        let request = LeaveGroupRequest {
            group_id: group_id.to_owned(),
            member_id: member_id.to_owned(),
            ..LeaveGroupRequest::default()
        };
        let left = bench.leave_with(2, &request);
        assert!(left.members.is_empty());
        left.error_code
    };
    let unknown = code(ErrorCode::UnknownMemberId);
    assert_eq!(leave(GROUP, "nobody"), unknown);
    assert_eq!(leave("nothing", &members[0]), unknown);
    assert_eq!(leave("", &members[0]), code(ErrorCode::InvalidGroupId));
    assert_eq!(leave(GROUP, &members[0]), 0);
}

#[test]
fn members_of_a_group_that_does_not_exist_are_unknown() {
    let mut bench = Bench::new();
    let left = bench.leave(&[("a", None), ("b", Some("rack-1"))]);
    let unknown = code(ErrorCode::UnknownMemberId);
    assert_eq!(left.error_code, 0);
    assert!(
        left.members
            .iter()
            .all(|member| member.error_code == unknown)
    );
}

#[test]
fn leaving_while_the_join_waits_answers_the_join() {
    let mut bench = Bench::new();
    let (member_id, join) = bench.join_with_new_id(&Join::default());
    bench.leave(&[(&member_id, None)]);
    let error = bench.joined(join).error_code;
    assert_eq!(error, code(ErrorCode::UnknownMemberId));
    bench.advance(3_000);
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn leaving_while_the_sync_waits_answers_the_sync() {
    let mut bench = Bench::new();
    let (_, _) = bench.join_with_new_id(&Join::default());
    let (follower, _) = bench.join_with_new_id(&Join::default());
    bench.advance(6_000);
    let waiting = bench.sync(1, &follower, &[]);
    bench.leave(&[(&follower, None)]);
    let error = bench.synced(waiting).error_code;
    assert_eq!(error, code(ErrorCode::UnknownMemberId));
    assert_eq!(bench.state(), "PreparingRebalance");
}
