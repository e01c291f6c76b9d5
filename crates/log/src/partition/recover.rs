//! Bringing a partition back: its synced part from the checkpoint, then what the journal has, or in relaxed mode what
//! the segments have. Nothing behind the synced part is trusted, and nothing there is cut before the end is known.

use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use headwater_records::{BatchHeader, Batches, RecordBatch};

use super::capture::remove_if_there;
use super::cleaner_checkpoint::{CleanerCheckpoint, SWAP};
use super::end_marker::LoggedBatch;
use super::header_reader::{HeaderReader, Located, read_exactly};
use super::leader_epochs::{LeaderEpochs, leader_epoch_path};
use super::log::PartitionLog;
use super::producer_state::{ProducerState, snapshot_path};
use super::segment::{CLEANED, Segment, base_offset_of, log_path};
use super::state::{Checkpointed, State};
use super::transactions::OpenTransactions;
use crate::checkpoint::{PartitionCheckpoint, read_small_file};
use crate::journal::Place;
use crate::node::Node;
use crate::{LogConfig, LogError, PartitionId};

const RESTORE: &str = "restore the data directory from a copy";

/// What became of a journal entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It was in the synced part already.
    Before,
    /// The partition has grown by it.
    Now,
}

/// Why a journal entry could not be applied.
#[derive(Debug)]
pub(crate) enum RecoverError {
    /// It does not fit what was recovered so far.
    Contradiction(String),
    /// The disk.
    Log(LogError),
}

impl From<LogError> for RecoverError {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl PartitionLog {
    /// Opens a partition at its recovery point.
    pub(crate) fn load(node: Arc<Node>, entry: &PartitionCheckpoint) -> Result<Self, LogError> {
        let log = Self::new(node, entry.id, LogConfig::default());
        let disk = log.node.disk.as_ref();
        let config = LogConfig::default();
        let mut state = State::new(config.clone());
        let point = entry.recovery_point;
        state.cleaner.checkpoint = log.load_cleaner_checkpoint()?;
        let bases = log.bases_on_disk()?;
        for (index, base) in bases.iter().enumerate() {
            let end = bases.get(index + 1).copied().unwrap_or(i64::MAX);
            if *base > point.segment_base {
                break;
            }
            if *base == point.segment_base {
                let segment = Segment::open_prefix(disk, &log.dir, point, &config)?;
                state.segments.push(segment);
            } else if end > entry.log_start {
                let offsets = state.cleaner.checkpoint.offsets(*base);
                let segment = Segment::open_sealed(disk, &log.dir, *base, offsets, &config)?;
                state.segments.push(segment);
            }
        }
        if state.segments.last().map(Segment::base_offset) != Some(point.segment_base) {
            let reason = format!("segment {:020} is missing", point.segment_base);
            return Err(LogError::corrupt(&log.dir, 0, reason));
        }
        check_complete(&log.dir, &state, entry)?;
        state.log_start = entry.log_start;
        state.log_end = point.base_offset;
        state.watermark = point;
        state.checkpointed = Checkpointed {
            entry: Some(*entry),
            ..Checkpointed::default()
        };
        log.load_producers(&mut state, entry)?;
        state.transactions = OpenTransactions::from_ongoing(state.producers.open_transactions());
        log.load_epochs(&mut state)?;
        Ok(Self {
            state: Mutex::new(state),
            ..log
        })
    }

    /// Opens a partition that no checkpoint knows, for relaxed mode: it begins with the first segment there is.
    pub(crate) fn load_unknown(node: Arc<Node>, id: PartitionId) -> Result<Self, LogError> {
        let log = Self::new(node, id, LogConfig::default());
        let checkpoint = log.load_cleaner_checkpoint()?;
        if let Some(base) = log.bases_on_disk()?.first() {
            let mut state = log.lock();
            state.cleaner.checkpoint = checkpoint;
            state.log_start = *base;
            state.log_end = *base;
            state.watermark = Place {
                base_offset: *base,
                segment_base: *base,
                position: 0,
            };
            log.adopt_segment(&mut state)?;
        }
        Ok(log)
    }

    /// Applies an append that the journal holds, as the live code did, but where it was then.
    pub(crate) fn recover_append(
        &self,
        place: Place,
        batches: &Bytes,
    ) -> Result<Applied, RecoverError> {
        let mut state = self.lock();
        if !self.recover_place(&mut state, place)? {
            return Ok(Applied::Before);
        }
        let logged = logged_batches(batches, place.base_offset)?;
        if let Some(active) = state.segments.last() {
            active.write_again(batches)?;
        }
        self.recover_batches(&mut state, &logged);
        Ok(Applied::Now)
    }

