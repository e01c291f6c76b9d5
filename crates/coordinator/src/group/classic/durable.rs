//! Between a group and its record.
//!
//! Owns the one place that sets a group's durable state, and what makes soft state of it: at
//! start-up, and when the log refused a record whose turn had changed the group already.

use bytes::Bytes;
use headwater_protocol::ErrorCode;

use super::{ClassicGroup, Member, State, answer_join_with_error, answer_sync_with_error};
use crate::record::{GroupMetadata, GroupRecord};
use crate::turn::Turn;

impl ClassicGroup {
    /// The latest record of the group.
    pub(crate) fn durable(&self) -> Option<&GroupMetadata> {
        self.durable.as_ref()
    }

    /// Replay: the record is in the log now.
    pub(crate) fn set_durable(&mut self, value: GroupMetadata) {
        self.durable = Some(value);
    }

    /// Writes the group as it is, with these assignments.
    pub(crate) fn write(&self, turn: &mut Turn<'_>, assignment: impl Fn(&str) -> Bytes) {
        let protocol = self.protocol_name.as_deref();
        let record = |member: &Member| member.to_record(protocol, assignment(&member.id));
        turn.append(&GroupRecord::GroupMetadata {
            group_id: self.id.clone(),
            value: Some(GroupMetadata {
                protocol_type: self.protocol_type.clone().unwrap_or_default(),
                generation: self.generation_id,
                protocol: self.protocol_name.clone(),
                leader: self.leader_id.clone(),
                current_state_timestamp: self.state_timestamp_ms.unwrap_or(-1),
                members: self.members.values().map(record).collect(),
            }),
        });
    }

    /// A new group, before anyone is part of a generation.
    pub(crate) fn write_empty(&self, turn: &mut Turn<'_>) {
        turn.append(&GroupRecord::GroupMetadata {
            group_id: self.id.clone(),
            value: Some(GroupMetadata {
                current_state_timestamp: turn.now_ms,
                ..GroupMetadata::default()
            }),
        });
    }

    /// Answers whoever waits, and stops the timers. What is left is of use only to
    /// [`Self::restore`].
    pub(crate) fn abandon(&mut self, turn: &mut Turn<'_>, code: ErrorCode) {
        for member in self.members.values_mut() {
            let member_id = member.id.clone();
            answer_join_with_error(turn, member, &member_id, code);
            answer_sync_with_error(turn, member, code);
        }
        for member_id in self.members.keys().chain(&self.pending_members) {
            turn.timers.cancel(self.session_timer(member_id));
        }
        turn.timers.cancel(self.join_timer());
        turn.timers.cancel(self.sync_timer());
    }

    /// Soft state as the durable state has it; sessions begin now.
    pub(crate) fn restore(&mut self, turn: &mut Turn<'_>) {
        let durable = self.durable.take();
        *self = Self::new(&self.id, turn.now_ms);
        self.durable = durable;
        let Some(durable) = &self.durable else {
            return;
        };
        self.generation_id = durable.generation;
        self.protocol_type = Some(durable.protocol_type.clone()).filter(|name| !name.is_empty());
        self.protocol_name.clone_from(&durable.protocol);
        self.leader_id.clone_from(&durable.leader);
        self.state_timestamp_ms =
            Some(durable.current_state_timestamp).filter(|timestamp| *timestamp != -1);
        let restored = durable
            .members
            .iter()
            .map(|member| Member::restored(member, durable.protocol.as_deref()));
        self.members = restored.map(|member| (member.id.clone(), member)).collect();
        if !self.members.is_empty() {
            self.state = State::Stable;
        }
        let instances = self.members.values().filter_map(|member| {
            let instance = member.group_instance_id.clone()?;
            Some((instance, member.id.clone()))
        });
        self.static_members = instances.collect();
        self.update_subscribed_topics();
        let member_ids: Vec<String> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            self.reset_session(turn, &member_id);
        }
        if self.members.len() > turn.config.max_size {
            self.prepare_rebalance(turn);
        }
    }
}
