//! `SyncGroup` on a group: members come for what the leader assigned.

use std::collections::HashMap;

use bytes::Bytes;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};

use super::{ClassicGroup, State, answer_sync_with_error, sync_error};
use crate::effect::Call;
use crate::turn::{Check, Turn};

impl ClassicGroup {
    /// Parks the member until the leader has synced; the leader's sync writes the assignments and
    /// answers everyone.
    pub(crate) fn sync(&mut self, turn: &mut Turn<'_>, call: Call, request: &SyncGroupRequest) {
        if let Err(code) = self.check_sync(request) {
            turn.reply(call.token, sync_error(code));
            return;
        }
        let member_id = request.member_id.as_str();
        match self.state {
            State::Empty => turn.reply(call.token, sync_error(ErrorCode::UnknownMemberId)),
            State::PreparingRebalance => {
                turn.reply(call.token, sync_error(ErrorCode::RebalanceInProgress));
            }
            State::CompletingRebalance => {
                self.park_sync(turn, call, member_id);
                self.note_sync(turn, member_id);
                if self.is_leader(member_id) {
                    self.complete_sync(turn, request);
                }
            }
            State::Stable => {
                self.note_sync(turn, member_id);
                let assignment = self.durable_assignment(member_id);
                turn.reply(call.token, self.sync_response(assignment));
            }
        }
    }

    fn check_sync(&self, request: &SyncGroupRequest) -> Check {
        self.check_member(&request.member_id, request.group_instance_id.as_deref())?;
        self.check_generation(request.generation_id)?;
        // Before version 5 clients do not say.
        let agrees = |said: &Option<String>, own: &Option<String>| said.is_none() || said == own;
        if agrees(&request.protocol_type, &self.protocol_type)
            && agrees(&request.protocol_name, &self.protocol_name)
        {
            Ok(())
        } else {
            Err(ErrorCode::InconsistentGroupProtocol)
        }
    }

    fn park_sync(&mut self, turn: &mut Turn<'_>, call: Call, member_id: &str) {
        if let Some(member) = self.members.get_mut(member_id) {
            // Sent again: whoever still listens to the first may ask again too.
            answer_sync_with_error(turn, member, ErrorCode::RebalanceInProgress);
            member.awaiting_sync = Some(call.token);
        }
    }

    fn note_sync(&mut self, turn: &mut Turn<'_>, member_id: &str) {
        self.pending_sync.remove(member_id);
        if self.pending_sync.is_empty() {
            turn.timers.cancel(self.sync_timer());
        }
    }

    /// A member that the leader left out has nothing to do, and is told so.
    fn complete_sync(&mut self, turn: &mut Turn<'_>, request: &SyncGroupRequest) {
        let assignments: HashMap<&str, &Bytes> = request
            .assignments
            .iter()
            .map(|assigned| (assigned.member_id.as_str(), &assigned.assignment))
            .collect();
        let assignment = |member_id: &str| {
            let found = assignments.get(member_id).copied();
            found.cloned().unwrap_or_default()
        };
        self.write(turn, assignment);
        self.transition(State::Stable, turn.now_ms);
        let waiting: Vec<String> = self
            .members
            .values()
            .filter(|member| member.awaiting_sync.is_some())
            .map(|member| member.id.clone())
            .collect();
        for member_id in waiting {
            let response = self.sync_response(assignment(&member_id));
            let parked = self.members.get_mut(&member_id);
            if let Some(token) = parked.and_then(|member| member.awaiting_sync.take()) {
                turn.reply(token, response);
            }
            // Its heartbeats were not expected while it waited.
            self.reset_session(turn, &member_id);
        }
    }

    fn sync_response(&self, assignment: Bytes) -> SyncGroupResponse {
        SyncGroupResponse {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            assignment,
            ..SyncGroupResponse::default()
        }
    }

    /// The time to sync is over: who did not is taken for gone.
    pub(crate) fn on_sync_timer(&mut self, turn: &mut Turn<'_>) {
        let in_generation = matches!(self.state, State::CompletingRebalance | State::Stable);
        if !in_generation || self.pending_sync.is_empty() {
            return;
        }
        for member_id in std::mem::take(&mut self.pending_sync) {
            self.remove_member(turn, &member_id, ErrorCode::UnknownMemberId);
        }
        self.prepare_rebalance(turn);
    }
}
