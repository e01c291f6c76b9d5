//! Sessions: members that stay silent for too long are gone.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::heartbeat::HeartbeatRequest;

use super::{ClassicGroup, State};
use crate::turn::{Check, Turn};

/// What somebody who is gone was to the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    Member,
    Pending,
}

impl ClassicGroup {
    /// In a rebalance the member is kept, and told to join.
    pub(crate) fn heartbeat(&mut self, turn: &mut Turn<'_>, request: &HeartbeatRequest) -> Check {
        self.check_member(&request.member_id, request.group_instance_id.as_deref())?;
        self.check_generation(request.generation_id)?;
        match self.state {
            State::Empty => Err(ErrorCode::UnknownMemberId),
            State::PreparingRebalance => {
                self.reset_session(turn, &request.member_id);
                Err(ErrorCode::RebalanceInProgress)
            }
            State::CompletingRebalance | State::Stable => {
                self.reset_session(turn, &request.member_id);
                Ok(())
            }
        }
    }

    /// The member is heard of. No effect on members that are not there.
    pub(super) fn reset_session(&mut self, turn: &mut Turn<'_>, member_id: &str) {
        if let Some(member) = self.members.get(member_id) {
            let deadline_ms = turn.after_ms(member.session_timeout_ms);
            turn.timers
                .schedule(self.session_timer(member_id), deadline_ms);
        }
    }

    /// Nothing was heard of the member for the time it asked for.
    pub(crate) fn on_session_timer(&mut self, turn: &mut Turn<'_>, member_id: &str) {
        let excused = self
            .members
            .get(member_id)
            .is_some_and(super::Member::is_excused_from_heartbeat);
        let gone = if self.members.contains_key(member_id) {
            Gone::Member
        } else {
            Gone::Pending
        };
        if excused || (gone == Gone::Pending && !self.pending_members.contains(member_id)) {
            return;
        }
        self.remove_member(turn, member_id, ErrorCode::UnknownMemberId);
        self.go_on_without(turn, gone);
    }

    /// A member, or only a pending one, is gone without having asked for it.
    pub(super) fn go_on_without(&mut self, turn: &mut Turn<'_>, gone: Gone) {
        match self.state {
            State::Stable | State::CompletingRebalance if gone == Gone::Member => {
                self.prepare_rebalance(turn);
            }
            State::PreparingRebalance if self.all_joined() => self.complete_join(turn),
            _ => {}
        }
    }
}
