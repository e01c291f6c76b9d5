//! Offsets that go without anyone deleting them: by age, and with their topic.

use super::super::Groups;
use crate::record::GroupRecord;
use crate::timers::Timer;
use crate::turn::Turn;

/// Tombstones of one batch, about 100 bytes each: well below the smallest batch that a partition
/// refuses.
const MAX_TOMBSTONES: usize = 2_000;

impl Groups {
    /// Looks through all groups, and comes back for what does not fit into one batch.
    pub(crate) fn expire_offsets(&self, turn: &mut Turn<'_>) {
        let mut again_at_ms = turn
            .now_ms
            .saturating_add(turn.config.offsets_retention_check_interval_ms.max(1));
        for group_id in self.classic.keys() {
            self.expire_group(turn, group_id);
            if turn.record_count() >= MAX_TOMBSTONES {
                // The tombstones of this turn are replayed by then; were they refused, this pauses.
                again_at_ms = turn.now_ms.saturating_add(1_000).min(again_at_ms);
                break;
            }
        }
        turn.timers.schedule(Timer::ExpireOffsets, again_at_ms);
    }

    /// A group without members goes with its last offset.
    fn expire_group(&self, turn: &mut Turn<'_>, group_id: &str) {
        let Some(group) = self.classic.get(group_id) else {
            return;
        };
        let unused_since = group.offsets_unused_since();
        let mut left = 0_usize;
        for (key, commit) in self.offsets.commits_of_group(group_id) {
            let expired = turn.record_count() < MAX_TOMBSTONES
                && !group.is_subscribed_to(&key.topic)
                && unused_since.is_expired(commit, turn.now_ms, turn.config.offsets_retention_ms);
            if expired {
                turn.append(&GroupRecord::OffsetCommit { key, value: None });
            } else {
                left += 1;
            }
        }
        if left == 0 && group.is_deserted() {
            turn.append(&GroupRecord::GroupMetadata {
                group_id: group_id.to_owned(),
                value: None,
            });
        }
    }

    /// Whoever commits to a topic of that name again commits to another topic.
    pub(crate) fn delete_topic_offsets(&self, turn: &mut Turn<'_>, topic: &str) {
        for group_id in self.classic.keys() {
            for (key, _) in self.offsets.commits_of_group(group_id) {
                if key.topic != topic {
                    continue;
                }
                if turn.record_count() >= MAX_TOMBSTONES {
                    let deadline_ms = turn.after_ms(1);
                    let topic = topic.to_owned();
                    turn.timers
                        .schedule(Timer::TopicDeleted { topic }, deadline_ms);
                    return;
                }
                turn.append(&GroupRecord::OffsetCommit { key, value: None });
            }
        }
    }
}
