//! Requests of members: to the right group, if there is one.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use headwater_protocol::messages::join_group::JoinGroupRequest;
use headwater_protocol::messages::leave_group::{
    LeaveGroupRequest, LeaveGroupResponse, MemberIdentity,
};
use headwater_protocol::messages::sync_group::SyncGroupRequest;

use super::classic::{ClassicGroup, Joined, join_error, leave_response, sync_error};
use super::{Groups, MAX_TEXT, check_member_group_id, consumer};
use crate::config::GroupConfig;
use crate::effect::{Call, Client};
use crate::turn::{Check, Turn};
use crate::versions;

impl Groups {
    pub(crate) fn join(
        &mut self,
        turn: &mut Turn<'_>,
        call: Call,
        client: Client<'_>,
        request: &JoinGroupRequest,
    ) {
        if let Err(code) = self.check_join(turn.config, client, request) {
            turn.reply(call.token, join_error(&request.member_id, code));
            return;
        }
        let group_id = request.group_id.as_str();
        let emptied = match self.consumer.get(group_id) {
            Some(group) if !group.is_empty() => {
                return self.join_consumer_group(turn, call, client, request);
            }
            Some(group) => group.tombstones(),
            None => Vec::new(),
        };
        let now_ms = turn.now_ms;
        let group = self.group_or_new(group_id, now_ms);
        let joined = group.join(turn, call, client, request);
        if joined == Joined::Accepted && group.durable().is_none() && turn.record_count() == 0 {
            group.write_empty(turn);
        } else {
            self.settle(group_id, now_ms);
        }
        match joined {
            // Nobody was left in the consumer group: a classic one takes its place.
            Joined::Accepted => consumer::append(turn, group_id, emptied),
            Joined::Refused if !emptied.is_empty() => {
                self.classic.remove(group_id);
            }
            Joined::Refused => {}
        }
    }

    fn check_join(
        &self,
        config: &GroupConfig,
        client: Client<'_>,
        request: &JoinGroupRequest,
    ) -> Check {
        check_member_group_id(&request.group_id)?;
        let timeouts = config.min_session_timeout_ms..=config.max_session_timeout_ms;
        if !timeouts.contains(&request.session_timeout_ms) {
            return Err(ErrorCode::InvalidSessionTimeout);
        }
        let instance = request.group_instance_id.as_deref().unwrap_or_default();
        let texts = [
            client.client_id,
            client.client_host,
            instance,
            &request.protocol_type,
        ];
        let protocols = request
            .protocols
            .iter()
            .map(|protocol| protocol.name.as_str());
        if texts
            .into_iter()
            .chain(protocols)
            .any(|text| text.len() > MAX_TEXT)
        {
            return Err(ErrorCode::InvalidRequest);
        }
        let is_in_use = self
            .consumer
            .get(&request.group_id)
            .is_some_and(|group| !group.is_empty());
        if !self.classic.contains_key(&request.group_id) && !is_in_use {
            if !request.member_id.is_empty() {
                return Err(ErrorCode::UnknownMemberId);
            }
            if self.count() >= config.max_groups {
                return Err(ErrorCode::CoordinatorNotAvailable);
            }
        }
        Ok(())
    }

    pub(crate) fn sync(&mut self, turn: &mut Turn<'_>, call: Call, request: &SyncGroupRequest) {
        if self.consumer.contains_key(&request.group_id) {
            let answer = self.sync_consumer_group(turn, request);
            return turn.reply(call.token, answer.unwrap_or_else(sync_error));
        }
        match self.group_of_member(&request.group_id) {
            Ok(group) => group.sync(turn, call, request),
            Err(code) => turn.reply(call.token, sync_error(code)),
        }
    }

    pub(crate) fn heartbeat(
        &mut self,
        turn: &mut Turn<'_>,
        call: Call,
        request: &HeartbeatRequest,
    ) {
        let alive = if self.consumer.contains_key(&request.group_id) {
            self.heartbeat_consumer_group(turn, request)
        } else {
            self.group_of_member(&request.group_id)
                .and_then(|group| group.heartbeat(turn, request))
        };
        let response = HeartbeatResponse {
            error_code: alive.err().map_or(0, i16::from),
            ..HeartbeatResponse::default()
        };
        turn.reply(call.token, response);
    }

    pub(crate) fn leave(&mut self, turn: &mut Turn<'_>, call: Call, request: &LeaveGroupRequest) {
        let single = [MemberIdentity {
            member_id: request.member_id.clone(),
            ..MemberIdentity::default()
        }];
        let batched = versions::leave_is_batched(call.version);
        let leaving: &[MemberIdentity] = if batched { &request.members } else { &single };
        let is_consumer_group = self.consumer.contains_key(&request.group_id);
        let members = match self.group_of_member(&request.group_id) {
            Ok(group) => {
                let members = group.leave(turn, leaving);
                self.settle(&request.group_id, turn.now_ms);
                members
            }
            Err(ErrorCode::UnknownMemberId) if is_consumer_group => {
                self.leave_as_classic_members(turn, &request.group_id, leaving)
            }
            Err(ErrorCode::UnknownMemberId) => {
                let unknown = |member| leave_response(member, Err(ErrorCode::UnknownMemberId));
                leaving.iter().map(unknown).collect()
            }
            Err(code) => {
                let error_code = code.into();
                let refusal = LeaveGroupResponse {
                    error_code,
                    ..LeaveGroupResponse::default()
                };
                turn.reply(call.token, refusal);
                return;
            }
        };
        let response = if batched {
            LeaveGroupResponse {
                members,
                ..LeaveGroupResponse::default()
            }
        } else {
            LeaveGroupResponse {
                error_code: members.first().map_or(0, |member| member.error_code),
                ..LeaveGroupResponse::default()
            }
        };
        turn.reply(call.token, response);
    }

    /// A member of a group that does not exist is not a member.
    fn group_of_member(&mut self, group_id: &str) -> Check<&mut ClassicGroup> {
        check_member_group_id(group_id)?;
        self.classic
            .get_mut(group_id)
            .ok_or(ErrorCode::UnknownMemberId)
    }
}
