//! A partition's log.

use bytes::Bytes;

use super::{AppendOptions, Appended, DeletedRecords, ReadBound, ReadMinimum, TimestampOffset};
use crate::{AppendError, LogConfig, LogError, PartitionId, Position, ReadError};

/// One partition. All methods take `&self` and lock inside, briefly.
#[derive(Debug)]
pub struct PartitionLog {
    id: PartitionId,
}

impl PartitionLog {
    /// Which partition.
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// Appends batches that lie one behind the other.
    pub fn append(&self, batches: Bytes, options: AppendOptions) -> Result<Appended, AppendError> {
        unimplemented!("{batches:?} {options:?}")
    }

    /// Whole batches from the one with `offset` on.
    pub fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        bound: ReadBound,
        minimum: ReadMinimum,
    ) -> Result<Bytes, ReadError> {
        unimplemented!("{offset} {max_bytes} {bound:?} {minimum:?}")
    }

    /// First offset that can be read.
    pub fn log_start_offset(&self) -> i64 {
        unimplemented!()
    }

    /// Offset of the next record.
    pub fn log_end_offset(&self) -> i64 {
        unimplemented!()
    }

    /// Everything before is durable.
    pub fn high_watermark(&self) -> i64 {
        unimplemented!()
    }

    /// Leader epoch of the last batch, if there is one.
    pub fn leader_epoch(&self) -> Option<i32> {
        unimplemented!()
    }

    /// What the last change of this partition waits for: a reply that reflects its state waits for this.
    pub fn last_position(&self) -> Position {
        unimplemented!()
    }

    /// Bytes in all segments.
    pub fn size_in_bytes(&self) -> u64 {
        unimplemented!()
    }

    /// The first record at or after a time, below the high watermark.
    pub fn offset_for_timestamp(
        &self,
        timestamp_ms: i64,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        unimplemented!("{timestamp_ms}")
    }

    /// The first record with the greatest timestamp, below the high watermark.
    pub fn max_timestamp(&self) -> Result<Option<TimestampOffset>, ReadError> {
        unimplemented!()
    }

    /// The largest epoch at or below `epoch` and the offset at which it ends.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        unimplemented!("{epoch}")
    }

    /// Moves the log start up to `before`; -1 means the high watermark.
    pub fn delete_records(&self, before: i64) -> Result<DeletedRecords, ReadError> {
        unimplemented!("{before}")
    }

    /// Replaces the configuration.
    pub fn set_config(&self, config: LogConfig) {
        unimplemented!("{config:?}")
    }

    /// The configuration.
    pub fn config(&self) -> LogConfig {
        unimplemented!()
    }

    /// Refuses appends of clients, as when the topic is being deleted.
    pub(crate) fn _unused(&self) -> Result<(), LogError> {
        Ok(())
    }
}
