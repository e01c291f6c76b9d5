//! Whatever consumers do: no partition has two owners, everything is assigned in the end, and the
//! log tells the whole story.

use headwater_coordinator::{AppendFailure, GroupConfig, GroupCoordinator};
use headwater_protocol::ErrorCode;
use proptest::prelude::*;

use super::bench::{Beat, ConsumerBench, Owned};
use super::classic_members::ClassicSim;
use crate::harness::{GROUP, code};

const MEMBERS: usize = 5;
const TOPICS: [&str; 3] = ["a", "b", "c"];
const SUBSCRIPTIONS: [&[&str]; 4] = [&["a"], &["a", "b"], &["b", "c"], &["a", "b", "c"]];
const REGEXES: [&str; 3] = ["[ab]", ".*", "c|x"];

/// What may happen.
#[derive(Debug, Clone, Copy)]
enum Step {
    Join {
        member: usize,
        subscription: usize,
    },
    JoinByRegex {
        member: usize,
        regex: usize,
    },
    /// Says what it owns, or nothing.
    Heartbeat {
        member: usize,
        reports: Reports,
    },
    Subscribe {
        member: usize,
        subscription: usize,
    },
    Leave {
        member: usize,
        epoch: i32,
    },
    ClassicJoin {
        member: usize,
    },
    ClassicTurn {
        member: usize,
    },
    Topic {
        topic: usize,
        partitions: i32,
    },
    Advance {
        ms: i64,
    },
    Refuse {
        failure: Option<AppendFailure>,
    },
    Restart,
}

#[derive(Debug, Clone, Copy)]
enum Reports {
    Truth,
    Nothing,
    /// Its answer was lost: it goes on with the epoch before.
    Late,
}

fn step() -> impl Strategy<Value = Step> {
    let member = 0..MEMBERS;
    let subscription = 0..SUBSCRIPTIONS.len();
    let reports = prop_oneof![
        6 => Just(Reports::Truth),
        2 => Just(Reports::Nothing),
        1 => Just(Reports::Late),
    ];
    let failure = prop_oneof![Just(None), Just(Some(AppendFailure::Storage))];
    prop_oneof![
        6 => (member.clone(), subscription.clone())
            .prop_map(|(member, subscription)| Step::Join { member, subscription }),
        2 => (member.clone(), 0..REGEXES.len())
            .prop_map(|(member, regex)| Step::JoinByRegex { member, regex }),
        20 => (member.clone(), reports)
            .prop_map(|(member, reports)| Step::Heartbeat { member, reports }),
        2 => (member.clone(), subscription)
            .prop_map(|(member, subscription)| Step::Subscribe { member, subscription }),
        2 => (member.clone(), -2..=-1_i32).prop_map(|(member, epoch)| Step::Leave { member, epoch }),
        2 => member.clone().prop_map(|member| Step::ClassicJoin { member }),
        6 => member.prop_map(|member| Step::ClassicTurn { member }),
        2 => (0..TOPICS.len(), 0..6_i32)
            .prop_map(|(topic, partitions)| Step::Topic { topic, partitions }),
        4 => (0..40_000_i64).prop_map(|ms| Step::Advance { ms }),
        1 => failure.prop_map(|failure| Step::Refuse { failure }),
        1 => Just(Step::Restart),
    ]
}

/// A consumer, and what it believes.
#[derive(Debug, Clone, Default)]
struct Consumer {
    epoch: i32,
    previous: i32,
    is_member: bool,
    owned: Owned,
}

struct World {
    bench: ConsumerBench,
    consumers: Vec<Consumer>,
    classic: Vec<Option<ClassicSim>>,
}

fn member_id(member: usize) -> String {
    format!("m{member}")
}

/// Some members are static.
fn instance(member: usize) -> Option<&'static str> {
    ["i0", "i1"].get(member).copied()
}

impl World {
    fn new() -> Self {
        let mut bench = ConsumerBench::with(GroupConfig::default(), &[("a", 4), ("b", 3)]);
        bench.set_topic("c", 1);
        Self {
            bench,
            consumers: vec![Consumer::default(); MEMBERS],
            classic: vec![None; MEMBERS],
        }
    }

