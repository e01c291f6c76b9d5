//! Appending: validate, write the segment, index, hand over to the journal, in this order.

use std::sync::Arc;

use bytes::Bytes;
use headwater_records::{BatchHeader, RecordBatch, TimestampType};

use super::end_marker::LoggedBatch;
use super::header_reader::Offsets;
use super::log::PartitionLog;
use super::segment::{CutBack, Segment};
use super::state::{PendingAppend, State};
use super::validate::{place, validate};
use super::{AppendOptions, Appended, Origin};
use crate::disk::DiskFile;
use crate::journal::{Change, Entry, QueuedEntry, Reservation, SegmentSync};
use crate::{AppendError, LogError, Position};

/// What an entry takes in the journal besides its batches, for reserving room.
const ENTRY_HEAD: usize = Entry::APPEND_HEAD;

impl PartitionLog {
    /// Appends batches that lie one behind the other. They can be read up to the log end at once, and up to the high
    /// watermark once [`Appended::position`] is durable, which is when the producer may be told.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what is appended is kept, in the journal's queue"
    )]
    pub fn append(&self, batches: Bytes, options: AppendOptions) -> Result<Appended, AppendError> {
        self.node.check_writable()?;
        let config = Arc::clone(&self.lock().config);
        let batches = validate(&batches, &config, &options)?;
        let appended = self.append_admitted(&batches, options, |state| {
            check_producers(state, &batches, options.origin)
        })?;
        if appended.duplicate {
            return Ok(appended);
        }
        let log_append_time_ms = match config.message_timestamp_type {
            TimestampType::LogAppendTime => options.now_ms,
            TimestampType::CreateTime => -1,
        };
        Ok(Appended {
            log_append_time_ms,
            ..appended
        })
    }

    /// Appends batches that are as they are to be stored, if `admit` has nothing against it under the lock.
    pub(super) fn append_admitted(
        &self,
        batches: &[RecordBatch],
        options: AppendOptions,
        admit: impl FnOnce(&State) -> Result<Admission, AppendError>,
    ) -> Result<Appended, AppendError> {
        self.node.check_writable()?;
        let size: usize = batches.iter().map(|batch| batch.bytes.len()).sum();
        self.check_free(options.origin, size)?;
        let reservation = self
            .node
            .journal
            .reserve(size + ENTRY_HEAD, options.origin)?;
        let appended = {
            let mut state = self.lock();
            // Once more under the lock: whoever closes the directory takes it after forbidding appends.
            self.node.check_writable()?;
            Self::check_appendable(&state)?;
            if let Admission::Duplicate(duplicate) = admit(&state)? {
                return Ok(duplicate);
            }
            self.append_locked(&mut state, batches, options, reservation)?
        };
        self.node.journal.notify();
        if self.is_relaxed() {
            self.flush_after_append(options.now_ms)?;
        }
        Ok(appended)
    }

    fn append_locked(
        &self,
        state: &mut State,
        batches: &[RecordBatch],
        options: AppendOptions,
        reservation: Reservation<'_>,
    ) -> Result<Appended, AppendError> {
        let base_offset = state.log_end;
        let mut next_offset = base_offset;
        let mut parts = Vec::with_capacity(batches.len() * 2);
        let mut logged = Vec::with_capacity(batches.len());
        for batch in batches {
            let mut placed = LoggedBatch::of(batch);
            placed.header.base_offset = next_offset;
            placed.header.partition_leader_epoch = options.leader_epoch;
            parts.extend(place(batch, next_offset, options.leader_epoch));
            logged.push(placed);
            next_offset = placed.header.next_offset();
        }
        self.make_room(state, &logged, next_offset - 1)?;

        let begin = state.end_place();
        let active = active(state);
        if let Err((error, cut_back)) = active.write(&parts) {
            if cut_back == CutBack::Failed {
                state.failed = Some(error.clone());
            }
            return Err(error.into());
        }
        self.take_in(state, &logged);
        assert_eq!(
            state.log_end, next_offset,
            "the log ends behind the last batch"
        );

        let active = active_file(state);
        let entry = QueuedEntry {
            entry: Entry {
                partition: self.id,
                change: Change::Append {
                    place: begin,
                    batches: parts,
                },
            },
            position: Position::ZERO,
            end_offset: next_offset,
            segment: Some(SegmentSync {
                file: active,
                dir: Arc::clone(&self.dir),
            }),
        };
        self.enqueue(state, entry, reservation);
        state.pending.push_back(PendingAppend {
            position: state.last_position,
            end: state.end_place(),
        });
        state.advance(self.node.journal.durable());
        Ok(Appended {
            base_offset,
            last_offset: next_offset - 1,
            log_append_time_ms: -1,
            log_start_offset: state.log_start,
            position: state.last_position,
            duplicate: false,
        })
    }

    /// Makes sure that there is an active segment with room for these batches.
    fn make_room(
        &self,
        state: &mut State,
        batches: &[LoggedBatch],
        last_offset: i64,
    ) -> Result<(), LogError> {
        let headers = || batches.iter().map(|batch| &batch.header);
        let size = headers().map(BatchHeader::size_in_bytes).sum();
        let timestamp = headers().map(|header| header.max_timestamp).max();
        let timestamp = timestamp.unwrap_or(-1);
        let config = Arc::clone(&state.config);
        let Some(active) = state.segments.last_mut() else {
            return self.start_segment(state);
        };
        if active.is_full_for(size, last_offset, timestamp, &config) {
            return self.roll(state);
        }
        active.make_room(self.node.disk.as_ref())
    }

    /// Seals the active segment and begins a new one at the log end.
    pub(super) fn roll(&self, state: &mut State) -> Result<(), LogError> {
        if let Some(active) = state.segments.last_mut() {
            active.seal(self.node.disk.as_ref())?;
        }
        self.start_segment(state)
    }

    /// Begins a segment at the log end; the partition's directory too if it is the first.
    pub(super) fn start_segment(&self, state: &mut State) -> Result<(), LogError> {
        let disk = self.node.disk.as_ref();
        if state.segments.is_empty() {
            disk.create_dir_all(&self.dir)
                .map_err(LogError::io("create", &self.dir))?;
        }
        let segment = Segment::create(disk, &self.dir, state.log_end, Offsets::Contiguous)?;
        // A file of that name can only be left over from a roll that failed half-way.
        segment
            .file()
            .file
            .set_len(0)
            .map_err(LogError::io("truncate", &segment.file().path))?;
        state.dir_generation += 1;
        state.segments.push(segment);
        Ok(())
    }

    /// Takes batches that are in the active segment's file into indexes, producer state and log end.
    pub(super) fn take_in(&self, state: &mut State, batches: &[LoggedBatch]) {
        let config = Arc::clone(&state.config);
        let high_watermark = if self.is_relaxed() {
            i64::MAX
        } else {
            state.high_watermark()
        };
        for batch in batches {
            let header = &batch.header;
            active(state).note(header, &config);
            state.note_producer(batch, high_watermark);
            state
                .epochs
                .note(header.partition_leader_epoch, header.base_offset);
            state.log_end = header.next_offset();
        }
    }
}

