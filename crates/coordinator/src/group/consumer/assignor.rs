//! Server-side assignors: which member is to have which partitions.
//!
//! Owns what assignors are told and which of them there are. Pure: the same members and topics give
//! the same assignment. What members have at the moment is not asked, only what they were to have.

mod balance;
mod range;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};

use headwater_protocol::Uuid;

use super::assignment::Partitions;

/// What an assignor knows of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberSpec {
    pub(crate) instance_id: Option<String>,
    /// Topics that exist, of those it subscribes to.
    pub(crate) topics: BTreeSet<Uuid>,
    /// What it was to have so far.
    pub(crate) target: Partitions,
}

/// What an assignor knows of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupSpec {
    /// By member id.
    pub(crate) members: BTreeMap<String, MemberSpec>,
    /// Partitions of each topic that a member subscribes to.
    pub(crate) topics: BTreeMap<Uuid, i32>,
}

impl GroupSpec {
    /// All members subscribe to the same topics.
    fn is_homogeneous(&self) -> bool {
        let mut members = self.members.values();
        let first = members.next();
        first.is_none_or(|first| members.all(|member| member.topics == first.topics))
    }

    fn partitions_of(&self, topic_id: Uuid) -> i32 {
        self.topics.get(&topic_id).copied().unwrap_or(0)
    }

    fn total_partitions(&self) -> usize {
        let counts = self.topics.values();
        counts
            .map(|count| usize::try_from(*count).unwrap_or(0))
            .sum()
    }
}

/// By member id; who is missing gets nothing.
pub(crate) type GroupAssignment = BTreeMap<String, Partitions>;

/// The assignors there are, by Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsumerAssignor {
    /// Balanced, and as close to the assignment before as balance allows.
    Uniform,
    /// Ranges of each topic, the same ranges of every topic where members and counts agree.
    Range,
}

impl ConsumerAssignor {
    /// The name in requests and in `group.consumer.assignors`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// The assignor of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "uniform" => Some(Self::Uniform),
            "range" => Some(Self::Range),
            _ => None,
        }
    }

    pub(crate) fn assign(self, group: &GroupSpec) -> GroupAssignment {
        match self {
            _ if group.members.is_empty() => GroupAssignment::new(),
            Self::Range => range::assign(group),
            Self::Uniform if group.is_homogeneous() => uniform::assign(group),
            Self::Uniform => balance::assign(group),
        }
    }
}

#[cfg(test)]
mod tests;
