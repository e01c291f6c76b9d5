//! Members that speak the classic protocol in a consumer group: a group is upgraded under them, or
//! they join one.

use bytes::Bytes;
use headwater_coordinator::{GroupConfig, MigrationPolicy};
use headwater_protocol::messages::consumer_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition,
};
use headwater_protocol::messages::sync_group::SyncGroupRequest;
use headwater_protocol::{Decoder, Encoder, ErrorCode, Message};

use super::bench::{Beat, CONSUMER_SESSION_MS, ConsumerBench, Owned, Sim, owned};
use crate::harness::{GROUP, INITIAL_DELAY_MS, Join, SESSION_MS, code, sync_request};

fn by_topic(partitions: &Owned) -> Vec<TopicPartition> {
    let mut topics: Vec<TopicPartition> = Vec::new();
    for (name, partition) in partitions {
        match topics.last_mut().filter(|topic| topic.topic == *name) {
            Some(topic) => topic.partitions.push(*partition),
            None => topics.push(TopicPartition {
                topic: name.clone(),
                partitions: vec![*partition],
            }),
        }
    }
    topics
}

fn versioned(message: &impl Message) -> Bytes {
    let mut out = Encoder::new();
    out.write_i16(1);
    message.encode(&mut out, 1).unwrap();
    out.into_bytes()
}

pub(super) fn subscribed(topics: &[&str], owned: &Owned) -> Bytes {
    versioned(&ConsumerProtocolSubscription {
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        owned_partitions: by_topic(owned),
        ..ConsumerProtocolSubscription::default()
    })
}

pub(super) fn assignment(owned: &Owned) -> Bytes {
    versioned(&ConsumerProtocolAssignment {
        assigned_partitions: by_topic(owned),
        user_data: None,
    })
}

pub(super) fn read_assignment(bytes: &Bytes) -> Owned {
    let mut input = Decoder::new(bytes.slice(2..));
    let assignment = ConsumerProtocolAssignment::decode(&mut input, 1).unwrap();
    let topics = assignment.assigned_partitions.into_iter();
    topics
        .flat_map(|topic| {
            let name = topic.topic;
            let partitions = topic.partitions.into_iter();
            partitions.map(move |partition| (name.clone(), partition))
        })
        .collect()
}

/// A consumer that speaks the classic protocol.
#[derive(Debug, Clone)]
pub(super) struct ClassicSim {
    pub(super) id: String,
    pub(super) generation: i32,
    pub(super) instance: Option<&'static str>,
    pub(super) topics: Vec<&'static str>,
    pub(super) owned: Owned,
}

