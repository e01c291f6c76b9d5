//! Members come, share, go, and are fenced.

use headwater_coordinator::{ConsumerAssignor, GroupConfig};
use headwater_protocol::ErrorCode;

use super::bench::{
    Beat, CONSUMER_REBALANCE_MS, CONSUMER_SESSION_MS, ConsumerBench, Owned, Sim, owned,
};
use crate::harness::{GROUP, code, commit};

#[test]
fn whoever_joins_alone_gets_everything_at_once() {
    let mut bench = ConsumerBench::new(&[("a", 3), ("b", 2)]);
    let answer = bench.beat(&Beat::join("m1", &["a", "b", "missing"]));
    assert_eq!(answer.error_code, 0);
    assert_eq!(answer.member_id.as_deref(), Some("m1"));
    assert_eq!(answer.member_epoch, 1);
    assert_eq!(answer.heartbeat_interval_ms, 5_000);
    let all = owned(&[("a", 0..3), ("b", 0..2)]);
    assert_eq!(bench.assigned(&answer), Some(all));
    assert_eq!(bench.state(), "Stable");
}

#[test]
fn the_assignment_is_told_again_only_when_it_changed_or_everything_is_said() {
    let mut bench = ConsumerBench::new(&[("a", 3)]);
    let mut m1 = Sim::join(&mut bench, "m1", &["a"]);
    assert!(bench.beat(&Beat::of("m1", 1)).assignment.is_none());
    let full = Beat {
        topics: Some(&["a"]),
        rebalance_ms: CONSUMER_REBALANCE_MS,
        ..Beat::owning("m1", 1, &m1.owned)
    };
    assert!(bench.beat(&full).assignment.is_some());
    m1.beat(&mut bench);
    assert_eq!(m1.epoch, 1, "nothing has changed");
}

/// Behaviour 33.
#[test]
fn kip_848_a_partition_is_given_only_when_its_owner_has_given_it_up() {
    let mut bench = ConsumerBench::new(&[("a", 4)]);
    let m1 = Sim::join(&mut bench, "m1", &["a"]);
    let (epoch, nothing) = bench.joined(&Beat::join("m2", &["a"]));
    assert_eq!((epoch, nothing), (2, Owned::new()), "all are m1's still");
    assert_eq!(bench.state(), "Reconciling");

    // m1 is told in its old epoch to give up two, and again as long as it has them.
    let answer = bench.beat(&Beat::of("m1", 1));
    let kept = bench.assigned(&answer).unwrap();
    assert_eq!((answer.member_epoch, kept.len()), (1, 2));
    let answer = bench.beat(&Beat::owning("m1", 1, &m1.owned));
    assert_eq!(answer.member_epoch, 1);
    let answer = bench.beat(&Beat::of("m2", 2));
    assert!(answer.assignment.is_none(), "nothing is free yet");
    bench.check_owners();

    let answer = bench.beat(&Beat::owning("m1", 1, &kept));
    assert_eq!(answer.member_epoch, 2, "given up: on to the new epoch");
    let answer = bench.beat(&Beat::of("m2", 2));
    let got = bench.assigned(&answer).unwrap();
    assert_eq!(got, &owned(&[("a", 0..4)]) - &kept);
    assert_eq!(bench.state(), "Stable");
}

#[test]
fn what_a_member_leaves_behind_goes_to_the_others() {
    let mut bench = ConsumerBench::new(&[("a", 6)]);
    let mut members: Vec<Sim> = ["m1", "m2", "m3"]
        .map(|id| Sim::join(&mut bench, id, &["a"]))
        .to_vec();
    bench.settle(&mut members);
    assert!(members.iter().all(|member| member.owned.len() == 2));
    let answer = bench.beat(&Beat::of("m2", -1));
    assert_eq!((answer.error_code, answer.member_epoch), (0, -1));
    assert_eq!(answer.assignment, None);
    let gone = members.remove(1);
    let before = members.clone();
    bench.settle(&mut members);
    for (now, before) in members.iter().zip(&before) {
        assert_eq!(now.owned.len(), 3);
        assert!(
            now.owned.is_superset(&before.owned),
            "nobody loses anything"
        );
        assert!(!now.owned.is_disjoint(&gone.owned));
    }
    bench.refused(&Beat::of("m2", 3), ErrorCode::UnknownMemberId);
}

