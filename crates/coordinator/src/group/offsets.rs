//! What groups committed.
//!
//! Owns the durable map from group, topic and partition to the latest commit; it changes only by
//! replay. Committing, fetching, deleting and expiring are below, and so are the offsets of
//! transactions that have not ended.

mod commit;
mod delete;
mod expire;
mod fetch;
mod pending;
mod transactional;

use std::collections::BTreeMap;

use crate::record::{OffsetCommitKey, OffsetCommitValue};

pub(crate) use pending::PendingOffsets;

/// A commit and its place in the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Commit {
    /// Counts the commits of the partition of `__consumer_offsets` in the order of the log. Soft:
    /// only which of two is larger says something.
    pub(super) order: u64,
    pub(super) value: OffsetCommitValue,
}

/// The latest commits of a group, by topic and partition.
pub(crate) type GroupOffsets = BTreeMap<String, BTreeMap<i32, Commit>>;

/// The latest commits. Nothing empty is kept: a group or topic that is here has a commit.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CommittedOffsets {
    groups: BTreeMap<String, GroupOffsets>,
}

impl CommittedOffsets {
    /// Replay: the commit is in the log now, or gone.
    pub(super) fn set(&mut self, key: OffsetCommitKey, commit: Option<Commit>) {
        if let Some(commit) = commit {
            let topics = self.groups.entry(key.group).or_default();
            topics
                .entry(key.topic)
                .or_default()
                .insert(key.partition, commit);
            return;
        }
        let Some(topics) = self.groups.get_mut(&key.group) else {
            return;
        };
        if let Some(partitions) = topics.get_mut(&key.topic) {
            partitions.remove(&key.partition);
            if partitions.is_empty() {
                topics.remove(&key.topic);
            }
        }
        if topics.is_empty() {
            self.groups.remove(&key.group);
        }
    }

    pub(super) fn of_group(&self, group_id: &str) -> Option<&GroupOffsets> {
        self.groups.get(group_id)
    }

    fn get(&self, key: &OffsetCommitKey) -> Option<&Commit> {
        self.groups
            .get(&key.group)?
            .get(&key.topic)?
            .get(&key.partition)
    }

    fn commits_of_group(
        &self,
        group_id: &str,
    ) -> impl Iterator<Item = (OffsetCommitKey, &OffsetCommitValue)> {
        let topics = self.groups.get(group_id).into_iter().flatten();
        topics.flat_map(move |(topic, partitions)| {
            partitions.iter().map(move |(partition, commit)| {
                let key = OffsetCommitKey {
                    group: group_id.to_owned(),
                    topic: topic.clone(),
                    partition: *partition,
                };
                (key, &commit.value)
            })
        })
    }

    /// Every commit.
    fn commits(&self) -> impl Iterator<Item = (OffsetCommitKey, &OffsetCommitValue)> {
        let groups = self.groups.keys();
        groups.flat_map(|group_id| self.commits_of_group(group_id))
    }

    /// Every commit, for comparisons.
    pub(crate) fn all(&self) -> BTreeMap<OffsetCommitKey, OffsetCommitValue> {
        let commits = self.commits();
        commits.map(|(key, value)| (key, value.clone())).collect()
    }
}
