//! The way of one member from what it has to what it is to have.
//!
//! Pure: it is told the target, who owns what and what the member says it owns, and says what the
//! member has next. A member first gives up what it may not keep, in its old epoch; then it gets
//! what is free, in the new one; then it waits for what others still have. So no partition ever has
//! two owners.

use std::collections::BTreeSet;

use headwater_protocol::Uuid;
use headwater_protocol::messages::consumer_group_heartbeat::TopicPartitions;

use super::assignment::{Assigned, Partitions};
use super::member::{CurrentAssignment, MemberState};

/// Whether the member has just said that it wants other topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subscription {
    Unchanged,
    Changed,
}

/// The member cannot go on from here: it has to abandon its partitions and join anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MustRejoin;

/// What the next step of a member hangs on.
pub(crate) struct Step<'a> {
    pub(crate) current: &'a CurrentAssignment,
    pub(crate) target_epoch: i32,
    pub(crate) target: &'a Partitions,
    /// Topics that the member subscribes to now, which the target need not know of yet.
    pub(crate) subscribed: &'a BTreeSet<Uuid>,
    pub(crate) subscription: Subscription,
    /// What the member says that it owns, if it says.
    pub(crate) reported: Option<&'a [TopicPartitions]>,
    /// Whether any member owns the partition.
    pub(crate) is_owned: &'a dyn Fn(Uuid, i32) -> bool,
}

impl Step<'_> {
    /// What the member has after this step; what it had if there is none to take.
    pub(crate) fn take(&self) -> Result<CurrentAssignment, MustRejoin> {
        let current = self.current;
        match current.state {
            MemberState::Stable if current.epoch != self.target_epoch => {
                Ok(self.next(current.epoch))
            }
            MemberState::Stable => Ok(self.follow_subscription()),
            MemberState::UnrevokedPartitions if self.still_owns(&current.pending_revocation) => {
                Ok(self.follow_subscription())
            }
            MemberState::UnrevokedPartitions | MemberState::UnreleasedPartitions => {
                Ok(self.next(current.epoch))
            }
            MemberState::Unknown => match self.reported {
                Some([]) => Ok(self.next(self.target_epoch)),
                _ => Err(MustRejoin),
            },
        }
    }

    /// A member that does not say what it owns still owns everything.
    fn still_owns(&self, partitions: &Assigned) -> bool {
        self.reported.is_none_or(|topics| {
            topics.iter().any(|topic| {
                let mut reported = topic.partitions.iter();
                reported.any(|partition| partitions.contains(topic.topic_id, *partition))
            })
        })
    }

    /// Takes away topics that the member does not want any more, whatever the target says.
    fn follow_subscription(&self) -> CurrentAssignment {
        let current = self.current;
        if self.subscription == Subscription::Unchanged {
            return current.clone();
        }
        let (assigned, dropped) = current
            .assigned
            .split(|topic_id, _| self.subscribed.contains(&topic_id));
        if dropped.is_empty() {
            return current.clone();
        }
        let mut pending_revocation = current.pending_revocation.clone();
        pending_revocation.extend(&dropped);
        if self.still_owns(&pending_revocation) {
            CurrentAssignment {
                state: MemberState::UnrevokedPartitions,
                assigned,
                pending_revocation,
                ..at_epoch(current, current.epoch)
            }
        } else {
            CurrentAssignment {
                assigned,
                ..at_epoch(current, current.epoch)
            }
        }
    }

    fn next(&self, epoch: i32) -> CurrentAssignment {
        let current = self.current;
        let wanted = |topic_id: Uuid, partition: i32| {
            let target = self.target.get(&topic_id);
            self.subscribed.contains(&topic_id)
                && target.is_some_and(|partitions| partitions.contains(&partition))
        };
        let (mut assigned, to_revoke) = current.assigned.split(wanted);
        if !to_revoke.is_empty() && self.still_owns(&to_revoke) {
            return CurrentAssignment {
                state: MemberState::UnrevokedPartitions,
                assigned,
                pending_revocation: to_revoke,
                ..at_epoch(current, epoch)
            };
        }
        let mut state = MemberState::Stable;
        for (topic_id, partitions) in self.target {
            for partition in partitions {
                let (topic_id, partition) = (*topic_id, *partition);
                if !wanted(topic_id, partition) || assigned.contains(topic_id, partition) {
                    continue;
                }
                // What the member itself has just given up is free again, for it too.
                let own = current.pending_revocation.contains(topic_id, partition);
                if (self.is_owned)(topic_id, partition) && !own {
                    state = MemberState::UnreleasedPartitions;
                } else {
                    assigned.insert(topic_id, partition, self.target_epoch);
                }
            }
        }
        CurrentAssignment {
            state,
            assigned,
            pending_revocation: Assigned::default(),
            ..at_epoch(current, self.target_epoch)
        }
    }
}

/// A step sets the epoch anew even when it stays, so that the one before is forgotten.
fn at_epoch(current: &CurrentAssignment, epoch: i32) -> CurrentAssignment {
    CurrentAssignment {
        epoch,
        previous_epoch: current.epoch,
        ..current.clone()
    }
}

#[cfg(test)]
mod tests;
