//! Reading whole batches by offset, from segment files in the page cache.

use std::sync::Arc;

use bytes::Bytes;
use headwater_records::{BatchHeader, RecordBatch};

use super::header_reader::{HeaderReader, Located, Offsets, read_exactly};
use super::index_file::Lookup;
use super::log::PartitionLog;
use super::offset_index::OffsetPosition;
use super::segment::{Segment, SegmentFile};
use super::{ReadBound, ReadMinimum};
use crate::{LogError, ReadError};

/// Where to read, found under the lock; the reading itself needs none.
pub(super) struct Location {
    pub(super) file: Arc<SegmentFile>,
    pub(super) segment_base: i64,
    /// End of the segment when it was looked up.
    pub(super) end: u64,
    /// Offset behind the last batch at `end`, if that was looked up too.
    pub(super) end_offset: Option<i64>,
    pub(super) lookup: Lookup<OffsetPosition>,
}

impl Location {
    /// The headers from a batch on.
    pub(super) fn headers_from(&self, first: &Located) -> HeaderReader<'_> {
        self.headers(first.position, Some(first.header.base_offset))
    }

    fn headers(&self, position: u64, next_offset: Option<i64>) -> HeaderReader<'_> {
        let file = &self.file;
        HeaderReader::new(file, position, self.end, next_offset)
    }

    /// The headers from an index entry on, if the batch that it means is there.
    fn headers_at(&self, entry: OffsetPosition) -> Option<HeaderReader<'_>> {
        let position = u64::from(entry.position);
        let first = self.headers(position, None).next().ok().flatten()?;
        let expected = self.segment_base + i64::from(entry.relative_offset);
        (first.header.last_offset() == expected).then(|| self.headers_from(&first))
    }
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
        let mut offset = offset;
        loop {
            let Some((location, end_offset)) = self.locate(offset, bound)? else {
                return Ok(Bytes::new());
            };
            if let Some(first) = self.find(&location, offset)? {
                return Ok(read_from(&location, first, end_offset, max_bytes, minimum)?);
            }
            match location.end_offset {
                // What was left of the segment is compacted away: the next batch is in the next one.
                Some(next) if location.file.offsets == Offsets::WithGaps && next > offset => {
                    offset = next;
                }
                // Not an empty answer, which would have the consumer ask for ever.
                _ => {
                    let reason =
                        format!("the segment ends before offset {offset}, which belongs in it");
                    return Err(LogError::corrupt(&location.file.path, location.end, reason).into());
                }
            }
        }
    }

    /// The segment that `offset` is in and where reading ends. `None` where there is nothing to read.
    fn locate(&self, offset: i64, bound: ReadBound) -> Result<Option<(Location, i64)>, ReadError> {
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
            ReadBound::LastStable => state.last_stable_offset(),
            ReadBound::LogEnd => state.log_end,
        };
        if offset >= end_offset {
            return Ok(None);
        }
        let index = state.segment_index(offset);
        let Some((index, segment)) =
            index.and_then(|index| Some((index, state.segments.get(index)?)))
        else {
            let reason = format!("no segment holds offset {offset}");
            return Err(LogError::corrupt(&self.dir, 0, reason).into());
        };
        let next = state.segments.get(index + 1);
        let location = Location {
            file: Arc::clone(segment.file()),
            segment_base: segment.base_offset(),
            end: segment.size(),
            end_offset: Some(next.map_or(state.log_end, Segment::base_offset)),
            lookup: segment.lookup(offset),
        };
        Ok(Some((location, end_offset)))
    }

    /// The first batch in the segment that ends at or behind `offset`.
    pub(super) fn find(
        &self,
        location: &Location,
        offset: i64,
    ) -> Result<Option<Located>, LogError> {
        let entry = self.index_entry(location, offset);
        let mut headers = entry
            .and_then(|entry| location.headers_at(entry))
            // There is none, or it is damaged: the segment itself has the answer.
            .unwrap_or_else(|| location.headers(0, Some(location.segment_base)));
        while let Some(located) = headers.next()? {
            if located.header.last_offset() >= offset {
                return Ok(Some(located));
            }
        }
        Ok(None)
    }

    fn index_entry(&self, location: &Location, offset: i64) -> Option<OffsetPosition> {
        let relative = u32::try_from((offset - location.segment_base).max(0)).unwrap_or(u32::MAX);
        match &location.lookup {
            Lookup::Found(entry) => Some(*entry),
            Lookup::Before => None,
            Lookup::Search(search) => search
                .run::<OffsetPosition, 8>(self.node.disk.as_ref(), &relative)
                .unwrap_or_default()
                .filter(|_| !location.file.is_replaced()),
        }
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
    let whole = whole_batches(location, first.position, &bytes, end_offset);
    if whole < first_size {
        let reason = format!(
            "the batch at offset {} does not end where the next begins, and its checksum is wrong",
            first.header.base_offset
        );
        return Err(LogError::corrupt(&file.path, first.position, reason));
    }
    Ok(bytes.slice(..whole))
}

/// Bytes of the whole batches at the front that begin before `end_offset`. Each is vouched for by what follows it: a
/// batch with the right offset, or the end of the segment at the right one. Where nothing does, its checksum must.
fn whole_batches(location: &Location, position: u64, bytes: &Bytes, end_offset: i64) -> usize {
    let offsets = location.file.offsets;
    let mut length = 0;
    let mut last: Option<(usize, BatchHeader)> = None;
    let vouched_for = loop {
        let expected = last.map(|(_, header)| header.next_offset());
        let at = position + length as u64;
        if at == location.end {
            break match (expected, location.end_offset) {
                (Some(expected), Some(end)) => offsets.admit(end, expected),
                _ => false,
            };
        }
        let rest = bytes.get(length..).unwrap_or_default();
        let Ok(header) = BatchHeader::parse(rest) else {
            break false;
        };
        let size = header.size_in_bytes();
        let misplaced =
            expected.is_some_and(|expected| !offsets.admit(header.base_offset, expected));
        if misplaced || at + size as u64 > location.end {
            break false;
        }
        if size > rest.len() || header.base_offset >= end_offset {
            break true;
        }
        last = Some((length, header));
        length += size;
    };
    match last {
        Some((begin, _)) if !vouched_for && !has_right_crc(&bytes.slice(begin..length)) => begin,
        _ => length,
    }
}

fn has_right_crc(batch: &Bytes) -> bool {
    RecordBatch::parse(batch).is_ok_and(|batch| batch.check_crc().is_ok())
}
