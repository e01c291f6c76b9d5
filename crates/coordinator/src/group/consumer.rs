//! A consumer group of KIP-848: members tell what they want, the coordinator assigns.
//!
//! Owns one group. Nearly all of it is durable: [`ConsumerGroup::apply`] is the one way for it to
//! change, in replay and in the [`Draft`] of a turn alike. Members may speak the classic protocol
//! too, while a group moves from one protocol to the other.

pub(crate) mod assignment;
pub(crate) mod assignor;
mod classic_member;
mod commit;
mod describe;
mod draft;
mod heartbeat;
mod leave;
mod member;
mod migration;
mod reconcile;
mod refusal;
mod request;
mod session;
mod static_member;
mod subscription;
mod target;
mod topic_regex;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headwater_protocol::Uuid;

use crate::record::{
    ConsumerGroupMetadata, ConsumerGroupRecord, ResolvedTopics, TargetAssignmentMetadata,
};
use assignment::{Partitions, target_from_record, target_to_record};
use member::{ConsumerMember, CurrentAssignment};
use topic_regex::Look;

pub(crate) use commit::Committer;
pub(crate) use describe::GROUP_TYPE;
use draft::Draft;
pub(crate) use draft::append;

/// Where a group is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No members; perhaps committed offsets.
    Empty,
    /// The target assignment is older than the group.
    Assigning,
    /// Members are on their way to the target assignment.
    Reconciling,
    /// Members have their target assignments.
    Stable,
}

impl State {
    /// Kafka's name, as `ConsumerGroupDescribe` and `ListGroups` give it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

/// The epoch of a target assignment that was deleted.
const NO_TARGET: i32 = -1;

/// One group.
#[derive(Debug, Clone)]
pub(crate) struct ConsumerGroup {
    id: String,
    epoch: i32,
    metadata_hash: i64,
    /// A record of Kafka 4.0 or earlier, which the next change of the group deletes.
    partition_metadata: Option<crate::record::ConsumerGroupPartitionMetadata>,
    /// The epoch of the group that the targets were made for.
    target_epoch: i32,
    target_timestamp_ms: i64,
    targets: BTreeMap<String, Partitions>,
    members: BTreeMap<String, Arc<ConsumerMember>>,
    /// Member ids by instance id.
    static_members: BTreeMap<String, String>,
    regexes: BTreeMap<String, ResolvedTopics>,
    /// Who has each partition, or has not given it up yet.
    owners: BTreeMap<Uuid, BTreeMap<i32, String>>,

