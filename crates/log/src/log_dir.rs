//! The data directory.

use std::path::PathBuf;
use std::sync::Arc;

use crate::disk::Disk;
use crate::{Durability, JournalSizes, LogConfig, LogError, PartitionId, PartitionLog, Position};

/// How to open a data directory.
#[derive(Debug, Clone)]
pub struct LogDirOptions {
    /// The directory; made if need be.
    pub root: PathBuf,
    /// When an append is acknowledged.
    pub durability: Durability,
    /// 128 random bits, new at each start. Kept from clients: it tells real commits from bytes that look like one.
    pub incarnation: u128,
    /// Cluster id for a new directory; an old one keeps its own.
    pub new_cluster_id: String,
    /// The time now.
    pub now_ms: i64,
    /// How large the journal is.
    pub journal: JournalSizes,
}

/// What opening found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The directory was closed cleanly, so nothing had to be read again.
    pub clean: bool,
    /// Partitions found.
    pub partitions: usize,
    /// Commits read from the journal.
    pub commits: u64,
    /// Journal entries applied, the rest having been in the segments' synced part already.
    pub applied_entries: u64,
    /// Bytes cut from segments: never acknowledged.
    pub truncated_bytes: u64,
}

/// What a commit made durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Everything at or before it is durable.
    pub position: Position,
    /// Whose high watermark or log start moved.
    pub partitions: Vec<PartitionId>,
    /// Bytes written to the journal.
    pub bytes: u64,
}

/// Whether the journal has its full size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalStep {
    /// Call again soon.
    More,
    /// Nothing to do until the next start.
    Done,
}

/// A data directory, locked against other processes as long as this lives.
#[derive(Debug)]
pub struct LogDir {}

impl LogDir {
    /// Opens or makes a data directory and recovers what was acknowledged.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: LogDirOptions,
    ) -> Result<(Self, RecoveryReport), LogError> {
        unimplemented!("{disk:?} {options:?}")
    }

    /// The cluster's id, drawn when the directory was made.
    pub fn cluster_id(&self) -> &str {
        unimplemented!()
    }

    /// When an append is acknowledged.
    pub fn durability(&self) -> Durability {
        unimplemented!()
    }

    /// A partition found at the start or made since.
    pub fn partition(&self, id: PartitionId) -> Option<Arc<PartitionLog>> {
        unimplemented!("{id}")
    }

    /// All of them.
    pub fn partition_ids(&self) -> Vec<PartitionId> {
        unimplemented!()
    }

    /// Gets or makes a partition and gives it its configuration. Nothing touches the disk before the first append.
    pub fn create_partition(&self, id: PartitionId, config: LogConfig) -> Arc<PartitionLog> {
        unimplemented!("{id} {config:?}")
    }

    /// Deletes a partition. Its files go at a later checkpoint.
    pub fn delete_partition(&self, id: PartitionId) -> Result<Position, LogError> {
        unimplemented!("{id}")
    }

    /// One write and one sync for all that queued. `None` if nothing did. An error means that the directory is poisoned.
    pub fn commit_pending(&self) -> Result<Option<Commit>, LogError> {
        unimplemented!()
    }

    /// Up to where everything is durable.
    pub fn durable(&self) -> Position {
        unimplemented!()
    }

    /// Bytes that wait for the next commit.
    pub fn queued_bytes(&self) -> usize {
        unimplemented!()
    }

    /// `notify` is called whenever something is queued for the journal; it must not block or call back.
    pub fn set_notify(&self, notify: Box<dyn Fn() + Send + Sync>) {
        let _ = notify;
        unimplemented!()
    }

    /// Syncs segments, so that recovery starts later and journal files become free, and removes what was deleted.
    pub fn checkpoint(&self, now_ms: i64) -> Result<(), LogError> {
        unimplemented!("{now_ms}")
    }

    /// Grows the journal by one file.
    pub fn prepare_journal(&self) -> Result<JournalStep, LogError> {
        unimplemented!()
    }

    /// Rolls and deletes segments as the configurations say. Their files go at the next checkpoint.
    pub fn apply_retention(&self, now_ms: i64) -> Result<(), LogError> {
        unimplemented!("{now_ms}")
    }

    /// Commits, checkpoints and leaves the mark of a clean shutdown. Appends are refused from here on.
    pub fn close(&self, now_ms: i64) -> Result<(), LogError> {
        unimplemented!("{now_ms}")
    }

    /// Why no more is written, if that is so.
    pub fn poisoned(&self) -> Option<String> {
        unimplemented!()
    }

    /// Bytes free on the disk.
    pub fn free_bytes(&self) -> Result<u64, LogError> {
        unimplemented!()
    }
}
