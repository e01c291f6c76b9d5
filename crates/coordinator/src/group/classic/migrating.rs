//! Members on their way between a classic group and a consumer group (KIP-848).
//!
//! Owns what a classic group hands over when it is upgraded, and a classic group made of what a
//! consumer group hands over when it is downgraded.

use bytes::Bytes;
use headwater_protocol::messages::join_group::JoinGroupRequestProtocol;

use super::{ClassicGroup, Member, State};
use crate::group::embedded::CONSUMER;
use crate::turn::Turn;

/// A classic member without its group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MigratingMember {
    pub(crate) id: String,
    pub(crate) group_instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    /// By preference.
    pub(crate) protocols: Vec<JoinGroupRequestProtocol>,
    /// In the format of classic consumers; empty for a member that has none.
    pub(crate) assignment: Bytes,
}

/// What follows for the members of a downgraded group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterDowngrade {
    /// Everyone keeps what it has.
    Stay,
    Rebalance,
}

impl ClassicGroup {
    pub(crate) fn generation_id(&self) -> i32 {
        self.generation_id
    }

    pub(crate) fn member_count(&self) -> usize {
        self.members.len()
    }

    /// The members, each with what it said under the group's protocol.
    pub(crate) fn migrating_members(&self) -> Vec<(MigratingMember, Bytes)> {
        let migrate = |member: &Member| {
            let said = self.protocol_name.as_deref().map_or_else(
                || member.protocols.first().map(|first| first.metadata.clone()),
                |name| Some(member.metadata(Some(name))),
            );
            let migrating = MigratingMember {
                id: member.id.clone(),
                group_instance_id: member.group_instance_id.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                session_timeout_ms: member.session_timeout_ms,
                protocols: member.protocols.clone(),
                assignment: self.durable_assignment(&member.id),
            };
            (migrating, said.unwrap_or_default())
        };
        self.members.values().map(migrate).collect()
    }

    /// A stable group of these members, at that generation. Not written yet.
    pub(crate) fn downgraded(
        id: &str,
        generation_id: i32,
        members: &[MigratingMember],
        now_ms: i64,
    ) -> Self {
        let mut group = Self::new(id, now_ms);
        group.generation_id = generation_id;
        for member in members {
            let member = Member {
                id: member.id.clone(),
                group_instance_id: member.group_instance_id.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                session_timeout_ms: member.session_timeout_ms,
                protocols: member.protocols.clone(),
                is_new: false,
                awaiting_join: None,
                awaiting_sync: None,
            };
            group.add_member(member, CONSUMER);
        }
        group.state = State::Stable;
        group.protocol_name = group.selected_protocol();
        group.update_subscribed_topics();
        group
    }

    /// Writes the group, begins its sessions and, if need be, its first rebalance.
    pub(crate) fn begin_downgraded(
        &mut self,
        turn: &mut Turn<'_>,
        members: &[MigratingMember],
        after: AfterDowngrade,
    ) {
        self.write(turn, |member_id| {
            let member = members.iter().find(|member| member.id == member_id);
            member
                .map(|member| member.assignment.clone())
                .unwrap_or_default()
        });
        for member in members {
            self.reset_session(turn, &member.id);
        }
        if after == AfterDowngrade::Rebalance {
            self.prepare_rebalance(turn);
        }
    }
}
