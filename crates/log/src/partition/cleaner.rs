//! Compaction: of each key only the last record is kept, at its offset.
//!
//! A round has two parts. First the dirty part of the log, from where the last round ended, is read into a map from key
//! to last offset, as far as the map's memory goes. Then every segment up to there is copied without what the map says
//! is overwritten, neighbours together as long as they fit in one segment, and put in place of the old ones.
//!
//! It reads and writes without the partition's lock, and never touches the active segment, what is not in the last
//! checkpoint, or what a transaction has open. Whoever drives it decides how fast the steps follow each other, and may
//! stop between any two.

mod batch_reader;
mod cleanable;
mod offset_map;
mod replace;
mod retention;
mod transactions;

pub(crate) use cleanable::Extent;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use headwater_records::{BatchHeader, RecordBatch, RecordError};

use self::batch_reader::{BatchReader, SourceSegment};
use self::offset_map::{OffsetMap, Put};
use self::replace::Replaced;
use self::retention::{MAX_DECOMPRESSED_BYTES, Retained, RetentionRules};
use self::transactions::CleanedTransactions;
use super::log::PartitionLog;
use super::segment::Segment;
use crate::node::KEPT_BACK_BYTES;
use crate::{LogConfig, LogError, PartitionId};

/// How much memory the cleaner may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CleanerOptions {
    /// `log.cleaner.dedupe.buffer.size`: most bytes of the map from keys to offsets.
    pub dedupe_buffer_bytes: usize,
    /// `log.cleaner.io.buffer.load.factor`: how full the map may get.
    pub load_factor: f64,
    /// `log.cleaner.io.buffer.size`: bytes read in one step; a larger batch is read as a whole.
    pub io_buffer_bytes: usize,
}

impl Default for CleanerOptions {
    fn default() -> Self {
        Self {
            dedupe_buffer_bytes: 128 << 20,
            load_factor: 0.9,
            io_buffer_bytes: 512 << 10,
        }
    }
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanStep {
    /// There is more to do.
    More {
        /// Bytes read and written, for whoever limits the rate.
        bytes: u64,
    },
    /// The round is over.
    Done,
}

/// What a round has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CleanStats {
    /// Where the dirty part began.
    pub first_dirty_offset: i64,
    /// Where it begins after the round.
    pub end_offset: i64,
    /// Bytes of the segments copied.
    pub bytes_before: u64,
    /// Bytes of those that took their places.
    pub bytes_after: u64,
}

/// A round of compaction of one partition. Dropping it ends the round where it is; what was put in place stays.
#[derive(Debug)]
pub struct Clean {
    log: Arc<PartitionLog>,
    config: Arc<LogConfig>,
    options: CleanerOptions,
    rules: RetentionRules,
    /// All segments below the upper bound.
    segments: Vec<SourceSegment>,
    map: OffsetMap,
    phase: Phase,
    stats: CleanStats,
}

#[derive(Debug)]
enum Phase {
    /// Reading the dirty segments into the map.
    Map {
        waiting: VecDeque<SourceSegment>,
        reader: Option<BatchReader>,
        transactions: CleanedTransactions,
    },
    /// Copying group after group.
    Copy {
        groups: VecDeque<Vec<SourceSegment>>,
        group: Option<Box<Group>>,
        transactions: CleanedTransactions,
    },
    Done,
}

/// Segments that become one.
#[derive(Debug)]
struct Group {
    sources: Vec<SourceSegment>,
    waiting: VecDeque<SourceSegment>,
    reader: Option<BatchReader>,
    cleaned: Segment,
    changed: bool,
}

/// How far the copying of a group has come.
enum Copied {
    Some { bytes: u64 },
    All,
}

impl Clean {
    /// Which partition.
    pub fn partition(&self) -> PartitionId {
        self.log.id()
    }

    /// What was done so far.
    pub fn stats(&self) -> CleanStats {
        self.stats
    }

