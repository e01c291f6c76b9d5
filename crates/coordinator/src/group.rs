//! The groups of one partition of `__consumer_offsets`, and what they committed.
//!
//! Owns the maps and what concerns more than one group: which group a request is for, when a
//! group comes into being and when it goes, and replay. What happens inside of a group is
//! [`classic`]'s or [`consumer`]'s.

mod admin;
mod any_group;
pub(crate) mod classic;
mod consumer;
mod embedded;
mod membership;
mod offsets;

use std::collections::BTreeMap;

use headwater_protocol::ErrorCode;

use crate::record::{ConsumerGroupRecord, GroupMetadata, GroupRecord};
use crate::timers::Timer;
use crate::turn::{Check, Turn};

use any_group::AnyGroup;
use classic::ClassicGroup;
use consumer::ConsumerGroup;
use offsets::{CommittedOffsets, PendingOffsets};

pub use consumer::assignor::ConsumerAssignor;

/// The longest text of a request that gets into a record, whose strings have 16-bit lengths; some
/// room is left for the UUID that makes a member id of a client id.
const MAX_TEXT: usize = i16::MAX as usize - 64;

#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// A group is here when the log has it or an offset of it, or when somebody has begun to join
    /// it.
    classic: BTreeMap<String, ClassicGroup>,
    /// Durable: set by replay only. A group is either here or above, except in a turn that turns the
    /// one kind into the other: that is over when its records are replayed.
    consumer: BTreeMap<String, ConsumerGroup>,
    /// Durable: set by replay only.
    offsets: CommittedOffsets,
    /// Durable: set by replay only.
    pending_offsets: PendingOffsets,
    /// Commits replayed so far.
    commits_replayed: u64,
}

impl Groups {
    /// Sets durable state: the one way for it to change.
    pub(crate) fn replay(&mut self, record: GroupRecord, now_ms: i64) {
        match record {
            GroupRecord::OffsetCommit { key, value } => self.replay_offset(key, value, now_ms),
            GroupRecord::GroupMetadata { group_id, value } => {
                if let Some(value) = value {
                    self.group_or_new(&group_id, now_ms).set_durable(value);
                } else {
                    // Only groups without members are deleted; ids given out are forgotten with it.
                    self.classic.remove(&group_id);
                }
                self.settle(&group_id, now_ms);
            }
            GroupRecord::ConsumerGroup { group_id, record } => {
                self.replay_consumer_group(&group_id, record, now_ms);
            }
            GroupRecord::Unknown { .. } => {}
        }
    }

    /// Any record that says something makes the group; what was classic of it is over.
    fn replay_consumer_group(&mut self, group_id: &str, record: ConsumerGroupRecord, now_ms: i64) {
        if record == ConsumerGroupRecord::Group(None) {
            self.consumer.remove(group_id);
            self.settle(group_id, now_ms);
        } else if let Some(group) = self.consumer.get_mut(group_id) {
            group.apply(record);
        } else if !record.is_tombstone() {
            self.classic.remove(group_id);
            let mut group = ConsumerGroup::new(group_id);
            group.apply(record);
            self.consumer.insert(group_id.to_owned(), group);
        }
    }

    /// Groups of both kinds.
    fn count(&self) -> usize {
        self.classic.len() + self.consumer.len()
    }