#[test]
fn a_group_without_members_is_empty_and_begins_again() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    Sim::join(&mut bench, "m1", &["a"]);
    bench.beat(&Beat::of("m1", -1));
    assert_eq!(bench.state(), "Empty");
    let (epoch, got) = bench.joined(&Beat::join("m2", &["a"]));
    assert_eq!(epoch, 3, "epochs go on");
    assert_eq!(got.len(), 2);
}

#[test]
fn a_member_that_is_not_heard_of_is_fenced() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    let mut m1 = Sim::join(&mut bench, "m1", &["a"]);
    Sim::join(&mut bench, "m2", &["a"]);
    bench.bench.advance(CONSUMER_SESSION_MS - 1_000);
    m1.beat(&mut bench);
    bench.bench.advance(1_000);
    assert_eq!(bench.describe(GROUP).members.len(), 1);
    bench.refused(&Beat::of("m2", 2), ErrorCode::UnknownMemberId);
    bench.settle(std::slice::from_mut(&mut m1));
    assert_eq!(m1.owned, owned(&[("a", 0..2)]));
}

#[test]
fn sessions_begin_again_after_a_restart() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    let mut m1 = Sim::join(&mut bench, "m1", &["a"]);
    bench.bench.advance(CONSUMER_SESSION_MS - 1_000);
    bench.restart();
    bench.bench.advance(CONSUMER_SESSION_MS - 1_000);
    m1.beat(&mut bench);
    assert_eq!(m1.epoch, 1);
    bench.bench.advance(CONSUMER_SESSION_MS);
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn a_member_that_does_not_give_up_in_time_is_fenced() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    let m1 = Sim::join(&mut bench, "m1", &["a"]);
    let mut m2 = Sim::join(&mut bench, "m2", &["a"]);
    bench.beat(&Beat::of("m1", 1));
    for _ in 0..3 {
        bench
            .bench
            .advance(i64::from(CONSUMER_REBALANCE_MS) / 3 - 1);
        let answer = bench.beat(&Beat::owning("m1", 1, &m1.owned));
        assert_eq!(answer.error_code, 0);
        m2.beat(&mut bench);
    }
    bench.bench.advance(3);
    bench.refused(&Beat::of("m1", 1), ErrorCode::UnknownMemberId);
    bench.settle(std::slice::from_mut(&mut m2));
    assert_eq!(m2.owned.len(), 2);
}

#[test]
fn the_time_to_give_up_goes_on_after_a_restart() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    let m1 = Sim::join(&mut bench, "m1", &["a"]);
    Sim::join(&mut bench, "m2", &["a"]);
    bench.beat(&Beat::of("m1", 1));
    bench.restart();
    bench.bench.advance(i64::from(CONSUMER_REBALANCE_MS) - 1);
    assert_eq!(bench.error(&Beat::owning("m1", 1, &m1.owned)).0, 0);
    bench.bench.advance(1);
    bench.refused(&Beat::of("m1", 1), ErrorCode::UnknownMemberId);
}