    /// Does a little more. After an error the round is over; where it is a batch or a file that cannot be read, the
    /// partition is not compacted again before a restart, or it would keep all others waiting.
    pub fn step(&mut self) -> Result<CleanStep, LogError> {
        self.log.node.check_writable()?;
        let phase = std::mem::replace(&mut self.phase, Phase::Done);
        let result = match phase {
            Phase::Map {
                waiting,
                reader,
                transactions,
            } => self.map_some(waiting, reader, transactions),
            Phase::Copy {
                groups,
                group,
                transactions,
            } => self.copy_some(groups, group, transactions),
            Phase::Done => Ok(CleanStep::Done),
        };
        result.inspect_err(|error| {
            // What cannot be written may be another time, what cannot be read will not.
            let stays = matches!(
                error,
                LogError::Corrupt { .. }
                    | LogError::Io {
                        operation: "read",
                        ..
                    }
            );
            if stays {
                self.log.give_up_cleaning();
            }
        })
    }

    fn map_some(
        &mut self,
        mut waiting: VecDeque<SourceSegment>,
        reader: Option<BatchReader>,
        mut transactions: CleanedTransactions,
    ) -> Result<CleanStep, LogError> {
        let mut reader = match (reader, waiting.front()) {
            (Some(reader), _) => reader,
            (None, Some(next)) => {
                transactions.expect(
                    self.log
                        .aborted_entries(next.base_offset, next.end_offset)?,
                );
                let reader = BatchReader::new(next.clone());
                waiting.pop_front();
                reader
            }
            (None, None) => return Ok(self.begin_copying(self.rules.upper_bound)),
        };
        let before = reader.position();
        let batches = reader.read(self.options.io_buffer_bytes)?;
        for batch in &batches {
            let put = self
                .map_batch(batch, &mut transactions)
                .map_err(|error| reader.corrupt(&error))?;
            if put == Put::Full {
                let end_offset = self.map.latest_offset() + 1;
                return Ok(self.begin_copying(end_offset));
            }
        }
        let bytes = reader.position() - before;
        self.phase = Phase::Map {
            waiting,
            reader: (!batches.is_empty()).then_some(reader),
            transactions,
        };
        Ok(CleanStep::More { bytes })
    }

    fn map_batch(
        &mut self,
        batch: &RecordBatch,
        transactions: &mut CleanedTransactions,
    ) -> Result<Put, RecordError> {
        let header = &batch.header;
        let counts = if header.is_control() {
            transactions.end(batch);
            false
        } else {
            !transactions.is_aborted(header)
        };
        if header.last_offset() < self.stats.first_dirty_offset {
            return Ok(Put::Done);
        }
        if counts {
            for record in batch.records(MAX_DECOMPRESSED_BYTES)? {
                let record = record?;
                if let Some(key) = &record.key
                    && record.offset >= self.stats.first_dirty_offset
                    && self.map.put(key, record.offset) == Put::Full
                {
                    return Ok(Put::Full);
                }
            }
        }
        self.map.pass(header.last_offset());
        Ok(Put::Done)
    }

    /// Ends the first part: the map reaches up to `end_offset`.
    fn begin_copying(&mut self, end_offset: i64) -> CleanStep {
        self.stats.end_offset = end_offset;
        let segments = self.segments.iter();
        let reached = segments.take_while(|segment| segment.base_offset < end_offset);
        self.phase = Phase::Copy {
            groups: cleanable::group(reached.cloned(), &self.config),
            group: None,
            transactions: CleanedTransactions::default(),
        };
        CleanStep::More { bytes: 0 }
    }

    fn copy_some(
        &mut self,
        mut groups: VecDeque<Vec<SourceSegment>>,
        group: Option<Box<Group>>,
        mut transactions: CleanedTransactions,
    ) -> Result<CleanStep, LogError> {
        let mut group = match (group, groups.front()) {
            (Some(group), _) => group,
            (None, Some(sources)) => {
                let group = Box::new(self.begin_group(sources.clone())?);
                groups.pop_front();
                group
            }
            (None, None) => {
                self.log.finish_clean(self.stats.end_offset)?;
                return Ok(CleanStep::Done);
            }
        };
        let copied = self.copy_piece(&mut group, &mut transactions);
        let group = match copied.inspect_err(|_| self.log.drop_cleaned(&group.cleaned))? {
            Copied::Some { bytes } => {
                self.phase = Phase::Copy {
                    groups,
                    group: Some(group),
                    transactions,
                };
                return Ok(CleanStep::More { bytes });
            }
            Copied::All => group,
        };
        if self.put_in_place(*group)? == Replaced::GroupIsGone {
            // Retention was faster. The next round finds what is left.
            return Ok(CleanStep::Done);
        }
        self.phase = Phase::Copy {
            groups,
            group: None,
            transactions,
        };
        Ok(CleanStep::More { bytes: 0 })
    }

