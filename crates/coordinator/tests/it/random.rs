//! Whatever clients do, nobody waits for ever and the log tells the whole story.

use headwater_coordinator::{AppendFailure, GroupConfig, GroupCoordinator, Outcome};
use headwater_protocol::Uuid;
use headwater_protocol::messages::offset_commit::OffsetCommitRequest;
use proptest::prelude::*;

use crate::harness::{
    Bench, GROUP, Join, REBALANCE_MS, SESSION_MS, TOPIC, commit, commit_by, transactional_commit,
};

/// What may happen. Members are named by the order in which ids were given out.
#[derive(Debug, Clone, Copy)]
enum Step {
    Join {
        member: Option<usize>,
        instance: Option<usize>,
        protocols: usize,
        rebalance_ms: i32,
        version: i16,
    },
    Sync {
        member: usize,
        generation: i32,
        assigns: usize,
    },
    Heartbeat {
        member: usize,
        generation: i32,
    },
    Leave {
        member: usize,
        instance: Option<usize>,
    },
    Commit {
        member: Option<usize>,
        generation: i32,
        topic: usize,
    },
    CommitInTransaction {
        producer: i64,
        topic: usize,
    },
    EndTransaction {
        producer: i64,
        outcome: Outcome,
    },
    DeleteOffsets {
        topic: usize,
    },
    Delete,
    TopicDeleted {
        topic: usize,
    },
    Advance {
        ms: i64,
    },
    Refuse {
        failure: Option<AppendFailure>,
    },
    Restart,
}

const INSTANCES: [&str; 2] = ["rack-1", "rack-2"];
const PROTOCOLS: [&[&str]; 4] = [&["range", "sticky"], &["sticky", "range"], &["range"], &[]];
const TOPICS: [&str; 2] = [TOPIC, "unsubscribed"];
const MEMBERS: usize = 6;
const PRODUCERS: i64 = 3;

