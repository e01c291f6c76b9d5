//! The data directory: all partitions, their journal, and the order in which things become durable.
//!
//! ```text
//! LOCK            held while a process has the directory open
//! meta            format version, cluster id
//! checkpoint      recovery points; see `checkpoint`
//! journal/        0000000000.journal ...; see `journal`
//! partitions/     <topic id>-<n>/, made at the first append
//! ```
//!
//! Locks, in this order: commit, checkpoint, the map of partitions, a partition, the journal's ring and queue.

mod checkpointing;
mod cleaning;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::checkpoint::Checkpoint;
use crate::disk::{Disk, DiskLock};
use crate::journal::{
    Journal, Round, empty_restart_point, has_journal, holds_commits, journal_dir, lock,
};
use crate::loss::Losses;
use crate::meta::Meta;
use crate::node::{Node, partitions_dir};
use crate::recovery::{Partitions, partitions_on_disk, recover};
use crate::{Durability, JournalSizes, LogConfig, LogError, PartitionId, PartitionLog, Position};

/// A checkpoint frees all files that hold nothing newer: so often in a row it helps only if somebody else commits too.
const MAX_FULL_ROUNDS: usize = 8;

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
    /// Bytes cut from segments: never acknowledged, unless a loss was accepted.
    pub truncated_bytes: u64,
    /// Where they were cut.
    pub cut: Vec<PartitionCut>,
    /// What is gone although it may have been acknowledged, which the operator accepted. Each is worth a warning.
    pub accepted_losses: Vec<String>,
}

/// What recovery cut from a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionCut {
    /// Which.
    pub partition: PartitionId,
    /// Where it ends now.
    pub log_end_offset: i64,
    /// Bytes cut behind that.
    pub bytes: u64,
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
    /// Nothing to do for now.
    Done,
}

/// A partition whose files go once its deletion is durable and checkpointed.
#[derive(Debug)]
struct Deletion {
    position: Position,
    partition: Arc<PartitionLog>,
}

/// A data directory, locked against other processes as long as this lives.
#[derive(Debug)]
pub struct LogDir {
    node: Arc<Node>,
    cluster_id: String,
    incarnation: u128,
    partitions: RwLock<Partitions>,
    deletions: Mutex<Vec<Deletion>>,
    /// The last checkpoint written; held while the next is made.
    checkpoint: Mutex<Option<Checkpoint>>,
    _lock: Box<dyn DiskLock>,
}

