//! What a group committed for one partition.

use headwater_protocol::{Message, Uuid};

/// Whose offset of which partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Message)]
#[message()]
pub struct OffsetCommitKey {
    pub group: String,
    pub topic: String,
    pub partition: i32,
}

/// The commit.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 4)]
pub struct OffsetCommitValue {
    pub offset: i64,
    #[field(versions = 3.., default = -1, ignorable)]
    pub leader_epoch: i32,
    pub metadata: String,
    /// When the coordinator took the commit.
    pub commit_timestamp: i64,
    /// When it expires, if the client said so, which only old clients can; -1: when the group has
    /// been empty long enough.
    #[field(versions = 1..=1, default = -1, ignorable)]
    pub expire_timestamp: i64,
    /// Zero: not known at the time.
    #[field(versions = 4.., tag = 0, ignorable)]
    pub topic_id: Uuid,
}

impl OffsetCommitValue {
    pub(super) const KIND: &'static str = "an offset commit";
    pub(super) const LATEST: i16 = 4;

    /// Only version 1 has a time of expiry, and Kafka writes it for nothing else.
    pub(super) fn written_version(&self) -> i16 {
        if self.expire_timestamp == -1 { 4 } else { 1 }
    }
}
