//! Offsets of transactions that have not ended: nobody sees them yet.
//!
//! Owns the durable map from producer id to what its open transaction commits; it changes only by
//! replay. Which of several commits for a partition is the latest is decided by their place in the
//! log, also when the transaction that holds one of them ends later.

use std::collections::{BTreeMap, BTreeSet};

use super::Commit;
use crate::record::{OffsetCommitKey, OffsetCommitValue};

/// Nothing empty is kept: a producer that is here has an offset pending.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PendingOffsets {
    by_producer: BTreeMap<i64, BTreeMap<OffsetCommitKey, Commit>>,
    /// The producers with an offset pending for a partition.
    producers: BTreeMap<OffsetCommitKey, BTreeSet<i64>>,
}

impl PendingOffsets {
    /// Replay: the producer's transaction, which is open, commits this.
    pub(super) fn set(&mut self, producer_id: i64, key: OffsetCommitKey, commit: Commit) {
        self.producers
            .entry(key.clone())
            .or_default()
            .insert(producer_id);
        self.by_producer
            .entry(producer_id)
            .or_default()
            .insert(key, commit);
    }

    /// Replay: the commits for the partition are deleted, those that were to come too.
    pub(super) fn delete(&mut self, key: &OffsetCommitKey) {
        for producer_id in self.producers.remove(key).unwrap_or_default() {
            let Some(commits) = self.by_producer.get_mut(&producer_id) else {
                continue;
            };
            commits.remove(key);
            if commits.is_empty() {
                self.by_producer.remove(&producer_id);
            }
        }
    }

    /// Replay: the producer's transaction has ended. What it would commit is taken out.
    pub(super) fn end(&mut self, producer_id: i64) -> BTreeMap<OffsetCommitKey, Commit> {
        let ended = self.by_producer.remove(&producer_id).unwrap_or_default();
        for key in ended.keys() {
            let Some(producers) = self.producers.get_mut(key) else {
                continue;
            };
            producers.remove(&producer_id);
            if producers.is_empty() {
                self.producers.remove(key);
            }
        }
        ended
    }

    /// Whether a transaction that is open commits for the partition.
    pub(super) fn contains(&self, key: &OffsetCommitKey) -> bool {
        self.producers.contains_key(key)
    }

    /// The partitions that open transactions commit for in a group.
    pub(super) fn keys_of_group(&self, group_id: &str) -> impl Iterator<Item = &OffsetCommitKey> {
        let first = OffsetCommitKey {
            group: group_id.to_owned(),
            topic: String::new(),
            partition: i32::MIN,
        };
        self.producers
            .range(first..)
            .map(|(key, _)| key)
            .take_while(move |key| key.group == group_id)
    }

    /// Every pending offset, producer by producer.
    pub(super) fn commits(&self) -> impl Iterator<Item = (&OffsetCommitKey, &OffsetCommitValue)> {
        let commits = self.by_producer.values().flatten();
        commits.map(|(key, commit)| (key, &commit.value))
    }

    /// Every pending offset, for comparisons.
    pub(crate) fn all(&self) -> BTreeMap<i64, BTreeMap<OffsetCommitKey, OffsetCommitValue>> {
        let values = |commits: &BTreeMap<OffsetCommitKey, Commit>| {
            let values = commits.iter();
            values
                .map(|(key, commit)| (key.clone(), commit.value.clone()))
                .collect()
        };
        self.by_producer
            .iter()
            .map(|(producer_id, commits)| (*producer_id, values(commits)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: &str, partition: i32) -> OffsetCommitKey {
        OffsetCommitKey {
            group: group.to_owned(),
            topic: "t".to_owned(),
            partition,
        }
    }

    fn commit(offset: i64) -> Commit {
        Commit {
            order: offset.unsigned_abs(),
            value: OffsetCommitValue {
                offset,
                ..OffsetCommitValue::default()
            },
        }
    }

    #[test]
    fn a_partition_is_pending_until_the_last_producer_has_ended() {
        let mut pending = PendingOffsets::default();
        pending.set(1, key("g", 0), commit(5));
        pending.set(2, key("g", 0), commit(6));
        assert_eq!(pending.end(1).len(), 1);
        assert!(pending.contains(&key("g", 0)));
        assert_eq!(pending.end(2)[&key("g", 0)].value.offset, 6);
        assert_eq!(pending, PendingOffsets::default());
    }

    #[test]
    fn deleting_a_partition_leaves_nothing_of_it_to_commit() {
        let mut pending = PendingOffsets::default();
        pending.set(1, key("g", 0), commit(5));
        pending.set(1, key("g", 1), commit(6));
        pending.delete(&key("g", 0));
        assert_eq!(pending.keys_of_group("g").count(), 1);
        assert_eq!(pending.end(1).len(), 1);
        assert_eq!(pending, PendingOffsets::default());
    }

    #[test]
    fn groups_whose_names_begin_alike_are_told_apart() {
        let mut pending = PendingOffsets::default();
        pending.set(1, key("g", 0), commit(5));
        pending.set(1, key("g2", 0), commit(6));
        assert_eq!(pending.keys_of_group("g").count(), 1);
        assert_eq!(pending.keys_of_group("").count(), 0);
    }
}