    /// Applies an append whose segment was synced before the journal said so.
    pub(crate) fn recover_synced(
        &self,
        place: Place,
        length: u32,
        end_offset: i64,
    ) -> Result<Applied, RecoverError> {
        let mut state = self.lock();
        if !self.recover_place(&mut state, place)? {
            return Ok(Applied::Before);
        }
        let file = state
            .segments
            .last()
            .map(|active| Arc::clone(active.file()));
        let file = file.expect("`recover_place` made an active segment");
        let position = u64::from(place.position);
        let batches = read_exactly(file.file.as_ref(), &file.path, position, length as usize)?;
        let logged = logged_batches(&batches, place.base_offset)?;
        if logged.last().map(|batch| batch.header.next_offset()) != Some(end_offset) {
            return Err(RecoverError::Contradiction(format!(
                "the synced batches in {} do not end at offset {end_offset}",
                file.path.display()
            )));
        }
        self.recover_batches(&mut state, &logged);
        Ok(Applied::Now)
    }

    /// Applies a log start.
    pub(crate) fn recover_log_start(&self, log_start: i64) -> Result<Applied, RecoverError> {
        let mut state = self.lock();
        if log_start > state.log_end {
            return Err(RecoverError::Contradiction(format!(
                "log start {log_start} is beyond the end {} of partition {}",
                state.log_end, self.id
            )));
        }
        Ok(if state.raise_log_start(log_start) {
            Applied::Now
        } else {
            Applied::Before
        })
    }

    /// Takes in whole batches behind the synced part, segment after segment, up to the first that is not one.
    pub(crate) fn recover_tail(&self) -> Result<(), LogError> {
        let bases = self.bases_on_disk()?;
        let mut state = self.lock();
        loop {
            let Some(active) = state.segments.last() else {
                return Ok(());
            };
            let (file, from) = (Arc::clone(active.file()), active.size());
            let end = active.file_length()?;
            let mut headers = HeaderReader::new(&file, from, end, None);
            while let Some(located) = torn_ends(headers.next())? {
                let bytes = located.read(file.file.as_ref(), &file.path)?;
                let Some(batch) = whole(&bytes) else { break };
                if !file.offsets.admit(batch.header.base_offset, state.log_end) {
                    break;
                }
                self.recover_batches(&mut state, &[LoggedBatch::of(&batch)]);
            }
            let complete = state
                .segments
                .last()
                .is_some_and(|active| active.size() == end);
            if complete {
                pass_over_gap(&mut state);
            }
            let goes_on = bases.contains(&state.log_end)
                && state.segments.last().map(Segment::base_offset) != Some(state.log_end);
            if !(complete && goes_on) {
                return Ok(());
            }
            self.adopt_next(&mut state)?;
        }
    }

    /// Cuts what lies behind the recovered end and removes files that nothing refers to. Returns the bytes cut.
    pub(crate) fn finish_recovery(&self) -> Result<u64, LogError> {
        let disk = self.node.disk.as_ref();
        let mut state = self.lock();
        let mut cut = 0;
        if let Some(active) = state.segments.last_mut() {
            cut += active.cut_behind()?;
        }
        let checkpointed = state.checkpointed.entry;
        let synced_below = checkpointed.map(|entry| entry.recovery_point.segment_base);
        for segment in &mut state.segments {
            // Those of earlier segments are as they were synced.
            if synced_below.is_none_or(|base| segment.base_offset() >= base) {
                segment.cut_transaction_index(disk)?;
            }
        }
        let snapshot = state.checkpointed.entry.and_then(|entry| entry.snapshot);
        let kept: Vec<i64> = state.segments.iter().map(Segment::base_offset).collect();
        for name in self.names_on_disk()? {
            let stem = name.split('.').next().and_then(|stem| stem.parse().ok());
            let keep = match (stem, name.rsplit('.').next()) {
                (Some(offset), Some("snapshot")) => Some(offset) == snapshot,
                (Some(offset), Some("log" | "index" | "timeindex" | "txnindex")) => {
                    kept.contains(&offset)
                }
                (_, Some("tmp" | CLEANED | SWAP)) => false,
                _ => true,
            };
            if !keep {
                let path = self.dir.join(&name);
                if base_offset_of(&name).is_some_and(|base| base >= state.log_end) {
                    let file = disk.open(&path, crate::disk::OpenMode::Existing);
                    let length = file.and_then(|file| file.len());
                    cut += length.map_err(LogError::io("stat", &path))?;
                }
                remove_if_there(disk, &path)?;
            }
        }
        Ok(cut)
    }