    fn group(&self, group_id: &str) -> Option<AnyGroup<'_>> {
        let consumer = self.consumer.get(group_id).map(AnyGroup::Consumer);
        consumer.or_else(|| self.classic.get(group_id).map(AnyGroup::Classic))
    }

    fn group_ids(&self) -> impl Iterator<Item = &String> {
        self.classic.keys().chain(self.consumer.keys())
    }

    /// A group exists as long as there is something of it.
    fn settle(&mut self, group_id: &str, now_ms: i64) {
        if self.consumer.contains_key(group_id) {
            return;
        }
        let has_offsets = self.offsets.of_group(group_id).is_some();
        if has_offsets || self.has_pending_offsets(group_id) {
            self.group_or_new(group_id, now_ms);
        } else if self
            .classic
            .get(group_id)
            .is_some_and(ClassicGroup::is_vacant)
        {
            self.classic.remove(group_id);
        }
    }

    fn group_or_new(&mut self, group_id: &str, now_ms: i64) -> &mut ClassicGroup {
        self.classic
            .entry(group_id.to_owned())
            .or_insert_with(|| ClassicGroup::new(group_id, now_ms))
    }

    /// After loading: soft state from durable state.
    pub(crate) fn restore_all(&mut self, turn: &mut Turn<'_>) {
        for group in self.classic.values_mut() {
            group.restore(turn);
        }
        for group in self.consumer.values_mut() {
            group.restore(turn);
        }
    }

    /// The log refused what this group had become: back to what it was.
    pub(crate) fn revert(&mut self, turn: &mut Turn<'_>, group_id: &str, code: ErrorCode) {
        if let Some(group) = self.consumer.get_mut(group_id) {
            // What it was about to become.
            if let Some(mut classic) = self.classic.remove(group_id) {
                classic.abandon(turn, code);
            }
            group.restore(turn);
        } else if let Some(group) = self.classic.get_mut(group_id) {
            group.abandon(turn, code);
            group.restore(turn);
        }
        self.settle(group_id, turn.now_ms);
    }

    /// Answers whoever waits.
    pub(crate) fn abandon_all(&mut self, turn: &mut Turn<'_>, code: ErrorCode) {
        for group in self.classic.values_mut() {
            group.abandon(turn, code);
        }
    }

    pub(crate) fn on_timer(&mut self, turn: &mut Turn<'_>, timer: Timer) {
        match timer {
            Timer::Session {
                group_id,
                member_id,
            } => {
                if self.consumer.contains_key(&group_id) {
                    self.on_consumer_member_timer(turn, &group_id, &member_id);
                } else if let Some(group) = self.classic.get_mut(&group_id) {
                    group.on_session_timer(turn, &member_id);
                }
                self.settle(&group_id, turn.now_ms);
            }
            Timer::ClassicMemberJoin {
                group_id,
                member_id,
            }
            | Timer::ClassicMemberSync {
                group_id,
                member_id,
            } => self.on_consumer_member_timer(turn, &group_id, &member_id),
            Timer::Revocation {
                group_id,
                member_id,
            } => self.on_revocation_timer(turn, &group_id, &member_id),
            Timer::Join { group_id } => {
                if let Some(group) = self.classic.get_mut(&group_id) {
                    group.on_join_timer(turn);
                }
            }
            Timer::Sync { group_id } => {
                if let Some(group) = self.classic.get_mut(&group_id) {
                    group.on_sync_timer(turn);
                }
            }
            Timer::ExpireOffsets => self.expire_offsets(turn),
            Timer::TopicDeleted { topic } => self.delete_topic_offsets(turn, &topic),
        }
    }

    /// The durable state, for comparisons.
    pub(crate) fn durable_groups(&self) -> BTreeMap<String, GroupMetadata> {
        let durable = self.classic.iter().filter_map(|(group_id, group)| {
            let metadata = group.durable()?.clone();
            Some((group_id.clone(), metadata))
        });
        durable.collect()
    }

    /// The same of consumer groups.
    pub(crate) fn durable_consumer_groups(&self) -> BTreeMap<String, Vec<ConsumerGroupRecord>> {
        let groups = self.consumer.iter();
        groups
            .map(|(group_id, group)| (group_id.clone(), group.records()))
            .collect()
    }

    pub(crate) fn committed_offsets(&self) -> &CommittedOffsets {
        &self.offsets
    }

    pub(crate) fn pending_offsets(&self) -> &PendingOffsets {
        &self.pending_offsets
    }
}

/// Group ids of members may not be empty; records cannot hold longer ones.
fn check_member_group_id(group_id: &str) -> Check {
    if group_id.is_empty() || group_id.len() > MAX_TEXT {
        return Err(ErrorCode::InvalidGroupId);
    }
    Ok(())
}