impl LogDir {
    /// Opens or makes a data directory and recovers what was acknowledged.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: LogDirOptions,
    ) -> Result<(Self, RecoveryReport), LogError> {
        let root = options.root;
        create_durably(disk.as_ref(), &root)?;
        let lock_path = root.join("LOCK");
        let lock = disk
            .lock(&lock_path)
            .map_err(LogError::io("lock", &lock_path))?
            .ok_or_else(|| LogError::Locked { path: root.clone() })?;
        let mut losses = Losses::new(disk.as_ref(), &root);
        let checkpoint = match Checkpoint::read(disk.as_ref(), &root) {
            Err(error @ LogError::Corrupt { .. }) => {
                losses.accept(error)?;
                None
            }
            read => read?,
        };
        let meta = Meta::read(disk.as_ref(), &root)?;
        for dir in [partitions_dir(&root), journal_dir(&root)] {
            disk.create_dir_all(&dir)
                .map_err(LogError::io("create", &dir))?;
        }
        let meta = if let Some(meta) = meta {
            meta
        } else {
            refuse_to_make_meta(disk.as_ref(), &root, checkpoint.as_ref())?;
            let meta = Meta {
                cluster_id: options.new_cluster_id,
            };
            // Syncs the root too, and with it the names of the directories.
            meta.write(disk.as_ref(), &root)?;
            meta
        };

        let journal = Journal::new(Arc::clone(&disk), options.durability, options.journal);
        let node = Arc::new(Node::new(disk, root, journal));
        if checkpoint.is_none() {
            refuse_to_begin_anew(&node, &mut losses)?;
        }
        let (partitions, report) = recover(&node, checkpoint.as_ref(), &mut losses)?;
        let log_dir = Self {
            cluster_id: meta.cluster_id,
            incarnation: options.incarnation,
            partitions: RwLock::new(partitions),
            deletions: Mutex::new(Vec::new()),
            checkpoint: Mutex::new(checkpoint),
            _lock: lock,
            node,
        };
        let dir = journal_dir(&log_dir.node.root);
        log_dir.node.journal.begin(&dir, options.incarnation)?;
        for partition in log_dir.all_partitions() {
            partition.expire_producers(options.now_ms);
        }
        log_dir.checkpoint_recovered()?;
        log_dir.node.journal.remove_unusable()?;
        losses.forget(log_dir.node.disk.as_ref())?;
        Ok((log_dir, report))
    }

    /// The cluster's id, drawn when the directory was made.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// When an append is acknowledged.
    pub fn durability(&self) -> Durability {
        self.node.journal.durability()
    }

    /// A partition found at the start or made since.
    pub fn partition(&self, id: PartitionId) -> Option<Arc<PartitionLog>> {
        self.read_partitions().get(&id).cloned()
    }

    /// All of them, in order. Those whose topic no longer exists are for the caller to delete.
    pub fn partition_ids(&self) -> Vec<PartitionId> {
        self.read_partitions().keys().copied().collect()
    }

    /// Gets or makes a partition and gives it its configuration. Nothing touches the disk before the first append.
    /// A partition that was deleted is not made again: topic ids are never used twice.
    pub fn create_partition(&self, id: PartitionId, config: LogConfig) -> Arc<PartitionLog> {
        let mut partitions = self.write_partitions();
        if let Some(partition) = partitions.get(&id) {
            partition.set_config(config);
            return Arc::clone(partition);
        }
        let partition = Arc::new(PartitionLog::new(Arc::clone(&self.node), id, config));
        let deletions = lock(&self.deletions);
        if deletions
            .iter()
            .any(|deletion| deletion.partition.id() == id)
        {
            partition.refuse_appends();
        } else {
            partitions.insert(id, Arc::clone(&partition));
        }
        partition
    }

    /// Deletes a partition. Readers that have it may go on; its files go at a later checkpoint.
    pub fn delete_partition(&self, id: PartitionId) -> Result<Position, LogError> {
        self.node.check_writable()?;
        let position = {
            let mut partitions = self.write_partitions();
            let Some(partition) = partitions.remove(&id) else {
                return Ok(Position::ZERO);
            };
            let position = partition.delete();
            lock(&self.deletions).push(Deletion {
                position,
                partition,
            });
            position
        };
        // Told under no lock.
        self.node.journal.notify();
        Ok(position)
    }

    /// One write and one sync for all that queued up to now. `None` if nothing did. Where the ring of journal files is
    /// full, it makes room by a checkpoint first, and appends wait meanwhile. An error means that the directory is
    /// poisoned, or that this checkpoint could not be written, which may be tried again.
    pub fn commit_pending(&self) -> Result<Option<Commit>, LogError> {
        let mut done: Option<Commit> = None;
        let mut full_rounds = 0;
        let target = self.node.journal.last_queued();
        while self.node.journal.durable() < target {
            let round = match self.node.journal.commit_round() {
                Ok(Round::RingFull) => self.checkpoint_running().map(|()| Round::RingFull),
                other => other,
            };
            match round {
                Ok(Round::Idle) => break,
                Ok(Round::RingFull) => {
                    full_rounds += 1;
                    if full_rounds > MAX_FULL_ROUNDS {
                        let dir = journal_dir(&self.node.root);
                        let reason = "a checkpoint frees no file in which a commit has room";
                        let error = LogError::corrupt(&dir, 0, reason);
                        return Err(self.node.journal.poison().set(error));
                    }
                }
                // What became durable before is told first; the failure is met again by the next call.
                Err(_) if done.is_some() => break,
                Err(error) => return Err(error),
                Ok(Round::Committed {
                    position,
                    partitions,
                    bytes,
                }) => {
                    full_rounds = 0;
                    let commit = done.get_or_insert_with(|| Commit {
                        position,
                        partitions: Vec::new(),
                        bytes: 0,
                    });
                    commit.position = position;
                    commit.partitions.extend(partitions);
                    commit.bytes += bytes;
                }
            }
        }
        if let Some(commit) = &mut done {
            commit.partitions.sort_unstable();
            commit.partitions.dedup();
        }
        Ok(done)
    }

    /// Up to where everything is durable.
    pub fn durable(&self) -> Position {
        self.node.journal.durable()
    }

    /// Bytes that wait for the next commit.
    pub fn queued_bytes(&self) -> usize {
        self.node.journal.queued_bytes()
    }

    /// `notify` is called whenever something is queued for the journal; it must not block or call back.
    pub fn set_notify(&self, notify: Box<dyn Fn() + Send + Sync>) {
        self.node.journal.set_notify(notify);
    }

    /// Syncs segments, so that recovery starts later and journal files become free, and removes what was deleted.
    pub fn checkpoint(&self, now_ms: i64) -> Result<(), LogError> {
        for partition in self.all_partitions() {
            partition.expire_producers(now_ms);
        }
        self.checkpoint_running()
    }

    /// Grows the journal by one file, or removes one that has become too small.
    pub fn prepare_journal(&self) -> Result<JournalStep, LogError> {
        self.node.check_writable()?;
        let journal = &self.node.journal;
        let poisoning = |error| journal.poison().set_if_sync(error);
        if let Some(step) = journal.grow().map_err(poisoning)? {
            return Ok(step);
        }
        let Some(retired) = journal.retire() else {
            return Ok(JournalStep::Done);
        };
        // A file that the checkpoint names must be there at the next start.
        self.checkpoint_running()?;
        self.node
            .disk
            .remove_file(&retired)
            .map_err(LogError::io("remove", &retired))?;
        Ok(journal.step())
    }

    /// Rolls and deletes segments as the configurations say. Their files go at the next checkpoint. Where that fails
    /// for a partition, the others get their turn all the same, and the first error is returned.
    pub fn apply_retention(&self, now_ms: i64) -> Result<(), LogError> {
        self.node.check_writable()?;
        let mut result = Ok(());
        for partition in self.all_partitions() {
            result = result.and(partition.apply_retention(now_ms));
        }
        result
    }

    /// In relaxed mode: syncs the partitions in which something has waited for `flush.ms`. Where that fails for one, the
    /// others get their turn all the same, and the first error is returned.
    pub fn flush_due(&self, now_ms: i64) -> Result<(), LogError> {
        let mut result = Ok(());
        if self.durability() == Durability::Relaxed {
            self.node.check_writable()?;
            for partition in self.all_partitions() {
                result = result.and(partition.flush_if_due(now_ms));
            }
        }
        result
    }

    /// Commits, checkpoints and leaves the mark of a clean shutdown. Appends are refused from here on.
    pub fn close(&self, now_ms: i64) -> Result<(), LogError> {
        self.node.close();
        for partition in self.all_partitions() {
            // An append that was let in before waits for nobody: once its lock is free it is in the queue.
            partition.expire_producers(now_ms);
        }
        while self.commit_pending()?.is_some() {}
        self.checkpoint_clean()
    }

    /// Why no more is written, if that is so.
    pub fn poisoned(&self) -> Option<String> {
        self.node.journal.poison().reason()
    }

    /// Bytes free on the disk.
    pub fn free_bytes(&self) -> Result<u64, LogError> {
        self.node.free_bytes()
    }

    /// Bytes that the disk holds in all.
    pub fn total_bytes(&self) -> Result<u64, LogError> {
        self.node.total_bytes()
    }

    /// Where the data lies.
    pub fn root(&self) -> &Path {
        &self.node.root
    }

    fn all_partitions(&self) -> Vec<Arc<PartitionLog>> {
        self.read_partitions().values().cloned().collect()
    }

    fn read_partitions(&self) -> std::sync::RwLockReadGuard<'_, Partitions> {
        self.partitions
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write_partitions(&self) -> std::sync::RwLockWriteGuard<'_, Partitions> {
        self.partitions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// `meta` is the first file of a new directory: where there is any other, it was there too.
