//! A group of either kind, for what does not hang on the kind.

use headwater_protocol::ErrorCode;

use super::classic::{ClassicGroup, State, UnusedSince};
use super::consumer::ConsumerGroup;
use crate::record::GroupRecord;
use crate::turn::{Check, Turn};

pub(super) enum AnyGroup<'a> {
    Classic(&'a ClassicGroup),
    Consumer(&'a ConsumerGroup),
}

impl AnyGroup<'_> {
    /// Nobody is in it or about to be.
    pub(super) fn is_deserted(&self) -> bool {
        match self {
            Self::Classic(group) => group.is_deserted(),
            Self::Consumer(group) => group.is_empty(),
        }
    }

    /// Whether committed offsets of the topic are in use by the members.
    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        match self {
            Self::Classic(group) => group.is_subscribed_to(topic),
            Self::Consumer(group) => group.is_subscribed_to(topic),
        }
    }

    /// From when on committed offsets age that no member subscribes to.
    pub(super) fn offsets_unused_since(&self) -> UnusedSince {
        match self {
            Self::Classic(group) => group.offsets_unused_since(),
            Self::Consumer(_) => UnusedSince::Commit,
        }
    }

    /// Whether somebody else may delete offsets that no member subscribes to.
    pub(super) fn check_offset_delete(&self) -> Check {
        match self {
            Self::Classic(group) => group.check_offset_delete(),
            Self::Consumer(_) => Ok(()),
        }
    }

    pub(super) fn check_delete(&self) -> Check {
        let is_empty = match self {
            Self::Classic(group) => group.state() == State::Empty,
            Self::Consumer(group) => group.is_empty(),
        };
        if is_empty {
            Ok(())
        } else {
            Err(ErrorCode::NonEmptyGroup)
        }
    }

    /// Writes that nothing is left of the group itself; offsets are another matter.
    pub(super) fn write_tombstones(&self, turn: &mut Turn<'_>, group_id: &str) {
        match self {
            Self::Classic(_) => turn.append(&GroupRecord::GroupMetadata {
                group_id: group_id.to_owned(),
                value: None,
            }),
            Self::Consumer(group) => {
                super::consumer::append(turn, group_id, group.tombstones());
            }
        }
    }
}
