//! Offsets that go without anyone deleting them: by age (KIP-211).

use super::super::Groups;
use crate::record::GroupRecord;
use crate::timers::Timer;
use crate::turn::Turn;

impl Groups {
    /// Looks through all groups, and comes back for what does not fit into one batch.
    pub(crate) fn expire_offsets(&self, turn: &mut Turn<'_>) {
        let mut again_at_ms = turn
            .now_ms
            .saturating_add(turn.config.offsets_retention_check_interval_ms.max(1));
        for group_id in self.group_ids() {
            self.expire_group(turn, group_id);
            if turn.is_batch_full() {
                // The tombstones of this turn are replayed by then; were they refused, this pauses.
                again_at_ms = turn.now_ms.saturating_add(1_000).min(again_at_ms);
                break;
            }
        }
        turn.timers.schedule(Timer::ExpireOffsets, again_at_ms);
    }

    /// A group without members goes with its last offset, unless a transaction is about to commit
    /// one. What a transaction commits anew does not expire before it has ended.
    fn expire_group(&self, turn: &mut Turn<'_>, group_id: &str) {
        let Some(group) = self.group(group_id) else {
            return;
        };
        let unused_since = group.offsets_unused_since();
        let mut left = 0_usize;
        for (key, commit) in self.offsets.commits_of_group(group_id) {
            let expired = !turn.is_batch_full()
                && !group.is_subscribed_to(&key.topic)
                && !self.pending_offsets.contains(&key)
                && unused_since.is_expired(commit, turn.now_ms, turn.config.offsets_retention_ms);
            if expired {
                turn.append(&GroupRecord::OffsetCommit { key, value: None });
            } else {
                left += 1;
            }
        }
        if left == 0 && group.is_deserted() && !self.has_pending_offsets(group_id) {
            group.write_tombstones(turn, group_id);
        }
    }
}
