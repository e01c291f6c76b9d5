//! `OffsetCommit`.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};

use super::super::{Groups, MAX_TEXT};
use crate::config::GroupConfig;
use crate::effect::Call;
use crate::record::{GroupRecord, OffsetCommitKey, OffsetCommitValue};
use crate::turn::{Check, Turn};

impl Groups {
    /// Partitions are accepted or refused each by itself, members as a whole.
    pub(crate) fn commit_offsets(
        &mut self,
        turn: &mut Turn<'_>,
        call: Call,
        request: &OffsetCommitRequest,
    ) {
        let refused = self.check_commit(turn, request).err();
        if refused.is_none()
            && let Some(group) = self.classic.get_mut(&request.group_id)
        {
            group.note_commit(turn, &request.member_id);
        }
        let mut response = OffsetCommitResponse::default();
        for topic in &request.topics {
            let commit = |partition: &OffsetCommitRequestPartition| {
                let accepted = match refused {
                    Some(code) => Err(code),
                    None => commit_partition(turn, request, topic, partition),
                };
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
    fn check_commit(&self, turn: &Turn<'_>, request: &OffsetCommitRequest) -> Check {
        if request.group_id.len() > MAX_TEXT {
            return Err(ErrorCode::InvalidGroupId);
        }
        match self.classic.get(&request.group_id) {
            Some(group) => group.check_commit(request),
            None if request.generation_id_or_member_epoch >= 0 => Err(ErrorCode::IllegalGeneration),
            None if self.classic.len() >= turn.config.max_groups => {
                Err(ErrorCode::CoordinatorNotAvailable)
            }
            None => Ok(()),
        }
    }
}

fn commit_partition(
    turn: &mut Turn<'_>,
    request: &OffsetCommitRequest,
    topic: &OffsetCommitRequestTopic,
    partition: &OffsetCommitRequestPartition,
) -> Check {
    let metadata = partition.committed_metadata.as_deref().unwrap_or_default();
    if is_metadata_too_large(turn.config, metadata) {
        return Err(ErrorCode::OffsetMetadataTooLarge);
    }
    if topic.name.len() > MAX_TEXT {
        return Err(ErrorCode::InvalidTopicException);
    }
    let expire_timestamp = if request.retention_time_ms == -1 {
        -1
    } else {
        turn.now_ms.saturating_add(request.retention_time_ms)
    };
    turn.append(&GroupRecord::OffsetCommit {
        key: OffsetCommitKey {
            group: request.group_id.clone(),
            topic: topic.name.clone(),
            partition: partition.partition_index,
        },
        value: Some(OffsetCommitValue {
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: metadata.to_owned(),
            commit_timestamp: turn.now_ms,
            expire_timestamp,
            topic_id: topic.topic_id,
        }),
    });
    Ok(())
}

/// The setting says bytes; Kafka counts UTF-16 units, and so do we. Records limit the bytes.
fn is_metadata_too_large(config: &GroupConfig, metadata: &str) -> bool {
    metadata.len() > MAX_TEXT || metadata.encode_utf16().count() > config.offset_metadata_max_bytes
}