fn refuse_to_make_meta(
    disk: &dyn Disk,
    root: &Path,
    checkpoint: Option<&Checkpoint>,
) -> Result<(), LogError> {
    let in_use = checkpoint.is_some()
        || has_journal(disk, root)?
        || !partitions_on_disk(disk, root)?.is_empty();
    if !in_use {
        return Ok(());
    }
    let reason = "the directory is in use, and the cluster id is in that file. Restore it from a copy, or write it \
                  anew: a line `format.version=1` and a line `cluster.id=` with the cluster's id, which clients log";
    Err(LogError::missing(&root.join("meta"), reason))
}

/// Without a checkpoint the directory is new, or its first start did not get as far: then nothing can be in it.
fn refuse_to_begin_anew(node: &Node, losses: &mut Losses) -> Result<(), LogError> {
    let partitions = partitions_on_disk(node.disk.as_ref(), &node.root)?.len();
    if partitions == 0 && !holds_commits(node.disk.as_ref(), &node.root)? {
        return Ok(());
    }
    if !losses.found().is_empty() {
        // It is there, but damaged, and that was accepted.
        return Ok(());
    }
    let reason = format!(
        "it says where recovery begins, and there are {partitions} partitions or commits to recover"
    );
    losses.accept(LogError::missing(&node.root.join("checkpoint"), reason))
}

/// Makes a directory and those above it, and makes durable the names of those that were not there.
fn create_durably(disk: &dyn Disk, path: &Path) -> Result<(), LogError> {
    let missing: Vec<&Path> = path
        .ancestors()
        .filter(|dir| !dir.as_os_str().is_empty())
        .take_while(|dir| disk.list(dir).is_err())
        .collect();
    disk.create_dir_all(path)
        .map_err(LogError::io("create", path))?;
    for dir in missing {
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        disk.sync_dir(parent)
            .map_err(LogError::io("sync", parent))?;
    }
    Ok(())
}
