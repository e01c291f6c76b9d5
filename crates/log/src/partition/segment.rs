//! A stretch of a partition's log: one file of batches with its two indexes.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use headwater_records::BatchHeader;

use super::header_reader::{HeaderReader, Offsets};
use super::index_file::Lookup;
use super::offset_index::{OffsetIndex, OffsetPosition};
use super::time_index::{TimeIndex, TimestampIndexEntry};
use super::transaction_index::{self, AbortedEntry, TransactionIndex, transaction_index_path};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::journal::Place;
use crate::{LogConfig, LogError};

/// Added to the names of a segment that the cleaner is writing.
pub(crate) const CLEANED: &str = "cleaned";
/// Where a segment ends at the latest: positions in the offset index are 32 bits, and Kafka's are signed.
const MAX_SEGMENT_BYTES: u64 = i32::MAX as u64;

/// The log file, shared with readers.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) offsets: Offsets,
    /// The cleaner has put another file in its place: the indexes of that name are not this file's any more.
    replaced: AtomicBool,
}

impl SegmentFile {
    fn new(path: PathBuf, file: Arc<dyn DiskFile>, offsets: Offsets) -> Self {
        Self {
            path,
            file,
            offsets,
            replaced: AtomicBool::new(false),
        }
    }

    /// To be called before another segment's indexes get the names of this one's.
    pub(crate) fn mark_replaced(&self) {
        self.replaced.store(true, Ordering::SeqCst);
    }

    /// To be asked after looking into an index.
    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::SeqCst)
    }
}

/// A segment. Only the last one of a partition grows.
///
/// ```text
/// 00000000000000000042.log        batches as on the wire, one behind the other
/// 00000000000000000042.index      see `OffsetPosition`
/// 00000000000000000042.timeindex  see `TimestampIndexEntry`
/// 00000000000000000042.txnindex   see `AbortedEntry`
/// ```
#[derive(Debug)]
pub(crate) struct Segment {
    base_offset: i64,
    file: Arc<SegmentFile>,
    size: u64,
    offset_index: OffsetIndex,
    time_index: TimeIndex,
    transaction_index: TransactionIndex,
    /// Whether the transaction index was there, or has been made again since.
    has_transaction_index: bool,
    bytes_since_index: usize,
    /// Greatest timestamp, and the last offset of the first batch that has it.
    max_timestamp: Option<(i64, i64)>,
    /// Timestamp of the first batch if it has one: what `segment.ms` counts from.
    first_timestamp: Option<i64>,
    /// Counts changes of any of its files.
    changes: u64,
    /// The count when everything was last synced.
    synced_changes: Option<u64>,
}

impl Segment {
    /// Makes a new segment, or takes over the file of that name to write it anew from its beginning.
    pub(crate) fn create(
        disk: &dyn Disk,
        dir: &Path,
        base_offset: i64,
        offsets: Offsets,
    ) -> Result<Self, LogError> {
        let paths = segment_paths(dir, base_offset);
        Self::create_at(disk, base_offset, paths, OpenMode::OrCreate, offsets)
    }

    /// Makes the segment that the cleaner writes, under names that mean nothing yet.
    pub(crate) fn create_cleaned(
        disk: &dyn Disk,
        dir: &Path,
        base_offset: i64,
    ) -> Result<Self, LogError> {
        let paths = segment_paths(dir, base_offset).map(|path| path.with_added_extension(CLEANED));
        Self::create_at(
            disk,
            base_offset,
            paths,
            OpenMode::Truncated,
            Offsets::WithGaps,
        )
    }

    fn create_at(
        disk: &dyn Disk,
        base_offset: i64,
        [index, time_index, transaction_index, path]: [PathBuf; 4],
        mode: OpenMode,
        offsets: Offsets,
    ) -> Result<Self, LogError> {
        let file = disk
            .open(&path, mode)
            .map_err(LogError::io("create", &path))?;
        Ok(Self {
            base_offset,
            file: Arc::new(SegmentFile::new(path, file, offsets)),
            size: 0,
            offset_index: OffsetIndex::empty(index),
            time_index: TimeIndex::empty(time_index),
            transaction_index: TransactionIndex::empty(transaction_index),
            has_transaction_index: true,
            bytes_since_index: 0,
            max_timestamp: None,
            first_timestamp: None,
            changes: 0,
            synced_changes: None,
        })
    }

