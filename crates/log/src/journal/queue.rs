//! What waits for the next commit.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::entry::Entry;
use super::{Position, lock};
use crate::disk::{Disk, DiskFile};
use crate::{AppendError, LogError};

/// Entries in the queue at most; a producer of tiny batches meets this before the limit on bytes.
const MAX_ENTRIES: usize = 256 * 1024;

/// What has to be synced where the journal does not hold the batches themselves.
#[derive(Debug, Clone)]
pub(crate) struct SegmentSync {
    /// The segment's log file.
    pub(crate) file: Arc<dyn DiskFile>,
    /// The directory that holds it.
    pub(crate) dir: Arc<Path>,
}

/// An entry with its place in the order.
#[derive(Debug)]
pub(crate) struct QueuedEntry {
    pub(crate) entry: Entry,
    /// Set by the queue.
    pub(crate) position: Position,
    /// Offset behind an append.
    pub(crate) end_offset: i64,
    /// Where an append's batches were written.
    pub(crate) segment: Option<SegmentSync>,
}

impl QueuedEntry {
    /// Whether the journal holds the batches; above the limit their segment is synced instead.
    pub(crate) fn is_inline(&self, limit: usize) -> bool {
        self.segment.is_none() || self.entry.batch_bytes() <= limit
    }

    /// Bytes that the entry takes in a commit.
    pub(crate) fn journal_size(&self, limit: usize) -> usize {
        if self.is_inline(limit) {
            self.entry.size_in_bytes()
        } else {
            Entry::SYNCED_SIZE
        }
    }

    /// Syncs the segment with all the names that lead to it, and returns the entry that says so.
    pub(crate) fn sync_segment(&self, disk: &dyn Disk) -> Result<Entry, LogError> {
        if let Some(segment) = &self.segment {
            let dir = segment.dir.as_ref();
            segment.file.sync().map_err(LogError::io("sync", dir))?;
            disk.sync_dir(dir).map_err(LogError::io("sync", dir))?;
            if let Some(parent) = dir.parent() {
                disk.sync_dir(parent)
                    .map_err(LogError::io("sync", parent))?;
            }
        }
        Ok(self.entry.synced(self.end_offset))
    }
}

/// Entries in order, with their bytes and those on their way into it.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: VecDeque<QueuedEntry>,
    /// Bytes reserved, queued and in the commit under way.
    bytes: usize,
    /// Entries reserved, queued and in the commit under way.
    count: usize,
    last: u64,
}

impl Queue {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn last(&self) -> Position {
        Position(self.last)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes from the front while `fits`.
    pub(crate) fn take_while(
        &mut self,
        mut fits: impl FnMut(&QueuedEntry) -> bool,
    ) -> Vec<QueuedEntry> {
        let count = self
            .entries
            .iter()
            .take_while(|queued| fits(queued))
            .count();
        self.entries.drain(..count).collect()
    }

    /// Puts entries back in front that could not be committed for now.
    pub(crate) fn put_back(&mut self, entries: Vec<QueuedEntry>) {
        for entry in entries.into_iter().rev() {
            self.entries.push_front(entry);
        }
    }

    /// Gives the room of committed entries free.
    pub(crate) fn finished(&mut self, entries: &[QueuedEntry]) {
        let bytes: usize = entries
            .iter()
            .map(|queued| queued.entry.size_in_bytes())
            .sum();
        self.bytes -= bytes;
        self.count -= entries.len();
    }
}

/// Room in the queue for one entry, given back when dropped unused.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    queue: &'a Mutex<Queue>,
    bytes: usize,
    count: usize,
}

impl<'a> Reservation<'a> {
    /// For relaxed mode, where nothing waits.
    pub(super) fn none(queue: &'a Mutex<Queue>) -> Self {
        Self {
            queue,
            bytes: 0,
            count: 0,
        }
    }

    /// Room for an entry of `bytes`. One entry always fits in an empty queue.
    pub(super) fn take(
        queue: &'a Mutex<Queue>,
        bytes: usize,
        limit: usize,
    ) -> Result<Self, AppendError> {
        let mut queued = lock(queue);
        let full = queued.bytes.saturating_add(bytes) > limit || queued.count >= MAX_ENTRIES;
        if full && queued.count > 0 {
            return Err(AppendError::JournalFull {
                queued_bytes: queued.bytes,
            });
        }
        queued.bytes += bytes;
        queued.count += 1;
        Ok(Self {
            queue,
            bytes,
            count: 1,
        })
    }

    /// Room beyond the limits, for the few small entries that must go on when the queue is full.
    pub(super) fn beyond_limit(queue: &'a Mutex<Queue>, bytes: usize) -> Self {
        let mut queued = lock(queue);
        queued.bytes += bytes;
        queued.count += 1;
        Self {
            queue,
            bytes,
            count: 1,
        }
    }

    /// Uses the room.
    pub(super) fn enqueue(mut self, mut entry: QueuedEntry) -> Position {
        let mut queue = lock(self.queue);
        // What was reserved was an estimate from before the lock on the partition.
        queue.bytes -= std::mem::take(&mut self.bytes);
        queue.count -= std::mem::take(&mut self.count);
        queue.bytes += entry.entry.size_in_bytes();
        queue.count += 1;
        queue.last += 1;
        let position = Position(queue.last);
        entry.position = position;
        queue.entries.push_back(entry);
        position
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.count > 0 {
            let mut queue = lock(self.queue);
            queue.bytes -= self.bytes;
            queue.count -= self.count;
        }
    }
}
