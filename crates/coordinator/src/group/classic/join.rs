//! `JoinGroup` on a group.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::join_group::JoinGroupRequest;

use super::heartbeat::Gone;
use super::member::{pending_weight, rebalance_timeout_ms, request_weight};
use super::{ClassicGroup, Member, State, answer_join_with_error, join_error};
use crate::effect::{Call, Client};
use crate::turn::{Check, Turn};
use crate::versions;

/// Whether the group knows the member now, be it as pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    Accepted,
    Refused,
}

impl ClassicGroup {
    /// Answers now, or parks the member until the rebalance completes.
    pub(crate) fn join(
        &mut self,
        turn: &mut Turn<'_>,
        call: Call,
        client: Client<'_>,
        request: &JoinGroupRequest,
    ) -> Joined {
        let member_id = request.member_id.as_str();
        if !self.has_room_for(turn, request) {
            turn.reply(call.token, join_error("", ErrorCode::GroupMaxSizeReached));
            self.turn_away(turn, member_id);
            return Joined::Refused;
        }
        if !self.supports_protocols_of(request) {
            let refusal = join_error(member_id, ErrorCode::InconsistentGroupProtocol);
            turn.reply(call.token, refusal);
            return Joined::Refused;
        }
        if member_id.is_empty() {
            return self.join_without_id(turn, call, client, request);
        }
        if self.pending_members.contains(member_id) {
            self.add_and_rebalance(turn, call, client, request, member_id.to_owned());
            return Joined::Accepted;
        }
        let instance = request.group_instance_id.as_deref();
        match self.check_member(member_id, instance) {
            Ok(()) => {
                self.rejoin(turn, call, request);
                Joined::Accepted
            }
            Err(code) => {
                turn.reply(call.token, join_error(member_id, code));
                Joined::Refused
            }
        }
    }

    /// Who is in may stay; in a rebalance, where those who do not come back will go, the first to
    /// come get the places.
    fn has_room_for(&self, turn: &Turn<'_>, request: &JoinGroupRequest) -> bool {
        let member = self.members.get(&request.member_id);
        let kept = match self.state {
            State::PreparingRebalance => {
                member.is_some_and(|member| member.awaiting_join.is_some())
            }
            _ => member.is_some(),
        };
        let taken = match self.state {
            State::Empty => 0,
            State::PreparingRebalance => self.awaiting_join_count(),
            State::CompletingRebalance | State::Stable => self.members.len(),
        };
        let weight_without = self.weight() - member.map_or(0, Member::weight);
        (kept || taken < turn.config.max_size)
            && weight_without + request_weight(request) <= turn.config.max_group_bytes
    }

    /// It has no place any more, if it had one.
    fn turn_away(&mut self, turn: &mut Turn<'_>, member_id: &str) {
        let gone = if self.members.contains_key(member_id) {
            Gone::Member
        } else {
            Gone::Pending
        };
        self.remove_member(turn, member_id, ErrorCode::UnknownMemberId);
        self.go_on_without(turn, gone);
    }

    fn awaiting_join_count(&self) -> usize {
        self.members
            .values()
            .filter(|member| member.awaiting_join.is_some())
            .count()
    }

    /// A client that has no member id yet.
    fn join_without_id(
        &mut self,
        turn: &mut Turn<'_>,
        call: Call,
        client: Client<'_>,
        request: &JoinGroupRequest,
    ) -> Joined {
        let instance = request.group_instance_id.as_deref();
        let prefix = instance.unwrap_or(client.client_id);
        let new_member_id = format!("{prefix}-{}", client.new_member_uuid);
        if let Some(instance) = instance {
            match self.static_members.get(instance).cloned() {
                Some(old) => self.replace_static_member(turn, call, request, &old, &new_member_id),
                None => self.add_and_rebalance(turn, call, client, request, new_member_id),
            }
        } else if versions::join_requires_member_id(call.version) {
            if let Err(code) = self.add_pending(turn, request, &new_member_id) {
                turn.reply(call.token, join_error("", code));
                return Joined::Refused;
            }
            let answer = join_error(&new_member_id, ErrorCode::MemberIdRequired);
            turn.reply(call.token, answer);
        } else {
            self.add_and_rebalance(turn, call, client, request, new_member_id);
        }
        Joined::Accepted
    }

    /// The member has its session timeout's time to come back with its id.
    fn add_pending(
        &mut self,
        turn: &mut Turn<'_>,
        request: &JoinGroupRequest,
        member_id: &str,
    ) -> Check {
        let config = turn.config;
        if self.pending_members.len() >= config.max_pending_members
            || self.weight() + pending_weight(member_id) > config.max_group_bytes
        {
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        self.pending_members.insert(member_id.to_owned());
        let deadline_ms = turn.after_ms(request.session_timeout_ms);
        turn.timers
            .schedule(self.session_timer(member_id), deadline_ms);
        Ok(())
    }

    fn add_and_rebalance(
        &mut self,
        turn: &mut Turn<'_>,
        call: Call,
        client: Client<'_>,
        request: &JoinGroupRequest,
        member_id: String,
    ) {
        if let Some(delay) = &mut self.initial_delay {
            delay.member_added = true;
        }
        // The client cannot heartbeat before it has an answer, and may never fetch it: such joins
        // are not kept for ever.
        let deadline_ms = turn.after_ms(turn.config.new_member_join_timeout_ms);
        turn.timers
            .schedule(self.session_timer(&member_id), deadline_ms);
        let member = Member {
            id: member_id,
            group_instance_id: request.group_instance_id.clone(),
            client_id: client.client_id.to_owned(),
            client_host: client.client_host.to_owned(),
            rebalance_timeout_ms: rebalance_timeout_ms(request),
            session_timeout_ms: request.session_timeout_ms,
            protocols: request.protocols.clone(),
            is_new: true,
            awaiting_join: Some(call.token),
            awaiting_sync: None,
        };
        self.add_member(member, &request.protocol_type);
        self.rebalance_or_complete_join(turn);
    }

    /// A member of the group joins (again).
    fn rejoin(&mut self, turn: &mut Turn<'_>, call: Call, request: &JoinGroupRequest) {
        let member_id = request.member_id.as_str();
        let unchanged = self
            .members
            .get(member_id)
            .is_some_and(|member| member.matches(&request.protocols));
        let answer_now = match self.state {
            State::PreparingRebalance => false,
            // It may not have got the answer to its first join.
            State::CompletingRebalance => unchanged,
            // The leader joins when something outside of the group asks for a new assignment.
            State::Stable => unchanged && !self.is_leader(member_id),
            State::Empty => {
                turn.reply(
                    call.token,
                    join_error(member_id, ErrorCode::UnknownMemberId),
                );
                return;
            }
        };
        if answer_now {
            turn.reply(call.token, self.join_response(member_id));
        } else {
            self.update_member(turn, call, request, member_id);
            self.rebalance_or_complete_join(turn);
        }
    }

    /// Takes over what the member says now, and parks its join.
    pub(super) fn update_member(
        &mut self,
        turn: &mut Turn<'_>,
        call: Call,
        request: &JoinGroupRequest,
        member_id: &str,
    ) {
        let Some(member) = self.members.get_mut(member_id) else {
            return;
        };
        // Sent again, on another connection: whoever still listens to the first may ask again too.
        answer_join_with_error(turn, member, member_id, ErrorCode::RebalanceInProgress);
        member.protocols.clone_from(&request.protocols);
        member.rebalance_timeout_ms = rebalance_timeout_ms(request);
        member.session_timeout_ms = request.session_timeout_ms;
        member.awaiting_join = Some(call.token);
    }
}
