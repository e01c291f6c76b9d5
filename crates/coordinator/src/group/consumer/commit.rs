//! Who may commit offsets for a group, and who may ask for them.

use headwater_protocol::{ErrorCode, Uuid};

use super::ConsumerGroup;
use super::member::ConsumerMember;
use crate::turn::Check;

/// Who commits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Committer<'a> {
    /// By `OffsetCommit`, of that version.
    Member {
        version: i16,
        member_id: &'a str,
        member_epoch: i32,
    },
    /// By `TxnOffsetCommit`.
    Producer {
        member_id: &'a str,
        group_instance_id: Option<&'a str>,
        member_epoch: i32,
    },
}

/// Before `OffsetCommit` 9 there is no error that a consumer of this protocol would understand.
const COMMIT_KNOWS_EPOCHS: i16 = 9;

impl ConsumerGroup {
    /// Whether the commit is taken, all of it or nothing. A member that lags behind may commit for
    /// partitions that it had at the epoch it gives and has still (KIP-1251).
    pub(crate) fn check_commit(
        &self,
        committer: Committer<'_>,
        partitions: impl Iterator<Item = (Uuid, i32)>,
    ) -> Check {
        let (Committer::Member {
            member_id,
            member_epoch,
            ..
        }
        | Committer::Producer {
            member_id,
            member_epoch,
            ..
        }) = committer;
        // Whoever only keeps offsets in the group, or an administrator.
        if member_epoch < 0 && self.is_empty() {
            return Ok(());
        }
        if let Committer::Producer {
            member_id: "",
            group_instance_id: None,
            member_epoch: -1,
        } = committer
        {
            return Ok(());
        }
        let member = self.member(member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if let Committer::Member { version, .. } = committer
            && !member.uses_classic_protocol()
            && version < COMMIT_KNOWS_EPOCHS
        {
            return Err(ErrorCode::UnsupportedVersion);
        }
        if member_epoch == member.current.epoch {
            return Ok(());
        }
        if member_epoch > member.current.epoch {
            return Err(stale(member));
        }
        for (topic_id, partition) in partitions {
            let current = &member.current;
            let given = current.assigned.epoch(topic_id, partition);
            let since = given.or_else(|| current.pending_revocation.epoch(topic_id, partition));
            if since.is_none_or(|since| member_epoch < since) {
                return Err(stale(member));
            }
        }
        Ok(())
    }

    /// Whoever names no member may always ask.
    pub(crate) fn check_fetch(&self, member_id: Option<&str>, member_epoch: i32) -> Check {
        if member_id.is_none() && member_epoch < 0 {
            return Ok(());
        }
        let member = self
            .member(member_id.unwrap_or_default())
            .ok_or(ErrorCode::UnknownMemberId)?;
        if member_epoch == member.current.epoch {
            Ok(())
        } else {
            Err(stale(member))
        }
    }
}

fn stale(member: &ConsumerMember) -> ErrorCode {
    if member.uses_classic_protocol() {
        ErrorCode::IllegalGeneration
    } else {
        ErrorCode::StaleMemberEpoch
    }
}