    /// Makes the active segment the one that an entry belongs in. False if the entry lies before the end.
    fn recover_place(&self, state: &mut State, place: Place) -> Result<bool, RecoverError> {
        if place.base_offset < state.log_end {
            return Ok(false);
        }
        let contradiction = |what: String| {
            Err(RecoverError::Contradiction(format!(
                "partition {}: {what}",
                self.id
            )))
        };
        if place.base_offset > state.log_end {
            return contradiction(format!(
                "an entry begins at offset {}, the partition ends at {}",
                place.base_offset, state.log_end
            ));
        }
        let active = state.segments.last().map(Segment::base_offset);
        if active != Some(place.segment_base) && place.segment_base == place.base_offset {
            self.adopt_next(state)?;
        }
        let end = state.end_place();
        if state.segments.is_empty() || end != place {
            return contradiction(format!("an entry belongs at {place:?}, the end is {end:?}"));
        }
        Ok(true)
    }

    /// Seals the active segment and takes over the file of the next, keeping what is in it.
    fn adopt_next(&self, state: &mut State) -> Result<(), LogError> {
        if let Some(active) = state.segments.last_mut() {
            active.seal(self.node.disk.as_ref())?;
        }
        self.adopt_segment(state)
    }

    fn adopt_segment(&self, state: &mut State) -> Result<(), LogError> {
        let disk = self.node.disk.as_ref();
        disk.create_dir_all(&self.dir)
            .map_err(LogError::io("create", &self.dir))?;
        let offsets = state.cleaner.checkpoint.offsets(state.log_end);
        let segment = Segment::create(disk, &self.dir, state.log_end, offsets)?;
        state.dir_generation += 1;
        state.segments.push(segment);
        Ok(())
    }

    fn recover_batches(&self, state: &mut State, batches: &[LoggedBatch]) {
        self.take_in(state, batches);
        state.settle();
    }

    fn load_producers(
        &self,
        state: &mut State,
        entry: &PartitionCheckpoint,
    ) -> Result<(), LogError> {
        let indexes_are_there = !state.segments.iter().any(Segment::lacks_transaction_index);
        let snapshot = match entry.snapshot {
            None => Some(ProducerState::default()),
            Some(offset) => {
                let path = snapshot_path(&self.dir, offset);
                let bytes = read_small_file(self.node.disk.as_ref(), &path)?;
                bytes.and_then(|bytes| ProducerState::decode(&bytes))
            }
        };
        match snapshot {
            Some(producers) if indexes_are_there => state.producers = producers,
            // Lost or damaged: the log itself has it, at the price of reading all headers.
            snapshot => {
                let rebuilt = self.rebuild_transactions(state)?;
                state.producers = snapshot.unwrap_or(rebuilt);
            }
        }
        Ok(())
    }

    /// Makes the transaction indexes again from the batches of the whole partition, and the producers along with them.
    fn rebuild_transactions(&self, state: &mut State) -> Result<ProducerState, LogError> {
        let disk = self.node.disk.as_ref();
        let mut producers = ProducerState::default();
        let mut open = OpenTransactions::default();
        for segment in &mut state.segments {
            let mut aborted = Vec::new();
            let file = Arc::clone(segment.file());
            let mut headers = segment.headers(0, segment.size(), Some(segment.base_offset()));
            while let Some(located) = headers.next()? {
                let header = located.header;
                let batch = if header.is_control() {
                    let bytes = located.read(file.file.as_ref(), &file.path)?;
                    let batch = RecordBatch::parse(&bytes).map_err(|error| {
                        LogError::corrupt(&file.path, located.position, error.to_string())
                    })?;
                    LoggedBatch::of(&batch)
                } else {
                    LoggedBatch::of_data(header)
                };
                let transition = producers.note(&batch, i64::MAX);
                aborted.extend(open.note(&header, transition));
                open.advance(i64::MAX);
            }
            segment.replace_transaction_index(disk, &aborted)?;
        }
        Ok(producers)
    }

    fn load_epochs(&self, state: &mut State) -> Result<(), LogError> {
        let path = leader_epoch_path(&self.dir);
        let text = read_small_file(self.node.disk.as_ref(), &path)?;
        let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
        let read = text.and_then(|text| LeaderEpochs::decode(&text, state.log_end));
        if let Some(epochs) = read {
            state.checkpointed.epoch_generation = epochs.generation();
            state.epochs = epochs;
        } else {
            let mut epochs = LeaderEpochs::default();
            walk_all(state, |header| {
                epochs.note(header.partition_leader_epoch, header.base_offset);
            })?;
            state.epochs = epochs;
        }
        let log_start = state.log_start;
        state.epochs.truncate_from_start(log_start);
        Ok(())
    }

