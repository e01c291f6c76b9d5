//! Consumer protocol.

use bytes::Bytes;

use crate::Message;

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ConsumerProtocolSubscription {
    pub topics: Vec<String>,
    pub user_data: Option<Bytes>,
    #[field(versions = 1.., ignorable)]
    pub owned_partitions: Vec<TopicPartition>,
    #[field(versions = 2.., default = -1, ignorable)]
    pub generation_id: i32,
    #[field(versions = 3.., ignorable)]
    pub rack_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicPartition {
    pub topic: String,
    pub partitions: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ConsumerProtocolAssignment {
    pub assigned_partitions: Vec<TopicPartition>,
    pub user_data: Option<Bytes>,
}
