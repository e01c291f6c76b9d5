//! A member of a classic group while the process lives.
//!
//! Owns what the member said and what it waits for. All of it is soft; what lasts of a member is in
//! the group's record.

use bytes::Bytes;
use headwater_protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};

use crate::effect::Token;
use crate::record::MemberMetadata;

/// Memory of a member besides its texts and metadata, for the limit of a group.
const MEMBER_OVERHEAD: usize = 512;
/// The same of one that has not come back with its id yet.
const PENDING_OVERHEAD: usize = 256;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(super) id: String,
    pub(super) group_instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    /// By preference.
    pub(super) protocols: Vec<JoinGroupRequestProtocol>,
    /// Has not been part of a generation: its client does not know its id, so it cannot heartbeat.
    pub(super) is_new: bool,
    pub(super) awaiting_join: Option<Token>,
    pub(super) awaiting_sync: Option<Token>,
}

impl Member {
    /// As the log has it. Only the chosen protocol was written.
    pub(super) fn restored(member: &MemberMetadata, protocol: Option<&str>) -> Self {
        Self {
            id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            // Records before version 1 have none; the session timeout served as both.
            rebalance_timeout_ms: if member.rebalance_timeout == -1 {
                member.session_timeout
            } else {
                member.rebalance_timeout
            },
            session_timeout_ms: member.session_timeout,
            protocols: vec![JoinGroupRequestProtocol {
                name: protocol.unwrap_or_default().to_owned(),
                metadata: member.subscription.clone(),
            }],
            is_new: false,
            awaiting_join: None,
            awaiting_sync: None,
        }
    }

    pub(super) fn to_record(&self, protocol: Option<&str>, assignment: Bytes) -> MemberMetadata {
        MemberMetadata {
            member_id: self.id.clone(),
            group_instance_id: self.group_instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout: self.rebalance_timeout_ms,
            session_timeout: self.session_timeout_ms,
            subscription: self.metadata(protocol),
            assignment,
        }
    }

    pub(super) fn is_static(&self) -> bool {
        self.group_instance_id.is_some()
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|known| known.name == protocol)
    }

    /// What it said under the protocol.
    pub(super) fn metadata(&self, protocol: Option<&str>) -> Bytes {
        self.protocols
            .iter()
            .find(|known| Some(known.name.as_str()) == protocol)
            .map(|known| known.metadata.clone())
            .unwrap_or_default()
    }

    /// Whether it would join with the same words.
    pub(super) fn matches(&self, protocols: &[JoinGroupRequestProtocol]) -> bool {
        self.protocols == protocols
    }

    /// A member that waits for the coordinator need not heartbeat; a new one may be gone even so.
    pub(super) fn is_excused_from_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    /// Memory taken, roughly.
    pub(super) fn weight(&self) -> usize {
        let id = self.group_instance_id.as_ref().map_or(0, String::len);
        MEMBER_OVERHEAD
            + 2 * (self.id.len() + id)
            + self.client_id.len()
            + self.client_host.len()
            + protocols_weight(&self.protocols)
    }
}

/// What an id that was given out takes, here and in the timer of its session.
pub(super) fn pending_weight(member_id: &str) -> usize {
    PENDING_OVERHEAD + 2 * member_id.len()
}

/// What a member made of the request would take.
pub(super) fn request_weight(request: &JoinGroupRequest) -> usize {
    MEMBER_OVERHEAD + protocols_weight(&request.protocols)
}

fn protocols_weight(protocols: &[JoinGroupRequestProtocol]) -> usize {
    protocols
        .iter()
        .map(|protocol| {
            size_of::<JoinGroupRequestProtocol>() + protocol.name.len() + protocol.metadata.len()
        })
        .sum()
}

/// Before version 1 a request has only the session timeout, which served as both.
pub(crate) fn rebalance_timeout_ms(request: &JoinGroupRequest) -> i32 {
    // The number is the client's: a negative one is as good as none.
    match request.rebalance_timeout_ms {
        -1 => request.session_timeout_ms,
        timeout_ms => timeout_ms.max(0),
    }
}