/// Whether what is to be appended may be.
#[derive(Debug)]
pub(super) enum Admission {
    Append,
    /// It is in the log already: the answer to it.
    Duplicate(Appended),
}

/// Whether batches follow what their producers wrote before. The answer to a duplicate has its original offsets, and
/// counts once whatever the log holds is durable.
fn check_producers(
    state: &State,
    batches: &[RecordBatch],
    origin: Origin,
) -> Result<Admission, AppendError> {
    for batch in batches
        .iter()
        .filter(|batch| batch.header.has_producer_id())
    {
        if let Some(found) = state.producers.check(&batch.header, origin)? {
            return Ok(Admission::Duplicate(Appended {
                base_offset: found.base_offset,
                last_offset: found.last_offset,
                log_append_time_ms: match batch.header.attributes.timestamp_type() {
                    TimestampType::LogAppendTime => found.timestamp,
                    TimestampType::CreateTime => -1,
                },
                log_start_offset: state.log_start,
                position: state.last_position,
                duplicate: true,
            }));
        }
    }
    Ok(Admission::Append)
}

fn active(state: &mut State) -> &mut Segment {
    state
        .segments
        .last_mut()
        .expect("there is an active segment once there was room made")
}

fn active_file(state: &mut State) -> Arc<dyn DiskFile> {
    Arc::clone(&active(state).file().file)
}
