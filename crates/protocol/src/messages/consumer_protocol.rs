//! What classic consumers put into `JoinGroup`'s metadata and `SyncGroup`'s assignments.
//!
//! Opaque to the group coordinator; tools read it. A version of 16 bits comes first, written and
//! read by the caller. 1 adds owned partitions (KIP-429), 2 the generation (KIP-792), 3 the rack
//! (KIP-881).

use bytes::Bytes;

use crate::Message;

/// What a member wants, and what it still owns.
#[derive(Debug, Clone, PartialEq, Message)]
pub struct ConsumerProtocolSubscription {
    pub topics: Vec<String>,
    pub user_data: Option<Bytes>,
    /// Cooperative members own partitions while they rejoin.
    #[field(versions = 1.., ignorable)]
    pub owned_partitions: Vec<TopicPartition>,
    #[field(versions = 2.., default = -1, ignorable)]
    pub generation_id: i32,
    #[field(versions = 3.., ignorable)]
    pub rack_id: Option<String>,
}

/// Partitions of one topic.
#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicPartition {
    pub topic: String,
    pub partitions: Vec<i32>,
}

/// What a member got.
#[derive(Debug, Clone, PartialEq, Message)]
pub struct ConsumerProtocolAssignment {
    pub assigned_partitions: Vec<TopicPartition>,
    pub user_data: Option<Bytes>,
}
