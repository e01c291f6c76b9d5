//! Static members of consumer groups: an instance that comes back keeps what it had.

use headwater_protocol::ErrorCode;

use super::bench::{Beat, CONSUMER_SESSION_MS, ConsumerBench, Sim, owned};
use crate::harness::GROUP;

fn joined(bench: &mut ConsumerBench, id: &str, instance: &str) -> Sim {
    let (epoch, owned) = bench.joined(&Beat::join(id, &["a"]).of_instance(instance));
    Sim {
        id: id.to_owned(),
        epoch,
        owned,
    }
}

/// Behaviours 30 and 33.
#[test]
fn kip_848_an_instance_that_left_for_a_while_comes_back_to_its_partitions_without_a_rebalance() {
    let mut bench = ConsumerBench::new(&[("a", 4)]);
    let mut members = vec![
        joined(&mut bench, "m1", "i1"),
        joined(&mut bench, "m2", "i2"),
    ];
    bench.settle(&mut members);
    let epoch = bench.describe(GROUP).group_epoch;
    let answer = bench.beat(&Beat::of("m1", -2).of_instance("i1"));
    assert_eq!((answer.error_code, answer.member_epoch), (0, -2));
    bench.bench.advance(CONSUMER_SESSION_MS / 2);
    members[1].beat(&mut bench);
    assert_eq!(bench.described_member("m1").member_epoch, -2);

    let back = joined(&mut bench, "m1-again", "i1");
    assert_eq!(back.owned, members[0].owned);
    assert_eq!(
        bench.describe(GROUP).group_epoch,
        epoch,
        "nobody else noticed"
    );
    assert_eq!(bench.describe(GROUP).members.len(), 2);
    members[0] = back;
    bench.settle(&mut members);
    bench.check_owners();
}

/// Behaviours 30 and 33.
#[test]
fn kip_848_an_instance_id_in_use_is_unreleased_to_others_and_its_old_member_is_fenced() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    joined(&mut bench, "m1", "i1");
    let second = Beat::join("m2", &["a"]).of_instance("i1");
    let message = bench.refused(&second, ErrorCode::UnreleasedInstanceId);
    assert!(
        message.contains("m1") && message.contains("i1"),
        "{message}"
    );
    bench.beat(&Beat::of("m1", -2).of_instance("i1"));
    assert_eq!(bench.error(&second).0, 0);
    let message = bench.refused(
        &Beat::of("m1", 1).of_instance("i1"),
        ErrorCode::FencedInstanceId,
    );
    assert!(message.contains("m2"), "{message}");
    bench.refused(
        &Beat::of("m1", -1).of_instance("i1"),
        ErrorCode::FencedInstanceId,
    );
    bench.refused(
        &Beat::of("m3", 1).of_instance("i9"),
        ErrorCode::UnknownMemberId,
    );
}

#[test]
fn an_instance_that_does_not_come_back_within_its_session_is_gone() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    joined(&mut bench, "m1", "i1");
    bench.beat(&Beat::of("m1", -2).of_instance("i1"));
    bench.bench.advance(CONSUMER_SESSION_MS);
    assert_eq!(bench.state(), "Empty");
    let back = joined(&mut bench, "m2", "i1");
    assert_eq!(back.owned, owned(&[("a", 0..2)]));
}

#[test]
fn an_instance_that_leaves_for_good_leaves_its_partitions() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    joined(&mut bench, "m1", "i1");
    let mut m2 = joined(&mut bench, "m2", "i2");
    let answer = bench.beat(&Beat::of("m1", -1).of_instance("i1"));
    assert_eq!((answer.error_code, answer.member_epoch), (0, -1));
    bench.settle(std::slice::from_mut(&mut m2));
    assert_eq!(m2.owned.len(), 2);
}

#[test]
fn an_instance_that_left_while_it_had_to_give_up_comes_back_to_what_it_kept() {
    let mut bench = ConsumerBench::new(&[("a", 4)]);
    let m1 = joined(&mut bench, "m1", "i1");
    assert_eq!(m1.owned.len(), 4);
    let m2 = joined(&mut bench, "m2", "i2");
    let answer = bench.beat(&Beat::of("m1", 1).of_instance("i1"));
    let kept = bench.assigned(&answer).unwrap();
    bench.beat(&Beat::of("m1", -2).of_instance("i1"));
    let mut members = vec![m2, joined(&mut bench, "m1-again", "i1")];
    assert_eq!(members[1].owned, kept);
    bench.settle(&mut members);
    assert_eq!(members[0].owned.len(), 2);
    bench.check_owners();
}

#[test]
fn static_membership_survives_a_restart() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    let m1 = joined(&mut bench, "m1", "i1");
    bench.beat(&Beat::of("m1", -2).of_instance("i1"));
    bench.restart();
    let back = joined(&mut bench, "m1-again", "i1");
    assert_eq!(back.owned, m1.owned);
    bench.refused(
        &Beat::of("m1", 1).of_instance("i1"),
        ErrorCode::FencedInstanceId,
    );
}
