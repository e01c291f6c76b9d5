//! `TxnOffsetCommit`, and replay of offsets: those of a transaction are seen when it has committed.

use std::collections::BTreeMap;

use headwater_protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use headwater_protocol::{ErrorCode, Uuid};

use super::super::any_group::AnyGroup;
use super::super::consumer::Committer;
use super::super::{Groups, MAX_TEXT};
use super::Commit;
use super::commit::{NewCommit, commit_partition};
use crate::effect::{Call, Outcome, ProducerIdAndEpoch};
use crate::record::{GroupRecord, OffsetCommitKey, OffsetCommitValue};
use crate::turn::{Check, Turn};

impl Groups {
    /// Partitions are accepted or refused each by itself, members as a whole. `topic_ids`: of the
    /// topics named, as far as they are known.
    pub(crate) fn commit_transactional_offsets(
        &self,
        turn: &mut Turn<'_>,
        call: Call,
        topic_ids: &BTreeMap<String, Uuid>,
        request: &TxnOffsetCommitRequest,
    ) {
        let refused = self
            .check_transactional_commit(turn, topic_ids, request)
            .err();
        turn.in_transaction_of(ProducerIdAndEpoch {
            producer_id: request.producer_id,
            producer_epoch: request.producer_epoch,
        });
        let mut response = TxnOffsetCommitResponse::default();
        for topic in &request.topics {
            let topic_id = topic_ids.get(&topic.name).copied().unwrap_or(Uuid::ZERO);
            let commit = |partition: &TxnOffsetCommitRequestPartition| {
                let commit = new_commit(request, topic, topic_id, partition);
                let accepted = refused.map_or_else(|| commit_partition(turn, &commit), Err);
                TxnOffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    error_code: accepted.err().map_or(0, i16::from),
                }
            };
            response.topics.push(TxnOffsetCommitResponseTopic {
                name: topic.name.clone(),
                partitions: topic.partitions.iter().map(commit).collect(),
            });
        }
        turn.reply(call.token, response);
    }

    /// Producers that only keep offsets need no group, but its id may not be empty here.
    fn check_transactional_commit(
        &self,
        turn: &Turn<'_>,
        topic_ids: &BTreeMap<String, Uuid>,
        request: &TxnOffsetCommitRequest,
    ) -> Check {
        if request.group_id.is_empty() || request.group_id.len() > MAX_TEXT {
            return Err(ErrorCode::InvalidGroupId);
        }
        match self.group(&request.group_id) {
            Some(AnyGroup::Classic(group)) => group.check_transactional_commit(request),
            Some(AnyGroup::Consumer(group)) => {
                let committer = Committer::Producer {
                    member_id: &request.member_id,
                    group_instance_id: request.group_instance_id.as_deref(),
                    member_epoch: request.generation_id,
                };
                group.check_commit(committer, partitions_of(topic_ids, request))
            }
            None if request.generation_id >= 0 => Err(ErrorCode::IllegalGeneration),
            None if self.count() >= turn.config.max_groups => {
                Err(ErrorCode::CoordinatorNotAvailable)
            }
            None => Ok(()),
        }
    }

    /// A commit, or a tombstone, which takes along what open transactions would commit.
    pub(crate) fn replay_offset(
        &mut self,
        key: OffsetCommitKey,
        value: Option<OffsetCommitValue>,
        now_ms: i64,
    ) {
        let group_id = key.group.clone();
        if value.is_none() {
            self.pending_offsets.delete(&key);
        }
        let commit = value.map(|value| self.next_commit(value));
        self.offsets.set(key, commit);
        self.settle(&group_id, now_ms);
    }

    /// A record of a batch that is part of the producer's transaction.
    pub(crate) fn replay_transactional(
        &mut self,
        producer_id: i64,
        record: GroupRecord,
        now_ms: i64,
    ) {
        match record {
            GroupRecord::OffsetCommit {
                key,
                value: Some(value),
            } => {
                let group_id = key.group.clone();
                let commit = self.next_commit(value);
                self.pending_offsets.set(producer_id, key, commit);
                self.settle(&group_id, now_ms);
            }
            // Nothing else is ever written in a transaction; Kafka reads it as if it were in none.
            other => self.replay(other, now_ms),
        }
    }

    /// The transaction has ended. A commit that came after one of the transaction's stays.
    pub(crate) fn replay_end_marker(&mut self, producer_id: i64, outcome: Outcome, now_ms: i64) {
        for (key, commit) in self.pending_offsets.end(producer_id) {
            let group_id = key.group.clone();
            let is_latest = self
                .offsets
                .get(&key)
                .is_none_or(|known| known.order < commit.order);
            if outcome == Outcome::Commit && is_latest {
                self.offsets.set(key, Some(commit));
            }
            self.settle(&group_id, now_ms);
        }
    }

    pub(crate) fn has_pending_offsets(&self, group_id: &str) -> bool {
        self.pending_offsets
            .keys_of_group(group_id)
            .next()
            .is_some()
    }

    fn next_commit(&mut self, value: OffsetCommitValue) -> Commit {
        self.commits_replayed += 1;
        Commit {
            order: self.commits_replayed,
            value,
        }
    }
}

fn partitions_of(
    topic_ids: &BTreeMap<String, Uuid>,
    request: &TxnOffsetCommitRequest,
) -> impl Iterator<Item = (Uuid, i32)> {
    request.topics.iter().flat_map(|topic| {
        let topic_id = topic_ids.get(&topic.name).copied().unwrap_or(Uuid::ZERO);
        let partitions = topic.partitions.iter();
        partitions.map(move |partition| (topic_id, partition.partition_index))
    })
}

fn new_commit<'a>(
    request: &'a TxnOffsetCommitRequest,
    topic: &'a TxnOffsetCommitRequestTopic,
    topic_id: Uuid,
    partition: &'a TxnOffsetCommitRequestPartition,
) -> NewCommit<'a> {
    NewCommit {
        group_id: &request.group_id,
        topic: &topic.name,
        topic_id,
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.as_deref().unwrap_or_default(),
        expire_timestamp_ms: None,
    }
}
