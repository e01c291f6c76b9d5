//! Every partition of this node, and how far the journal has come.
//!
//! Owns the path of an append (log, then whoever waits) and the wait for
//! durability. Which topics exist is `metadata`'s business: it opens and deletes
//! partitions here.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use headwater_log::{
    AppendError, AppendOptions, Appended, Commit, DeletedRecords, Durability, EndMarker, LogConfig,
    LogDir, LogError, Origin, PartitionId, Position, ReadError,
};
use headwater_protocol::Uuid;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::budget::Budget;
use crate::clock;
use crate::partition::Partition;

/// Above this much waiting for the journal, no further produce request is begun.
const JOURNAL_BACKLOG: usize = 16 << 20;
/// How often room in the journal is looked for when no commit says so.
const ROOM_CHECK: Duration = Duration::from_millis(5);

/// How far the journal has come, as waiting replies see it.
#[derive(Clone, Debug, Default)]
struct Progress {
    durable: Position,
    poisoned: Option<Arc<str>>,
}

/// The volume of the data directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoomOnDisk {
    pub(crate) total_bytes: u64,
    /// For an ordinary user.
    pub(crate) free_bytes: u64,
}

/// A wait for durability ended in the knowledge that it will not come.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no more writes since a sync failed ({reason}): check the disk, then restart")]
pub(crate) struct Poisoned {
    reason: Arc<str>,
}

/// The partitions of this node.
#[derive(Debug)]
pub(crate) struct Partitions {
    log_dir: Arc<LogDir>,
    open: RwLock<HashMap<PartitionId, Arc<Partition>>>,
    progress: watch::Sender<Progress>,
    stopping: CancellationToken,
    reading: Budget,
    deletions: Mutex<Deletions>,
    appended_bytes: AtomicU64,
}

/// Deletions since the start; the room of those before `position` comes free at a checkpoint.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deletions {
    pub(crate) count: u64,
    pub(crate) position: Position,
}

impl Partitions {
    /// Serves what lies in `log_dir`. Parked requests are answered early once `stopping` is cancelled.
    /// Fetched records in memory come out of `reading`.
    pub(crate) fn new(
        log_dir: Arc<LogDir>,
        stopping: CancellationToken,
        reading: Budget,
    ) -> Partitions {
        let progress = Progress {
            durable: log_dir.durable(),
            poisoned: None,
        };
        Partitions {
            log_dir,
            open: RwLock::default(),
            progress: watch::Sender::new(progress),
            stopping,
            reading,
            deletions: Mutex::default(),
            appended_bytes: AtomicU64::new(0),
        }
    }

    /// Memory for fetched records, held until they are written to the socket.
    pub(crate) fn reading(&self) -> &Budget {
        &self.reading
    }

    /// The cluster's id, drawn when the data directory was made.
    pub(crate) fn cluster_id(&self) -> &str {
        self.log_dir.cluster_id()
    }

    /// What an acknowledgement means here.
    pub(crate) fn durability(&self) -> Durability {
        self.log_dir.durability()
    }

    /// Partitions found on disk at the start or made since, whether or not a topic knows them.
    pub(crate) fn ids_on_disk(&self) -> Vec<PartitionId> {
        self.log_dir.partition_ids()
    }

    /// Begins to serve a partition, making its log if it is new; again only updates its config.
    pub(crate) fn open_partition(
        &self,
        topic_id: Uuid,
        partition: i32,
        config: LogConfig,
    ) -> Arc<Partition> {
        let id = PartitionId {
            topic_id: topic_id.0,
            partition,
        };
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let log = self.log_dir.create_partition(id, config);
        Arc::clone(
            open.entry(id)
                .or_insert_with(|| Arc::new(Partition::new(log))),
        )
    }

    /// A partition that is being served.
    pub(crate) fn get(&self, topic_id: Uuid, partition: i32) -> Option<Arc<Partition>> {
        self.by_id(PartitionId {
            topic_id: topic_id.0,
            partition,
        })
    }

