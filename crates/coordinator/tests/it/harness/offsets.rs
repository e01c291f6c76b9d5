//! Clients that commit, fetch and delete offsets.

use std::collections::BTreeMap;

use headwater_coordinator::{DeletedTopic, Outcome, ProducerIdAndEpoch, Response};
use headwater_protocol::Uuid;
use headwater_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use headwater_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use headwater_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
    OffsetFetchResponsePartitions,
};
use headwater_protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};

use super::{Bench, GROUP, Logged, TOPIC};

impl Bench {
    pub(crate) fn commit(&mut self, request: &OffsetCommitRequest) -> i16 {
        self.commit_all(request)[0]
    }

    /// The error of each partition, of all topics in a row.
    pub(crate) fn commit_all(&mut self, request: &OffsetCommitRequest) -> Vec<i16> {
        self.commit_at(9, request)
    }

    pub(crate) fn commit_at(&mut self, version: i16, request: &OffsetCommitRequest) -> Vec<i16> {
        let call = self.call(version);
        let effects = self.coordinator.offset_commit(call, request);
        match self.answer(call, effects) {
            Response::OffsetCommit(response) => {
                let partitions = response
                    .topics
                    .into_iter()
                    .flat_map(|topic| topic.partitions);
                partitions.map(|partition| partition.error_code).collect()
            }
            other => panic!("not an answer to a commit: {other:?}"),
        }
    }

    pub(crate) fn fetch_with(&mut self, version: i16, request: &OffsetFetchRequest) -> Response {
        let call = self.call(version);
        let effects = self.coordinator.offset_fetch(call, request);
        self.answer(call, effects)
    }

    /// What is committed for partition 0 of a topic, if that is stable.
    pub(crate) fn fetch(&mut self, group: &str, topic: &str) -> OffsetFetchResponsePartitions {
        self.fetch_by(&fetch_request(group, topic))
    }

    /// The same, even if it is about to change.
    pub(crate) fn fetch_unstable(
        &mut self,
        group: &str,
        topic: &str,
    ) -> OffsetFetchResponsePartitions {
        self.fetch_by(&OffsetFetchRequest {
            require_stable: false,
            ..fetch_request(group, topic)
        })
    }

    fn fetch_by(&mut self, request: &OffsetFetchRequest) -> OffsetFetchResponsePartitions {
        match self.fetch_with(9, request) {
            Response::OffsetFetch(mut response) => response
                .groups
                .remove(0)
                .topics
                .remove(0)
                .partitions
                .remove(0),
            other => panic!("not an answer to a fetch: {other:?}"),
        }
    }

    /// The error of each partition.
    pub(crate) fn commit_in_transaction(&mut self, request: &TxnOffsetCommitRequest) -> Vec<i16> {
        let call = self.call(5);
        let effects = self
            .coordinator
            .txn_offset_commit(call, &BTreeMap::new(), request);
        match self.answer(call, effects) {
            Response::TxnOffsetCommit(response) => {
                let partitions = response
                    .topics
                    .into_iter()
                    .flat_map(|topic| topic.partitions);
                partitions.map(|partition| partition.error_code).collect()
            }
            other => panic!("not an answer to a transactional commit: {other:?}"),
        }
    }

    /// The transaction's coordinator has the partition marked.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, outcome: Outcome) {
        let marker = Logged::EndMarker(producer(producer_id), outcome);
        marker.replay(&mut self.coordinator);
        self.log.push(marker);
    }

    /// The error for all, and that of each partition.
    pub(crate) fn delete_offsets(
        &mut self,
        group: &str,
        topic: &str,
        partitions: &[i32],
    ) -> (i16, Vec<i16>) {
        let request = OffsetDeleteRequest {
            group_id: group.to_owned(),
            topics: vec![OffsetDeleteRequestTopic {
                name: topic.to_owned(),
                partitions: partitions
                    .iter()
                    .map(|partition_index| OffsetDeleteRequestPartition {
                        partition_index: *partition_index,
                    })
                    .collect(),
            }],
        };
        let call = self.call(0);
        let effects = self.coordinator.offset_delete(call, &request);
        match self.answer(call, effects) {
            Response::OffsetDelete(response) => {
                let partitions = response
                    .topics
                    .into_iter()
                    .flat_map(|topic| topic.partitions);
                let codes = partitions.map(|partition| partition.error_code).collect();
                (response.error_code, codes)
            }
            other => panic!("not an answer to a deletion of offsets: {other:?}"),
        }
    }

    pub(crate) fn delete_topic(&mut self, name: &str, id: Uuid) {
        let topic = DeletedTopic {
            name: name.to_owned(),
            id,
        };
        let effects = self.coordinator.topics_deleted(self.now_ms, &[topic]);
        self.carry_out(effects);
    }
}

fn fetch_request(group: &str, topic: &str) -> OffsetFetchRequest {
    OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: group.to_owned(),
            topics: Some(vec![OffsetFetchRequestTopics {
                name: topic.to_owned(),
                partition_indexes: vec![0],
                ..OffsetFetchRequestTopics::default()
            }]),
            ..OffsetFetchRequestGroup::default()
        }],
        require_stable: true,
        ..OffsetFetchRequest::default()
    }
}

/// A producer in its first epoch.
pub(crate) fn producer(producer_id: i64) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch {
        producer_id,
        producer_epoch: 0,
    }
}

/// A transactional commit of one offset to partition 0 of a topic, by nobody in particular.
pub(crate) fn transactional_commit(
    producer_id: i64,
    group: &str,
    topic: &str,
    offset: i64,
) -> TxnOffsetCommitRequest {
    TxnOffsetCommitRequest {
        transactional_id: format!("transaction of {producer_id}"),
        group_id: group.to_owned(),
        producer_id,
        topics: vec![TxnOffsetCommitRequestTopic {
            name: topic.to_owned(),
            partitions: vec![TxnOffsetCommitRequestPartition {
                committed_offset: offset,
                committed_metadata: Some("in a transaction".to_owned()),
                ..TxnOffsetCommitRequestPartition::default()
            }],
        }],
        ..TxnOffsetCommitRequest::default()
    }
}

/// A commit of one offset to partition 0 of a topic, by nobody in particular.
pub(crate) fn commit(group: &str, topic: &str, offset: i64) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: group.to_owned(),
        topics: vec![OffsetCommitRequestTopic {
            name: topic.to_owned(),
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: offset,
                committed_metadata: Some("how far".to_owned()),
                ..OffsetCommitRequestPartition::default()
            }],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    }
}

/// The same by a member.
pub(crate) fn commit_by(generation: i32, member_id: &str, offset: i64) -> OffsetCommitRequest {
    OffsetCommitRequest {
        generation_id_or_member_epoch: generation,
        member_id: member_id.to_owned(),
        ..commit(GROUP, TOPIC, offset)
    }
}
