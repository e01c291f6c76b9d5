//! The records of consumer groups (KIP-848): the group, its members, what they are to have and what
//! they have.
//!
//! A group's records are complete only together, and are written and deleted in an order that keeps
//! each of them meaningful: a member's assignments go before the member, members before the group.

use bytes::Bytes;
use headwater_protocol::{Message, Uuid};

/// One record of a group, without the group's id. `None`: a tombstone.
#[derive(Debug, Clone, PartialEq)]
pub enum ConsumerGroupRecord {
    /// Key 3. Without a value the group is gone.
    Group(Option<ConsumerGroupMetadata>),
    /// Key 4: what Kafka wrote before 4.1, where a hash has taken its place. Never written here.
    PartitionMetadata(Option<ConsumerGroupPartitionMetadata>),
    /// Key 5. Without a value the member is gone.
    Member {
        member_id: String,
        value: Option<ConsumerGroupMemberMetadata>,
    },
    /// Key 6.
    Target(Option<TargetAssignmentMetadata>),
    /// Key 7.
    MemberTarget {
        member_id: String,
        value: Option<TargetAssignmentMember>,
    },
    /// Key 8.
    MemberAssignment {
        member_id: String,
        value: Option<CurrentMemberAssignment>,
    },
    /// Key 16.
    RegularExpression {
        regex: String,
        value: Option<ResolvedTopics>,
    },
}

impl ConsumerGroupRecord {
    /// It only says that something is gone.
    pub(crate) fn is_tombstone(&self) -> bool {
        match self {
            Self::Group(value) => value.is_none(),
            Self::PartitionMetadata(value) => value.is_none(),
            Self::Member { value, .. } => value.is_none(),
            Self::Target(value) => value.is_none(),
            Self::MemberTarget { value, .. } => value.is_none(),
            Self::MemberAssignment { value, .. } => value.is_none(),
            Self::RegularExpression { value, .. } => value.is_none(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message()]
pub(super) struct GroupKey {
    pub(super) group_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message()]
pub(super) struct MemberKey {
    pub(super) group_id: String,
    pub(super) member_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message()]
pub(super) struct RegularExpressionKey {
    pub(super) group_id: String,
    pub(super) regular_expression: String,
}

/// The group itself.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 0)]
pub struct ConsumerGroupMetadata {
    /// Grows when members, their subscriptions or the topics change.
    pub epoch: i32,
    /// Of the topics that the group subscribes to; whoever computes it compares it only with its own.
    #[field(tag = 0)]
    pub metadata_hash: i64,
}

/// The topics a group subscribed to, as Kafka 4.0 and earlier wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 0)]
pub struct ConsumerGroupPartitionMetadata {
    pub topics: Vec<TopicMetadata>,
}

#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 0)]
pub struct TopicMetadata {
    pub topic_id: Uuid,
    pub topic_name: String,
    pub num_partitions: i32,
    pub partition_metadata: Vec<PartitionMetadata>,
}

#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 0)]
pub struct PartitionMetadata {
    pub partition: i32,
    pub racks: Vec<String>,
}

/// Who a member is and what it wants.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 0)]
pub struct ConsumerGroupMemberMetadata {
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    /// Sorted, each once.
    pub subscribed_topic_names: Vec<String>,
    pub subscribed_topic_regex: Option<String>,
    #[field(default = -1)]
    pub rebalance_timeout_ms: i32,
    pub server_assignor: Option<String>,
    /// Given for members that speak the classic protocol.
    /// Null is written: what is left out counts as given and empty.
    #[field(tag = 0, default = Some(ClassicMemberMetadata::default()))]
    pub classic_member_metadata: Option<ClassicMemberMetadata>,
}

/// What a member that speaks the classic protocol joined with.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 0)]
pub struct ClassicMemberMetadata {
    pub session_timeout_ms: i32,
    /// By preference.
    pub supported_protocols: Vec<ClassicProtocol>,
}

#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 0)]
pub struct ClassicProtocol {
    pub name: String,
    pub metadata: Bytes,
}

/// Which epoch of the group the target assignment was made for.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 0)]
pub struct TargetAssignmentMetadata {
    pub assignment_epoch: i32,
    #[field(tag = 0)]
    pub assignment_timestamp: i64,
}

/// What a member is to have in the end.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 0)]
pub struct TargetAssignmentMember {
    pub topic_partitions: Vec<TargetTopicPartitions>,
}

#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 0)]
pub struct TargetTopicPartitions {
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
}

/// What a member has.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 0)]
pub struct CurrentMemberAssignment {
    /// -2: a static member that has left for a while.
    pub member_epoch: i32,
    /// The member may not have learnt of the latest change of its epoch.
    pub previous_member_epoch: i32,
    /// 0: stable, 1: partitions to revoke, 2: partitions that others have not released.
    pub state: i8,
    pub assigned_partitions: Vec<AssignedTopicPartitions>,
    pub partitions_pending_revocation: Vec<AssignedTopicPartitions>,
}

#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 0)]
pub struct AssignedTopicPartitions {
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
    /// The member's epoch when it was given each partition (KIP-1251); empty before Kafka 4.3.
    #[field(tag = 0, default = Some(Vec::new()))]
    pub assignment_epochs: Option<Vec<i32>>,
}

/// The topics that a regular expression matched.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 0)]
pub struct ResolvedTopics {
    pub topics: Vec<String>,
    /// Of the cluster's metadata at that time.
    pub version: i64,
    pub timestamp: i64,
}