    fn beat(&mut self, member: usize, beat: &Beat<'_>) {
        let beat = Beat {
            instance: instance(member),
            ..beat.clone()
        };
        let answer = self.bench.beat(&beat);
        let consumer = &mut self.consumers[member];
        if answer.error_code == 0 && answer.member_epoch >= 0 {
            if answer.member_epoch != consumer.epoch {
                consumer.previous = consumer.epoch;
            }
            consumer.epoch = answer.member_epoch;
            consumer.is_member = true;
            if let Some(assigned) = self.bench.assigned(&answer) {
                self.consumers[member].owned = assigned;
            }
            return;
        }
        // Only a refused log says nothing about the member.
        if answer.error_code != code(ErrorCode::NotCoordinator) {
            *consumer = Consumer::default();
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Join {
                member,
                subscription,
            } => {
                let id = member_id(member);
                self.beat(member, &Beat::join(&id, SUBSCRIPTIONS[subscription]));
            }
            Step::JoinByRegex { member, regex } => {
                let id = member_id(member);
                self.beat(member, &Beat::join_by_regex(&id, REGEXES[regex]));
            }
            Step::Heartbeat { member, reports } => self.heartbeat(member, reports),
            Step::Subscribe {
                member,
                subscription,
            } => {
                let id = member_id(member);
                let consumer = self.consumers[member].clone();
                if consumer.is_member {
                    let beat = Beat {
                        topics: Some(SUBSCRIPTIONS[subscription]),
                        ..Beat::owning(&id, consumer.epoch, &consumer.owned)
                    };
                    self.beat(member, &beat);
                }
            }
            Step::Leave { member, epoch } => {
                let id = member_id(member);
                self.beat(member, &Beat::of(&id, epoch));
            }
            Step::ClassicJoin { member } => self.classic_join(member),
            Step::ClassicTurn { member } => self.classic_turn(member),
            Step::Topic {
                topic,
                partitions: 0,
            } => self.bench.delete_topic(TOPICS[topic]),
            Step::Topic { topic, partitions } => self.grow(topic, partitions),
            Step::Advance { ms } => self.bench.bench.advance(ms),
            Step::Refuse { failure } => self.bench.bench.failure = failure,
            Step::Restart => {
                self.bench.bench.failure = None;
                self.bench.restart();
            }
        }
    }

    fn grow(&mut self, topic: usize, partitions: i32) {
        use headwater_coordinator::ClusterImage;

        let known = self.bench.cluster.topic(TOPICS[topic]);
        let partitions = known.map_or(partitions, |topic| topic.partitions.max(partitions));
        self.bench.set_topic(TOPICS[topic], partitions);
    }

    fn heartbeat(&mut self, member: usize, reports: Reports) {
        let consumer = self.consumers[member].clone();
        if !consumer.is_member {
            return;
        }
        let id = member_id(member);
        let beat = match reports {
            Reports::Truth => Beat::owning(&id, consumer.epoch, &consumer.owned),
            Reports::Nothing => Beat::of(&id, consumer.epoch),
            Reports::Late => Beat::owning(&id, consumer.previous.max(1), &consumer.owned),
        };
        self.beat(member, &beat);
    }

    /// Whether joins of classic members are answered at once, as in a consumer group they are.
    fn is_consumer_group(&mut self) -> bool {
        self.bench.describe(GROUP).error_code == 0 && self.bench.bench.failure.is_none()
    }

    fn classic_join(&mut self, member: usize) {
        let is_empty = self.bench.state() == "Empty";
        if self.classic[member].is_none() && self.is_consumer_group() && !is_empty {
            let mut classic = ClassicSim::new(&["a", "b"]);
            classic.try_join(&mut self.bench);
            self.classic[member] = Some(classic);
        }
    }

    fn classic_turn(&mut self, member: usize) {
        if !self.is_consumer_group() {
            return;
        }
        let Some(mut classic) = self.classic[member].take() else {
            return;
        };
        let answer = classic.heartbeat(&mut self.bench);
        if answer == 0 {
            classic.sync(&mut self.bench);
        } else if answer == code(ErrorCode::RebalanceInProgress) {
            classic.try_join(&mut self.bench);
            classic.sync(&mut self.bench);
        } else {
            return;
        }
        self.classic[member] = Some(classic);
    }

    /// What the log says is what the coordinator knows.
    fn check_replay(&self) {
        let mut again = GroupCoordinator::new(GroupConfig::default());
        for entry in &self.bench.bench.log {
            entry.replay(&mut again);
        }
        let live = &self.bench.bench.coordinator;
        assert_eq!(again.durable_state(), live.durable_state());
    }

    /// From here on everybody behaves: the group becomes stable, and every partition that somebody
    /// wants is somebody's.
    fn settle(&mut self) {
        self.bench.bench.failure = None;
        // Whoever speaks the classic protocol goes; if that makes the group classic, all go.
        self.bench.bench.advance(400_000);
        self.consumers = vec![Consumer::default(); MEMBERS];
        for member in 0..3 {
            self.take(Step::Join {
                member,
                subscription: 3,
            });
            assert!(self.consumers[member].is_member, "{member} joins");
        }
        for _ in 0..12 {
            for member in 0..3 {
                self.heartbeat(member, Reports::Truth);
                self.bench.check_owners();
            }
        }
        assert_eq!(self.bench.state(), "Stable");
        let mut all = Owned::new();
        for consumer in &self.consumers[..3] {
            assert!(all.is_disjoint(&consumer.owned));
            all.extend(consumer.owned.iter().cloned());
        }
        let mut expected = Owned::new();
        for topic in TOPICS {
            use headwater_coordinator::ClusterImage;

            let partitions = self
                .bench
                .cluster
                .topic(topic)
                .map_or(0, |topic| topic.partitions);
            expected.extend((0..partitions).map(|partition| (topic.to_owned(), partition)));
        }
        assert_eq!(all, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_partition_has_two_owners_everything_is_assigned_and_the_log_tells_it_all(
        steps in prop::collection::vec(step(), 1..80)
    ) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
            world.bench.check_owners();
        }
        world.check_replay();
        world.settle();
        world.check_replay();
    }
}
