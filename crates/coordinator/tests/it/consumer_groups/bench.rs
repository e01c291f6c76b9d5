//! A coordinator with members of consumer groups around it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headwater_coordinator::{
    Client, ClusterImage, ConsumerGroupRecord, GroupConfig, Response, TopicImage,
};
use headwater_protocol::messages::consumer_group_describe::{
    ConsumerGroupDescribeRequest, DescribedGroup, Member as DescribedMember,
};
use headwater_protocol::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions,
};
use headwater_protocol::{ErrorCode, Uuid};

use crate::harness::{Bench, GROUP, code};

pub(super) const CONSUMER_SESSION_MS: i64 = 45_000;
pub(super) const CONSUMER_REBALANCE_MS: i32 = 30_000;

/// Partitions by the names of their topics.
pub(super) type Owned = BTreeSet<(String, i32)>;

pub(super) fn owned(partitions: &[(&str, std::ops::Range<i32>)]) -> Owned {
    let all = partitions.iter().flat_map(|(topic, range)| {
        range
            .clone()
            .map(|partition| ((*topic).to_owned(), partition))
    });
    all.collect()
}

/// Topics and configs at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct TestCluster {
    version: i64,
    topics: BTreeMap<String, TopicImage>,
    group_configs: BTreeMap<(String, String), String>,
}

impl ClusterImage for TestCluster {
    fn version(&self) -> i64 {
        self.version
    }

    fn topic(&self, name: &str) -> Option<TopicImage> {
        self.topics.get(name).copied()
    }

    fn topic_name(&self, id: Uuid) -> Option<&str> {
        let mut topics = self.topics.iter();
        topics
            .find(|(_, topic)| topic.id == id)
            .map(|(name, _)| name.as_str())
    }

    fn topic_names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.topics.keys().map(String::as_str))
    }

    fn group_config(&self, group_id: &str, name: &str) -> Option<&str> {
        let key = (group_id.to_owned(), name.to_owned());
        self.group_configs.get(&key).map(String::as_str)
    }
}

/// What a heartbeat says. Public fields, so that tests say only what differs.
#[derive(Debug, Clone)]
pub(super) struct Beat<'a> {
    pub(super) group: &'a str,
    pub(super) member_id: &'a str,
    pub(super) epoch: i32,
    pub(super) instance: Option<&'a str>,
    pub(super) rebalance_ms: i32,
    pub(super) topics: Option<&'a [&'a str]>,
    pub(super) regex: Option<&'a str>,
    pub(super) assignor: Option<&'a str>,
    pub(super) owned: Option<Owned>,
    pub(super) version: i16,
}

impl<'a> Beat<'a> {
    /// Nothing new.
    pub(super) fn of(member_id: &'a str, epoch: i32) -> Self {
        Self {
            group: GROUP,
            member_id,
            epoch,
            instance: None,
            rebalance_ms: -1,
            topics: None,
            regex: None,
            assignor: None,
            owned: None,
            version: 1,
        }
    }

    pub(super) fn owning(member_id: &'a str, epoch: i32, owned: &Owned) -> Self {
        Self {
            owned: Some(owned.clone()),
            ..Self::of(member_id, epoch)
        }
    }

    pub(super) fn join(member_id: &'a str, topics: &'a [&'a str]) -> Self {
        Self {
            rebalance_ms: CONSUMER_REBALANCE_MS,
            topics: Some(topics),
            owned: Some(Owned::new()),
            ..Self::of(member_id, 0)
        }
    }

    pub(super) fn join_by_regex(member_id: &'a str, regex: &'a str) -> Self {
        Self {
            topics: None,
            regex: Some(regex),
            ..Self::join(member_id, &[])
        }
    }

    pub(super) fn of_instance(self, instance: &'a str) -> Self {
        Self {
            instance: Some(instance),
            ..self
        }
    }
}

/// A coordinator, the cluster that it sees, and the clients.
pub(super) struct ConsumerBench {
    pub(super) bench: Bench,
    pub(super) cluster: TestCluster,
}

impl ConsumerBench {
    pub(super) fn new(topics: &[(&str, i32)]) -> Self {
        Self::with(GroupConfig::default(), topics)
    }

