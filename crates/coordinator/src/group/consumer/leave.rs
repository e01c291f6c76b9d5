//! Members that go: by their own word, or because nothing is heard of them.

use std::collections::BTreeSet;

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
};

use super::assignment::Assigned;
use super::heartbeat::unknown_member;
use super::member::LEFT_FOR_A_WHILE;
use super::refusal::Refusal;
use super::{Draft, draft};
use crate::group::Groups;
use crate::turn::Turn;

impl Groups {
    /// -1: for good. -2: a static member that will be back within its session.
    pub(super) fn leave_consumer_group(
        &mut self,
        turn: &mut Turn<'_>,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refusal> {
        let group_id = request.group_id.as_str();
        let group = self.consumer.get(group_id).ok_or_else(|| {
            let message = if self.classic.contains_key(group_id) {
                format!("Group {group_id} is not a consumer group.")
            } else {
                format!("Group {group_id} not found.")
            };
            Refusal::new(ErrorCode::GroupIdNotFound, message)
        })?;
        let member = match &request.instance_id {
            Some(instance_id) => group.instance_of(instance_id, &request.member_id)?,
            None => group
                .member(&request.member_id)
                .ok_or_else(|| unknown_member(group, &request.member_id))?,
        };
        if request.member_epoch == LEFT_FOR_A_WHILE {
            let mut away = member.clone();
            away.current.epoch = LEFT_FOR_A_WHILE;
            away.current.pending_revocation = Assigned::default();
            draft::append(turn, group_id, vec![away.assignment_record()]);
        } else {
            let gone = BTreeSet::from([member.id.clone()]);
            self.fence_members(turn, group_id, &gone);
        }
        Ok(ConsumerGroupHeartbeatResponse {
            member_id: Some(request.member_id.clone()),
            member_epoch: request.member_epoch,
            ..ConsumerGroupHeartbeatResponse::default()
        })
    }

    /// The members are no more. Without the last that speaks the consumer protocol the group goes
    /// back to the classic one, if it may.
    pub(super) fn fence_members(
        &mut self,
        turn: &mut Turn<'_>,
        group_id: &str,
        gone: &BTreeSet<String>,
    ) {
        let Some(group) = self.consumer.get(group_id) else {
            return;
        };
        if gone.is_empty() {
            return;
        }
        if group.can_downgrade_without(gone, turn.config) {
            self.downgrade_without(turn, group_id, gone);
            return;
        }
        let image = turn.image.clone();
        let mut draft = Draft::of(group);
        let regexes: BTreeSet<String> = gone
            .iter()
            .filter_map(|member_id| group.member(member_id)?.regex().map(str::to_owned))
            .collect();
        for member_id in gone {
            draft.remove_member(member_id);
            turn.cancel_timers_of(group_id, member_id);
        }
        for regex in regexes {
            draft.drop_unused_regex(&regex);
        }
        let hash = draft.group().hash_topics(&*image);
        draft.bump_epoch(hash);
        draft::append(turn, group_id, draft.into_records());
    }
}
