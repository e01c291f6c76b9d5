//! `LeaveGroup` on a group.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::leave_group::{MemberIdentity, MemberResponse};

use super::{ClassicGroup, State};
use crate::turn::{Check, Turn};

impl ClassicGroup {
    /// Removes the members, then rebalances once for all of them.
    pub(crate) fn leave(
        &mut self,
        turn: &mut Turn<'_>,
        members: &[MemberIdentity],
    ) -> Vec<MemberResponse> {
        let responses: Vec<MemberResponse> = members
            .iter()
            .map(|member| leave_response(member, self.leave_one(turn, member)))
            .collect();
        if responses.iter().any(|response| response.error_code == 0) {
            match self.state {
                State::Stable | State::CompletingRebalance => self.prepare_rebalance(turn),
                State::PreparingRebalance => self.complete_join_if_all_joined(turn),
                State::Empty => {}
            }
        }
        responses
    }

    fn leave_one(&mut self, turn: &mut Turn<'_>, member: &MemberIdentity) -> Check {
        let instance = member.group_instance_id.as_deref();
        let member_id = if member.member_id.is_empty() {
            // An administrator removes a static member, whose id only the group knows.
            let owner = instance.and_then(|instance| self.static_members.get(instance));
            owner.cloned().ok_or(ErrorCode::UnknownMemberId)?
        } else {
            if !self.pending_members.contains(&member.member_id) {
                self.check_member(&member.member_id, instance)?;
            }
            member.member_id.clone()
        };
        self.remove_member(turn, &member_id, ErrorCode::UnknownMemberId);
        Ok(())
    }
}

/// What one member is told.
pub(crate) fn leave_response(member: &MemberIdentity, left: Check) -> MemberResponse {
    MemberResponse {
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        error_code: left.err().map_or(0, i16::from),
    }
}
