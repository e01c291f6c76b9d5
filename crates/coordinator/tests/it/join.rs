//! Joining: ids, the initial delay, limits, and what is refused.

use headwater_coordinator::GroupConfig;
use headwater_protocol::ErrorCode;

use crate::harness::{Bench, INITIAL_DELAY_MS, Join, SESSION_MS, code};

#[test]
fn a_new_member_is_given_its_id_before_it_may_join() {
    let mut bench = Bench::new();
    let first = bench.join(&Join::default());
    let answer = bench.joined(first);
    assert_eq!(answer.error_code, code(ErrorCode::MemberIdRequired));
    assert!(answer.member_id.starts_with("client-"));
    let second = bench.join(&Join::of(&answer.member_id));
    assert_eq!(bench.reply(second), None);
    bench.advance(3_000);
    let joined = bench.joined(second);
    assert_eq!(joined.error_code, 0);
    assert_eq!(joined.generation_id, 1);
    assert_eq!(joined.leader, answer.member_id);
    assert_eq!(joined.protocol_name.as_deref(), Some("range"));
    assert_eq!(joined.members.len(), 1);
}

#[test]
fn before_version_4_a_member_joins_in_one_step() {
    let mut bench = Bench::new();
    let join = bench.join(&Join {
        version: 3,
        ..Join::default()
    });
    bench.advance(3_000);
    assert_eq!(bench.joined(join).error_code, 0);
    assert_eq!(bench.joined(join).generation_id, 1);
}

#[test]
fn the_initial_delay_is_extended_by_every_new_member_up_to_the_rebalance_timeout() {
    let mut bench = Bench::new();
    let short = Join {
        rebalance_ms: 8_000,
        ..Join::default()
    };
    let (_, first) = bench.join_with_new_id(&short);
    let mut others = Vec::new();
    for _ in 0..2 {
        bench.advance(2_000);
        others.push(bench.join_with_new_id(&short).1);
    }
    // 3 s, extended by 3 s, extended by the 2 s that are left of the rebalance timeout.
    bench.advance(3_500);
    others.push(bench.join_with_new_id(&short).1);
    assert_eq!(bench.reply(first), None);
    bench.advance(500);
    assert_eq!(bench.joined(first).members.len(), 4);
    assert!(
        others
            .iter()
            .all(|token| bench.joined(*token).generation_id == 1)
    );
}

#[test]
fn a_negative_rebalance_timeout_counts_as_none() {
    let mut bench = Bench::new();
    let hostile = Join {
        rebalance_ms: i32::MIN,
        ..Join::default()
    };
    let (_, token) = bench.join_with_new_id(&hostile);
    bench.advance(3_000);
    assert_eq!(bench.joined(token).generation_id, 1);
}

#[test]
fn without_new_members_the_initial_delay_is_not_extended() {
    let mut bench = Bench::new();
    let (_, token) = bench.join_with_new_id(&Join::default());
    bench.advance(2_999);
    assert_eq!(bench.reply(token), None);
    bench.advance(1);
    assert_eq!(bench.joined(token).generation_id, 1);
}

#[test]
fn without_an_initial_delay_the_first_member_starts_at_once() {
    let mut bench = Bench::with(GroupConfig {
        initial_rebalance_delay_ms: 0,
        ..GroupConfig::default()
    });
    let (_, token) = bench.join_with_new_id(&Join::default());
    bench.advance(0);
    assert_eq!(bench.joined(token).generation_id, 1);
}

#[test]
fn an_empty_group_id_is_refused() {
    let mut bench = Bench::new();
    let join = Join {
        group: "",
        ..Join::default()
    };
    assert_eq!(bench.join_error(&join), code(ErrorCode::InvalidGroupId));
}