impl ClassicSim {
    pub(super) fn new(topics: &[&'static str]) -> Self {
        Self {
            id: String::new(),
            generation: -1,
            instance: None,
            topics: topics.to_vec(),
            owned: Owned::new(),
        }
    }

    fn request(&self) -> Join {
        Join {
            instance: self.instance,
            ..Join::of(&self.id).with_metadata(subscribed(&self.topics, &self.owned))
        }
    }

    /// Both steps of a join to a consumer group, and the sync.
    pub(super) fn join(&mut self, bench: &mut ConsumerBench) {
        self.try_join(bench);
        self.sync(bench);
    }

    pub(super) fn try_join(&mut self, bench: &mut ConsumerBench) {
        if self.id.is_empty() && self.instance.is_none() {
            let token = bench.bench.join(&self.request());
            let first = bench.bench.joined(token);
            assert_eq!(first.error_code, code(ErrorCode::MemberIdRequired));
            self.id = first.member_id;
        }
        let token = bench.bench.join(&self.request());
        let joined = bench.bench.joined(token);
        assert_eq!(joined.error_code, 0);
        assert_ne!(joined.leader, joined.member_id, "the coordinator assigns");
        assert!(joined.members.is_empty());
        self.id = joined.member_id;
        self.generation = joined.generation_id;
    }

    pub(super) fn sync(&mut self, bench: &mut ConsumerBench) {
        let request = SyncGroupRequest {
            group_instance_id: self.instance.map(str::to_owned),
            protocol_type: Some("consumer".to_owned()),
            protocol_name: Some("range".to_owned()),
            ..sync_request(self.generation, &self.id, &[])
        };
        let token = bench.bench.sync_with(&request);
        let synced = bench.bench.synced(token);
        assert_eq!(synced.error_code, 0);
        self.owned = read_assignment(&synced.assignment);
    }

    pub(super) fn heartbeat(&self, bench: &mut ConsumerBench) -> i16 {
        bench
            .bench
            .heartbeat_as(self.generation, &self.id, self.instance)
    }

    /// As a client does: heartbeats, and joins again when it is told to.
    pub(super) fn turn(&mut self, bench: &mut ConsumerBench) {
        match self.heartbeat(bench) {
            0 => {}
            error => {
                assert_eq!(error, code(ErrorCode::RebalanceInProgress));
                self.join(bench);
            }
        }
    }
}

/// A stable classic group of consumers, each with half of a topic of four partitions.
pub(super) fn classic_pair(bench: &mut ConsumerBench) -> Vec<ClassicSim> {
    let join = Join::default().with_metadata(subscribed(&["a"], &Owned::new()));
    let (first, first_token) = bench.bench.join_with_new_id(&join);
    let (second, second_token) = bench.bench.join_with_new_id(&join);
    bench.bench.advance(INITIAL_DELAY_MS);
    let leader = bench.bench.joined(first_token);
    bench.bench.joined(second_token);
    let shares = [owned(&[("a", 0..2)]), owned(&[("a", 2..4)])];
    let members = [first, second];
    let mut request = sync_request(leader.generation_id, &leader.leader, &[]);
    let assigned = members.iter().zip(&shares).map(|(id, share)| {
        headwater_protocol::messages::sync_group::SyncGroupRequestAssignment {
            member_id: id.clone(),
            assignment: assignment(share),
        }
    });
    request.assignments = assigned.collect();
    bench.bench.sync_with(&request);
    let sims = members
        .into_iter()
        .zip(shares)
        .map(|(id, owned)| ClassicSim {
            id,
            generation: leader.generation_id,
            owned,
            ..ClassicSim::new(&["a"])
        });
    let sims: Vec<ClassicSim> = sims.collect();
    let token = bench.bench.sync(leader.generation_id, &sims[1].id, &[]);
    assert_eq!(bench.bench.synced(token).error_code, 0);
    assert_eq!(bench.bench.state(), "Stable");
    sims
}

/// Everyone takes turns until the group is stable.
pub(super) fn settle_mixed(
    bench: &mut ConsumerBench,
    classic: &mut [ClassicSim],
    members: &mut [Sim],
) {
    for _ in 0..20 {
        for member in classic.iter_mut() {
            member.turn(bench);
            bench.check_owners();
        }
        for member in members.iter_mut() {
            member.beat(bench);
            bench.check_owners();
        }
        if bench.state() == "Stable" {
            for member in classic.iter_mut() {
                assert_eq!(member.heartbeat(bench), 0);
            }
            return;
        }
    }
    panic!("the group does not settle: {:?}", bench.describe(GROUP));
}

/// Behaviour 33.
#[test]
fn kip_848_a_consumer_that_joins_a_classic_group_upgrades_it_and_both_kinds_share_the_partitions() {
    let mut bench = ConsumerBench::new(&[("a", 4)]);
    let mut classic = classic_pair(&mut bench);
    let generation = classic[0].generation;
    let m1 = Sim::join(&mut bench, "m1", &["a"]);
    assert!(m1.owned.is_empty(), "the others have everything");
    assert_eq!(bench.describe(GROUP).group_epoch, generation + 1);
    assert_eq!(bench.described_member(&classic[0].id).member_type, 0);
    assert_eq!(bench.described_member("m1").member_type, 1);
    let rebalance = code(ErrorCode::RebalanceInProgress);
    assert_eq!(classic[0].heartbeat(&mut bench), rebalance);

    let mut members = vec![m1];
    settle_mixed(&mut bench, &mut classic, &mut members);
    let mut all = members[0].owned.clone();
    for member in &classic {
        assert!(all.is_disjoint(&member.owned));
        all.extend(member.owned.iter().cloned());
    }
    assert_eq!(all, owned(&[("a", 0..4)]));
    bench.restart();
    assert_eq!(classic[0].heartbeat(&mut bench), 0);
    assert!(bench.bench.coordinator.durable_state().groups.is_empty());
}

#[test]
fn members_that_wait_in_a_classic_group_are_told_to_join_again_when_it_is_upgraded() {
    let mut bench = ConsumerBench::new(&[("a", 4)]);
    let classic = classic_pair(&mut bench);
    let waiting = bench.bench.join(&Join {
        ..Join::of(&classic[0].id).with_metadata(subscribed(&["a"], &classic[0].owned))
    });
    assert_eq!(bench.bench.unanswered(), [waiting]);
    Sim::join(&mut bench, "m1", &["a"]);
    let answer = bench.bench.joined(waiting);
    assert_eq!(answer.error_code, code(ErrorCode::RebalanceInProgress));
}

#[test]
fn a_classic_member_joins_a_consumer_group_in_two_steps_as_ever() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    let mut members = vec![Sim::join(&mut bench, "m1", &["a"])];
    let mut classic = vec![ClassicSim::new(&["a"])];
    classic[0].join(&mut bench);
    assert!(classic[0].owned.is_empty());
    settle_mixed(&mut bench, &mut classic, &mut members);
    assert_eq!((classic[0].owned.len(), members[0].owned.len()), (1, 1));
    // Its id alone does not make it a consumer.
    bench.refused(&Beat::of(&classic[0].id, 99), ErrorCode::FencedMemberEpoch);
    let unknown = code(ErrorCode::UnknownMemberId);
    assert_eq!(bench.bench.heartbeat(members[0].epoch, "m1"), unknown);
}

