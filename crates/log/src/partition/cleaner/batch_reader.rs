//! Reading a segment from front to back, a buffer full of batches at a time.

use std::sync::Arc;

use bytes::Bytes;
use headwater_records::{BatchHeader, HEADER_SIZE, RecordBatch, RecordError};

use crate::LogError;
use crate::partition::header_reader::{misplaced, read_exactly};
use crate::partition::segment::SegmentFile;

/// A segment that the cleaner reads, as it was when the round began.
#[derive(Debug, Clone)]
pub(super) struct SourceSegment {
    pub(super) base_offset: i64,
    /// Where the next segment begins.
    pub(super) end_offset: i64,
    pub(super) file: Arc<SegmentFile>,
    pub(super) size: u64,
    pub(super) index_sizes: [usize; 2],
}

/// A walk over the batches of a segment. Their places and checksums are looked at: what is damaged is not copied.
#[derive(Debug)]
pub(super) struct BatchReader {
    segment: SourceSegment,
    position: u64,
    next_offset: i64,
}

impl BatchReader {
    pub(super) fn new(segment: SourceSegment) -> Self {
        Self {
            position: 0,
            next_offset: segment.base_offset,
            segment,
        }
    }

    /// What the batches just read hold is not what it should be.
    pub(super) fn corrupt(&self, error: &RecordError) -> LogError {
        LogError::corrupt(&self.segment.file.path, self.position, error.to_string())
    }

    /// Position behind the batches read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Batches of up to `buffer_bytes`, or one that is larger; none at the end.
    pub(super) fn read(&mut self, buffer_bytes: usize) -> Result<Vec<RecordBatch>, LogError> {
        let left = self.segment.size - self.position;
        if left == 0 {
            return Ok(Vec::new());
        }
        let file = Arc::clone(&self.segment.file);
        let read = |length| read_exactly(file.file.as_ref(), &file.path, self.position, length);
        let mut bytes = read(left.min(buffer_bytes.max(HEADER_SIZE) as u64) as usize)?;
        let first = BatchHeader::parse(&bytes)
            .map_err(|error| LogError::corrupt(&file.path, self.position, error.to_string()))?;
        let first_size = first.size_in_bytes();
        if first_size as u64 > left {
            let reason = "a batch reaches beyond the end of the segment";
            return Err(LogError::corrupt(&file.path, self.position, reason));
        }
        if first_size > bytes.len() {
            bytes = read(first_size)?;
        }
        self.take(&bytes)
    }

    /// The whole batches at the front.
    fn take(&mut self, bytes: &Bytes) -> Result<Vec<RecordBatch>, LogError> {
        let file = Arc::clone(&self.segment.file);
        let mut batches = Vec::new();
        let mut rest = bytes.clone();
        while let Ok(batch) = RecordBatch::parse(&rest) {
            let found = batch.header.base_offset;
            if !file.offsets.admit(found, self.next_offset) {
                return Err(misplaced(
                    &file.path,
                    self.position,
                    found,
                    self.next_offset,
                ));
            }
            batch
                .check_crc()
                .map_err(|error| LogError::corrupt(&file.path, self.position, error.to_string()))?;
            rest = rest.slice(batch.bytes.len()..);
            self.position += batch.bytes.len() as u64;
            self.next_offset = batch.header.next_offset();
            batches.push(batch);
        }
        if batches.is_empty() {
            let reason = "what lies here is no batch";
            return Err(LogError::corrupt(&file.path, self.position, reason));
        }
        Ok(batches)
    }
}