    pub(super) fn with(config: GroupConfig, topics: &[(&str, i32)]) -> Self {
        let mut bench = Self {
            bench: Bench::with(config),
            cluster: TestCluster::default(),
        };
        for (name, partitions) in topics {
            bench.set_topic(name, *partitions);
        }
        bench
    }

    /// Makes the topic, or makes it grow.
    pub(super) fn set_topic(&mut self, name: &str, partitions: i32) {
        self.cluster.version += 1;
        let id = Uuid::from_u128(1_000 + u128::from(self.cluster.version.unsigned_abs()));
        let topic = self.cluster.topics.entry(name.to_owned());
        topic.or_insert(TopicImage { id, partitions }).partitions = partitions;
        self.show_cluster();
    }

    pub(super) fn delete_topic(&mut self, name: &str) {
        self.cluster.version += 1;
        self.cluster.topics.remove(name);
        self.show_cluster();
    }

    pub(super) fn set_group_config(&mut self, name: &str, value: &str) {
        self.cluster.version += 1;
        let key = (GROUP.to_owned(), name.to_owned());
        self.cluster.group_configs.insert(key, value.to_owned());
        self.show_cluster();
    }

    fn show_cluster(&mut self) {
        let image = Arc::new(self.cluster.clone());
        self.bench.coordinator.set_image(image);
    }

    pub(super) fn restart(&mut self) {
        self.bench.restart();
        self.show_cluster();
    }

    pub(super) fn beat(&mut self, beat: &Beat<'_>) -> ConsumerGroupHeartbeatResponse {
        self.beat_where(beat, &|_| true)
    }

    /// By somebody who may know of those topics only.
    pub(super) fn beat_where(
        &mut self,
        beat: &Beat<'_>,
        may_describe: &dyn Fn(&str) -> bool,
    ) -> ConsumerGroupHeartbeatResponse {
        let request = self.request(beat);
        let call = self.bench.call(beat.version);
        let uuid = format!("uuid-{}", call.token.0);
        let client = Client {
            client_id: "client",
            client_host: "/127.0.0.1",
            new_member_uuid: &uuid,
        };
        let coordinator = &mut self.bench.coordinator;
        let effects = coordinator.consumer_group_heartbeat(call, client, &request, may_describe);
        self.bench.carry_out(effects);
        match self.bench.reply(call.token) {
            Some(Response::ConsumerGroupHeartbeat(response)) => response.clone(),
            other => panic!("not an answer to a heartbeat: {other:?}"),
        }
    }

    fn request(&self, beat: &Beat<'_>) -> ConsumerGroupHeartbeatRequest {
        let topics = beat.owned.as_ref().map(|owned| {
            let mut topics: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
            for (name, partition) in owned {
                if let Some(topic) = self.cluster.topics.get(name) {
                    topics.entry(topic.id).or_default().push(*partition);
                }
            }
            let topics = topics
                .into_iter()
                .map(|(topic_id, partitions)| TopicPartitions {
                    topic_id,
                    partitions,
                });
            topics.collect()
        });
        ConsumerGroupHeartbeatRequest {
            group_id: beat.group.to_owned(),
            member_id: beat.member_id.to_owned(),
            member_epoch: beat.epoch,
            instance_id: beat.instance.map(str::to_owned),
            rebalance_timeout_ms: beat.rebalance_ms,
            subscribed_topic_names: beat
                .topics
                .map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
            subscribed_topic_regex: beat.regex.map(str::to_owned),
            server_assignor: beat.assignor.map(str::to_owned),
            topic_partitions: topics,
            ..ConsumerGroupHeartbeatRequest::default()
        }
    }

    /// What the answer says that the member has.
    pub(super) fn assigned(&self, answer: &ConsumerGroupHeartbeatResponse) -> Option<Owned> {
        let assignment = answer.assignment.as_ref()?;
        let all = assignment.topic_partitions.iter().flat_map(|topic| {
            let name = self.cluster.topic_name(topic.topic_id);
            let name = name.unwrap_or("gone").to_owned();
            topic
                .partitions
                .iter()
                .map(move |partition| (name.clone(), *partition))
        });
        Some(all.collect())
    }

