//! End markers: where the end of a transaction is appended.
//!
//! To a partition of `__consumer_offsets` a marker goes through the coordinator of its groups, which
//! shows or forgets the offsets; to all others it is appended as it is. A partition that is no more
//! needs none.

use std::sync::Arc;

use headwater_coordinator::{EndMarkers, Outcome, PartitionSet};
use headwater_log::{AppendError, EndMarker, LogError, Position, TransactionOutcome};

use super::Groups;
use crate::metadata::{CONSUMER_OFFSETS, Image, Metadata};
use crate::partitions::Partitions;
use crate::served::Served;
use crate::throttle::Throttle;

/// There is one coordinator, and no other takes its place.
const COORDINATOR_EPOCH: i32 = 0;

static NOT_WRITTEN: Throttle<()> = Throttle::new();
static REFUSED: Throttle<()> = Throttle::new();

/// Appends end markers.
pub(crate) struct Markers {
    partitions: Arc<Partitions>,
    metadata: Arc<Metadata>,
    groups: Arc<Groups>,
}

/// Why a marker was not appended.
#[derive(Debug)]
pub(crate) enum MarkerError {
    /// No such partition.
    Unknown,
    /// The groups of the partition are still being read.
    NotLoaded,
    Append(AppendError),
}

/// What became of the markers of one transaction.
pub(super) struct Written {
    /// Of the last one.
    pub(super) position: Position,
    /// Where a later attempt may succeed.
    pub(super) remaining: PartitionSet,
}

impl Markers {
    pub(super) fn new(
        partitions: &Arc<Partitions>,
        metadata: &Arc<Metadata>,
        groups: &Arc<Groups>,
    ) -> Arc<Markers> {
        Arc::new(Markers {
            partitions: Arc::clone(partitions),
            metadata: Arc::clone(metadata),
            groups: Arc::clone(groups),
        })
    }

    /// Appends one marker. Nothing is durable before the position is.
    pub(super) fn write(
        &self,
        topic: &str,
        partition: i32,
        marker: EndMarker,
    ) -> Result<Position, MarkerError> {
        self.write_in(&self.metadata.image(), topic, partition, marker)
    }

    /// Appends a marker to each of the partitions.
    pub(super) fn write_all(&self, markers: &EndMarkers) -> Written {
        let image = self.metadata.image();
        let marker = EndMarker {
            producer_id: markers.producer.producer_id,
            producer_epoch: markers.producer.producer_epoch,
            coordinator_epoch: COORDINATOR_EPOCH,
            outcome: match markers.outcome {
                Outcome::Commit => TransactionOutcome::Commit,
                Outcome::Abort => TransactionOutcome::Abort,
            },
            transaction_version: markers.transaction_version,
        };
        let mut written = Written {
            position: Position::ZERO,
            remaining: PartitionSet::default(),
        };
        for (topic, partition) in markers.partitions.iter() {
            match self.write_in(&image, topic, partition, marker) {
                Ok(position) => written.position = written.position.max(position),
                Err(error) if error.is_final() => {
                    if let Some(held_back) = REFUSED.pass(()) {
                        let transactional_id = &markers.transactional_id;
                        tracing::info!(
                            transactional_id,
                            topic,
                            partition,
                            held_back,
                            ?error,
                            "a partition needs no marker"
                        );
                    }
                }
                Err(error) => {
                    if let Some(held_back) = NOT_WRITTEN.pass(()) {
                        let transactional_id = &markers.transactional_id;
                        tracing::warn!(
                            transactional_id,
                            topic,
                            partition,
                            held_back,
                            ?error,
                            "a marker has to be tried again"
                        );
                    }
                    written.remaining.insert(topic, partition);
                }
            }
        }
        written
    }

    fn write_in(
        &self,
        image: &Image,
        topic: &str,
        partition: i32,
        marker: EndMarker,
    ) -> Result<Position, MarkerError> {
        if topic == CONSUMER_OFFSETS {
            return self.write_to_groups(image, partition, marker);
        }
        let topic = image.topic(topic).ok_or(MarkerError::Unknown)?;
        let served = Served::find(&self.partitions, topic, partition);
        let served = served.map_err(|_| MarkerError::Unknown)?;
        self.partitions
            .append_end_marker(&served.partition, marker, served.leader_epoch)
            .map(|appended| appended.position)
            .map_err(MarkerError::Append)
    }

    fn write_to_groups(
        &self,
        image: &Image,
        partition: i32,
        marker: EndMarker,
    ) -> Result<Position, MarkerError> {
        if let Some(coordinator) = self.groups.of_partition(partition) {
            return coordinator.append_end_marker(marker);
        }
        let partitions = image.topic(CONSUMER_OFFSETS).map(|topic| &topic.partitions);
        let exists = |count: usize| usize::try_from(partition).is_ok_and(|index| index < count);
        // There is the partition, but its coordinator has not been opened: what the transaction
        // committed in it is still to be decided.
        if partitions.is_some_and(|partitions| exists(partitions.len())) {
            return Err(MarkerError::NotLoaded);
        }
        Err(MarkerError::Unknown)
    }
}

impl MarkerError {
    /// Whether trying again can change nothing: the partition is gone, or a later epoch of the
    /// producer has been there, before which its transaction must have ended.
    fn is_final(&self) -> bool {
        match self {
            MarkerError::Unknown => true,
            MarkerError::NotLoaded => false,
            MarkerError::Append(error) => matches!(
                error,
                AppendError::InvalidProducerEpoch { .. }
                    | AppendError::TransactionCoordinatorFenced { .. }
                    | AppendError::Storage(LogError::PartitionDeleted)
            ),
        }
    }
}
