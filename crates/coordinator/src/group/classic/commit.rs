//! Who may commit offsets for a group.
//!
//! What is committed is kept elsewhere; a group only knows its members and their generation.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::offset_commit::OffsetCommitRequest;
use headwater_protocol::messages::txn_offset_commit::TxnOffsetCommitRequest;

use super::{ClassicGroup, State};
use crate::turn::{Check, Turn};

impl ClassicGroup {
    /// Whether the client may commit. Those who use the group only to keep offsets send no
    /// generation, and may while nobody uses it as a group.
    pub(crate) fn check_commit(&self, request: &OffsetCommitRequest) -> Check {
        let generation_id = request.generation_id_or_member_epoch;
        if generation_id < 0 && self.state == State::Empty {
            return Ok(());
        }
        let instance = request.group_instance_id.as_deref();
        if generation_id >= 0 || !request.member_id.is_empty() || instance.is_some() {
            self.check_member(&request.member_id, instance)?;
            self.check_generation(generation_id)?;
        } else if self.state != State::Empty {
            return Err(ErrorCode::UnknownMemberId);
        }
        // The member is of a generation that has not got its assignment yet.
        if self.state == State::CompletingRebalance {
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    /// Whether the producer may commit in a transaction: a member only in its generation, whatever
    /// state the group is in. Those who say nothing of a group always may (before KIP-447 nobody
    /// could).
    pub(crate) fn check_transactional_commit(&self, request: &TxnOffsetCommitRequest) -> Check {
        if request.generation_id < 0 && self.state == State::Empty {
            return Ok(());
        }
        let instance = request.group_instance_id.as_deref();
        if request.generation_id >= 0 || !request.member_id.is_empty() || instance.is_some() {
            self.check_member(&request.member_id, instance)?;
            self.check_generation(request.generation_id)?;
        }
        Ok(())
    }

    /// Whether somebody else may delete offsets: of consumers, which say what they subscribe to,
    /// also while they are there.
    pub(crate) fn check_offset_delete(&self) -> Check {
        if self.state == State::Empty || self.uses_consumer_protocol() {
            Ok(())
        } else {
            Err(ErrorCode::NonEmptyGroup)
        }
    }

    /// A commit is a sign of life too.
    pub(crate) fn note_commit(&mut self, turn: &mut Turn<'_>, member_id: &str) {
        if matches!(self.state, State::Stable | State::PreparingRebalance) {
            self.reset_session(turn, member_id);
        }
    }
}
