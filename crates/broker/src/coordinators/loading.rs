//! Start-up of a coordinator: its partition's records, replayed.

use std::sync::Arc;

use headwater_coordinator::{CoordinatorRecord, Outcome, ProducerIdAndEpoch};
use headwater_log::{EndMarker, ReadBound, ReadMinimum, TransactionOutcome};
use headwater_records::{Batches, RecordBatch};

use super::coordinator::PartitionCoordinator;
use super::machine::Machine;

/// As much of a partition as is read at a time; requests get their turn in between.
const CHUNK_BYTES: usize = 1 << 20;
/// Batches of a coordinator are below `max.message.bytes` before compression.
const MAX_UNCOMPRESSED_BYTES: usize = 64 << 20;

/// Starts the coordinators of empty partitions at once, and returns the others.
pub(super) fn load_empty<M: Machine>(
    coordinators: &[Arc<PartitionCoordinator<M>>],
) -> Vec<Arc<PartitionCoordinator<M>>> {
    let (empty, others): (Vec<_>, Vec<_>) = coordinators.iter().cloned().partition(|coordinator| {
        let log = coordinator.partition().log();
        log.log_start_offset() == log.log_end_offset()
    });
    for coordinator in &empty {
        coordinator.loaded();
    }
    others
}

/// Reads partition after partition. One that cannot be read has no coordinator until the next start.
pub(super) fn load<M: Machine>(coordinators: &[Arc<PartitionCoordinator<M>>]) {
    for coordinator in coordinators {
        match load_one(coordinator) {
            Ok(records) => {
                let partition = coordinator.partition().log().id();
                tracing::debug!(?partition, records, "a coordinator has loaded");
                coordinator.loaded();
            }
            Err(reason) => {
                let partition = coordinator.partition().log().id();
                tracing::error!(?partition, reason, "a coordinator cannot load");
                coordinator.unload();
            }
        }
    }
}

fn load_one<M: Machine>(coordinator: &PartitionCoordinator<M>) -> Result<usize, String> {
    let log = coordinator.partition().log();
    let mut offset = log.log_start_offset();
    let mut count = 0;
    while offset < log.log_end_offset() {
        let chunk = log
            .read(
                offset,
                CHUNK_BYTES,
                ReadBound::LogEnd,
                ReadMinimum::OneBatch,
            )
            .map_err(|error| error.to_string())?;
        let start = offset;
        for batch in Batches::new(chunk) {
            let batch = batch.map_err(|error| error.to_string())?;
            offset = batch.header.next_offset();
            count += replay(coordinator, &batch)?;
        }
        if offset == start {
            return Err(format!("the log ends early at offset {offset}"));
        }
    }
    Ok(count)
}

/// Replays a batch: records, records of a transaction, or the marker that ends one.
fn replay<M: Machine>(
    coordinator: &PartitionCoordinator<M>,
    batch: &RecordBatch,
) -> Result<usize, String> {
    let producer = ProducerIdAndEpoch {
        producer_id: batch.header.producer_id,
        producer_epoch: batch.header.producer_epoch,
    };
    if batch.header.is_control() {
        if let Some(marker) = EndMarker::of(batch) {
            coordinator.replay_end_marker(producer, outcome(marker.outcome));
        }
        return Ok(0);
    }
    let records = records(batch)?;
    let producer = batch.header.is_transactional().then_some(producer);
    coordinator.replay(producer, &records)?;
    Ok(records.len())
}

fn outcome(marked: TransactionOutcome) -> Outcome {
    match marked {
        TransactionOutcome::Commit => Outcome::Commit,
        TransactionOutcome::Abort => Outcome::Abort,
    }
}

fn records(batch: &RecordBatch) -> Result<Vec<CoordinatorRecord>, String> {
    let mut records = Vec::new();
    for record in batch
        .records(MAX_UNCOMPRESSED_BYTES)
        .map_err(|error| error.to_string())?
    {
        let record = record.map_err(|error| error.to_string())?;
        let key = record
            .key
            .ok_or_else(|| format!("the record at offset {} has no key", record.offset))?;
        records.push(CoordinatorRecord {
            key,
            value: record.value,
        });
    }
    Ok(records)
}
