//! A partition's log: its state, and what is asked of it most.
//!
//! Locks: the partition's, then the journal queue's. A segment is written under the partition's lock, which keeps the
//! order of batches; nothing is synced under it, and reads of segment files happen outside it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::state::State;
use super::{DeletedRecords, Origin};
use crate::journal::{Change, Durability, Entry, QueuedEntry, Reservation, lock};
use crate::node::Node;
use crate::{LogConfig, LogError, PartitionId, Position, ReadError};

/// One partition. All methods take `&self` and lock inside, briefly.
#[derive(Debug)]
pub struct PartitionLog {
    pub(super) id: PartitionId,
    pub(super) dir: Arc<Path>,
    pub(super) node: Arc<Node>,
    pub(super) state: Mutex<State>,
}

impl PartitionLog {
    pub(crate) fn new(node: Arc<Node>, id: PartitionId, config: LogConfig) -> Self {
        let dir: PathBuf = node.partition_dir(id);
        Self {
            id,
            dir: Arc::from(dir),
            node,
            state: Mutex::new(State::new(config)),
        }
    }

    /// Which partition.
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// First offset that can be read.
    pub fn log_start_offset(&self) -> i64 {
        self.lock().log_start
    }

    /// Offset of the next record.
    pub fn log_end_offset(&self) -> i64 {
        self.lock().log_end
    }

    /// Everything before is durable.
    pub fn high_watermark(&self) -> i64 {
        self.lock().high_watermark()
    }

    /// Leader epoch of the last batch, if there is one.
    pub fn leader_epoch(&self) -> Option<i32> {
        self.lock().epochs.latest()
    }

    /// What the last change of this partition waits for: a reply that reflects its state waits for this.
    pub fn last_position(&self) -> Position {
        self.lock().last_position
    }

    /// Bytes in all segments.
    pub fn size_in_bytes(&self) -> u64 {
        self.lock().size_in_bytes()
    }

    /// The largest epoch at or below `epoch` and the offset at which it ends, of what is durable.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        let state = self.lock();
        let found = state.epochs.end_offset_for(epoch, state.log_end);
        found.map(|(epoch, end)| (epoch, end.min(state.high_watermark())))
    }

    /// Replaces the configuration.
    pub fn set_config(&self, config: LogConfig) {
        self.lock().config = Arc::new(config);
    }

    /// The configuration.
    pub fn config(&self) -> LogConfig {
        self.lock().config.as_ref().clone()
    }

    /// Moves the log start up to `before`, at most to the high watermark; -1 means exactly there. Files go later.
    pub fn delete_records(&self, before: i64) -> Result<DeletedRecords, ReadError> {
        let deleted = {
            let mut state = self.lock();
            self.node.check_writable()?;
            if state.deleted {
                return Err(LogError::PartitionDeleted.into());
            }
            let high_watermark = state.high_watermark();
            let before = if before == -1 { high_watermark } else { before };
            if before < 0 || before > high_watermark {
                return Err(ReadError::OffsetOutOfRange {
                    offset: before,
                    log_start_offset: state.log_start,
                    end_offset: high_watermark,
                });
            }
            self.raise_log_start(&mut state, before);
            DeletedRecords {
                low_watermark: state.log_start,
                position: state.last_position,
            }
        };
        self.node.journal.notify();
        Ok(deleted)
    }

    /// Marks the partition deleted: appends are refused, and the journal says so. The caller notifies the journal.
    pub(crate) fn delete(&self) -> Position {
        let mut state = self.lock();
        if !state.deleted {
            state.deleted = true;
            self.enqueue_small(&mut state, Change::Delete);
        }
        state.last_position
    }

    /// Forgets producers that have been silent for `producer.id.expiration.ms`.
    pub(crate) fn expire_producers(&self, now_ms: i64) {
        let mut state = self.lock();
        let expiration_ms = state.config.producer_id_expiration_ms;
        state.producers.expire(now_ms, expiration_ms);
    }

    /// For a partition made under an id whose files are still being deleted: it refuses everything.
    pub(crate) fn refuse_appends(&self) {
        self.lock().deleted = true;
    }

    /// Moves the log start and journals it. The caller notifies the journal.
    pub(super) fn raise_log_start(&self, state: &mut State, offset: i64) {
        if state.raise_log_start(offset) {
            let log_start_offset = state.log_start;
            self.enqueue_small(state, Change::LogStart { log_start_offset });
        }
    }

    fn enqueue_small(&self, state: &mut State, change: Change) {
        let entry = Entry {
            partition: self.id,
            change,
        };
        let reservation = self
            .node
            .journal
            .reserve_beyond_limit(entry.size_in_bytes());
        self.enqueue(
            state,
            QueuedEntry {
                entry,
                position: Position::ZERO,
                end_offset: state.log_end,
                segment: None,
            },
            reservation,
        );
    }

    pub(super) fn enqueue(
        &self,
        state: &mut State,
        entry: QueuedEntry,
        reservation: Reservation<'_>,
    ) {
        state.last_position = self.node.journal.enqueue(entry, reservation);
    }

    /// Whether an append may begin at all.
    pub(super) fn check_appendable(state: &State) -> Result<(), LogError> {
        if state.deleted {
            return Err(LogError::PartitionDeleted);
        }
        state.failed.clone().map_or(Ok(()), Err)
    }

    pub(super) fn is_relaxed(&self) -> bool {
        self.node.journal.durability() == Durability::Relaxed
    }

    /// Locks, with the high watermark up to date.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.advance(self.node.journal.durable());
        state
    }

    /// Whether room is kept back from appends on behalf of `origin`.
    pub(super) fn check_free(
        &self,
        origin: Origin,
        bytes: usize,
    ) -> Result<(), crate::AppendError> {
        self.node.check_free(origin, bytes)
    }
}
