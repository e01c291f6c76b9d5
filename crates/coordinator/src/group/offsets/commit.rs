//! `OffsetCommit`.

use headwater_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use headwater_protocol::{ErrorCode, Uuid};

use super::super::any_group::AnyGroup;
use super::super::consumer::Committer;
use super::super::{Groups, MAX_TEXT};
use crate::config::GroupConfig;
use crate::effect::Call;
use crate::record::{GroupRecord, OffsetCommitKey, OffsetCommitValue};
use crate::turn::{Check, Turn};
use crate::versions;

impl Groups {
    /// Partitions are accepted or refused each by itself, members as a whole.
    pub(crate) fn commit_offsets(
        &mut self,
        turn: &mut Turn<'_>,
        call: Call,
        request: &OffsetCommitRequest,
    ) {
        let refused = self.check_commit(turn, call, request).err();
        if refused.is_none()
            && let Some(group) = self.classic.get_mut(&request.group_id)
        {
            group.note_commit(turn, &request.member_id);
        }
        let mut response = OffsetCommitResponse::default();
        for topic in &request.topics {
            let commit = |partition: &OffsetCommitRequestPartition| {
                let accepted = refused.map_or_else(
                    || commit_partition(turn, &new_commit(turn, request, topic, partition)),
                    Err,
                );
                OffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    error_code: accepted.err().map_or(0, i16::from),
                }
            };
            response.topics.push(OffsetCommitResponseTopic {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partitions: topic.partitions.iter().map(commit).collect(),
            });
        }
        turn.reply(call.token, response);
    }

    /// Those who only keep offsets need no group: their first commit makes one. Kafka allows them
    /// the empty id.
    fn check_commit(&self, turn: &Turn<'_>, call: Call, request: &OffsetCommitRequest) -> Check {
        if request.group_id.len() > MAX_TEXT {
            return Err(ErrorCode::InvalidGroupId);
        }
        match self.group(&request.group_id) {
            Some(AnyGroup::Classic(group)) => group.check_commit(request),
            Some(AnyGroup::Consumer(group)) => {
                let committer = Committer::Member {
                    version: call.version,
                    member_id: &request.member_id,
                    member_epoch: request.generation_id_or_member_epoch,
                };
                group.check_commit(committer, partitions_of(request))
            }
            None if request.generation_id_or_member_epoch >= 0 => {
                Err(versions::commit_error_of_unknown_group(call.version))
            }
            None if self.count() >= turn.config.max_groups => {
                Err(ErrorCode::CoordinatorNotAvailable)
            }
            None => Ok(()),
        }
    }
}

fn partitions_of(request: &OffsetCommitRequest) -> impl Iterator<Item = (Uuid, i32)> {
    request.topics.iter().flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(|partition| (topic.topic_id, partition.partition_index))
    })
}

/// What is to be committed for one partition.
pub(super) struct NewCommit<'a> {
    pub(super) group_id: &'a str,
    pub(super) topic: &'a str,
    /// Zero: not known.
    pub(super) topic_id: Uuid,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    pub(super) metadata: &'a str,
    /// If the client says when the commit expires, which only old ones can.
    pub(super) expire_timestamp_ms: Option<i64>,
}

fn new_commit<'a>(
    turn: &Turn<'_>,
    request: &'a OffsetCommitRequest,
    topic: &'a OffsetCommitRequestTopic,
    partition: &'a OffsetCommitRequestPartition,
) -> NewCommit<'a> {
    let retention_ms = Some(request.retention_time_ms).filter(|retention_ms| *retention_ms != -1);
    NewCommit {
        group_id: &request.group_id,
        topic: &topic.name,
        topic_id: topic.topic_id,
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.as_deref().unwrap_or_default(),
        expire_timestamp_ms: retention_ms.map(|ms| turn.now_ms.saturating_add(ms)),
    }
}

/// Writes the commit, unless it has a fault of its own.
pub(super) fn commit_partition(turn: &mut Turn<'_>, commit: &NewCommit<'_>) -> Check {
    if is_metadata_too_large(turn.config, commit.metadata) {
        return Err(ErrorCode::OffsetMetadataTooLarge);
    }
    if commit.topic.len() > MAX_TEXT {
        return Err(ErrorCode::InvalidTopicException);
    }
    turn.append(&GroupRecord::OffsetCommit {
        key: OffsetCommitKey {
            group: commit.group_id.to_owned(),
            topic: commit.topic.to_owned(),
            partition: commit.partition,
        },
        value: Some(OffsetCommitValue {
            offset: commit.offset,
            leader_epoch: commit.leader_epoch,
            metadata: commit.metadata.to_owned(),
            commit_timestamp: turn.now_ms,
            expire_timestamp: commit.expire_timestamp_ms.unwrap_or(-1),
            topic_id: commit.topic_id,
        }),
    });
    Ok(())
}

/// The setting says bytes; Kafka counts UTF-16 units, and so do we. Records limit the bytes.
fn is_metadata_too_large(config: &GroupConfig, metadata: &str) -> bool {
    metadata.len() > MAX_TEXT || metadata.encode_utf16().count() > config.offset_metadata_max_bytes
}
