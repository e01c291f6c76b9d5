//! Offsets that go because somebody wants them to: `OffsetDelete`, deleted groups, deleted topics.

use headwater_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestTopic, OffsetDeleteResponse,
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use headwater_protocol::{ErrorCode, Uuid};

use super::super::Groups;
use crate::effect::{Call, DeletedTopic};
use crate::record::{GroupRecord, OffsetCommitKey, OffsetCommitValue};
use crate::timers::Timer;
use crate::turn::{Check, Turn};

/// When those tombstones of a topic come that did not fit into a batch. If the log refuses them, they
/// are tried again no more often.
const NEXT_TOMBSTONES_MS: i32 = 100;

impl Groups {
    /// Offsets of topics that the group subscribes to stay.
    pub(crate) fn delete_offsets(
        &self,
        turn: &mut Turn<'_>,
        call: Call,
        request: &OffsetDeleteRequest,
    ) {
        let response = match self.check_offset_delete(&request.group_id) {
            Ok(()) => OffsetDeleteResponse {
                topics: request
                    .topics
                    .iter()
                    .map(|topic| self.delete_offsets_of_topic(turn, &request.group_id, topic))
                    .collect(),
                ..OffsetDeleteResponse::default()
            },
            Err(code) => OffsetDeleteResponse {
                error_code: code.into(),
                ..OffsetDeleteResponse::default()
            },
        };
        turn.reply(call.token, response);
    }

    fn check_offset_delete(&self, group_id: &str) -> Check {
        if group_id.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        self.group(group_id)
            .ok_or(ErrorCode::GroupIdNotFound)?
            .check_offset_delete()
    }

    fn delete_offsets_of_topic(
        &self,
        turn: &mut Turn<'_>,
        group_id: &str,
        topic: &OffsetDeleteRequestTopic,
    ) -> OffsetDeleteResponseTopic {
        let subscribed = self
            .group(group_id)
            .is_some_and(|group| group.is_subscribed_to(&topic.name));
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let partition_index = partition.partition_index;
            let key = OffsetCommitKey {
                group: group_id.to_owned(),
                topic: topic.name.clone(),
                partition: partition_index,
            };
            let known = self.offsets.get(&key).is_some() || self.pending_offsets.contains(&key);
            if known && !subscribed {
                turn.append_tombstone(&GroupRecord::OffsetCommit { key, value: None });
            }
            let refused = subscribed.then_some(ErrorCode::GroupSubscribedToTopic);
            partitions.push(OffsetDeleteResponsePartition {
                partition_index,
                error_code: refused.map_or(0, i16::from),
            });
        }
        OffsetDeleteResponseTopic {
            name: topic.name.clone(),
            partitions,
        }
    }

    /// Everything that is committed in the group, or would be when transactions commit.
    pub(crate) fn offset_keys(&self, group_id: &str) -> Vec<OffsetCommitKey> {
        let committed = self.offsets.commits_of_group(group_id).map(|(key, _)| key);
        let pending = self
            .pending_offsets
            .keys_of_group(group_id)
            .filter(|key| self.offsets.get(key).is_none());
        committed.chain(pending.cloned()).collect()
    }

    /// Whoever commits to a topic of that name again commits to another topic.
    pub(crate) fn delete_topic_offsets(&self, turn: &mut Turn<'_>, topic: &DeletedTopic) {
        let committed = self.offsets.commits();
        let pending = self
            .pending_offsets
            .commits()
            .filter(|(key, _)| self.offsets.get(key).is_none())
            .map(|(key, value)| (key.clone(), value));
        let is_of_topic = |(key, value): &(OffsetCommitKey, &OffsetCommitValue)| {
            key.topic == topic.name
                && (value.topic_id == topic.id
                    || value.topic_id == Uuid::ZERO
                    || topic.id == Uuid::ZERO)
        };
        for (key, _) in committed.chain(pending).filter(is_of_topic) {
            if turn.is_batch_full() {
                let deadline_ms = turn.after_ms(NEXT_TOMBSTONES_MS);
                let topic = topic.clone();
                turn.timers
                    .schedule(Timer::TopicDeleted { topic }, deadline_ms);
                return;
            }
            turn.append(&GroupRecord::OffsetCommit { key, value: None });
        }
    }
}