#[test]
fn a_session_timeout_out_of_bounds_is_refused() {
    let mut bench = Bench::new();
    for session_ms in [5_999, 1_800_001, -1] {
        let join = Join {
            session_ms,
            ..Join::default()
        };
        let error = bench.join_error(&join);
        assert_eq!(
            error,
            code(ErrorCode::InvalidSessionTimeout),
            "{session_ms}"
        );
    }
    for session_ms in [6_000, 1_800_000] {
        let join = Join {
            session_ms,
            ..Join::default()
        };
        assert_eq!(bench.join_error(&join), code(ErrorCode::MemberIdRequired));
    }
}

#[test]
fn a_member_id_is_unknown_to_a_group_that_does_not_exist_and_makes_none() {
    let mut bench = Bench::new();
    let error = bench.join_error(&Join::of("nobody"));
    assert_eq!(error, code(ErrorCode::UnknownMemberId));
    assert_eq!(bench.state(), "Dead");
}

#[test]
fn a_member_id_that_was_never_given_out_is_unknown() {
    let mut bench = Bench::new();
    bench.stable_group(1);
    let error = bench.join_error(&Join::of("nobody"));
    assert_eq!(error, code(ErrorCode::UnknownMemberId));
}

#[test]
fn protocols_that_the_group_cannot_agree_on_are_refused() {
    let mut bench = Bench::new();
    let nothing = Join::default().with_protocols(&[]);
    let inconsistent = code(ErrorCode::InconsistentGroupProtocol);
    assert_eq!(bench.join_error(&nothing), inconsistent);
    assert_eq!(bench.state(), "Dead", "a refused join makes no group");
    bench.stable_group(1);
    let other_type = Join {
        protocol_type: "connect",
        ..Join::default()
    };
    assert_eq!(bench.join_error(&other_type), inconsistent);
    let other_name = Join::default().with_protocols(&["sticky"]);
    assert_eq!(bench.join_error(&other_name), inconsistent);
}

#[test]
fn an_empty_group_may_be_taken_over_by_another_protocol_type() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    bench.leave(&[(&members[0], None)]);
    let connect = Join {
        protocol_type: "connect",
        ..Join::default()
    };
    let (_, token) = bench.join_with_new_id(&connect);
    bench.advance(3_000);
    assert_eq!(
        bench.joined(token).protocol_type.as_deref(),
        Some("connect")
    );
}

#[test]
fn the_protocol_that_most_members_prefer_of_those_all_support_wins() {
    let mut bench = Bench::new();
    let (_, first) = bench.join_with_new_id(&Join::default().with_protocols(&["a", "b", "c"]));
    bench.join_with_new_id(&Join::default().with_protocols(&["c", "b"]));
    bench.join_with_new_id(&Join::default().with_protocols(&["b", "c"]));
    bench.advance(INITIAL_DELAY_MS);
    // "a" is not everyone's; of "b" and "c", two of three prefer "b".
    assert_eq!(bench.joined(first).protocol_name.as_deref(), Some("b"));
}

#[test]
fn a_full_group_refuses_new_members_and_keeps_its_own() {
    let mut bench = Bench::with(GroupConfig {
        max_size: 2,
        ..GroupConfig::default()
    });
    let members = bench.stable_group(2);
    let full = code(ErrorCode::GroupMaxSizeReached);
    assert_eq!(bench.join_error(&Join::default()), full);
    assert_eq!(bench.heartbeat(1, &members[0]), 0);
    let again = bench.join(&Join::of(&members[1]));
    assert_eq!(bench.joined(again).error_code, 0);
}

#[test]
fn of_pending_members_only_as_many_as_fit_get_into_the_rebalance() {
    let mut bench = Bench::with(GroupConfig {
        max_size: 1,
        ..GroupConfig::default()
    });
    let ids: Vec<String> = (0..2)
        .map(|_| {
            let token = bench.join(&Join::default());
            bench.joined(token).member_id
        })
        .collect();
    let kept = bench.join(&Join::of(&ids[0]));
    let error = bench.join_error(&Join::of(&ids[1]));
    assert_eq!(error, code(ErrorCode::GroupMaxSizeReached));
    bench.advance(3_000);
    assert_eq!(bench.joined(kept).members.len(), 1);
}

