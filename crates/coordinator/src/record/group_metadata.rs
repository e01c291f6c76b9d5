//! A classic group as of its latest completed rebalance.

use bytes::Bytes;
use headwater_protocol::Message;

#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message()]
pub(super) struct GroupMetadataKey {
    pub(super) group: String,
}

/// The members with their assignments, or none of them: an empty group.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 4)]
pub struct GroupMetadata {
    /// Empty for a group that never had a member.
    pub protocol_type: String,
    pub generation: i32,
    pub protocol: Option<String>,
    pub leader: Option<String>,
    /// Since when the group is in the state that this record gives it; -1: an old record.
    #[field(versions = 2.., default = -1, ignorable)]
    pub current_state_timestamp: i64,
    pub members: Vec<MemberMetadata>,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 4)]
pub struct MemberMetadata {
    pub member_id: String,
    #[field(versions = 3.., ignorable)]
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    #[field(versions = 1.., default = -1, ignorable)]
    pub rebalance_timeout: i32,
    pub session_timeout: i32,
    /// What it said under the group's protocol when it joined.
    pub subscription: Bytes,
    pub assignment: Bytes,
}

impl GroupMetadata {
    pub(super) const KIND: &'static str = "a group's metadata";
    pub(super) const LATEST: i16 = 4;
    /// What Kafka 4.3 writes.
    pub(super) const WRITTEN: i16 = 3;

    /// The member of that id, if there is one.
    pub fn member(&self, member_id: &str) -> Option<&MemberMetadata> {
        self.members
            .iter()
            .find(|member| member.member_id == member_id)
    }
}
