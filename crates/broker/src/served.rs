//! A partition that a request asked for, found: its log and its leader epoch.
//!
//! The one lookup of produce, fetch and the offset APIs, with the error each
//! client expects: by name up to some version of an API, by topic id after it.

use std::cmp::Ordering;
use std::sync::Arc;

use headwater_protocol::{ErrorCode, Uuid};

use crate::metadata::{Image, Topic};
use crate::partition::Partition;
use crate::partitions::Partitions;

/// Any epoch will do.
const NO_EPOCH: i32 = -1;

/// How a request names a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TopicKey {
    /// Shared: a request may name one topic for a hundred thousand partitions.
    Name(Arc<str>),
    Id(Uuid),
}

impl TopicKey {
    /// The topic of that name or id in `image`.
    pub(crate) fn topic<'a>(&self, image: &'a Image) -> Option<&'a Topic> {
        match self {
            TopicKey::Name(name) => image.topic(name),
            TopicKey::Id(id) => image.topic_by_id(*id),
        }
    }

    /// What a client is told when there is no such topic.
    pub(crate) fn unknown(&self) -> ErrorCode {
        match self {
            TopicKey::Name(_) => ErrorCode::UnknownTopicOrPartition,
            TopicKey::Id(_) => ErrorCode::UnknownTopicId,
        }
    }
}

/// A partition this node leads.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) partition: Arc<Partition>,
    pub(crate) leader_epoch: i32,
}

impl Served {
    /// Looks a partition of `topic` up.
    pub(crate) fn find(
        partitions: &Partitions,
        topic: &Topic,
        partition: i32,
    ) -> Result<Served, ErrorCode> {
        let known = usize::try_from(partition)
            .ok()
            .and_then(|index| topic.partitions.get(index));
        let known = known.ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let served = partitions
            .get(topic.id, partition)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        Ok(Served {
            partition: served,
            leader_epoch: known.leader_epoch,
        })
    }

    /// The largest epoch at or below `epoch` and where it ends; nothing for an epoch not reached yet.
    pub(crate) fn end_of_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        let log = self.partition.log();
        match epoch.cmp(&self.leader_epoch) {
            Ordering::Less => log.end_offset_for_epoch(epoch),
            // What lies beyond the high watermark may still be lost.
            Ordering::Equal => Some((epoch, log.high_watermark())),
            Ordering::Greater => None,
        }
    }

    /// Whether the client's idea of the leader epoch is ours (KIP-320).
    pub(crate) fn check_epoch(&self, current_leader_epoch: i32) -> Result<(), ErrorCode> {
        check_epoch(current_leader_epoch, self.leader_epoch)
    }
}

fn check_epoch(current_leader_epoch: i32, leader_epoch: i32) -> Result<(), ErrorCode> {
    match current_leader_epoch {
        NO_EPOCH => Ok(()),
        epoch if epoch < leader_epoch => Err(ErrorCode::FencedLeaderEpoch),
        epoch if epoch > leader_epoch => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_leader_epoch_is_fenced_and_a_newer_one_unknown() {
        assert_eq!(check_epoch(2, 3), Err(ErrorCode::FencedLeaderEpoch));
        assert_eq!(check_epoch(4, 3), Err(ErrorCode::UnknownLeaderEpoch));
        assert_eq!(check_epoch(3, 3), Ok(()));
        assert_eq!(check_epoch(NO_EPOCH, 3), Ok(()));
    }
}
