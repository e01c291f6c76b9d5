//! What an instance knows that queries need: how far its committed state is, which tasks it was given, and what the
//! other instances told of themselves.
//!
//! Written by the threads that run the application, a few times per commit or rebalance; read by queries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::runtime::{InstanceInfo, TaskId, TopicPartition};

/// What queries need to know.
pub(crate) struct Known {
    /// By input partition, the offset behind the last record that committed state reflects.
    reached: Mutex<BTreeMap<TopicPartition, i64>>,
    assigned: Mutex<BTreeSet<TaskId>>,
    instances: Mutex<Vec<InstanceInfo>>,
    /// Counts changes of all this, for those who wait for one.
    changes: watch::Sender<u64>,
}

impl Known {
    pub(crate) fn new() -> Self {
        Self {
            reached: Mutex::default(),
            assigned: Mutex::default(),
            instances: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Committed state reflects an input up to this offset, exclusively.
    pub(crate) fn reach(&self, partition: &TopicPartition, offset: i64) {
        locked(&self.reached).insert(partition.clone(), offset);
        self.changed();
    }

    /// An input is not read here any more.
    pub(crate) fn leave(&self, partitions: impl Iterator<Item = TopicPartition>) {
        let mut reached = locked(&self.reached);
        for partition in partitions {
            reached.remove(&partition);
        }
    }

    /// The offset behind the last record that committed state reflects.
    pub(crate) fn reached(&self, partition: &TopicPartition) -> Option<i64> {
        locked(&self.reached).get(partition).copied()
    }

    /// All of them.
    pub(crate) fn all_reached(&self) -> BTreeMap<TopicPartition, i64> {
        locked(&self.reached).clone()
    }

    /// The group has given this instance these tasks.
    pub(crate) fn assign(&self, tasks: BTreeSet<TaskId>) {
        *locked(&self.assigned) = tasks;
        self.changed();
    }

    /// The tasks that the group gave last.
    pub(crate) fn assigned(&self) -> BTreeSet<TaskId> {
        locked(&self.assigned).clone()
    }

    /// What the instances tell of themselves, this one among them.
    pub(crate) fn set_instances(&self, instances: Vec<InstanceInfo>) {
        *locked(&self.instances) = instances;
    }

    /// The instances that are known to live.
    pub(crate) fn instances(&self) -> Vec<InstanceInfo> {
        locked(&self.instances).clone()
    }

    /// To be woken at changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