#[test]
fn a_join_to_a_consumer_group_has_to_fit_it() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    Sim::join(&mut bench, "m1", &["a"]);
    let mut classic = ClassicSim::new(&["a"]);
    classic.join(&mut bench);
    let other_type = Join {
        protocol_type: "connect",
        ..Join::default()
    };
    let inconsistent = code(ErrorCode::InconsistentGroupProtocol);
    assert_eq!(bench.bench.join_error(&other_type), inconsistent);
    let other_protocol = Join::default().with_protocols(&["sticky"]);
    assert_eq!(bench.bench.join_error(&other_protocol), inconsistent);
    let garbage = Join::of("x").with_metadata(Bytes::from_static(b"\x00"));
    assert_eq!(
        bench.bench.join_error(&garbage),
        code(ErrorCode::UnknownServerError)
    );
}

#[test]
fn a_classic_member_that_does_not_join_sync_or_heartbeat_in_time_is_gone() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    let mut m1 = Sim::join(&mut bench, "m1", &["a"]);
    let mut silent = ClassicSim::new(&["a"]);
    silent.join(&mut bench);
    bench.bench.advance(i64::from(SESSION_MS));
    let unknown = code(ErrorCode::UnknownMemberId);
    assert_eq!(silent.heartbeat(&mut bench), unknown);

    // One that is told to join again and only heartbeats.
    let mut lazy = ClassicSim::new(&["a"]);
    lazy.join(&mut bench);
    let beat = |bench: &mut ConsumerBench, m1: &mut Sim, lazy: &ClassicSim| {
        bench.bench.advance(i64::from(SESSION_MS) / 2);
        m1.beat(bench);
        lazy.heartbeat(bench)
    };
    let epoch = lazy.generation;
    Sim::join(&mut bench, "m2", &["a"]);
    bench.beat(&Beat::of("m2", -1));
    assert!(bench.describe(GROUP).group_epoch > epoch);
    let told: Vec<i16> = (0..14).map(|_| beat(&mut bench, &mut m1, &lazy)).collect();
    assert_eq!(told[0], code(ErrorCode::RebalanceInProgress));
    assert_eq!(told[13], unknown, "{told:?}");
}

#[test]
fn a_classic_member_leaves_by_the_classic_request() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    let mut m1 = Sim::join(&mut bench, "m1", &["a"]);
    let mut classic = ClassicSim::new(&["a"]);
    classic.join(&mut bench);
    let left = bench
        .bench
        .leave(&[(&classic.id, None), ("stranger", None)]);
    let codes: Vec<i16> = left
        .members
        .iter()
        .map(|member| member.error_code)
        .collect();
    assert_eq!(codes, [0, code(ErrorCode::UnknownMemberId)]);
    bench.settle(std::slice::from_mut(&mut m1));
    assert_eq!(m1.owned.len(), 2);
}