    /// The segment that the cleaner wrote, once its files have the names of a segment.
    pub(crate) fn into_place(mut self, dir: &Path) -> Self {
        let [index, time_index, transaction_index, path] = segment_paths(dir, self.base_offset);
        self.offset_index.rename(index);
        self.time_index.rename(time_index);
        self.transaction_index.rename(transaction_index);
        let file = Arc::clone(&self.file.file);
        self.file = Arc::new(SegmentFile::new(path, file, Offsets::WithGaps));
        self
    }

    /// Opens a segment that is complete. Indexes that cannot be whole are made again.
    pub(crate) fn open_sealed(
        disk: &dyn Disk,
        dir: &Path,
        base_offset: i64,
        offsets: Offsets,
        config: &LogConfig,
    ) -> Result<Self, LogError> {
        let mut segment = Self::create(disk, dir, base_offset, offsets)?;
        segment.size = segment.file_length()?;
        let offsets = OffsetIndex::open_sealed(disk, index_path(dir, base_offset))?;
        let times = TimeIndex::open_sealed(disk, time_index_path(dir, base_offset))?;
        // An index whose last entry is wrong is not believed in the rest.
        let offsets = offsets.filter(|index| {
            let last = index.last();
            last.is_none_or(|last| segment.has_batch(last))
        });
        if let (Some(offsets), Some(times)) = (offsets, times) {
            segment.max_timestamp = times.last().map(|last| {
                let offset = base_offset + i64::from(last.relative_offset);
                (last.timestamp, offset)
            });
            segment.offset_index = offsets;
            segment.time_index = times;
            segment.synced_changes = Some(segment.changes);
        } else {
            let end = segment.size;
            segment.walk(0, end, config)?;
            segment.flush_indexes(disk)?;
        }
        match transaction_index::open_sealed(disk, dir, base_offset)? {
            Some(index) => segment.transaction_index = index,
            // Only the partition as a whole has the transactions that began in earlier segments.
            None => segment.has_transaction_index = false,
        }
        segment.read_first_timestamp()?;
        Ok(segment)
    }

    /// Opens a segment up to `end`, the place of a recovery point. What lies behind is left alone: recovery may need it.
    pub(crate) fn open_prefix(
        disk: &dyn Disk,
        dir: &Path,
        end: Place,
        config: &LogConfig,
    ) -> Result<Self, LogError> {
        let base_offset = end.segment_base;
        let position = u64::from(end.position);
        let mut segment = Self::create(disk, dir, base_offset, Offsets::Contiguous)?;
        let length = segment.file_length()?;
        if length < position {
            let reason = format!("{position} bytes were synced, {length} are there");
            return Err(LogError::corrupt(&segment.file.path, length, reason));
        }
        segment.transaction_index =
            transaction_index::open_prefix(disk, dir, base_offset, end.base_offset)?;
        let end_offset = end.base_offset - base_offset;
        segment.offset_index =
            OffsetIndex::open_prefix(disk, index_path(dir, base_offset), |entry| {
                entry.position < end.position && i64::from(entry.relative_offset) < end_offset
            })?;
        let indexed = segment.offset_index.last();
        if let Some(indexed) = indexed.filter(|entry| segment.has_batch(*entry)) {
            segment.time_index =
                TimeIndex::open_prefix(disk, time_index_path(dir, base_offset), |entry| {
                    entry.relative_offset <= indexed.relative_offset
                })?;
            segment.max_timestamp = segment.time_index.last().map(|last| {
                let offset = base_offset + i64::from(last.relative_offset);
                (last.timestamp, offset)
            });
            // The few batches behind the last index entry, for their timestamps.
            segment.walk(u64::from(indexed.position), position, config)?;
            segment.synced_changes = Some(segment.changes);
        } else {
            segment.offset_index = OffsetIndex::empty(index_path(dir, base_offset));
            segment.walk(0, position, config)?;
            if segment.offset_index.len() == 0 {
                // Too small for an index: nothing was made again.
                segment.synced_changes = Some(segment.changes);
            }
        }
        segment.read_first_timestamp()?;
        Ok(segment)
    }

