//! Consumer groups: state, members, and how far behind they are.

use std::collections::BTreeMap;
use std::time::Instant;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::groups::GroupMemberInfo;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::Serialize;

use super::assignment::{self, AssignedTopic};
use super::client::{CALL_LIMIT, Kafka, Looker};
use super::offsets::{Extent, TopicPartition};

/// Lag is worked out for this many groups; each takes a client of its own.
const MAX_GROUPS_WITH_LAG: usize = 32;
/// Groups shown at most.
const MAX_GROUPS: usize = 300;
/// Members shown per group at most.
const MAX_MEMBERS: usize = 200;

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(clippy::struct_field_names, reason = "group_id is Kafka's word")]
pub(crate) struct Group {
    pub(crate) group_id: String,
    pub(crate) state: String,
    /// The assignor chosen, such as `range`.
    pub(crate) protocol: String,
    pub(crate) protocol_type: String,
    pub(crate) members: Vec<Member>,
    /// Records not yet read, over all partitions; `None` when not worked out.
    pub(crate) lag: Option<i64>,
    /// Change of the lag per second since the last look; above 0 it falls behind.
    pub(crate) lag_trend: Option<f64>,
    pub(crate) partitions: Vec<GroupPartition>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_field_names, reason = "member_id is Kafka's word")]
pub(crate) struct Member {
    pub(crate) member_id: String,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) assigned: Vec<AssignedTopic>,
}

/// How far a group is in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct GroupPartition {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) committed_offset: i64,
    pub(crate) log_end_offset: i64,
    pub(crate) lag: i64,
    /// The client that reads it now.
    pub(crate) client_id: Option<String>,
}

/// Reads groups; keeps one client per group so that looking again is one request.
#[derive(Default)]
pub(crate) struct GroupReader {
    lookers: BTreeMap<String, Looker>,
    last: BTreeMap<String, (Instant, i64)>,
}

impl GroupReader {
    /// All groups, with lag against `extents`.
    pub(crate) fn read(
        &mut self,
        kafka: &Kafka,
        looker: &Looker,
        extents: &BTreeMap<TopicPartition, Extent>,
    ) -> Result<Vec<Group>, KafkaError> {
        let listed = looker.client().fetch_group_list(None, CALL_LIMIT)?;
        let mut groups: Vec<Group> = listed
            .groups()
            .iter()
            .take(MAX_GROUPS)
            .map(|group| Group {
                group_id: group.name().to_owned(),
                state: group.state().to_owned(),
                protocol: group.protocol().to_owned(),
                protocol_type: group.protocol_type().to_owned(),
                members: group
                    .members()
                    .iter()
                    .take(MAX_MEMBERS)
                    .map(member)
                    .collect(),
                lag: None,
                lag_trend: None,
                partitions: Vec::new(),
            })
            .collect();
        // Groups at work first: they are what one looks for, and lag is worked out for the first ones.
        groups.sort_by(|a, b| {
            (a.members.is_empty(), &a.group_id).cmp(&(b.members.is_empty(), &b.group_id))
        });
        self.lookers
            .retain(|id, _| groups.iter().any(|group| group.group_id == *id));
        self.last
            .retain(|id, _| groups.iter().any(|group| group.group_id == *id));
        let deadline = Instant::now() + CALL_LIMIT;
        for group in groups.iter_mut().take(MAX_GROUPS_WITH_LAG) {
            if Instant::now() > deadline {
                break;
            }
            match self.committed(kafka, group, extents) {
                Ok(partitions) => self.measure(group, partitions),
                Err(error) => {
                    tracing::debug!(group = group.group_id, %error, "offsets of the group are not known");
                }
            }
        }
        Ok(groups)
    }

    fn committed(
        &mut self,
        kafka: &Kafka,
        group: &Group,
        extents: &BTreeMap<TopicPartition, Extent>,
    ) -> Result<Vec<GroupPartition>, KafkaError> {
        if extents.is_empty() {
            return Ok(Vec::new());
        }
        if !self.lookers.contains_key(&group.group_id) {
            self.lookers
                .insert(group.group_id.clone(), kafka.looker(&group.group_id)?);
        }
        let looker = &self.lookers[&group.group_id];
        // Serves librdkafka's events, which would queue up otherwise.
        drop(looker.poll(std::time::Duration::ZERO));
        let mut asked = TopicPartitionList::with_capacity(extents.len());
        for (topic, partition) in extents.keys() {
            asked.add_partition(topic, *partition);
        }
        let answered = looker.committed_offsets(asked, CALL_LIMIT)?;
        let elements = answered.elements();
        let mut partitions: Vec<GroupPartition> = elements
            .iter()
            .filter_map(|element| {
                let Offset::Offset(committed_offset) = element.offset() else {
                    return None;
                };
                let key = (element.topic().to_owned(), element.partition());
                let extent = extents.get(&key)?;
                let lag = extent.log_end_offset - committed_offset.max(extent.log_start_offset);
                let client_id = reader_of(&group.members, &key.0, key.1);
                let (topic, partition) = key;
                let log_end_offset = extent.log_end_offset;
                Some(GroupPartition {
                    topic,
                    partition,
                    committed_offset,
                    log_end_offset,
                    lag: lag.max(0),
                    client_id,
                })
            })
            .collect();
        partitions.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        Ok(partitions)
    }

    fn measure(&mut self, group: &mut Group, partitions: Vec<GroupPartition>) {
        let lag: i64 = partitions.iter().map(|partition| partition.lag).sum();
        let now = Instant::now();
        let before = self.last.insert(group.group_id.clone(), (now, lag));
        group.lag_trend = before
            .map(|(at, lag_then)| (now.duration_since(at).as_secs_f64(), lag_then))
            // After a pause the difference says nothing about now.
            .filter(|(seconds, _)| *seconds > 0.0 && *seconds < 15.0)
            .map(|(seconds, lag_then)| (lag - lag_then) as f64 / seconds);
        group.lag = Some(lag);
        group.partitions = partitions;
    }
}

fn member(info: &GroupMemberInfo) -> Member {
    Member {
        member_id: info.id().to_owned(),
        client_id: info.client_id().to_owned(),
        client_host: info.client_host().to_owned(),
        assigned: info
            .assignment()
            .map(assignment::decode)
            .unwrap_or_default(),
    }
}

fn reader_of(members: &[Member], topic: &str, partition: i32) -> Option<String> {
    let reads = |member: &&Member| {
        member
            .assigned
            .iter()
            .any(|assigned| assigned.topic == topic && assigned.partitions.contains(&partition))
    };
    members
        .iter()
        .find(reads)
        .map(|member| member.client_id.clone())
}