    /// What the cleaner has done, after finishing what it was doing.
    fn load_cleaner_checkpoint(&self) -> Result<CleanerCheckpoint, LogError> {
        let disk = self.node.disk.as_ref();
        let checkpoint = CleanerCheckpoint::read(disk, &self.dir)?;
        checkpoint.finish_swap(disk, &self.dir)?;
        Ok(checkpoint)
    }

    fn names_on_disk(&self) -> Result<Vec<String>, LogError> {
        match self.node.disk.list(&self.dir) {
            Ok(names) => Ok(names),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(LogError::io("list", &self.dir)(error)),
        }
    }

    /// Base offsets of the segments, in order.
    fn bases_on_disk(&self) -> Result<Vec<i64>, LogError> {
        let names = self.names_on_disk()?;
        let mut bases: Vec<_> = names
            .iter()
            .filter_map(|name| base_offset_of(name))
            .collect();
        bases.sort_unstable();
        Ok(bases)
    }
}

/// Whether the segments are all there: the first holds the log start, and each ends where the next begins. Only the
/// last few batches of each are looked at.
fn check_complete(dir: &Path, state: &State, entry: &PartitionCheckpoint) -> Result<(), LogError> {
    let segments = &state.segments;
    let point = entry.recovery_point.base_offset;
    if let Some(first) = segments.first().map(Segment::base_offset)
        && first > entry.log_start
    {
        let reason = format!(
            "the log starts at offset {}, but the first segment there is begins at {first}: {RESTORE}",
            entry.log_start
        );
        return Err(LogError::missing(&log_path(dir, entry.log_start), reason));
    }
    let ends = segments.iter().skip(1).map(Segment::base_offset);
    for (segment, expected) in segments.iter().zip(ends.chain([point])) {
        let compacted = state
            .cleaner
            .checkpoint
            .compacted
            .get(&segment.base_offset());
        let end = match compacted {
            // Its last batches may be gone, but its size is known.
            Some(compacted) if compacted.size == segment.size() => compacted.end_offset,
            _ => segment.end_offset()?,
        };
        if end == expected && compacted.is_none_or(|known| known.size == segment.size()) {
            continue;
        }
        let path = &segment.file().path;
        let reason = format!(
            "its batches end at offset {end} instead of {expected}: it was cut, or a segment behind it is gone. {RESTORE}"
        );
        return Err(LogError::corrupt(path, segment.size(), reason));
    }
    Ok(())
}

/// Behind the last batch of a segment that the cleaner wrote, the log goes on where the next segment begins.
fn pass_over_gap(state: &mut State) {
    let active = state.segments.last().map(Segment::base_offset);
    let compacted = active.and_then(|base| state.cleaner.checkpoint.compacted.get(&base));
    if let Some(end) = compacted.map(|compacted| compacted.end_offset) {
        state.log_end = state.log_end.max(end);
        state.settle();
    }
}

/// Shows all headers of the partition.
fn walk_all(state: &State, mut visit: impl FnMut(&BatchHeader)) -> Result<(), LogError> {
    for segment in &state.segments {
        let mut headers = segment.headers(0, segment.size(), Some(segment.base_offset()));
        while let Some(Located { header, .. }) = headers.next()? {
            visit(&header);
        }
    }
    Ok(())
}

/// Batches that must lie behind each other without gaps, with the right checksums.
fn logged_batches(batches: &Bytes, base_offset: i64) -> Result<Vec<LoggedBatch>, RecoverError> {
    let mut logged = Vec::new();
    let mut next_offset = base_offset;
    for batch in Batches::new(batches.clone()) {
        let checked = batch.and_then(|batch| batch.check_crc().map(|()| batch));
        let batch = checked.map_err(|error| RecoverError::Contradiction(error.to_string()))?;
        let header = &batch.header;
        if header.base_offset != next_offset {
            return Err(RecoverError::Contradiction(format!(
                "a batch has base offset {}, expected {next_offset}",
                header.base_offset
            )));
        }
        next_offset = header.next_offset();
        logged.push(LoggedBatch::of(&batch));
    }
    Ok(logged)
}

/// What is no batch ends the walk; that the disk cannot be read does not.
fn torn_ends(next: Result<Option<Located>, LogError>) -> Result<Option<Located>, LogError> {
    match next {
        Err(LogError::Corrupt { .. }) => Ok(None),
        other => other,
    }
}

fn whole(bytes: &Bytes) -> Option<RecordBatch> {
    let batch = RecordBatch::parse(bytes).ok()?;
    batch.check_crc().ok().map(|()| batch)
}
