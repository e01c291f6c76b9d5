//! `OffsetFetch`.
//!
//! `require_stable` has nothing to wait for as long as there are no transactions.

use headwater_protocol::Uuid;
use headwater_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};

use super::super::Groups;
use super::{CommittedOffsets, OffsetCommitValue};
use crate::effect::Call;
use crate::turn::Turn;
use crate::versions;

impl Groups {
    /// A group or partition that nothing is committed for has the offset -1 and no error.
    pub(crate) fn fetch_offsets(
        &self,
        turn: &mut Turn<'_>,
        call: Call,
        request: &OffsetFetchRequest,
    ) {
        let response = if versions::offset_fetch_is_batched(call.version) {
            OffsetFetchResponse {
                groups: request
                    .groups
                    .iter()
                    .map(|group| self.offsets.fetch(group))
                    .collect(),
                ..OffsetFetchResponse::default()
            }
        } else {
            let group = self.offsets.fetch(&single_group(request));
            OffsetFetchResponse {
                topics: group.topics.into_iter().map(single_topic).collect(),
                ..OffsetFetchResponse::default()
            }
        };
        turn.reply(call.token, response);
    }
}

impl CommittedOffsets {
    fn fetch(&self, request: &OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
        let group_id = request.group_id.as_str();
        let topics = match &request.topics {
            Some(topics) => topics
                .iter()
                .map(|topic| self.fetch_topic(group_id, topic))
                .collect(),
            None => self.fetch_all(group_id),
        };
        OffsetFetchResponseGroup {
            group_id: group_id.to_owned(),
            topics,
            ..OffsetFetchResponseGroup::default()
        }
    }

    fn fetch_topic(
        &self,
        group_id: &str,
        topic: &OffsetFetchRequestTopics,
    ) -> OffsetFetchResponseTopics {
        let partition = |index: &i32| {
            let commit = self.get(group_id, &topic.name, *index);
            // A topic made again under its old name starts afresh.
            let same_topic = |commit: &&OffsetCommitValue| {
                topic.topic_id == Uuid::ZERO
                    || commit.topic_id == Uuid::ZERO
                    || commit.topic_id == topic.topic_id
            };
            fetched(*index, commit.filter(same_topic))
        };
        OffsetFetchResponseTopics {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: topic.partition_indexes.iter().map(partition).collect(),
        }
    }

    fn fetch_all(&self, group_id: &str) -> Vec<OffsetFetchResponseTopics> {
        let topics = self.of_group(group_id).into_iter().flatten();
        topics
            .map(|(name, partitions)| OffsetFetchResponseTopics {
                name: name.clone(),
                partitions: partitions
                    .iter()
                    .map(|(index, commit)| fetched(*index, Some(commit)))
                    .collect(),
                ..OffsetFetchResponseTopics::default()
            })
            .collect()
    }
}

fn fetched(index: i32, commit: Option<&OffsetCommitValue>) -> OffsetFetchResponsePartitions {
    match commit {
        Some(commit) => OffsetFetchResponsePartitions {
            partition_index: index,
            committed_offset: commit.offset,
            committed_leader_epoch: commit.leader_epoch,
            metadata: Some(commit.metadata.clone()),
            error_code: 0,
        },
        None => OffsetFetchResponsePartitions {
            partition_index: index,
            committed_offset: -1,
            committed_leader_epoch: -1,
            metadata: Some(String::new()),
            error_code: 0,
        },
    }
}

/// Before version 8 a request is for one group.
fn single_group(request: &OffsetFetchRequest) -> OffsetFetchRequestGroup {
    let topics = request.topics.as_ref().map(|topics| {
        let batched = topics.iter().map(|topic| OffsetFetchRequestTopics {
            name: topic.name.clone(),
            partition_indexes: topic.partition_indexes.clone(),
            ..OffsetFetchRequestTopics::default()
        });
        batched.collect()
    });
    OffsetFetchRequestGroup {
        group_id: request.group_id.clone(),
        topics,
        ..OffsetFetchRequestGroup::default()
    }
}

fn single_topic(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partition = |partition: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    };
    OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    }
}
