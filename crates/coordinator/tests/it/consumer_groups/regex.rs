//! Subscriptions by regular expression.

use headwater_coordinator::ConsumerGroupRecord;
use headwater_protocol::ErrorCode;

use super::bench::{Beat, ConsumerBench, Owned, Sim, owned};
use super::classic_members::ClassicSim;
use crate::harness::GROUP;

fn sim(bench: &mut ConsumerBench, beat: &Beat<'_>) -> Sim {
    let (epoch, owned) = bench.joined(beat);
    Sim {
        id: beat.member_id.to_owned(),
        epoch,
        owned,
    }
}

fn resolved(bench: &ConsumerBench) -> Vec<String> {
    let state = bench.bench.coordinator.durable_state();
    let records = state.consumer_groups[GROUP].iter();
    records
        .filter_map(|record| match record {
            ConsumerGroupRecord::RegularExpression { regex, .. } => Some(regex.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_member_gets_the_topics_its_expression_matches_as_whole_names() {
    let mut bench = ConsumerBench::new(&[("orders", 2), ("orders.eu", 1), ("payments", 1)]);
    let m1 = sim(&mut bench, &Beat::join_by_regex("m1", r"orders(\..+)?"));
    assert_eq!(m1.owned, owned(&[("orders", 0..2), ("orders.eu", 0..1)]));
    let m1 = bench.described_member("m1");
    assert_eq!(m1.subscribed_topic_regex.as_deref(), Some(r"orders(\..+)?"));
}

#[test]
fn an_expression_and_names_add_up() {
    let mut bench = ConsumerBench::new(&[("a1", 1), ("a2", 1), ("b", 1)]);
    let both = Beat {
        topics: Some(&["b", "a1"]),
        ..Beat::join_by_regex("m1", "a.")
    };
    let m1 = sim(&mut bench, &both);
    assert_eq!(m1.owned.len(), 3);
}

#[test]
fn a_new_topic_that_matches_is_taken_up() {
    let mut bench = ConsumerBench::new(&[("a1", 1)]);
    let mut m1 = sim(&mut bench, &Beat::join_by_regex("m1", "a.*"));
    m1.beat(&mut bench);
    bench.set_topic("a2", 2);
    m1.beat(&mut bench);
    assert_eq!(m1.owned.len(), 1, "not looked at all topics again so soon");
    bench.bench.advance(10_001);
    bench.settle(std::slice::from_mut(&mut m1));
    assert_eq!(m1.owned, owned(&[("a1", 0..1), ("a2", 0..2)]));
    bench.delete_topic("a1");
    bench.settle(std::slice::from_mut(&mut m1));
    assert_eq!(m1.owned, owned(&[("a2", 0..2)]));
}

#[test]
fn an_expression_that_is_none_is_refused_and_changes_nothing() {
    let mut bench = ConsumerBench::new(&[("a", 1)]);
    let message = bench.refused(
        &Beat::join_by_regex("m1", "("),
        ErrorCode::InvalidRegularExpression,
    );
    assert!(message.contains('('), "{message}");
    assert!(bench.bench.log.is_empty());
}

#[test]
fn what_is_matched_is_kept_as_long_as_somebody_subscribes_by_it() {
    let mut bench = ConsumerBench::new(&[("a", 2), ("b", 1)]);
    let mut members = vec![
        sim(&mut bench, &Beat::join_by_regex("m1", "a.*")),
        sim(&mut bench, &Beat::join_by_regex("m2", "a.*")),
    ];
    bench.settle(&mut members);
    let changed = Beat {
        regex: Some("b"),
        ..Beat::owning("m1", members[0].epoch, &members[0].owned)
    };
    assert_eq!(bench.beat(&changed).error_code, 0);
    assert_eq!(resolved(&bench), ["a.*", "b"]);
    bench.beat(&Beat::of("m2", -1));
    assert_eq!(resolved(&bench), ["b"]);
    members.truncate(1);
    members[0].owned = Owned::new();
    bench.settle(&mut members);
    assert_eq!(members[0].owned, owned(&[("b", 0..1)]));
    // An empty expression: back to names alone.
    let by_name = Beat {
        regex: Some(""),
        topics: Some(&["a"]),
        ..Beat::owning("m1", members[0].epoch, &Owned::new())
    };
    let answer = bench.beat(&by_name);
    assert_eq!(resolved(&bench), Vec::<String>::new());
    assert_eq!(bench.assigned(&answer), Some(owned(&[("a", 0..2)])));
}

#[test]
fn topics_that_the_client_may_not_know_of_are_not_matched() {
    let mut bench = ConsumerBench::new(&[("a-public", 1), ("a-secret", 1)]);
    let join = Beat::join_by_regex("m1", "a.*");
    let answer = bench.beat_where(&join, &|topic| topic != "a-secret");
    assert_eq!(bench.assigned(&answer), Some(owned(&[("a-public", 0..1)])));
}

#[test]
fn what_was_matched_is_read_back_after_a_restart() {
    let mut bench = ConsumerBench::new(&[("a1", 1), ("a2", 1)]);
    let mut m1 = sim(&mut bench, &Beat::join_by_regex("m1", "a.*"));
    bench.restart();
    assert_eq!(resolved(&bench), ["a.*"]);
    m1.beat(&mut bench);
    assert_eq!((m1.epoch, m1.owned.len()), (1, 2), "no rebalance");
}

#[test]
fn a_classic_member_that_joins_takes_no_topics_from_an_expression() {
    let mut bench = ConsumerBench::new(&[("a1", 1), ("b", 1)]);
    let mut m1 = sim(&mut bench, &Beat::join_by_regex("m1", "a.*"));
    bench.set_topic("a2", 1);
    // Late enough for the topics to be looked at again.
    bench.bench.advance(20_000);
    let mut classic = ClassicSim::new(&["b"]);
    classic.join(&mut bench);
    assert_eq!(classic.owned, owned(&[("b", 0..1)]));
    let before = bench.described_member("m1").target_assignment;
    assert_eq!(before.topic_partitions.len(), 1, "{before:?}");
    // The look is still to come: with the next heartbeat of somebody who may say what is matched.
    m1.beat(&mut bench);
    assert_eq!(m1.owned, owned(&[("a1", 0..1), ("a2", 0..1)]));
}
