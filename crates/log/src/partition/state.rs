//! What a partition's lock guards.

use std::collections::VecDeque;
use std::sync::Arc;

use super::cleaner_checkpoint::CleanerCheckpoint;
use super::flush::Flushed;
use super::leader_epochs::LeaderEpochs;
use super::producer_state::ProducerState;
use super::segment::Segment;
use super::transactions::OpenTransactions;
use crate::checkpoint::PartitionCheckpoint;
use crate::journal::Place;
use crate::{LogConfig, LogError, Position};

/// An append that waits for its commit, and the log behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PendingAppend {
    pub(crate) position: Position,
    /// The end of the log after it; `base_offset` is that end.
    pub(crate) end: Place,
}

/// A partition as it is now.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: Arc<LogConfig>,
    /// Oldest first; empty until the first append. The last one is active.
    pub(crate) segments: Vec<Segment>,
    pub(crate) log_start: i64,
    pub(crate) log_end: i64,
    /// Appends above the high watermark. Bounded by the journal's queue.
    pub(crate) pending: VecDeque<PendingAppend>,
    /// The high watermark and where it is in the segments.
    pub(crate) watermark: Place,
    pub(crate) producers: ProducerState,
    pub(crate) transactions: OpenTransactions,
    pub(crate) epochs: LeaderEpochs,
    /// Position of the last change handed to the journal.
    pub(crate) last_position: Position,
    /// Segments taken out, whose files go after the next checkpoint.
    pub(crate) removed: Vec<Segment>,
    /// Counts files made, so that the directory is synced for each.
    pub(crate) dir_generation: u64,
    /// What the last checkpoint says.
    pub(crate) checkpointed: Checkpointed,
    /// How far the log is compacted, and whether it is being compacted now.
    pub(crate) cleaner: CleanerState,
    /// How far it was synced because of `flush.messages` or `flush.ms`.
    pub(crate) flushed: Flushed,
    /// The partition was deleted.
    pub(crate) deleted: bool,
    /// A half-written append could not be cut back: no more appends until a restart has done so.
    pub(crate) failed: Option<LogError>,
}

/// What of the state is in the checkpoint, to tell whether it has changed since.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checkpointed {
    pub(crate) entry: Option<PartitionCheckpoint>,
    pub(crate) producer_generation: u64,
    pub(crate) epoch_generation: u64,
    pub(crate) dir_generation: u64,
}

/// What the cleaner has done with a partition, and does.
#[derive(Debug, Clone, Default)]
pub(crate) struct CleanerState {
    pub(crate) checkpoint: CleanerCheckpoint,
    pub(crate) work: CleanerWork,
}

/// What the cleaner does with a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum CleanerWork {
    #[default]
    Idle,
    /// It reads segments and writes new ones beside them.
    Cleaning,
    /// It exchanges files: segments must stay as they are meanwhile.
    Swapping,
    /// It met what it cannot read, or an exchange came to an end half-way: not again before a restart.
    Failed,
}

impl State {
    pub(crate) fn new(config: LogConfig) -> Self {
        Self {
            config: Arc::new(config),
            segments: Vec::new(),
            log_start: 0,
            log_end: 0,
            pending: VecDeque::new(),
            watermark: Place {
                base_offset: 0,
                segment_base: 0,
                position: 0,
            },
            producers: ProducerState::default(),
            transactions: OpenTransactions::default(),
            epochs: LeaderEpochs::default(),
            last_position: Position::ZERO,
            removed: Vec::new(),
            dir_generation: 0,
            checkpointed: Checkpointed::default(),
            cleaner: CleanerState::default(),
            flushed: Flushed::default(),
            deleted: false,
            failed: None,
        }
    }

    /// Moves the high watermark to what is durable.
    pub(crate) fn advance(&mut self, durable: Position) {
        let before = self.high_watermark();
        while let Some(first) = self.pending.front() {
            if first.position > durable {
                break;
            }
            self.watermark = first.end;
            self.pending.pop_front();
        }
        if self.high_watermark() != before {
            self.transactions.advance(self.watermark.base_offset);
        }
    }

    /// All that is in the log is durable, or will be before anyone sees it.
    pub(crate) fn settle(&mut self) {
        self.watermark = self.end_place();
        self.transactions.advance(self.watermark.base_offset);
    }

    pub(crate) fn high_watermark(&self) -> i64 {
        self.watermark.base_offset
    }

    /// The active segment's end.
    pub(crate) fn end_place(&self) -> Place {
        self.segments.last().map_or(self.watermark, |active| Place {
            base_offset: self.log_end,
            segment_base: active.base_offset(),
            position: active.size() as u32,
        })
    }

    /// The high watermark's place, in the segment that begins with it if there is one.
    pub(crate) fn settled_watermark(&self) -> Place {
        let offset = self.high_watermark();
        let begins = self
            .segments
            .iter()
            .any(|segment| segment.base_offset() == offset);
        if begins {
            return Place {
                base_offset: offset,
                segment_base: offset,
                position: 0,
            };
        }
        self.watermark
    }

    /// Index of the segment in which `offset` is or would be.
    pub(crate) fn segment_index(&self, offset: i64) -> Option<usize> {
        self.segments
            .partition_point(|segment| segment.base_offset() <= offset)
            .checked_sub(1)
    }

    pub(crate) fn size_in_bytes(&self) -> u64 {
        self.segments.iter().map(Segment::size).sum()
    }

    /// Moves the log start up. False if it is there already.
    pub(crate) fn raise_log_start(&mut self, offset: i64) -> bool {
        if offset <= self.log_start {
            return false;
        }
        self.log_start = offset;
        self.epochs.truncate_from_start(offset);
        true
    }
}