    fn by_id(&self, id: PartitionId) -> Option<Arc<Partition>> {
        self.open
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// Stops serving a partition, ends whoever waits for it and deletes its log.
    pub(crate) fn delete(&self, topic_id: Uuid, partition: i32) -> Result<Position, LogError> {
        let id = PartitionId {
            topic_id: topic_id.0,
            partition,
        };
        let removed = self
            .open
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
        if let Some(removed) = removed {
            removed.mark_deleted();
        }
        let position = self.log_dir.delete_partition(id)?;
        let mut deletions = self
            .deletions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        deletions.count += 1;
        deletions.position = deletions.position.max(position);
        Ok(position)
    }

    /// What was deleted since the start.
    pub(crate) fn deletions(&self) -> Deletions {
        *self
            .deletions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends batches. What comes back may be acknowledged when [`Self::durable`] says so for its position.
    pub(crate) fn append(
        &self,
        partition: &Partition,
        batches: Bytes,
        origin: Origin,
        leader_epoch: i32,
    ) -> Result<Appended, AppendError> {
        let options = AppendOptions {
            origin,
            leader_epoch,
            now_ms: clock::now_ms(),
        };
        let size = batches.len() as u64;
        let appended = partition.log().append(batches, options)?;
        self.appended_bytes.fetch_add(size, Ordering::Relaxed);
        self.wake_if_relaxed(partition);
        Ok(appended)
    }

    /// Ends a producer's transaction on a partition. Readers of committed records go on once [`Self::durable`] says so
    /// for the position.
    pub(crate) fn append_end_marker(
        &self,
        partition: &Partition,
        marker: EndMarker,
        leader_epoch: i32,
    ) -> Result<Appended, AppendError> {
        let log = partition.log();
        let appended = log.append_end_marker(marker, leader_epoch, clock::now_ms())?;
        self.wake_if_relaxed(partition);
        Ok(appended)
    }

    /// Moves the log start up to `before`, at most to the high watermark; -1 means exactly there. A fetch parked below
    /// it is woken to hear of it.
    pub(crate) fn delete_records(
        &self,
        partition: &Partition,
        before: i64,
    ) -> Result<DeletedRecords, ReadError> {
        let deleted = partition.log().delete_records(before)?;
        self.wake_if_relaxed(partition);
        Ok(deleted)
    }

    /// Without a journal the high watermark has moved already, and no commit will say so.
    fn wake_if_relaxed(&self, partition: &Partition) {
        if self.durability() == Durability::Relaxed {
            partition.parked().wake();
        }
    }

    /// Bytes appended since the start, whether or not there is a journal.
    pub(crate) fn appended_bytes(&self) -> u64 {
        self.appended_bytes.load(Ordering::Relaxed)
    }

    /// Returns when everything up to `position` is on disk.
    pub(crate) async fn durable(&self, position: Position) -> Result<(), Poisoned> {
        if position <= self.log_dir.durable() {
            return Ok(());
        }
        let mut progress = self.progress.subscribe();
        let reached = progress
            .wait_for(|progress| progress.durable >= position || progress.poisoned.is_some())
            .await
            .expect("the sender lives as long as `self`");
        match &reached.poisoned {
            Some(reason) if reached.durable < position => Err(Poisoned {
                reason: Arc::clone(reason),
            }),
            _ => Ok(()),
        }
    }

    /// Returns when the journal has room for more, so that producers feel the disk and not errors.
    pub(crate) async fn room(&self) {
        while self.log_dir.queued_bytes() > JOURNAL_BACKLOG && self.poisoned().is_none() {
            let mut progress = self.progress.subscribe();
            // A commit between the check and the subscription would go unnoticed, hence the timer.
            let _ = tokio::time::timeout(ROOM_CHECK, progress.changed()).await;
        }
    }

    /// Why no more is written, if that is so.
    pub(crate) fn poisoned(&self) -> Option<String> {
        self.log_dir.poisoned()
    }

    /// Cancelled when the node stops: whoever waits answers with what there is.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// For the journal thread: replies up to the commit's position may go, and fetches of what became visible.
    pub(crate) fn committed(&self, commit: &Commit) {
        self.progress
            .send_modify(|progress| progress.durable = progress.durable.max(commit.position));
        for id in &commit.partitions {
            if let Some(partition) = self.by_id(*id) {
                partition.parked().wake();
            }
        }
    }

    /// For the journal thread: nothing will be durable any more.
    pub(crate) fn poison(&self, reason: &str) {
        self.progress
            .send_modify(|progress| progress.poisoned = Some(reason.into()));
    }

    /// How large the data directory's volume is and what is free there; nothing if it does not tell.
    pub(crate) fn room_on_disk(&self) -> Option<RoomOnDisk> {
        Some(RoomOnDisk {
            total_bytes: self.log_dir.total_bytes().ok()?,
            free_bytes: self.log_dir.free_bytes().ok()?,
        })
    }

    /// The data directory.
    pub(crate) fn log_dir_path(&self) -> &Path {
        self.log_dir.root()
    }

    /// Bytes of a partition's segments; 0 for one that is not served.
    pub(crate) fn size_in_bytes(&self, topic_id: Uuid, partition: i32) -> u64 {
        self.get(topic_id, partition)
            .map_or(0, |partition| partition.log().size_in_bytes())
    }
}
