//! Finding records by their time, for `ListOffsets`.

use std::sync::Arc;

use headwater_records::{RecordBatch, TimestampType};

use super::TimestampOffset;
use super::header_reader::Located;
use super::index_file::{Lookup, Search};
use super::log::PartitionLog;
use super::offset_index::OffsetPosition;
use super::read::Location;
use super::segment::{Segment, SegmentFile, time_before};
use super::state::State;
use super::time_index::TimestampIndexEntry;
use crate::{LogError, ReadError};

/// Bytes that one batch may unpack to when its records are looked at: piece by piece, so that it takes time and no memory.
const MAX_DECOMPRESSED_BYTES: usize = 256 << 20;

/// A segment to look through.
struct Candidate {
    location: Location,
    from_offset: i64,
    /// Where the time index on disk may say that it is enough to begin later.
    time_search: Option<Search>,
}

impl PartitionLog {
    /// The first record at or after a time, at or above the log start and below the high watermark.
    pub fn offset_for_timestamp(
        &self,
        timestamp_ms: i64,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let (candidates, log_start, high_watermark) = {
            let state = self.lock();
            let mut candidates = Vec::new();
            for segment in &state.segments {
                if segment
                    .max_timestamp()
                    .is_some_and(|max| max >= timestamp_ms)
                {
                    candidates.push(candidate_at(segment, timestamp_ms, state.log_start));
                }
            }
            (candidates, state.log_start, state.high_watermark())
        };
        for mut candidate in candidates {
            self.search_time(&mut candidate, timestamp_ms);
            let found = self.scan(
                &candidate,
                high_watermark,
                |batch| {
                    first_record(batch, |offset, timestamp| {
                        offset >= log_start && timestamp >= timestamp_ms
                    })
                },
                |header_max| header_max >= timestamp_ms,
            )?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Lets a candidate begin where the time index on disk says, for which no lock is held. Where the index is gone with
    /// its segment, or damaged, the segment itself has the answer.
    fn search_time(&self, candidate: &mut Candidate, timestamp_ms: i64) {
        let Some(search) = &candidate.time_search else {
            return;
        };
        let disk = self.node.disk.as_ref();
        let entry = search.run::<TimestampIndexEntry, 12>(disk, &time_before(timestamp_ms));
        let entry = entry.unwrap_or_default();
        if let Some(entry) = entry.filter(|_| !candidate.location.file.is_replaced()) {
            let offset = offset_of(&entry, candidate.location.segment_base);
            candidate.from_offset = candidate.from_offset.max(offset);
        }
    }

    /// The first record with the greatest timestamp, at or above the log start and below the high watermark.
    pub fn max_timestamp(&self) -> Result<Option<TimestampOffset>, ReadError> {
        let (candidate, max, log_start, high_watermark) = {
            let state = self.lock();
            let Some((segment, max)) = segment_with_max(&state) else {
                return Ok(None);
            };
            let offset = segment.offset_of_max_timestamp().unwrap_or(state.log_start);
            let durable_and_kept = offset < state.high_watermark() && offset >= state.log_start;
            let from = if durable_and_kept {
                offset
            } else {
                segment.base_offset()
            };
            let candidate = candidate(segment, from.max(state.log_start));
            let max = durable_and_kept.then_some(max);
            (candidate, max, state.log_start, state.high_watermark())
        };
        if let Some(max) = max {
            let found = self.scan(
                &candidate,
                high_watermark,
                |batch| {
                    first_record(batch, |offset, timestamp| {
                        offset >= log_start && timestamp >= max
                    })
                },
                |header_max| header_max >= max,
            )?;
            if found.is_some() {
                return Ok(found);
            }
        }
        // The greatest is not to be seen (yet, or any more): look at every batch that is.
        self.max_by_walking(log_start, high_watermark)
    }

    fn max_by_walking(
        &self,
        log_start: i64,
        high_watermark: i64,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let candidates: Vec<_> = {
            let state = self.lock();
            let segments = state.segments.iter();
            segments
                .map(|segment| candidate(segment, log_start))
                .collect()
        };
        let mut best: Option<(i64, Arc<SegmentFile>, Located)> = None;
        for candidate in candidates {
            let location = &candidate.location;
            let Some(first) = self.find(location, candidate.from_offset)? else {
                continue;
            };
            let file = &location.file;
            let mut headers = location.headers_from(&first);
            while let Some(located) = headers.next()? {
                if located.header.base_offset >= high_watermark {
                    break;
                }
                let timestamp = located.header.max_timestamp;
                if best.as_ref().is_none_or(|(max, ..)| *max < timestamp) {
                    best = Some((timestamp, Arc::clone(file), located));
                }
            }
        }
        let Some((max, file, located)) = best else {
            return Ok(None);
        };
        let batch = read_batch(&file, &located)?;
        Ok(first_record(&batch, |offset, timestamp| {
            offset >= log_start && timestamp >= max
        })
        .or(Some(of_header(&batch))))
    }

    /// Walks the batches of a segment below the high watermark, looking into those whose greatest timestamp is wanted.
    fn scan(
        &self,
        candidate: &Candidate,
        high_watermark: i64,
        pick: impl Fn(&RecordBatch) -> Option<TimestampOffset>,
        wanted: impl Fn(i64) -> bool,
    ) -> Result<Option<TimestampOffset>, LogError> {
        let location = &candidate.location;
        let Some(first) = self.find(location, candidate.from_offset)? else {
            return Ok(None);
        };
        let file = &location.file;
        let mut headers = location.headers_from(&first);
        while let Some(located) = headers.next()? {
            if located.header.base_offset >= high_watermark {
                break;
            }
            if !wanted(located.header.max_timestamp) {
                continue;
            }
            if let Some(found) = pick(&read_batch(file, &located)?) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// A segment to look through for a time, from there on where its time index in memory says.
fn candidate_at(segment: &Segment, timestamp_ms: i64, log_start: i64) -> Candidate {
    let base_offset = segment.base_offset();
    let start = base_offset.max(log_start);
    match segment.lookup_time(timestamp_ms) {
        Lookup::Found(entry) => candidate(segment, start.max(offset_of(&entry, base_offset))),
        Lookup::Before => candidate(segment, start),
        Lookup::Search(search) => Candidate {
            time_search: Some(search),
            ..candidate(segment, start)
        },
    }
}

fn offset_of(entry: &TimestampIndexEntry, segment_base: i64) -> i64 {
    segment_base + i64::from(entry.relative_offset)
}

fn candidate(segment: &Segment, from_offset: i64) -> Candidate {
    let lookup: Lookup<OffsetPosition> = segment.lookup(from_offset);
    Candidate {
        location: Location {
            file: Arc::clone(segment.file()),
            segment_base: segment.base_offset(),
            end: segment.size(),
            end_offset: None,
            lookup,
        },
        from_offset,
        time_search: None,
    }
}

/// The first of the segments with the greatest timestamp.
fn segment_with_max(state: &State) -> Option<(&Segment, i64)> {
    let mut best: Option<(&Segment, i64)> = None;
    for segment in &state.segments {
        if let Some(max) = segment.max_timestamp()
            && best.is_none_or(|(_, found)| found < max)
        {
            best = Some((segment, max));
        }
    }
    best
}

fn read_batch(file: &SegmentFile, located: &Located) -> Result<RecordBatch, LogError> {
    let bytes = located.read(file.file.as_ref(), &file.path)?;
    RecordBatch::parse(&bytes)
        .map_err(|error| LogError::corrupt(&file.path, located.position, error.to_string()))
}

/// The first record for which `matches(offset, timestamp)` holds. Where the records cannot be decompressed, the
/// header speaks for all of them.
fn first_record(
    batch: &RecordBatch,
    matches: impl Fn(i64, i64) -> bool,
) -> Option<TimestampOffset> {
    let header = &batch.header;
    let append_time = (header.attributes.timestamp_type() == TimestampType::LogAppendTime)
        .then_some(header.max_timestamp);
    let mut found = None;
    let walked = batch.outlines(MAX_DECOMPRESSED_BYTES, |outline| {
        let offset = header.base_offset + i64::from(outline.offset_delta);
        let timestamp = append_time.unwrap_or(outline.timestamp);
        if found.is_none() && matches(offset, timestamp) {
            found = Some(TimestampOffset {
                offset,
                timestamp,
                leader_epoch: header.partition_leader_epoch,
            });
        }
    });
    match walked {
        Ok(()) => found,
        Err(_) => found.or(Some(of_header(batch))),
    }
}

fn of_header(batch: &RecordBatch) -> TimestampOffset {
    TimestampOffset {
        offset: batch.header.base_offset,
        timestamp: batch.header.max_timestamp,
        leader_epoch: batch.header.partition_leader_epoch,
    }
}