    fn begin_group(&self, sources: Vec<SourceSegment>) -> Result<Group, LogError> {
        let size: u64 = sources.iter().map(|segment| segment.size).sum();
        let free_bytes = self.log.node.free_bytes()?;
        let needed_bytes = KEPT_BACK_BYTES.saturating_add(size);
        if free_bytes < needed_bytes {
            return Err(LogError::DiskFull {
                free_bytes,
                needed_bytes,
            });
        }
        let base_offset = sources.first().map_or(0, |first| first.base_offset);
        let disk = self.log.node.disk.as_ref();
        Ok(Group {
            changed: sources.len() > 1,
            waiting: sources.iter().cloned().collect(),
            sources,
            reader: None,
            cleaned: Segment::create_cleaned(disk, &self.log.dir, base_offset)?,
        })
    }

    /// Copies what one buffer holds.
    fn copy_piece(
        &mut self,
        group: &mut Group,
        transactions: &mut CleanedTransactions,
    ) -> Result<Copied, LogError> {
        if group.reader.is_none() {
            let Some(next) = group.waiting.pop_front() else {
                return Ok(Copied::All);
            };
            transactions.expect(
                self.log
                    .aborted_entries(next.base_offset, next.end_offset)?,
            );
            group.reader = Some(BatchReader::new(next));
        }
        let Some(reader) = group.reader.as_mut() else {
            return Ok(Copied::All);
        };
        let before = reader.position();
        let batches = reader.read(self.options.io_buffer_bytes)?;
        let mut aborted = Vec::new();
        let mut retained: Vec<Bytes> = Vec::with_capacity(batches.len());
        for batch in &batches {
            let kept = self
                .rules
                .apply(batch, &self.map, transactions, &mut aborted)
                .map_err(|error| reader.corrupt(&error))?;
            match kept {
                Retained::Unchanged => retained.push(batch.bytes.clone()),
                Retained::Rewritten(bytes) => {
                    group.changed = true;
                    retained.push(bytes);
                }
                Retained::Nothing => group.changed = true,
            }
        }
        let read = reader.position() - before;
        if batches.is_empty() {
            group.reader = None;
        }
        let written = self.write(&mut group.cleaned, &retained)?;
        for entry in aborted {
            group.cleaned.note_aborted(entry);
        }
        Ok(Copied::Some {
            bytes: read + written,
        })
    }

    fn write(&self, cleaned: &mut Segment, batches: &[Bytes]) -> Result<u64, LogError> {
        cleaned.make_room(self.log.node.disk.as_ref())?;
        cleaned.write(batches).map_err(|(error, _)| error)?;
        for batch in batches {
            let header = BatchHeader::parse(batch).expect("it was just read or made");
            cleaned.note(&header, &self.config);
        }
        Ok(batches.iter().map(|batch| batch.len() as u64).sum())
    }

    fn put_in_place(&mut self, group: Group) -> Result<Replaced, LogError> {
        let before: u64 = group.sources.iter().map(|segment| segment.size).sum();
        let after = group.cleaned.size();
        if !group.changed {
            self.log.drop_cleaned(&group.cleaned);
            return Ok(Replaced::Done);
        }
        let replaced = self.log.replace_segments(&group.sources, group.cleaned)?;
        if replaced == Replaced::Done {
            self.stats.bytes_before += before;
            self.stats.bytes_after += after;
        }
        Ok(replaced)
    }
}

/// What was not finished is given up: its files go, and another round may begin.
impl Drop for Clean {
    fn drop(&mut self) {
        if let Phase::Copy {
            group: Some(group), ..
        } = &self.phase
        {
            self.log.drop_cleaned(&group.cleaned);
        }
        self.log.end_cleaning();
    }
}
