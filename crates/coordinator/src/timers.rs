//! When something has to happen although nobody asks.
//!
//! Owns the deadlines, one per timer; what a timer means is decided where it fires.

use std::collections::{BTreeMap, BTreeSet};

use crate::effect::DeletedTopic;

/// What a deadline is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The session of a member, pending ones included.
    Session { group_id: String, member_id: String },
    /// The join phase of a rebalance, first of all its initial delay.
    Join { group_id: String },
    /// Members that got a generation have to sync.
    Sync { group_id: String },
    /// A member of a consumer group has to give up partitions.
    Revocation { group_id: String, member_id: String },
    /// A classic member of a consumer group has to join again.
    ClassicMemberJoin { group_id: String, member_id: String },
    /// A classic member of a consumer group has to sync.
    ClassicMemberSync { group_id: String, member_id: String },
    /// The regular search for offsets to expire.
    ExpireOffsets,
    /// Commits for a deleted topic that did not fit into one batch of tombstones, or that were not
    /// read yet.
    TopicDeleted { topic: DeletedTopic },
}

/// Deadlines by timer and timers by deadline.
#[derive(Debug)]
pub(crate) struct Timers<T = Timer> {
    by_deadline: BTreeSet<(i64, T)>,
    deadlines: BTreeMap<T, i64>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self {
            by_deadline: BTreeSet::new(),
            deadlines: BTreeMap::new(),
        }
    }
}

impl<T: Clone + Ord> Timers<T> {
    /// Sets the timer, in place of an earlier deadline if it has one.
    pub(crate) fn schedule(&mut self, timer: T, deadline_ms: i64) {
        if let Some(earlier) = self.deadlines.insert(timer.clone(), deadline_ms) {
            self.by_deadline.remove(&(earlier, timer.clone()));
        }
        self.by_deadline.insert((deadline_ms, timer));
    }

    pub(crate) fn cancel(&mut self, timer: T) {
        if let Some(deadline_ms) = self.deadlines.remove(&timer) {
            self.by_deadline.remove(&(deadline_ms, timer));
        }
    }

    pub(crate) fn is_scheduled(&self, timer: &T) -> bool {
        self.deadlines.contains_key(timer)
    }

    pub(crate) fn next_deadline_ms(&self) -> Option<i64> {
        self.by_deadline
            .first()
            .map(|(deadline_ms, _)| *deadline_ms)
    }

    /// Takes the earliest timer that is due.
    pub(crate) fn pop_due(&mut self, now_ms: i64) -> Option<T> {
        if self.next_deadline_ms()? > now_ms {
            return None;
        }
        let (_, timer) = self.by_deadline.pop_first()?;
        self.deadlines.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sync(group_id: &str) -> Timer {
        Timer::Sync {
            group_id: group_id.to_owned(),
        }
    }

    #[test]
    fn timers_fire_by_deadline_and_only_when_due() {
        let mut timers = Timers::default();
        timers.schedule(sync("late"), 20);
        timers.schedule(sync("early"), 10);
        assert_eq!(timers.next_deadline_ms(), Some(10));
        assert_eq!(timers.pop_due(9), None);
        assert_eq!(timers.pop_due(30), Some(sync("early")));
        assert_eq!(timers.pop_due(30), Some(sync("late")));
        assert_eq!(timers.pop_due(30), None);
    }

    #[test]
    fn scheduling_again_replaces_and_cancelling_removes() {
        let mut timers = Timers::default();
        timers.schedule(sync("a"), 10);
        timers.schedule(sync("a"), 50);
        assert_eq!(timers.pop_due(49), None);
        timers.cancel(sync("a"));
        assert_eq!(timers.next_deadline_ms(), None);
    }
}
