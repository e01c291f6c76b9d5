//! Reading whole batches by offset, from segment files in the page cache.

use std::sync::Arc;

use bytes::Bytes;
use headwater_records::BatchHeader;

use super::header_reader::{HeaderReader, Located, read_exactly};
use super::index_file::Lookup;
use super::log::PartitionLog;
use super::offset_index::OffsetPosition;
use super::segment::SegmentFile;
use super::{ReadBound, ReadMinimum};
use crate::{LogError, ReadError};

/// Where to read, found under the lock; the reading itself needs none.
pub(super) struct Location {
    pub(super) file: Arc<SegmentFile>,
    pub(super) segment_base: i64,
    /// End of the segment when it was looked up.
    pub(super) end: u64,
    pub(super) lookup: Lookup<OffsetPosition>,
}

impl PartitionLog {
    /// Whole batches from the one that holds `offset` on, from one segment, `max_bytes` at most. The first batch may
    /// begin before `offset`; see [`ReadMinimum`] for a first batch above the limit. Empty at the end.
    pub fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        bound: ReadBound,
        minimum: ReadMinimum,
    ) -> Result<Bytes, ReadError> {
        let mut after = None;
        loop {
            let (location, end_offset) = {
                let state = self.lock();
                if offset < state.log_start || offset > state.log_end {
                    return Err(ReadError::OffsetOutOfRange {
                        offset,
                        log_start_offset: state.log_start,
                        end_offset: state.log_end,
                    });
                }
                let end_offset = match bound {
                    ReadBound::HighWatermark => state.high_watermark(),
                    ReadBound::LogEnd => state.log_end,
                };
                if offset >= end_offset {
                    return Ok(Bytes::new());
                }
                let index = match after {
                    None => state.segment_index(offset),
                    Some(base) => state.segments.iter().position(|s| s.base_offset() > base),
                };
                let Some(segment) = index.and_then(|index| state.segments.get(index)) else {
                    return Ok(Bytes::new());
                };
                let location = Location {
                    file: Arc::clone(segment.file()),
                    segment_base: segment.base_offset(),
                    end: segment.size(),
                    lookup: segment.lookup(offset),
                };
                (location, end_offset)
            };
            if let Some(first) = self.find(&location, offset)? {
                return Ok(read_from(&location, first, end_offset, max_bytes, minimum)?);
            }
            // Compaction may have taken the segment's last batches: what follows is in the next.
            after = Some(location.segment_base);
        }
    }

    /// The first batch in the segment that ends at or behind `offset`.
    pub(super) fn find(
        &self,
        location: &Location,
        offset: i64,
    ) -> Result<Option<Located>, LogError> {
        let position = self.position(location, offset);
        let file = &location.file;
        let mut headers = HeaderReader::new(file.file.as_ref(), &file.path, position, location.end);
        while let Some(located) = headers.next()? {
            if located.header.last_offset() >= offset {
                return Ok(Some(located));
            }
        }
        Ok(None)
    }

    fn position(&self, location: &Location, offset: i64) -> u64 {
        let relative = u32::try_from((offset - location.segment_base).max(0)).unwrap_or(u32::MAX);
        let entry = match &location.lookup {
            Lookup::Found(entry) => Some(*entry),
            Lookup::Before => None,
            // Deleted since it was looked up, or damaged: the segment itself has the answer.
            Lookup::Search(search) => search
                .run::<OffsetPosition, 8>(self.node.disk.as_ref(), &relative)
                .unwrap_or_default(),
        };
        let position = entry.map_or(0, |entry| u64::from(entry.position));
        if position < location.end { position } else { 0 }
    }
}

fn read_from(
    location: &Location,
    first: Located,
    end_offset: i64,
    max_bytes: usize,
    minimum: ReadMinimum,
) -> Result<Bytes, LogError> {
    let first_size = first.header.size_in_bytes();
    if first.header.base_offset >= end_offset {
        return Ok(Bytes::new());
    }
    let wanted = if first_size > max_bytes {
        match minimum {
            ReadMinimum::OneBatch => first_size,
            ReadMinimum::Nothing => return Ok(Bytes::new()),
        }
    } else {
        max_bytes.min((location.end - first.position) as usize)
    };
    let file = &location.file;
    let bytes = read_exactly(file.file.as_ref(), &file.path, first.position, wanted)?;
    let whole = whole_batches(&bytes, end_offset);
    if whole < first_size {
        let reason = "a batch changed while it was read";
        return Err(LogError::corrupt(&file.path, first.position, reason));
    }
    Ok(bytes.slice(..whole))
}

/// Bytes of the whole batches at the front that begin before `end_offset`.
fn whole_batches(bytes: &Bytes, end_offset: i64) -> usize {
    let mut length = 0;
    while let Some(rest) = bytes.get(length..) {
        let Ok(header) = BatchHeader::parse(rest) else {
            break;
        };
        if header.size_in_bytes() > rest.len() || header.base_offset >= end_offset {
            break;
        }
        length += header.size_in_bytes();
    }
    length
}
