//! A member of a consumer group: what it said, and what it has.
//!
//! All of it is durable, made of the member's two records.

use std::collections::BTreeSet;

use headwater_protocol::Uuid;

use super::assignment::Assigned;
use crate::record::{
    ClassicMemberMetadata, ConsumerGroupMemberMetadata, ConsumerGroupRecord,
    CurrentMemberAssignment,
};

/// The member epoch of a static member that has left for a while.
pub(crate) const LEFT_FOR_A_WHILE: i32 = -2;
/// The member epoch of a member that leaves.
pub(crate) const LEAVING: i32 = -1;

/// Memory of a member besides its texts, for the limit of a group.
const MEMBER_OVERHEAD: usize = 512;

/// How far a member is on its way to its target assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It has all that the assignment of its epoch gives it.
    Stable,
    /// It has to give up partitions before it gets any.
    UnrevokedPartitions,
    /// It waits for partitions that others have not given up.
    UnreleasedPartitions,
    /// Written by a later version: the member has to start anew.
    Unknown,
}

impl MemberState {
    fn from_record(number: i8) -> Self {
        match number {
            0 => Self::Stable,
            1 => Self::UnrevokedPartitions,
            2 => Self::UnreleasedPartitions,
            _ => Self::Unknown,
        }
    }

    fn to_record(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::UnrevokedPartitions => 1,
            Self::UnreleasedPartitions => 2,
            Self::Unknown => i8::MAX,
        }
    }
}

/// What a member has, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CurrentAssignment {
    pub(crate) epoch: i32,
    pub(crate) previous_epoch: i32,
    pub(crate) state: MemberState,
    pub(crate) assigned: Assigned,
    /// Still the member's until it says otherwise.
    pub(crate) pending_revocation: Assigned,
}

impl Default for CurrentAssignment {
    /// Of a member that has only just come.
    fn default() -> Self {
        Self {
            epoch: 0,
            previous_epoch: -1,
            state: MemberState::Stable,
            assigned: Assigned::default(),
            pending_revocation: Assigned::default(),
        }
    }
}

impl CurrentAssignment {
    /// Nothing more to do for the assignment of that epoch.
    pub(crate) fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }

    pub(super) fn from_record(record: &CurrentMemberAssignment) -> Self {
        let epoch = record.member_epoch;
        Self {
            epoch,
            previous_epoch: record.previous_member_epoch,
            state: MemberState::from_record(record.state),
            assigned: Assigned::from_record(&record.assigned_partitions, epoch),
            pending_revocation: Assigned::from_record(&record.partitions_pending_revocation, epoch),
        }
    }

    pub(super) fn to_record(&self) -> CurrentMemberAssignment {
        CurrentMemberAssignment {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.to_record(),
            assigned_partitions: self.assigned.to_record(),
            partitions_pending_revocation: self.pending_revocation.to_record(),
        }
    }
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerMember {
    pub(crate) id: String,
    pub(crate) metadata: ConsumerGroupMemberMetadata,
    pub(crate) current: CurrentAssignment,
}

impl ConsumerMember {
    /// A member that nothing is known of.
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            metadata: ConsumerGroupMemberMetadata {
                classic_member_metadata: None,
                ..ConsumerGroupMemberMetadata::default()
            },
            current: CurrentAssignment::default(),
        }
    }

    pub(crate) fn instance_id(&self) -> Option<&str> {
        self.metadata.instance_id.as_deref()
    }

    /// Given for a member that speaks the classic protocol.
    pub(crate) fn classic(&self) -> Option<&ClassicMemberMetadata> {
        self.metadata.classic_member_metadata.as_ref()
    }

    pub(crate) fn uses_classic_protocol(&self) -> bool {
        self.classic().is_some()
    }

    /// The expression it subscribes by, if it does.
    pub(crate) fn regex(&self) -> Option<&str> {
        let regex = self.metadata.subscribed_topic_regex.as_deref();
        regex.filter(|regex| !regex.is_empty())
    }

    /// Partitions that nobody else may be given.
    pub(crate) fn owned(&self) -> impl Iterator<Item = (Uuid, i32)> {
        let current = &self.current;
        let owned = current
            .assigned
            .iter()
            .chain(current.pending_revocation.iter());
        owned.map(|(topic_id, partition, _)| (topic_id, partition))
    }

    /// Memory taken, roughly.
    pub(crate) fn weight(&self) -> usize {
        let metadata = &self.metadata;
        let names = metadata.subscribed_topic_names.iter();
        let protocols = self.classic().map_or(0, |classic| {
            let protocols = classic.supported_protocols.iter();
            protocols
                .map(|protocol| protocol.name.len() + protocol.metadata.len() + 64)
                .sum()
        });
        MEMBER_OVERHEAD
            + self.id.len()
            + metadata.client_id.len()
            + metadata.client_host.len()
            + metadata
                .subscribed_topic_regex
                .as_ref()
                .map_or(0, String::len)
            + names.map(|name| name.len() + 32).sum::<usize>()
            + protocols
    }

    pub(super) fn metadata_record(&self) -> ConsumerGroupRecord {
        ConsumerGroupRecord::Member {
            member_id: self.id.clone(),
            value: Some(self.metadata.clone()),
        }
    }

    pub(super) fn assignment_record(&self) -> ConsumerGroupRecord {
        ConsumerGroupRecord::MemberAssignment {
            member_id: self.id.clone(),
            value: Some(self.current.to_record()),
        }
    }
}

/// Topic names as they are written: sorted, each once.
pub(super) fn topic_set(names: &[String]) -> Vec<String> {
    let names: BTreeSet<&String> = names.iter().collect();
    names.into_iter().cloned().collect()
}
