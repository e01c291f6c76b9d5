//! Start-up: from the log to the image.

use headwater_log::{PartitionLog, ReadBound, ReadMinimum};
use headwater_records::Batches;

use super::image::Image;
use super::record::MetadataRecord;
use crate::error::StartError;

/// As much of the log as is read at a time.
const CHUNK_BYTES: usize = 4 << 20;
/// No batch of ours comes near this, compressed or not.
const MAX_UNCOMPRESSED_BYTES: usize = 64 << 20;

/// Reads the whole log and applies every record.
pub(super) fn replay(log: &PartitionLog) -> Result<Image, StartError> {
    let mut image = Image::new();
    let mut offset = log.log_start_offset();
    while offset < log.log_end_offset() {
        let chunk = log
            .read(
                offset,
                CHUNK_BYTES,
                ReadBound::LogEnd,
                ReadMinimum::OneBatch,
            )
            .map_err(|error| unreadable(offset, &error))?;
        let start = offset;
        for batch in Batches::new(chunk) {
            let batch = batch.map_err(|error| unreadable(offset, &error))?;
            let records = batch
                .records(MAX_UNCOMPRESSED_BYTES)
                .map_err(|error| unreadable(offset, &error))?;
            for record in records {
                let record = record.map_err(|error| unreadable(offset, &error))?;
                let change = MetadataRecord::decode(record.value)
                    .map_err(|error| unreadable(record.offset, &error))?;
                image.replay(&change);
            }
            offset = batch.header.next_offset();
            image.set_end_offset(offset);
        }
        if offset == start {
            return Err(unreadable(offset, &"the log ends early"));
        }
    }
    Ok(image)
}

fn unreadable(offset: i64, reason: &dyn std::fmt::Display) -> StartError {
    StartError::Metadata {
        reason: format!("cannot read __cluster_metadata at offset {offset}: {reason}"),
    }
}
