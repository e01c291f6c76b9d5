//! What all partitions of a log directory share: the disk, the journal and the room that is left.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::disk::Disk;
use crate::journal::Journal;
use crate::{AppendError, LogError, Origin, PartitionId};

/// Room that appends of clients leave for deletions, offset commits and checkpoints.
pub(crate) const KEPT_BACK_BYTES: u64 = 64 << 20;
/// The disk is asked for its free room again after this many bytes appended.
const ASK_AGAIN_BYTES: u64 = 1 << 20;

/// Shared by the partitions of one log directory.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) root: PathBuf,
    pub(crate) journal: Journal,
    closed: AtomicBool,
    /// Free bytes when last asked, less what was appended since.
    free_estimate: AtomicU64,
    appended_since: AtomicU64,
}

impl Node {
    pub(crate) fn new(disk: Arc<dyn Disk>, root: PathBuf, journal: Journal) -> Self {
        Self {
            disk,
            root,
            journal,
            closed: AtomicBool::new(false),
            free_estimate: AtomicU64::new(0),
            appended_since: AtomicU64::new(ASK_AGAIN_BYTES),
        }
    }

    /// Where a partition's files are.
    pub(crate) fn partition_dir(&self, id: PartitionId) -> PathBuf {
        partitions_dir(&self.root).join(id.to_string())
    }

    /// No more appends from here on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether anything may be written.
    pub(crate) fn check_writable(&self) -> Result<(), LogError> {
        self.journal.poison().check()?;
        if self.closed.load(Ordering::Acquire) {
            return Err(LogError::Closed);
        }
        Ok(())
    }

    /// Whether an append of `bytes` leaves enough room. Asks the disk now and then, and each time when room is short.
    pub(crate) fn check_free(&self, origin: Origin, bytes: usize) -> Result<(), AppendError> {
        if origin == Origin::Coordinator {
            return Ok(());
        }
        let bytes = bytes as u64;
        let since = self.appended_since.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let estimate = self.free_estimate.load(Ordering::Relaxed);
        let needed = KEPT_BACK_BYTES + bytes;
        let short = estimate < needed.saturating_add(ASK_AGAIN_BYTES).saturating_add(since);
        if since < ASK_AGAIN_BYTES && !short {
            return Ok(());
        }
        let free = self.free_bytes()?;
        self.free_estimate.store(free, Ordering::Relaxed);
        self.appended_since.store(0, Ordering::Relaxed);
        if free < needed {
            return Err(AppendError::Storage(LogError::DiskFull {
                free_bytes: free,
                needed_bytes: needed,
            }));
        }
        Ok(())
    }

    pub(crate) fn free_bytes(&self) -> Result<u64, LogError> {
        self.disk
            .free_bytes(&self.root)
            .map_err(LogError::io("stat", &self.root))
    }

    pub(crate) fn total_bytes(&self) -> Result<u64, LogError> {
        self.disk
            .total_bytes(&self.root)
            .map_err(LogError::io("stat", &self.root))
    }
}

/// The directory of all partitions.
pub(crate) fn partitions_dir(root: &Path) -> PathBuf {
    root.join("partitions")
}
