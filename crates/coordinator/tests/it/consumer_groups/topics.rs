//! Topics that come, grow and go under a group.

use super::bench::{Beat, ConsumerBench, Sim, owned};
use crate::harness::GROUP;

#[test]
fn a_group_takes_up_a_topic_that_is_made_later() {
    let mut bench = ConsumerBench::new(&[]);
    let mut m1 = Sim::join(&mut bench, "m1", &["a"]);
    assert!(m1.owned.is_empty());
    bench.set_topic("a", 3);
    m1.beat(&mut bench);
    assert_eq!(m1.owned, owned(&[("a", 0..3)]));
}

#[test]
fn a_group_takes_up_partitions_that_are_added() {
    let mut bench = ConsumerBench::new(&[("a", 2), ("b", 2)]);
    let mut members = vec![
        Sim::join(&mut bench, "m1", &["a"]),
        Sim::join(&mut bench, "m2", &["a"]),
    ];
    bench.settle(&mut members);
    bench.set_topic("a", 6);
    bench.settle(&mut members);
    assert!(members.iter().all(|member| member.owned.len() == 3));
}

#[test]
fn a_topic_that_is_none_of_the_groups_business_changes_nothing() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    let mut m1 = Sim::join(&mut bench, "m1", &["a"]);
    bench.set_topic("b", 2);
    m1.beat(&mut bench);
    bench.delete_topic("b");
    m1.beat(&mut bench);
    assert_eq!(m1.epoch, 1);
}

#[test]
fn a_topic_that_goes_is_taken_from_its_members_and_comes_back_as_another() {
    let mut bench = ConsumerBench::new(&[("a", 2), ("b", 1)]);
    let mut m1 = Sim::join(&mut bench, "m1", &["a", "b"]);
    bench.delete_topic("a");
    m1.owned = owned(&[("b", 0..1)]);
    bench.settle(std::slice::from_mut(&mut m1));
    assert_eq!(m1.owned, owned(&[("b", 0..1)]));
    bench.set_topic("a", 4);
    bench.settle(std::slice::from_mut(&mut m1));
    assert_eq!(m1.owned, owned(&[("a", 0..4), ("b", 0..1)]));
}

#[test]
fn what_changed_while_the_coordinator_was_down_is_noticed() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    let mut m1 = Sim::join(&mut bench, "m1", &["a"]);
    bench.set_topic("a", 4);
    bench.restart();
    m1.beat(&mut bench);
    assert_eq!(m1.owned, owned(&[("a", 0..4)]));
    assert_eq!(bench.describe(GROUP).group_epoch, 2);
    assert_eq!(bench.beat(&Beat::of("m1", 2)).member_epoch, 2, "once");
}
