//! From when on a group's committed offsets age.

use super::{ClassicGroup, State};
use crate::record::OffsetCommitValue;

/// Since when an offset has not been in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnusedSince {
    /// Offsets of the group do not age now.
    InUse,
    /// Its own commit.
    Commit,
    /// The time when the group lost its last member.
    Empty(i64),
}

impl UnusedSince {
    pub(crate) fn is_expired(
        self,
        commit: &OffsetCommitValue,
        now_ms: i64,
        retention_ms: i64,
    ) -> bool {
        let since_ms = match self {
            Self::InUse => return false,
            Self::Commit => commit.commit_timestamp,
            Self::Empty(since_ms) => since_ms,
        };
        // An old client may have said how long it wants its commit to be kept.
        if commit.expire_timestamp == -1 {
            now_ms.saturating_sub(since_ms) >= retention_ms
        } else {
            now_ms >= commit.expire_timestamp
        }
    }
}

impl ClassicGroup {
    /// Kafka's rules (KIP-211): a group of members keeps its offsets until it has been empty for
    /// the retention time; a live group of consumers loses those of topics it does not subscribe to
    /// any more; without members ever, each commit ages by itself.
    pub(crate) fn offsets_unused_since(&self) -> UnusedSince {
        if self.protocol_type.is_none() {
            return UnusedSince::Commit;
        }
        match self.state {
            State::Empty => self
                .state_timestamp_ms
                .map_or(UnusedSince::Commit, UnusedSince::Empty),
            State::Stable if self.uses_consumer_protocol() && self.knows_subscribed_topics() => {
                UnusedSince::Commit
            }
            _ => UnusedSince::InUse,
        }
    }

    /// Nobody is in it or about to be.
    pub(crate) fn is_deserted(&self) -> bool {
        self.state == State::Empty && self.pending_members.is_empty()
    }
}
