//! Partitions by topic: what members own, are to own, and since when.

use std::collections::{BTreeMap, BTreeSet};

use headwater_protocol::Uuid;
use headwater_protocol::messages::consumer_group_heartbeat::TopicPartitions;

use crate::record::{AssignedTopicPartitions, TargetAssignmentMember, TargetTopicPartitions};

/// A set of partitions, by topic id. No topic is here without a partition.
pub(crate) type Partitions = BTreeMap<Uuid, BTreeSet<i32>>;

/// Partitions that a member owns, each with the epoch at which it was given it (KIP-1251).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Assigned(BTreeMap<Uuid, BTreeMap<i32, i32>>);

impl Assigned {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, topic_id: Uuid, partition: i32) -> bool {
        self.epoch(topic_id, partition).is_some()
    }

    /// The epoch at which the partition was given.
    pub(crate) fn epoch(&self, topic_id: Uuid, partition: i32) -> Option<i32> {
        self.0.get(&topic_id)?.get(&partition).copied()
    }

    pub(crate) fn insert(&mut self, topic_id: Uuid, partition: i32, epoch: i32) {
        self.0.entry(topic_id).or_default().insert(partition, epoch);
    }

    /// Every partition with its epoch.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Uuid, i32, i32)> {
        self.0.iter().flat_map(|(topic_id, partitions)| {
            partitions
                .iter()
                .map(|(partition, epoch)| (*topic_id, *partition, *epoch))
        })
    }

    pub(crate) fn partitions(&self) -> Partitions {
        let topics = self.0.iter();
        topics
            .map(|(topic_id, partitions)| (*topic_id, partitions.keys().copied().collect()))
            .collect()
    }

    /// The partitions that `keep` is true for, and the others.
    pub(crate) fn split(&self, keep: impl Fn(Uuid, i32) -> bool) -> (Self, Self) {
        let (mut kept, mut others) = (Self::default(), Self::default());
        for (topic_id, partition, epoch) in self.iter() {
            let side = if keep(topic_id, partition) {
                &mut kept
            } else {
                &mut others
            };
            side.insert(topic_id, partition, epoch);
        }
        (kept, others)
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        for (topic_id, partition, epoch) in other.iter() {
            self.insert(topic_id, partition, epoch);
        }
    }

    /// As the wire and the client's reports have it.
    pub(crate) fn to_wire(&self) -> Vec<TopicPartitions> {
        let topics = self.0.iter();
        topics
            .map(|(topic_id, partitions)| TopicPartitions {
                topic_id: *topic_id,
                partitions: partitions.keys().copied().collect(),
            })
            .collect()
    }

    pub(super) fn to_record(&self) -> Vec<AssignedTopicPartitions> {
        let topics = self.0.iter();
        topics
            .map(|(topic_id, partitions)| AssignedTopicPartitions {
                topic_id: *topic_id,
                partitions: partitions.keys().copied().collect(),
                assignment_epochs: Some(partitions.values().copied().collect()),
            })
            .collect()
    }

    /// Where the record has no epochs, the member's own stands for them: no commit at an older one
    /// is taken, as before there were any.
    pub(super) fn from_record(topics: &[AssignedTopicPartitions], member_epoch: i32) -> Self {
        let mut assigned = Self::default();
        for topic in topics {
            let epochs = topic.assignment_epochs.as_deref().unwrap_or_default();
            for (index, partition) in topic.partitions.iter().enumerate() {
                let epoch = epochs.get(index).copied().unwrap_or(member_epoch);
                assigned.insert(topic.topic_id, *partition, epoch);
            }
        }
        assigned
    }
}

impl FromIterator<(Uuid, i32, i32)> for Assigned {
    fn from_iter<I: IntoIterator<Item = (Uuid, i32, i32)>>(partitions: I) -> Self {
        let mut assigned = Self::default();
        for (topic_id, partition, epoch) in partitions {
            assigned.insert(topic_id, partition, epoch);
        }
        assigned
    }
}

pub(super) fn target_to_record(target: &Partitions) -> TargetAssignmentMember {
    let topics = target.iter();
    TargetAssignmentMember {
        topic_partitions: topics
            .map(|(topic_id, partitions)| TargetTopicPartitions {
                topic_id: *topic_id,
                partitions: partitions.iter().copied().collect(),
            })
            .collect(),
    }
}

pub(super) fn target_from_record(record: &TargetAssignmentMember) -> Partitions {
    let mut target = Partitions::new();
    for topic in &record.topic_partitions {
        if !topic.partitions.is_empty() {
            let partitions = target.entry(topic.topic_id).or_default();
            partitions.extend(topic.partitions.iter().copied());
        }
    }
    target
}