    /// Whether an index entry points at the batch that it says.
    fn has_batch(&self, entry: OffsetPosition) -> bool {
        self.headers(u64::from(entry.position), u64::MAX, None)
            .next()
            .ok()
            .flatten()
            .is_some_and(|located| {
                let offset = self.base_offset + i64::from(entry.relative_offset);
                located.header.last_offset() == offset
            })
    }

    /// The headers from the batch at `from` on.
    pub(crate) fn headers(
        &self,
        from: u64,
        end: u64,
        next_offset: Option<i64>,
    ) -> HeaderReader<'_> {
        HeaderReader::new(&self.file, from, end, next_offset)
    }

    /// Offset behind its last batch, read from the batches behind the last index entry.
    pub(crate) fn end_offset(&self) -> Result<i64, LogError> {
        let (from, next_offset) = match self.offset_index.last() {
            Some(last) => (u64::from(last.position), None),
            None => (0, Some(self.base_offset)),
        };
        let mut headers = self.headers(from, self.size, next_offset);
        let mut end = self.base_offset;
        while let Some(located) = headers.next()? {
            end = located.header.next_offset();
        }
        Ok(end)
    }

    pub(crate) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn file(&self) -> &Arc<SegmentFile> {
        &self.file
    }

    /// Greatest timestamp of its records.
    pub(crate) fn max_timestamp(&self) -> Option<i64> {
        self.max_timestamp.map(|(timestamp, _)| timestamp)
    }

    /// Last offset of the first batch with the greatest timestamp.
    pub(crate) fn offset_of_max_timestamp(&self) -> Option<i64> {
        self.max_timestamp.map(|(_, offset)| offset)
    }

    /// Whether `bytes` more, ending at `last_offset`, belong in a new segment.
    pub(crate) fn is_full_for(
        &self,
        bytes: usize,
        last_offset: i64,
        timestamp: i64,
        config: &LogConfig,
    ) -> bool {
        let size = self.size + bytes as u64;
        if size > MAX_SEGMENT_BYTES || u32::try_from(last_offset - self.base_offset).is_err() {
            return true;
        }
        if self.size == 0 {
            return false;
        }
        size > config.segment_bytes as u64
            || self.is_due(timestamp, config)
            || self.offset_index.len() >= config.segment_index_bytes / 8
            || self.time_index.len() >= config.segment_index_bytes / 12
    }

    /// Whether `segment.ms` has passed between its first record and `timestamp`.
    pub(crate) fn is_due(&self, timestamp: i64, config: &LogConfig) -> bool {
        let first = self.first_timestamp.filter(|_| self.size > 0);
        first.is_some_and(|first| timestamp.saturating_sub(first) > self.roll_after_ms(config))
    }

    /// `segment.ms`, less a part of `segment.jitter.ms` that the segment's name decides.
    fn roll_after_ms(&self, config: &LogConfig) -> i64 {
        let limit = config.roll_after_ms();
        let most = config.segment_jitter_ms.min(limit);
        if most <= 0 {
            return limit;
        }
        let draw = crc32c::crc32c(self.file.path.as_os_str().as_encoded_bytes());
        limit - i64::from(draw) % most
    }

    /// Writes index entries that have piled up. Before an append, so that a failure changes nothing.
    pub(crate) fn make_room(&mut self, disk: &dyn Disk) -> Result<(), LogError> {
        if self.offset_index.is_pending_full() {
            self.offset_index.flush(disk)?;
        }
        if self.time_index.is_pending_full() {
            self.time_index.flush(disk)?;
        }
        if self.transaction_index.is_pending_full() {
            self.transaction_index.flush(disk)?;
        }
        Ok(())
    }

    /// Writes batches at the end. After a failure the segment is as before, unless cutting off what was half written
    /// failed too.
    pub(crate) fn write(&self, parts: &[Bytes]) -> Result<(), (LogError, CutBack)> {
        let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let written = self.file.file.write_at(&slices, self.size);
        written.map_err(|error| {
            let cut_back = match self.file.file.set_len(self.size) {
                Ok(()) => CutBack::Done,
                Err(_) => CutBack::Failed,
            };
            (LogError::io("write", &self.file.path)(error), cut_back)
        })
    }

    /// Writes batches at the end again, as the journal has them. What lies behind is left alone: it may be wanted.
    pub(crate) fn write_again(&self, batches: &Bytes) -> Result<(), LogError> {
        self.file
            .file
            .write_at(&[IoSlice::new(batches)], self.size)
            .map_err(LogError::io("write", &self.file.path))
    }

    /// Takes in a batch that was just written at the end.
    pub(crate) fn note(&mut self, header: &BatchHeader, config: &LogConfig) {
        self.changes += 1;
        let timestamp = header.max_timestamp;
        let last_offset = header.last_offset();
        if self.max_timestamp.is_none_or(|(max, _)| max < timestamp) {
            self.max_timestamp = Some((timestamp, last_offset));
        }
        if self.size == 0 {
            self.first_timestamp = Some(timestamp).filter(|timestamp| *timestamp >= 0);
        }
        if self.bytes_since_index > config.index_interval_bytes {
            self.offset_index.push(OffsetPosition {
                relative_offset: (last_offset - self.base_offset) as u32,
                position: self.size as u32,
            });
            self.push_time();
            self.bytes_since_index = 0;
        }
        self.bytes_since_index += header.size_in_bytes();
        self.size += header.size_in_bytes() as u64;
    }

    /// Takes in an aborted transaction, whose marker was the last batch to be taken in.
    pub(crate) fn note_aborted(&mut self, entry: AbortedEntry) {
        self.transaction_index.push(entry);
    }

    /// The aborted transactions whose markers are in the segment.
    pub(crate) fn transaction_index(&self) -> &TransactionIndex {
        &self.transaction_index
    }

    /// Whether its transaction index has to be made again, from the whole partition.
    pub(crate) fn lacks_transaction_index(&self) -> bool {
        !self.has_transaction_index
    }

    /// Writes a transaction index made again.
    pub(crate) fn replace_transaction_index(
        &mut self,
        disk: &dyn Disk,
        entries: &[AbortedEntry],
    ) -> Result<(), LogError> {
        let dir = self.file.path.parent().unwrap_or(Path::new(""));
        let path = transaction_index_path(dir, self.base_offset);
        self.transaction_index = TransactionIndex::empty(path);
        for entry in entries {
            self.transaction_index.push(*entry);
        }
        self.transaction_index.flush(disk)?;
        self.has_transaction_index = true;
        self.changes += 1;
        Ok(())
    }

    /// Cuts what a crash has left of transactions that the recovered log does not have.
    pub(crate) fn cut_transaction_index(&mut self, disk: &dyn Disk) -> Result<(), LogError> {
        if self.transaction_index.cut_behind(disk)? {
            self.changes += 1;
        }
        Ok(())
    }

    /// Ends the segment: indexes on disk, the greatest timestamp as the last entry, nothing behind the last batch.
    pub(crate) fn seal(&mut self, disk: &dyn Disk) -> Result<(), LogError> {
        self.push_time();
        self.changes += 1;
        self.flush_indexes(disk)?;
        // Written even if it is empty, so that one that is lost is noticed.
        self.transaction_index.flush(disk)?;
        self.cut_behind()?;
        Ok(())
    }

    /// Cuts off what lies behind the last batch, and tells how many bytes that were.
    pub(crate) fn cut_behind(&mut self) -> Result<u64, LogError> {
        let length = self.file_length()?;
        if length > self.size {
            self.file
                .file
                .set_len(self.size)
                .map_err(LogError::io("truncate", &self.file.path))?;
            self.changes += 1;
        }
        Ok(length.saturating_sub(self.size))
    }

    /// Length of the file, which may be more than the segment's size during recovery.
    pub(crate) fn file_length(&self) -> Result<u64, LogError> {
        self.file
            .file
            .len()
            .map_err(LogError::io("stat", &self.file.path))
    }

    /// Where to begin looking for `offset`: at this position or behind.
    pub(crate) fn lookup(&self, offset: i64) -> Lookup<OffsetPosition> {
        let relative = offset.saturating_sub(self.base_offset);
        self.offset_index
            .lookup(&u32::try_from(relative.max(0)).unwrap_or(u32::MAX))
    }

    /// Where to begin looking for `timestamp`: no record before the entry's offset has it or a later one. A search in
    /// the file is for [`time_before`] it.
    pub(crate) fn lookup_time(&self, timestamp: i64) -> Lookup<TimestampIndexEntry> {
        self.time_index.lookup(&time_before(timestamp))
    }

    /// Timestamp of the first batch, if it has one.
    pub(crate) fn first_timestamp(&self) -> Option<i64> {
        self.first_timestamp
    }

    /// Bytes that offset and time index take.
    pub(crate) fn index_sizes(&self) -> [usize; 2] {
        [self.offset_index.len() * 8, self.time_index.len() * 12]
    }

    /// Whether something of it is not known to be durable.
    pub(crate) fn is_unsynced(&self) -> bool {
        self.synced_changes != Some(self.changes)
    }

    /// Changes so far, to be handed to [`Segment::note_synced`].
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Notes that everything up to that many changes has been synced.
    pub(crate) fn note_synced(&mut self, changes: u64) {
        self.synced_changes = Some(changes);
    }

    /// Writes index entries that are not on disk yet. Returns the paths to sync.
    pub(crate) fn flush_pending(&mut self, disk: &dyn Disk) -> Result<Vec<PathBuf>, LogError> {
        let offsets = self.offset_index.flush_pending(disk)?;
        let times = self.time_index.flush_pending(disk)?;
        let transactions = self.transaction_index.flush_pending(disk)?;
        Ok(offsets
            .into_iter()
            .chain(times)
            .chain(transactions)
            .collect())
    }

    /// Writes offset and time index, be they empty.
    fn flush_indexes(&mut self, disk: &dyn Disk) -> Result<(), LogError> {
        self.offset_index.flush(disk)?;
        self.time_index.flush(disk)
    }

    /// The files of the segment.
    pub(crate) fn paths(&self) -> [PathBuf; 4] {
        [
            self.offset_index.path().to_path_buf(),
            self.time_index.path().to_path_buf(),
            self.transaction_index.path().to_path_buf(),
            self.file.path.clone(),
        ]
    }

    fn push_time(&mut self) {
        let Some((timestamp, offset)) = self.max_timestamp else {
            return;
        };
        if timestamp >= 0
            && self
                .time_index
                .last()
                .is_none_or(|last| last.timestamp < timestamp)
        {
            self.time_index.push(TimestampIndexEntry {
                timestamp,
                relative_offset: (offset - self.base_offset) as u32,
            });
        }
    }

    /// Takes in the batches from `from` on as if they were just written.
    fn walk(&mut self, from: u64, end: u64, config: &LogConfig) -> Result<(), LogError> {
        let file = Arc::clone(&self.file);
        let next_offset = (from == 0).then_some(self.base_offset);
        let mut headers = HeaderReader::new(&file, from, end, next_offset);
        self.size = from;
        // The batch at an index entry is in the index already: it must not be pushed twice.
        self.bytes_since_index = 0;
        while let Some(located) = headers.next()? {
            self.note(&located.header, config);
        }
        Ok(())
    }

    fn read_first_timestamp(&mut self) -> Result<(), LogError> {
        let mut headers = self.headers(0, self.size, Some(self.base_offset));
        let first = headers.next()?;
        let timestamp = first.map(|located| located.header.max_timestamp);
        self.first_timestamp = timestamp.filter(|timestamp| *timestamp >= 0);
        Ok(())
    }
}