/// Behaviour 33.
#[test]
fn kip_848_member_epochs_fence_those_who_are_ahead_or_behind() {
    let mut bench = ConsumerBench::new(&[("a", 4)]);
    let mut members = vec![
        Sim::join(&mut bench, "m1", &["a"]),
        Sim::join(&mut bench, "m2", &["a"]),
    ];
    bench.settle(&mut members);
    let message = bench.refused(&Beat::of("m1", 3), ErrorCode::FencedMemberEpoch);
    assert!(message.contains("greater member epoch (3)"), "{message}");
    // The answer with the new epoch may have been lost: one that has no more than it may is let in.
    let answer = bench.beat(&Beat::owning("m1", 1, &members[0].owned));
    assert_eq!((answer.error_code, answer.member_epoch), (0, 2));
    let everything = owned(&[("a", 0..4)]);
    let message = bench.refused(
        &Beat::owning("m1", 1, &everything),
        ErrorCode::FencedMemberEpoch,
    );
    assert!(message.contains("smaller member epoch (1)"), "{message}");
    bench.refused(&Beat::of("m1", 1), ErrorCode::FencedMemberEpoch);
    // A fenced member joins again under its id, with what it had.
    let (epoch, got) = bench.joined(&Beat::join("m1", &["a"]));
    assert_eq!((epoch, got), (2, members[0].owned.clone()));
}