#[test]
fn an_administrator_removes_a_static_consumer_by_its_instance() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    bench.joined(&Beat::join("m1", &["a"]).of_instance("i1"));
    let left = bench.bench.leave(&[("", Some("i1"))]);
    assert_eq!(left.members[0].error_code, 0);
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn a_generation_that_is_not_the_members_epoch_is_refused() {
    let mut bench = ConsumerBench::new(&[("a", 2)]);
    Sim::join(&mut bench, "m1", &["a"]);
    let mut classic = ClassicSim::new(&["a"]);
    classic.join(&mut bench);
    let illegal = code(ErrorCode::IllegalGeneration);
    let (id, generation) = (classic.id.clone(), classic.generation);
    assert_eq!(bench.bench.heartbeat(generation - 1, &id), illegal);
    let token = bench.bench.sync(generation - 1, &id, &[]);
    assert_eq!(bench.bench.synced(token).error_code, illegal);
    let other = SyncGroupRequest {
        protocol_name: Some("sticky".to_owned()),
        ..sync_request(generation, &id, &[])
    };
    let token = bench.bench.sync_with(&other);
    let inconsistent = code(ErrorCode::InconsistentGroupProtocol);
    assert_eq!(bench.bench.synced(token).error_code, inconsistent);
}

#[test]
fn a_policy_forbids_the_upgrade() {
    for policy in [MigrationPolicy::Disabled, MigrationPolicy::Downgrade] {
        let config = GroupConfig {
            migration_policy: policy,
            ..GroupConfig::default()
        };
        let mut bench = ConsumerBench::with(config, &[("a", 4)]);
        let classic = classic_pair(&mut bench);
        let message = bench.refused(&Beat::join("m1", &["a"]), ErrorCode::GroupIdNotFound);
        assert!(message.contains("online upgrade is disabled"), "{message}");
        assert_eq!(classic[0].heartbeat(&mut bench), 0, "nothing has happened");
    }
}

#[test]
fn a_group_of_another_kind_is_not_upgraded() {
    let mut bench = ConsumerBench::new(&[("a", 4)]);
    let join = Join {
        protocol_type: "connect",
        ..Join::default()
    };
    bench.bench.join_with_new_id(&join);
    bench.bench.advance(INITIAL_DELAY_MS);
    let message = bench.refused(&Beat::join("m1", &["a"]), ErrorCode::GroupIdNotFound);
    assert!(message.contains("embedded protocol"), "{message}");
}

#[test]
fn a_refused_log_leaves_the_classic_group_as_it_was() {
    use headwater_coordinator::AppendFailure;

    let mut bench = ConsumerBench::new(&[("a", 4)]);
    let classic = classic_pair(&mut bench);
    bench.bench.failure = Some(AppendFailure::Storage);
    let refused = bench.beat(&Beat::join("m1", &["a"]));
    assert_eq!(refused.error_code, code(ErrorCode::NotCoordinator));
    bench.bench.failure = None;
    assert_eq!(bench.bench.state(), "Stable");
    assert_eq!(classic[0].heartbeat(&mut bench), 0);
    // Their sessions still end.
    bench.bench.advance(CONSUMER_SESSION_MS);
    assert_ne!(classic[0].heartbeat(&mut bench), 0);
}

#[test]
fn an_empty_group_of_either_kind_makes_room_for_the_other() {
    let mut bench = ConsumerBench::new(&[("a", 4)]);
    let classic = classic_pair(&mut bench);
    bench
        .bench
        .leave(&[(&classic[0].id, None), (&classic[1].id, None)]);
    Sim::join(&mut bench, "m1", &["a"]);
    assert_eq!(bench.describe(GROUP).members.len(), 1);
    bench.beat(&Beat::of("m1", -1));
    classic_pair(&mut bench);
    assert_eq!(bench.bench.list(&[], &["classic"]).len(), 1);
    assert!(bench.bench.list(&[], &["consumer"]).is_empty());
    bench.restart();
    assert_eq!(bench.bench.list(&[], &["classic"]).len(), 1);
}