/// The key to look up in a time index. Entries with a timestamp below the wanted one are certain to lie before it; the
/// one that is equal marks the record itself.
pub(crate) fn time_before(timestamp: i64) -> i64 {
    timestamp.saturating_sub(1)
}

/// What became of a half-written append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutBack {
    /// It is gone.
    Done,
    /// It may still be there.
    Failed,
}

/// The base offset in the name of a log file.
pub(crate) fn base_offset_of(name: &str) -> Option<i64> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

/// Name of a segment's log file.
pub(crate) fn log_path(dir: &Path, base_offset: i64) -> PathBuf {
    dir.join(format!("{base_offset:020}.log"))
}

/// Names of a segment's files, the log file last: where it is, the others are.
pub(crate) fn segment_paths(dir: &Path, base_offset: i64) -> [PathBuf; 4] {
    [
        index_path(dir, base_offset),
        time_index_path(dir, base_offset),
        transaction_index_path(dir, base_offset),
        log_path(dir, base_offset),
    ]
}

fn index_path(dir: &Path, base_offset: i64) -> PathBuf {
    dir.join(format!("{base_offset:020}.index"))
}

fn time_index_path(dir: &Path, base_offset: i64) -> PathBuf {
    dir.join(format!("{base_offset:020}.timeindex"))
}