#[test]
fn heartbeats_that_say_nonsense_are_refused() {
    let mut bench = ConsumerBench::new(&[("a", 1)]);
    let invalid = ErrorCode::InvalidRequest;
    let join = || Beat::join("m1", &["a"]);
    let cases = [
        (
            Beat {
                member_id: "",
                ..join()
            },
            "MemberId can't be empty.",
        ),
        (
            Beat {
                group: "",
                ..join()
            },
            "GroupId can't be empty.",
        ),
        (join().of_instance(""), "InstanceId can't be empty."),
        (
            Beat {
                rebalance_ms: -1,
                ..join()
            },
            "RebalanceTimeoutMs must be provided in first request.",
        ),
        (
            Beat {
                owned: None,
                ..join()
            },
            "TopicPartitions must be empty when (re-)joining.",
        ),
        (
            Beat {
                owned: Some(owned(&[("a", 0..1)])),
                ..join()
            },
            "TopicPartitions must be empty when (re-)joining.",
        ),
        (
            Beat {
                topics: None,
                ..join()
            },
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
        (Beat::of("m1", -2), "InstanceId can't be null."),
        (Beat::of("m1", -3), "MemberEpoch is invalid."),
    ];
    for (beat, expected) in cases {
        assert_eq!(bench.refused(&beat, invalid), expected);
    }
    let message = bench.refused(
        &Beat {
            assignor: Some("mine"),
            ..join()
        },
        ErrorCode::UnsupportedAssignor,
    );
    assert!(message.contains("mine") && message.contains("uniform, range"));
    assert!(bench.bench.log.is_empty(), "nothing was written");
}

#[test]
fn whoever_heartbeats_in_no_group_learns_that_there_is_none() {
    let mut bench = ConsumerBench::new(&[("a", 1)]);
    let message = bench.refused(&Beat::of("m1", 5), ErrorCode::GroupIdNotFound);
    assert_eq!(message, format!("Consumer group {GROUP} not found."));
    bench.refused(&Beat::of("m1", -1), ErrorCode::GroupIdNotFound);
    Sim::join(&mut bench, "m1", &["a"]);
    bench.refused(&Beat::of("m2", 5), ErrorCode::UnknownMemberId);
}

#[test]
fn version_0_lets_the_coordinator_make_the_member_id() {
    let mut bench = ConsumerBench::new(&[("a", 1)]);
    let answer = bench.beat(&Beat {
        member_id: "",
        version: 0,
        ..Beat::join("", &["a"])
    });
    assert_eq!(answer.error_code, 0);
    let made = answer.member_id.unwrap();
    assert!(made.starts_with("uuid-"), "{made}");
    let again = bench.beat(&Beat {
        version: 0,
        ..Beat::of(&made, 1)
    });
    assert_eq!(again.error_code, 0);
}

#[test]
fn a_full_group_takes_no_more_members() {
    let config = GroupConfig {
        consumer_max_size: 1,
        ..GroupConfig::default()
    };
    let mut bench = ConsumerBench::with(config, &[("a", 1)]);
    Sim::join(&mut bench, "m1", &["a"]);
    bench.refused(&Beat::join("m2", &["a"]), ErrorCode::GroupMaxSizeReached);
    assert_eq!(bench.beat(&Beat::of("m1", 1)).error_code, 0);
}

#[test]
fn the_members_of_a_group_may_take_so_much_memory() {
    let config = GroupConfig {
        max_group_bytes: 4_096,
        ..GroupConfig::default()
    };
    let mut bench = ConsumerBench::with(config, &[("a", 1)]);
    Sim::join(&mut bench, "m1", &["a"]);
    let long = "x".repeat(4_096);
    let refused = bench.refused(&Beat::join("m2", &[&long]), ErrorCode::GroupMaxSizeReached);
    assert!(refused.contains(GROUP));
    assert_eq!(bench.describe(GROUP).members.len(), 1);
}

#[test]
fn most_members_choose_the_assignor() {
    let config = GroupConfig {
        consumer_assignors: vec![ConsumerAssignor::Range, ConsumerAssignor::Uniform],
        ..GroupConfig::default()
    };
    let mut bench = ConsumerBench::with(config, &[("a", 3), ("b", 3)]);
    let mut members = vec![
        Sim::join(&mut bench, "m1", &["a", "b"]),
        Sim::join(&mut bench, "m2", &["a", "b"]),
    ];
    bench.settle(&mut members);
    assert_eq!(bench.describe(GROUP).assignor_name, "range");
    assert_eq!(members[0].owned, owned(&[("a", 0..2), ("b", 0..2)]));
    let asks = Beat {
        assignor: Some("uniform"),
        ..Beat::of("m1", members[0].epoch)
    };
    assert_eq!(bench.beat(&asks).error_code, 0);
    assert_eq!(bench.describe(GROUP).assignor_name, "uniform");
}

#[test]
fn a_member_that_wants_other_topics_gives_up_the_old_ones_first() {
    let mut bench = ConsumerBench::new(&[("a", 2), ("b", 2)]);
    let m1 = Sim::join(&mut bench, "m1", &["a"]);
    let answer = bench.beat(&Beat {
        topics: Some(&["b"]),
        ..Beat::owning("m1", 1, &m1.owned)
    });
    assert_eq!(answer.member_epoch, 1);
    assert_eq!(bench.assigned(&answer), Some(Owned::new()));
    let answer = bench.beat(&Beat::owning("m1", 1, &Owned::new()));
    assert_eq!(answer.member_epoch, 2);
    assert_eq!(bench.assigned(&answer), Some(owned(&[("b", 0..2)])));
}

#[test]
fn groups_set_their_own_times_within_the_brokers_limits() {
    let mut bench = ConsumerBench::new(&[("a", 1)]);
    bench.set_group_config("consumer.session.timeout.ms", "50000");
    bench.set_group_config("consumer.heartbeat.interval.ms", "7000");
    let answer = bench.beat(&Beat::join("m1", &["a"]));
    assert_eq!(answer.heartbeat_interval_ms, 7_000);
    bench.bench.advance(49_999);
    assert_eq!(bench.state(), "Stable");
    bench.bench.advance(1);
    assert_eq!(bench.state(), "Empty");
    bench.set_group_config("consumer.heartbeat.interval.ms", "1000000");
    let answer = bench.beat(&Beat::join("m1", &["a"]));
    assert_eq!(answer.heartbeat_interval_ms, 15_000);
}

#[test]
fn a_refused_log_leaves_the_group_as_it_was() {
    use headwater_coordinator::AppendFailure;

    let mut bench = ConsumerBench::new(&[("a", 2)]);
    let m1 = Sim::join(&mut bench, "m1", &["a"]);
    let before = bench.bench.coordinator.durable_state();
    bench.bench.failure = Some(AppendFailure::Storage);
    for beat in [Beat::join("m2", &["a"]), Beat::of("m1", -1)] {
        let answer = bench.beat(&beat);
        assert_eq!(answer.error_code, code(ErrorCode::NotCoordinator));
    }
    assert_eq!(bench.bench.coordinator.durable_state(), before);
    bench.bench.failure = None;
    let answer = bench.beat(&Beat::owning("m1", 1, &m1.owned));
    assert_eq!((answer.error_code, answer.member_epoch), (0, 1));
    // Its session still ends, although the turn that took it away was refused.
    bench.bench.advance(CONSUMER_SESSION_MS);
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn a_description_tells_members_with_what_they_have_and_are_to_have() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    Sim::join(&mut bench, "m1", &["a"]);
    Sim::join(&mut bench, "m2", &["a"]);
    let group = bench.describe(GROUP);
    assert_eq!(group.error_code, 0);
    assert_eq!((group.group_epoch, group.assignment_epoch), (2, 2));
    assert_eq!(group.assignor_name, "uniform");
    let m1 = bench.described_member("m1");
    assert_eq!((m1.member_epoch, m1.member_type), (1, 1));
    assert_eq!(m1.client_host, "/127.0.0.1");
    assert_eq!(m1.subscribed_topic_names, ["a"]);
    assert_eq!(m1.assignment.topic_partitions[0].partitions, [0, 1]);
    assert_eq!(m1.target_assignment.topic_partitions[0].partitions.len(), 1);
    assert_eq!(m1.target_assignment.topic_partitions[0].topic_name, "a");
    let missing = bench.describe("missing");
    assert_eq!(missing.error_code, code(ErrorCode::GroupIdNotFound));
    assert_eq!(missing.error_message.unwrap(), "Group missing not found.");
}

#[test]
fn administrators_see_both_kinds_of_groups_by_type_and_state() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    Sim::join(&mut bench, "m1", &["a"]);
    assert_eq!(bench.bench.commit(&commit("classic-group", "a", 1)), 0);
    let names = |bench: &mut ConsumerBench, states: &[&str], types: &[&str]| -> Vec<String> {
        let groups = bench.bench.list(states, types);
        groups.into_iter().map(|group| group.group_id).collect()
    };
    assert_eq!(names(&mut bench, &[], &["Consumer"]), [GROUP]);
    assert_eq!(names(&mut bench, &[], &["classic"]), ["classic-group"]);
    assert_eq!(names(&mut bench, &["stable"], &[]), [GROUP]);
    assert_eq!(names(&mut bench, &["assigning"], &[]).len(), 0);
    let listed = bench.bench.list(&[], &["consumer"]).remove(0);
    assert_eq!(
        (listed.group_type.as_str(), listed.protocol_type.as_str()),
        ("consumer", "consumer")
    );

    // A consumer group is none to DescribeGroups, and a classic one none to ConsumerGroupDescribe.
    let described = bench.bench.describe_at(6, GROUP);
    assert_eq!(described.error_code, code(ErrorCode::GroupIdNotFound));
    assert_eq!(described.group_state, "Dead");
    let reason = format!("Group {GROUP} is not a classic group.");
    assert_eq!(described.error_message, Some(reason));
    let described = bench.bench.describe_at(5, GROUP);
    assert_eq!(
        (described.error_code, described.group_state.as_str()),
        (0, "Dead")
    );
    let described = bench.describe("classic-group");
    assert_eq!(described.error_code, code(ErrorCode::GroupIdNotFound));
}

#[test]
fn a_group_is_deleted_when_nobody_is_in_it() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    Sim::join(&mut bench, "m1", &["a"]);
    assert_eq!(
        bench.bench.delete(&[GROUP]),
        [code(ErrorCode::NonEmptyGroup)]
    );
    bench.beat(&Beat::of("m1", -1));
    assert_eq!(bench.bench.delete(&[GROUP]), [0]);
    assert_eq!(
        bench.bench.delete(&[GROUP]),
        [code(ErrorCode::GroupIdNotFound)]
    );
    bench.restart();
    assert!(
        bench
            .bench
            .coordinator
            .durable_state()
            .consumer_groups
            .is_empty()
    );
}