fn join() -> impl Strategy<Value = Step> {
    let member = prop::option::of(0..MEMBERS);
    let instance = prop::option::weighted(0.3, 0..INSTANCES.len());
    // -1: as long as the session. 0 is odd, but not refused.
    let rebalance_ms = prop_oneof![6 => Just(REBALANCE_MS), 1 => Just(-1), 1 => Just(0)];
    let join = (
        member,
        instance,
        0..PROTOCOLS.len(),
        rebalance_ms,
        3..=9_i16,
    );
    join.prop_map(
        |(member, instance, protocols, rebalance_ms, version)| Step::Join {
            member,
            instance,
            protocols,
            rebalance_ms,
            version,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let member = || 0..MEMBERS;
    // Relative to the generation of the group: mostly right.
    let generation = || prop_oneof![8 => Just(0), 1 => Just(-1), 1 => Just(1)];
    let instance = || prop::option::weighted(0.3, 0..INSTANCES.len());
    let failure = prop_oneof![
        4 => Just(None),
        1 => Just(Some(AppendFailure::Storage)),
        1 => Just(Some(AppendFailure::TooLarge)),
    ];
    prop_oneof![
        10 => join(),
        10 => (member(), generation(), 0..=MEMBERS)
            .prop_map(|(member, generation, assigns)| Step::Sync { member, generation, assigns }),
        4 => (member(), generation())
            .prop_map(|(member, generation)| Step::Heartbeat { member, generation }),
        2 => (member(), instance()).prop_map(|(member, instance)| Step::Leave { member, instance }),
        4 => (prop::option::of(member()), generation(), 0..TOPICS.len())
            .prop_map(|(member, generation, topic)| Step::Commit { member, generation, topic }),
        4 => (0..PRODUCERS, 0..TOPICS.len())
            .prop_map(|(producer, topic)| Step::CommitInTransaction { producer, topic }),
        3 => (0..PRODUCERS, prop_oneof![Just(Outcome::Commit), Just(Outcome::Abort)])
            .prop_map(|(producer, outcome)| Step::EndTransaction { producer, outcome }),
        1 => (0..TOPICS.len()).prop_map(|topic| Step::DeleteOffsets { topic }),
        1 => Just(Step::Delete),
        1 => (0..TOPICS.len()).prop_map(|topic| Step::TopicDeleted { topic }),
        8 => prop_oneof![0..5_000_i64, 0..100_000_i64]
            .prop_map(|ms| Step::Advance { ms }),
        1 => failure.prop_map(|failure| Step::Refuse { failure }),
        1 => Just(Step::Restart),
    ]
}

/// The ids that the group has given out, latest first, as far as clients could know them.
#[derive(Default)]
struct Known {
    member_ids: Vec<String>,
    generation: i32,
}

impl Known {
    fn id(&self, member: usize) -> String {
        let known = self.member_ids.iter().rev().nth(member);
        known.cloned().unwrap_or_else(|| format!("nobody-{member}"))
    }
}

fn carry_out(bench: &mut Bench, known: &mut Known, step: Step) {
    match step {
        Step::Join {
            member,
            instance,
            protocols,
            rebalance_ms,
            version,
        } => {
            bench.join(&Join {
                member_id: member.map(|member| known.id(member)).unwrap_or_default(),
                instance: instance.map(|instance| INSTANCES[instance]),
                rebalance_ms,
                version,
                ..Join::default().with_protocols(PROTOCOLS[protocols])
            });
        }
        Step::Sync {
            member,
            generation,
            assigns,
        } => {
            let ids: Vec<String> = (0..assigns).map(|member| known.id(member)).collect();
            let plan: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "all")).collect();
            bench.sync(known.generation + generation, &known.id(member), &plan);
        }
        Step::Heartbeat { member, generation } => {
            bench.heartbeat(known.generation + generation, &known.id(member));
        }
        Step::Leave { member, instance } => {
            let instance = instance.map(|instance| INSTANCES[instance]);
            bench.leave(&[(&known.id(member), instance), ("", instance)]);
        }
        Step::Commit {
            member,
            generation,
            topic,
        } => {
            let mut request = match member {
                Some(member) => commit_by(known.generation + generation, &known.id(member), 7),
                None => commit(GROUP, TOPIC, 8),
            };
            TOPICS[topic].clone_into(&mut request.topics[0].name);
            bench.commit(&OffsetCommitRequest {
                retention_time_ms: if generation == 1 { 1_000 } else { -1 },
                ..request
            });
        }
        Step::CommitInTransaction { producer, topic } => {
            let offset = i64::try_from(bench.log.len()).unwrap();
            let request = transactional_commit(producer, GROUP, TOPICS[topic], offset);
            bench.commit_in_transaction(&request);
        }
        Step::EndTransaction { producer, outcome } => bench.end_transaction(producer, outcome),
        Step::DeleteOffsets { topic } => {
            bench.delete_offsets(GROUP, TOPICS[topic], &[0]);
        }
        Step::Delete => {
            bench.delete(&[GROUP]);
        }
        Step::TopicDeleted { topic } => {
            bench.delete_topic(TOPICS[topic], Uuid::ZERO);
        }
        Step::Advance { ms } => bench.advance(ms),
        Step::Refuse { failure } => bench.failure = failure,
        Step::Restart => bench.restart(),
    }
    known.learn(bench);
}

impl Known {
    /// Clients learn from answers to joins.
    fn learn(&mut self, bench: &Bench) {
        for answer in bench.join_answers() {
            if !answer.member_id.is_empty() && !self.member_ids.contains(&answer.member_id) {
                self.member_ids.push(answer.member_id.clone());
            }
            if answer.error_code == 0 {
                self.generation = answer.generation_id;
            }
        }
    }
}

/// A coordinator that knows only the log.
fn replayed(bench: &Bench) -> GroupCoordinator {
    let mut fresh = GroupCoordinator::new(GroupConfig::default());
    for logged in &bench.log {
        logged.replay(&mut fresh);
    }
    fresh
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nobody_waits_for_ever_and_replay_gives_the_same_durable_state(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut bench = Bench::with(GroupConfig {
            offsets_retention_ms: 60_000,
            offsets_retention_check_interval_ms: 10_000,
            ..GroupConfig::default()
        });
        let mut known = Known::default();
        for step in steps {
            carry_out(&mut bench, &mut known, step);
            prop_assert_eq!(replayed(&bench).durable_state(), bench.coordinator.durable_state());
        }
        bench.failure = None;
        for producer in 0..PRODUCERS {
            bench.end_transaction(producer, Outcome::Abort);
        }
        // Sessions, rebalances and first joins are all over by then.
        bench.advance(10 * i64::from(SESSION_MS + REBALANCE_MS) + 300_000);
        prop_assert_eq!(bench.unanswered(), []);
        let state = bench.state();
        prop_assert_eq!(state, "Dead", "a group without members goes with its offsets");
        prop_assert_eq!(replayed(&bench).durable_state(), bench.coordinator.durable_state());
    }
}
