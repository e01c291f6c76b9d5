//! Start-up of a coordinator: its partition's records, replayed.

use std::sync::Arc;

use headwater_coordinator::CoordinatorRecord;
use headwater_log::{ReadBound, ReadMinimum};
use headwater_records::Batches;

use super::coordinator::PartitionCoordinator;

/// As much of a partition as is read at a time; requests get their turn in between.
const CHUNK_BYTES: usize = 1 << 20;
/// Batches of a coordinator are below `max.message.bytes` before compression.
const MAX_UNCOMPRESSED_BYTES: usize = 64 << 20;

/// Starts the coordinators of empty partitions at once, and returns the others.
pub(super) fn load_empty(
    coordinators: &[Arc<PartitionCoordinator>],
) -> Vec<Arc<PartitionCoordinator>> {
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
pub(super) fn load(coordinators: &[Arc<PartitionCoordinator>]) {
    for coordinator in coordinators {
        match load_one(coordinator) {
            Ok(records) => {
                let partition = coordinator.partition().log().id();
                tracing::debug!(?partition, records, "loaded groups");
                coordinator.loaded();
            }
            Err(reason) => {
                let partition = coordinator.partition().log().id();
                tracing::error!(?partition, reason, "cannot load groups");
                coordinator.unload();
            }
        }
    }
}

fn load_one(coordinator: &PartitionCoordinator) -> Result<usize, String> {
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
            let records = records(&batch)?;
            count += records.len();
            coordinator.replay(&records)?;
        }
        if offset == start {
            return Err(format!("the log ends early at offset {offset}"));
        }
    }
    Ok(count)
}

fn records(batch: &headwater_records::RecordBatch) -> Result<Vec<CoordinatorRecord>, String> {
    // Markers of transactions carry nothing a group keeps.
    if batch.header.is_control() {
        return Ok(Vec::new());
    }
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
