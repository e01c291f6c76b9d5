//! `OffsetFetch`.
//!
//! A partition for which a transaction is about to commit is unstable: those who require a stable
//! offset (KIP-447) are told to ask again.

use headwater_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use headwater_protocol::{ErrorCode, Uuid};

use super::super::Groups;
use super::super::any_group::AnyGroup;
use super::OffsetCommitValue;
use crate::effect::Call;
use crate::record::OffsetCommitKey;
use crate::turn::Turn;

/// Whether offsets that are about to change may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stability {
    Required,
    NotRequired,
}

impl Groups {
    /// A group or partition that nothing is committed for has the offset -1 and no error.
    pub(crate) fn fetch_offsets(
        &self,
        turn: &mut Turn<'_>,
        call: Call,
        request: &OffsetFetchRequest,
    ) {
        let stability = if request.require_stable {
            Stability::Required
        } else {
            Stability::NotRequired
        };
        let groups = request.groups.iter();
        let response = OffsetFetchResponse {
            groups: groups
                .map(|group| self.fetch_group(group, stability))
                .collect(),
            ..OffsetFetchResponse::default()
        };
        turn.reply(call.token, response);
    }

    fn fetch_group(
        &self,
        request: &OffsetFetchRequestGroup,
        stability: Stability,
    ) -> OffsetFetchResponseGroup {
        let group_id = request.group_id.as_str();
        if let Some(AnyGroup::Consumer(group)) = self.group(group_id)
            && let Err(code) = group.check_fetch(request.member_id.as_deref(), request.member_epoch)
        {
            return OffsetFetchResponseGroup {
                group_id: group_id.to_owned(),
                error_code: code.into(),
                ..OffsetFetchResponseGroup::default()
            };
        }
        let topics = match &request.topics {
            Some(topics) => topics
                .iter()
                .map(|topic| self.fetch_topic(group_id, topic, stability))
                .collect(),
            None => self.fetch_all(group_id, stability),
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
        stability: Stability,
    ) -> OffsetFetchResponseTopics {
        let partition = |index: &i32| {
            let key = OffsetCommitKey {
                group: group_id.to_owned(),
                topic: topic.name.clone(),
                partition: *index,
            };
            // A topic made again under its old name starts afresh.
            let same_topic = |commit: &&OffsetCommitValue| {
                topic.topic_id == Uuid::ZERO
                    || commit.topic_id == Uuid::ZERO
                    || commit.topic_id == topic.topic_id
            };
            let commit = self.offsets.get(&key).map(|commit| &commit.value);
            self.fetched(&key, commit.filter(same_topic), stability)
        };
        OffsetFetchResponseTopics {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: topic.partition_indexes.iter().map(partition).collect(),
        }
    }

    /// Partitions of one topic that were committed with different ids are answered apart.
    fn fetch_all(&self, group_id: &str, stability: Stability) -> Vec<OffsetFetchResponseTopics> {
        let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
        for (key, commit) in self.offsets.commits_of_group(group_id) {
            let partition = self.fetched(&key, Some(commit), stability);
            let same_topic = |topic: &&mut OffsetFetchResponseTopics| {
                topic.name == key.topic && topic.topic_id == commit.topic_id
            };
            match topics.last_mut().filter(same_topic) {
                Some(topic) => topic.partitions.push(partition),
                None => topics.push(OffsetFetchResponseTopics {
                    name: key.topic,
                    topic_id: commit.topic_id,
                    partitions: vec![partition],
                }),
            }
        }
        topics
    }

    fn fetched(
        &self,
        key: &OffsetCommitKey,
        commit: Option<&OffsetCommitValue>,
        stability: Stability,
    ) -> OffsetFetchResponsePartitions {
        let nothing = OffsetFetchResponsePartitions {
            partition_index: key.partition,
            committed_offset: -1,
            committed_leader_epoch: -1,
            metadata: Some(String::new()),
            error_code: 0,
        };
        if stability == Stability::Required && self.pending_offsets.contains(key) {
            return OffsetFetchResponsePartitions {
                error_code: ErrorCode::UnstableOffsetCommit.into(),
                ..nothing
            };
        }
        match commit {
            Some(commit) => OffsetFetchResponsePartitions {
                committed_offset: commit.offset,
                committed_leader_epoch: commit.leader_epoch,
                metadata: Some(commit.metadata.clone()),
                ..nothing
            },
            None => nothing,
        }
    }
}