#[test]
fn metadata_beyond_the_limit_of_a_group_is_refused() {
    let mut bench = Bench::with(GroupConfig {
        max_group_bytes: 10_000,
        ..GroupConfig::default()
    });
    let large = Join::default().with_metadata(vec![0; 6_000].into());
    bench.join_with_new_id(&large);
    let error = bench.join_error(&large);
    assert_eq!(error, code(ErrorCode::GroupMaxSizeReached));
}

#[test]
fn ids_given_out_are_limited_too() {
    let mut bench = Bench::with(GroupConfig {
        max_pending_members: 1,
        ..GroupConfig::default()
    });
    let (required, full) = (ErrorCode::MemberIdRequired, ErrorCode::GroupMaxSizeReached);
    assert_eq!(bench.join_error(&Join::default()), code(required));
    assert_eq!(bench.join_error(&Join::default()), code(full));
    bench.advance(i64::from(SESSION_MS));
    assert_eq!(bench.join_error(&Join::default()), code(required));
}

#[test]
fn ids_given_out_count_in_the_memory_of_the_group() {
    let mut bench = Bench::with(GroupConfig {
        max_group_bytes: 1_000,
        ..GroupConfig::default()
    });
    let errors: Vec<i16> = (0..4).map(|_| bench.join_error(&Join::default())).collect();
    let (required, full) = (
        code(ErrorCode::MemberIdRequired),
        code(ErrorCode::GroupMaxSizeReached),
    );
    assert_eq!(errors, [required, required, full, full]);
    bench.advance(i64::from(SESSION_MS));
    assert_eq!(bench.join_error(&Join::default()), required);
}

#[test]
fn groups_are_limited() {
    let mut bench = Bench::with(GroupConfig {
        max_groups: 1,
        ..GroupConfig::default()
    });
    bench.join_with_new_id(&Join::default());
    let another = Join {
        group: "another",
        ..Join::default()
    };
    let error = bench.join_error(&another);
    assert_eq!(error, code(ErrorCode::CoordinatorNotAvailable));
}

#[test]
fn a_text_that_no_record_can_hold_is_refused() {
    let mut bench = Bench::new();
    let endless: &'static str = Box::leak("x".repeat(40_000).into_boxed_str());
    let join = Join {
        group: endless,
        ..Join::default()
    };
    assert_eq!(bench.join_error(&join), code(ErrorCode::InvalidGroupId));
    let error = bench.join_error(&Join::static_member(endless));
    assert_eq!(error, code(ErrorCode::InvalidRequest));
}

#[test]
fn a_repeated_join_takes_the_place_of_the_one_that_waits() {
    let mut bench = Bench::new();
    let (member_id, first) = bench.join_with_new_id(&Join::default());
    let second = bench.join(&Join::of(&member_id));
    let superseded = code(ErrorCode::RebalanceInProgress);
    assert_eq!(bench.joined(first).error_code, superseded);
    bench.advance(3_000);
    assert_eq!(bench.joined(second).generation_id, 1);
}

#[test]
fn a_member_that_never_fetches_the_answer_to_its_first_join_is_dropped_in_time() {
    let mut bench = Bench::new();
    let slow = Join {
        rebalance_ms: 3_600_000,
        ..Join::default()
    };
    let members = bench.stable_group_with(std::slice::from_ref(&slow));
    let (_, newcomer) = bench.join_with_new_id(&slow);
    bench.advance_with_heartbeats(299_000, 1, &[&members[0]]);
    assert_eq!(bench.reply(newcomer), None);
    bench.advance_with_heartbeats(10_000, 1, &[&members[0]]);
    let error = bench.joined(newcomer).error_code;
    assert_eq!(error, code(ErrorCode::UnknownMemberId));
}