    /// Joins, gets an epoch and perhaps partitions.
    pub(super) fn joined(&mut self, beat: &Beat<'_>) -> (i32, Owned) {
        let answer = self.beat(beat);
        assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
        let assigned = self.assigned(&answer).expect("whoever joins is told");
        (answer.member_epoch, assigned)
    }

    pub(super) fn error(&mut self, beat: &Beat<'_>) -> (i16, String) {
        let answer = self.beat(beat);
        (answer.error_code, answer.error_message.unwrap_or_default())
    }

    /// That the heartbeat is refused with this error.
    pub(super) fn refused(&mut self, beat: &Beat<'_>, error: ErrorCode) -> String {
        let (error_code, message) = self.error(beat);
        assert_eq!(error_code, code(error), "{message}");
        message
    }

    pub(super) fn describe(&mut self, group: &str) -> DescribedGroup {
        let request = ConsumerGroupDescribeRequest {
            group_ids: vec![group.to_owned()],
            ..ConsumerGroupDescribeRequest::default()
        };
        let call = self.bench.call(1);
        let effects = self
            .bench
            .coordinator
            .consumer_group_describe(call, &request);
        self.bench.carry_out(effects);
        match self.bench.reply(call.token) {
            Some(Response::ConsumerGroupDescribe(response)) => response.groups[0].clone(),
            other => panic!("not a description: {other:?}"),
        }
    }

    pub(super) fn described_member(&mut self, member_id: &str) -> DescribedMember {
        let members = self.describe(GROUP).members;
        let found = members
            .into_iter()
            .find(|member| member.member_id == member_id);
        found.expect("a member of the group")
    }

    pub(super) fn state(&mut self) -> String {
        self.describe(GROUP).group_state
    }

    /// All members heartbeat in turn, each owning what it was last told, until nothing moves.
    pub(super) fn settle(&mut self, members: &mut [Sim]) {
        for _ in 0..20 {
            let before = members.to_vec();
            for member in members.iter_mut() {
                member.beat(self);
            }
            if *members == *before && self.state() == "Stable" {
                return;
            }
        }
        panic!("the group does not settle: {:?}", self.describe(GROUP));
    }

    /// No partition has two owners.
    pub(super) fn check_owners(&self) {
        for records in self
            .bench
            .coordinator
            .durable_state()
            .consumer_groups
            .values()
        {
            let mut seen = BTreeSet::new();
            for record in records {
                let ConsumerGroupRecord::MemberAssignment {
                    member_id,
                    value: Some(value),
                } = record
                else {
                    continue;
                };
                let all = value
                    .assigned_partitions
                    .iter()
                    .chain(&value.partitions_pending_revocation);
                for topic in all {
                    for partition in &topic.partitions {
                        let first = seen.insert((topic.topic_id, *partition));
                        assert!(first, "{member_id} has what another has: {records:?}");
                    }
                }
            }
        }
    }
}

/// A well-behaved consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sim {
    pub(super) id: String,
    pub(super) epoch: i32,
    pub(super) owned: Owned,
}

impl Sim {
    pub(super) fn join(bench: &mut ConsumerBench, id: &str, topics: &[&str]) -> Self {
        let (epoch, owned) = bench.joined(&Beat::join(id, topics));
        Self {
            id: id.to_owned(),
            epoch,
            owned,
        }
    }

    pub(super) fn beat(&mut self, bench: &mut ConsumerBench) {
        let answer = bench.beat(&Beat::owning(&self.id, self.epoch, &self.owned));
        assert_eq!(
            answer.error_code, 0,
            "{}: {:?}",
            self.id, answer.error_message
        );
        self.epoch = answer.member_epoch;
        if let Some(assigned) = bench.assigned(&answer) {
            self.owned = assigned;
        }
    }
}
