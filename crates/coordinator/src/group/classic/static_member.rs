//! Static members (KIP-345): an instance that comes back keeps its place and assignment.

use bytes::Bytes;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse};

use super::{ClassicGroup, State, answer_join_with_error, answer_sync_with_error};
use crate::effect::Call;
use crate::turn::Turn;
use crate::versions;

impl ClassicGroup {
    /// The instance joins without an id, so it has started anew: it gets a new id, and whoever
    /// still uses the old one is fenced.
    pub(super) fn replace_static_member(
        &mut self,
        turn: &mut Turn<'_>,
        call: Call,
        request: &JoinGroupRequest,
        old_member_id: &str,
        new_member_id: &str,
    ) {
        let leader_before = self.leader_id.clone();
        self.rename_member(turn, old_member_id, new_member_id);
        self.update_member(turn, call, request, new_member_id);
        self.reset_session(turn, new_member_id);
        match self.state {
            // Whatever the subscription: the group goes on with the assignment it has (KIP-345).
            State::Stable if self.selected_protocol() == self.protocol_name => {
                self.update_subscribed_topics();
                self.write_renamed(turn, old_member_id, new_member_id);
                self.answer_without_rebalance(turn, call, new_member_id, leader_before);
            }
            State::PreparingRebalance => self.complete_join_if_all_joined(turn),
            // Completing: the leader may be assigning to the old id right now.
            _ => self.prepare_rebalance(turn),
        }
    }

    fn rename_member(&mut self, turn: &mut Turn<'_>, old_member_id: &str, new_member_id: &str) {
        let Some(mut member) = self.members.remove(old_member_id) else {
            return;
        };
        answer_join_with_error(
            turn,
            &mut member,
            old_member_id,
            ErrorCode::FencedInstanceId,
        );
        answer_sync_with_error(turn, &mut member, ErrorCode::FencedInstanceId);
        turn.timers.cancel(self.session_timer(old_member_id));
        if let Some(instance) = &member.group_instance_id {
            self.static_members
                .insert(instance.clone(), new_member_id.to_owned());
        }
        if self.is_leader(old_member_id) {
            self.leader_id = Some(new_member_id.to_owned());
        }
        if self.pending_sync.remove(old_member_id) {
            self.pending_sync.insert(new_member_id.to_owned());
        }
        new_member_id.clone_into(&mut member.id);
        member.is_new = false;
        self.members.insert(member.id.clone(), member);
    }

    /// The same assignments, one of them under its new name.
    fn write_renamed(&self, turn: &mut Turn<'_>, old_member_id: &str, new_member_id: &str) {
        self.write(turn, |member_id| {
            let known_as = if member_id == new_member_id {
                old_member_id
            } else {
                member_id
            };
            self.durable_assignment(known_as)
        });
    }

    /// The leader must not assign anew. Where it cannot be told so (KIP-814), it is told that
    /// another one leads.
    fn answer_without_rebalance(
        &mut self,
        turn: &mut Turn<'_>,
        call: Call,
        member_id: &str,
        leader_before: Option<String>,
    ) {
        let response = if versions::join_can_skip_assignment(call.version) {
            JoinGroupResponse {
                skip_assignment: self.is_leader(member_id),
                ..self.join_response(member_id)
            }
        } else {
            JoinGroupResponse {
                leader: leader_before.unwrap_or_default(),
                members: Vec::new(),
                ..self.join_response(member_id)
            }
        };
        if let Some(member) = self.members.get_mut(member_id) {
            member.awaiting_join = None;
        }
        turn.reply(call.token, response);
    }

    /// What the log says that the member has.
    pub(super) fn durable_assignment(&self, member_id: &str) -> Bytes {
        self.durable
            .as_ref()
            .and_then(|durable| durable.member(member_id))
            .map(|member| member.assignment.clone())
            .unwrap_or_default()
    }
}
