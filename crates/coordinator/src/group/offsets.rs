//! What groups committed.
//!
//! Owns the durable map from group, topic and partition to the latest commit; it changes only by
//! replay. Committing, fetching and expiring are below.

mod commit;
mod expire;
mod fetch;

use std::collections::BTreeMap;

use crate::record::{OffsetCommitKey, OffsetCommitValue};

/// The latest commits of a group, by topic and partition.
pub(crate) type GroupOffsets = BTreeMap<String, BTreeMap<i32, OffsetCommitValue>>;

/// The latest commits. Nothing empty is kept: a group or topic that is here has a commit.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CommittedOffsets {
    groups: BTreeMap<String, GroupOffsets>,
}

impl CommittedOffsets {
    /// Replay: the commit is in the log now, or gone.
    pub(super) fn set(&mut self, key: OffsetCommitKey, value: Option<OffsetCommitValue>) {
        if let Some(value) = value {
            let topics = self.groups.entry(key.group).or_default();
            topics
                .entry(key.topic)
                .or_default()
                .insert(key.partition, value);
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

    fn get(&self, group_id: &str, topic: &str, partition: i32) -> Option<&OffsetCommitValue> {
        self.groups.get(group_id)?.get(topic)?.get(&partition)
    }

    pub(super) fn keys_of_group(&self, group_id: &str) -> Vec<OffsetCommitKey> {
        self.commits_of_group(group_id)
            .map(|(key, _)| key)
            .collect()
    }

    fn commits_of_group(
        &self,
        group_id: &str,
    ) -> impl Iterator<Item = (OffsetCommitKey, &OffsetCommitValue)> {
        let topics = self.groups.get(group_id).into_iter().flatten();
        topics.flat_map(move |(topic, partitions)| {
            partitions.iter().map(move |(partition, value)| {
                let key = OffsetCommitKey {
                    group: group_id.to_owned(),
                    topic: topic.clone(),
                    partition: *partition,
                };
                (key, value)
            })
        })
    }

    /// Every commit, for comparisons.
    pub(crate) fn all(&self) -> BTreeMap<OffsetCommitKey, OffsetCommitValue> {
        let groups = self.groups.keys();
        let commits = groups.flat_map(|group_id| self.commits_of_group(group_id));
        commits.map(|(key, value)| (key, value.clone())).collect()
    }
}