    // Soft from here on.
    /// The image for which the hash was found to be right.
    checked_version: Option<i64>,
    looked: Option<Look>,
}

impl ConsumerGroup {
    /// A group that nobody has joined.
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            epoch: 0,
            metadata_hash: 0,
            partition_metadata: None,
            target_epoch: 0,
            target_timestamp_ms: 0,
            targets: BTreeMap::new(),
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            regexes: BTreeMap::new(),
            owners: BTreeMap::new(),
            checked_version: None,
            looked: None,
        }
    }

    pub(crate) fn state(&self) -> State {
        if self.members.is_empty() {
            State::Empty
        } else if self.epoch > self.target_epoch {
            State::Assigning
        } else if self
            .members
            .values()
            .all(|member| member.current.is_reconciled_to(self.target_epoch))
        {
            State::Stable
        } else {
            State::Reconciling
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn member(&self, member_id: &str) -> Option<&ConsumerMember> {
        self.members.get(member_id).map(Arc::as_ref)
    }

    fn static_member(&self, instance_id: &str) -> Option<&ConsumerMember> {
        self.member(self.static_members.get(instance_id)?)
    }

    fn is_owned(&self, topic_id: Uuid, partition: i32) -> bool {
        self.owners
            .get(&topic_id)
            .is_some_and(|owners| owners.contains_key(&partition))
    }

    fn weight(&self) -> usize {
        self.members.values().map(|member| member.weight()).sum()
    }

    /// Replay: the record is in the log now. A tombstone of the group itself is its owner's to
    /// follow.
    pub(crate) fn apply(&mut self, record: ConsumerGroupRecord) {
        match record {
            ConsumerGroupRecord::Group(Some(value)) => {
                self.epoch = value.epoch;
                self.metadata_hash = value.metadata_hash;
            }
            ConsumerGroupRecord::Group(None) => {}
            ConsumerGroupRecord::PartitionMetadata(value) => self.partition_metadata = value,
            ConsumerGroupRecord::Member { member_id, value } => {
                self.change_member(&member_id, value.is_some(), |member| {
                    member.metadata = value.unwrap_or_default();
                });
            }
            ConsumerGroupRecord::Target(value) => {
                let value = value.unwrap_or(TargetAssignmentMetadata {
                    assignment_epoch: NO_TARGET,
                    assignment_timestamp: 0,
                });
                self.target_epoch = value.assignment_epoch;
                self.target_timestamp_ms = value.assignment_timestamp;
            }
            ConsumerGroupRecord::MemberTarget { member_id, value } => {
                match value.as_ref().map(target_from_record) {
                    Some(target) => self.targets.insert(member_id, target),
                    None => self.targets.remove(&member_id),
                };
            }
            ConsumerGroupRecord::MemberAssignment { member_id, value } => {
                if value.is_none() && !self.members.contains_key(&member_id) {
                    return;
                }
                self.change_member(&member_id, true, |member| {
                    member.current = match &value {
                        Some(value) => CurrentAssignment::from_record(value),
                        None => CurrentAssignment {
                            epoch: member::LEAVING,
                            previous_epoch: member::LEAVING,
                            ..CurrentAssignment::default()
                        },
                    };
                });
            }
            ConsumerGroupRecord::RegularExpression { regex, value } => {
                match value {
                    Some(value) => self.regexes.insert(regex, value),
                    None => self.regexes.remove(&regex),
                };
            }
        }
    }

    /// Takes the member out, changes it and puts it back, if it is to stay, together with all that
    /// is found by it.
    fn change_member(
        &mut self,
        member_id: &str,
        stays: bool,
        change: impl FnOnce(&mut ConsumerMember),
    ) {
        let mut member = match self.members.remove(member_id) {
            Some(member) => {
                self.forget(&member);
                Arc::unwrap_or_clone(member)
            }
            None if stays => ConsumerMember::new(member_id),
            None => return,
        };
        if !stays {
            return;
        }
        change(&mut member);
        for (topic_id, partition) in member.owned() {
            let owners = self.owners.entry(topic_id).or_default();
            owners.insert(partition, member_id.to_owned());
        }
        if let Some(instance_id) = member.instance_id() {
            self.static_members
                .insert(instance_id.to_owned(), member_id.to_owned());
        }
        self.members.insert(member_id.to_owned(), Arc::new(member));
    }

    fn forget(&mut self, member: &ConsumerMember) {
        for (topic_id, partition) in member.owned() {
            let Some(owners) = self.owners.get_mut(&topic_id) else {
                continue;
            };
            if owners.get(&partition) == Some(&member.id) {
                owners.remove(&partition);
            }
            if owners.is_empty() {
                self.owners.remove(&topic_id);
            }
        }
        if let Some(instance_id) = member.instance_id()
            && self.static_members.get(instance_id) == Some(&member.id)
        {
            self.static_members.remove(instance_id);
        }
    }

    /// Records that make this group of none.
    pub(crate) fn records(&self) -> Vec<ConsumerGroupRecord> {
        let mut records = Vec::new();
        records.extend(self.members.values().map(|member| member.metadata_record()));
        for (regex, value) in &self.regexes {
            records.push(ConsumerGroupRecord::RegularExpression {
                regex: regex.clone(),
                value: Some(value.clone()),
            });
        }
        if self.partition_metadata.is_some() {
            let value = self.partition_metadata.clone();
            records.push(ConsumerGroupRecord::PartitionMetadata(value));
        }
        records.push(Self::group_record(self.epoch, self.metadata_hash));
        for (member_id, target) in &self.targets {
            records.push(member_target_record(member_id, target));
        }
        if self.target_epoch != NO_TARGET {
            records.push(ConsumerGroupRecord::Target(Some(
                TargetAssignmentMetadata {
                    assignment_epoch: self.target_epoch,
                    assignment_timestamp: self.target_timestamp_ms,
                },
            )));
        }
        records.extend(
            self.members
                .values()
                .map(|member| member.assignment_record()),
        );
        records
    }

    /// Records that leave nothing of this group.
    pub(crate) fn tombstones(&self) -> Vec<ConsumerGroupRecord> {
        let mut records = Vec::new();
        let member_ids: BTreeSet<&String> =
            self.members.keys().chain(self.targets.keys()).collect();
        for member_id in &member_ids {
            let (member_id, value) = ((*member_id).clone(), None);
            records.push(ConsumerGroupRecord::MemberAssignment { member_id, value });
        }
        for member_id in &member_ids {
            let (member_id, value) = ((*member_id).clone(), None);
            records.push(ConsumerGroupRecord::MemberTarget { member_id, value });
        }
        records.push(ConsumerGroupRecord::Target(None));
        for member_id in &member_ids {
            let (member_id, value) = ((*member_id).clone(), None);
            records.push(ConsumerGroupRecord::Member { member_id, value });
        }
        for regex in self.regexes.keys() {
            let (regex, value) = (regex.clone(), None);
            records.push(ConsumerGroupRecord::RegularExpression { regex, value });
        }
        if self.partition_metadata.is_some() {
            records.push(ConsumerGroupRecord::PartitionMetadata(None));
        }
        records.push(ConsumerGroupRecord::Group(None));
        records
    }

    fn group_record(epoch: i32, metadata_hash: i64) -> ConsumerGroupRecord {
        ConsumerGroupRecord::Group(Some(ConsumerGroupMetadata {
            epoch,
            metadata_hash,
        }))
    }
}

fn member_target_record(member_id: &str, target: &Partitions) -> ConsumerGroupRecord {
    ConsumerGroupRecord::MemberTarget {
        member_id: member_id.to_owned(),
        value: Some(target_to_record(target)),
    }
}
