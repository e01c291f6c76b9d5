//! Without its last consumer a group is a classic one again.

use headwater_coordinator::{AppendFailure, GroupConfig, MigrationPolicy};
use headwater_protocol::ErrorCode;

use super::bench::{Beat, CONSUMER_SESSION_MS, ConsumerBench, Sim, owned};
use super::classic_members::{ClassicSim, classic_pair, read_assignment, settle_mixed, subscribed};
use crate::harness::{GROUP, Join, code};

/// Two classic members and a consumer.
fn mixed(bench: &mut ConsumerBench) -> (Vec<ClassicSim>, Sim) {
    let mut classic = classic_pair(bench);
    let mut members = vec![Sim::join(bench, "m1", &["a"])];
    settle_mixed(bench, &mut classic, &mut members);
    (classic, members.remove(0))
}

/// The classic members rebalance among themselves, as clients do.
fn rebalance(bench: &mut ConsumerBench, classic: &[ClassicSim]) {
    let rejoin =
        |member: &ClassicSim| Join::of(&member.id).with_metadata(subscribed(&["a"], &member.owned));
    let tokens: Vec<_> = classic
        .iter()
        .map(|member| bench.bench.join(&rejoin(member)))
        .collect();
    let answers: Vec<_> = tokens
        .iter()
        .map(|token| bench.bench.joined(*token))
        .collect();
    assert!(answers.iter().all(|answer| answer.error_code == 0));
    let leads = answers
        .iter()
        .filter(|answer| answer.leader == answer.member_id);
    assert_eq!(leads.count(), 1, "one of them assigns again");
    let ids: Vec<String> = classic.iter().map(|member| member.id.clone()).collect();
    bench.bench.sync_all(answers[0].generation_id, &ids);
}

/// Behaviour 33.
#[test]
fn kip_848_a_group_is_classic_again_when_its_last_consumer_leaves_and_rebalances() {
    let mut bench = ConsumerBench::new(&[("a", 4)]);
    let (classic, _) = mixed(&mut bench);
    let epoch = bench.describe(GROUP).group_epoch;
    bench.beat(&Beat::of("m1", -1));
    let listed = bench.bench.list(&[], &["classic"]);
    assert_eq!(listed[0].group_state, "PreparingRebalance");
    assert!(
        bench
            .bench
            .coordinator
            .durable_state()
            .consumer_groups
            .is_empty()
    );
    let rebalancing = code(ErrorCode::RebalanceInProgress);
    assert_eq!(bench.bench.heartbeat(epoch, &classic[0].id), rebalancing);
    rebalance(&mut bench, &classic);
    bench.restart();
    assert_eq!(bench.bench.state(), "Stable");
}

#[test]
fn a_group_is_classic_again_when_nothing_is_heard_of_its_last_consumer() {
    let mut bench = ConsumerBench::new(&[("a", 4)]);
    let (mut classic, _) = mixed(&mut bench);
    for _ in 0..9 {
        bench.bench.advance(CONSUMER_SESSION_MS / 9);
        let still = bench.describe(GROUP).error_code == 0;
        for member in classic.iter_mut().filter(|_| still) {
            member.turn(&mut bench);
        }
    }
    assert_eq!(bench.bench.list(&[], &["classic"]).len(), 1);
    rebalance(&mut bench, &classic);
}

#[test]
fn what_a_downgrade_wrote_is_read_back() {
    let mut bench = ConsumerBench::new(&[("a", 4)]);
    let (classic, _) = mixed(&mut bench);
    bench.beat(&Beat::of("m1", -1));
    bench.restart();
    let durable = bench.bench.durable_group();
    assert_eq!(durable.members.len(), 2);
    for member in &classic {
        let record = durable.member(&member.id).unwrap();
        assert_eq!(read_assignment(&record.assignment), member.owned);
    }
    assert_eq!(bench.bench.state(), "Stable");
}

#[test]
fn a_policy_forbids_the_downgrade() {
    let config = GroupConfig {
        migration_policy: MigrationPolicy::Upgrade,
        ..GroupConfig::default()
    };
    let mut bench = ConsumerBench::with(config, &[("a", 4)]);
    let (mut classic, _) = mixed(&mut bench);
    bench.beat(&Beat::of("m1", -1));
    settle_mixed(&mut bench, &mut classic, &mut []);
    assert_eq!(classic[0].owned.len() + classic[1].owned.len(), 4);
}

#[test]
fn a_group_stays_a_consumer_group_without_anybody() {
    let mut bench = ConsumerBench::new(&[("a", 4)]);
    Sim::join(&mut bench, "m1", &["a"]);
    bench.beat(&Beat::of("m1", -1));
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn an_instance_that_comes_back_by_the_classic_protocol_takes_the_group_back_without_a_rebalance() {
    let mut bench = ConsumerBench::new(&[("a", 4)]);
    let (epoch, all) = bench.joined(&Beat::join("m1", &["a"]).of_instance("i1"));
    assert_eq!((epoch, all.len()), (1, 4));
    bench.beat(&Beat::of("m1", -2).of_instance("i1"));
    let mut back = ClassicSim {
        instance: Some("i1"),
        ..ClassicSim::new(&["a"])
    };
    back.try_join(&mut bench);
    assert_eq!(bench.bench.list(&[], &["classic"])[0].group_state, "Stable");
    assert_eq!(bench.bench.describe(GROUP).members.len(), 1);
    back.sync(&mut bench);
    assert_eq!(back.owned, owned(&[("a", 0..4)]));
    assert_eq!(back.heartbeat(&mut bench), 0);
    bench.restart();
    assert_eq!(back.heartbeat(&mut bench), 0);
}

#[test]
fn a_refused_log_leaves_the_consumer_group_as_it_was() {
    let mut bench = ConsumerBench::new(&[("a", 4)]);
    let (classic, m1) = mixed(&mut bench);
    bench.bench.failure = Some(AppendFailure::Storage);
    let refused = bench.beat(&Beat::of("m1", -1));
    assert_eq!(refused.error_code, code(ErrorCode::NotCoordinator));
    bench.bench.failure = None;
    assert_eq!(bench.state(), "Stable");
    assert_eq!(bench.bench.list(&[], &[]).len(), 1);
    assert_eq!(classic[0].heartbeat(&mut bench), 0);
    let answer = bench.beat(&Beat::of("m1", m1.epoch));
    assert_eq!(answer.error_code, 0);
    bench.bench.advance(CONSUMER_SESSION_MS);
    assert!(bench.bench.list(&["stable"], &["consumer"]).is_empty());
}
