//! The journal: one write and one sync make everything durable that queued up meanwhile, whichever partition's.
//!
//! It owns the queue, the ring of files and the durable position. It never touches a segment, except that it syncs one
//! before a commit that stands for batches too large for the journal, and it has no thread: see
//! [`LogDir::commit_pending`](crate::LogDir::commit_pending).

mod commit;
mod entry;
mod position;
mod queue;
mod replay;
mod ring;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub(crate) use commit::Chain;
use commit::{Commit, CommitHeader, padded};
pub(crate) use entry::{Change, Entry, Place};
pub use position::{Durability, Position};
use queue::Queue;
pub(crate) use queue::{QueuedEntry, Reservation, SegmentSync};
pub(crate) use replay::{Replay, has_journal, holds_commits, missing_files};
use ring::{Filling, Ring, Slot};
pub(crate) use ring::{JournalFile, RestartPoint};

use crate::disk::Disk;
use crate::poison::Poison;
use crate::{AppendError, JournalStep, LogError, Origin, PartitionId};

/// How large the journal is. Sizes are rounded up to 4 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalSizes {
    /// Files to start with.
    pub initial_files: usize,
    /// Bytes of each of these.
    pub initial_file_bytes: u64,
    /// Files to grow to.
    pub files: usize,
    /// Bytes of each of these.
    pub file_bytes: u64,
    /// Bytes that may wait for a commit.
    pub queue_bytes: usize,
}

impl Default for JournalSizes {
    fn default() -> Self {
        Self {
            initial_files: 2,
            initial_file_bytes: 1 << 20,
            files: 8,
            file_bytes: 64 << 20,
            queue_bytes: 64 << 20,
        }
    }
}

type Notify = dyn Fn() + Send + Sync;

/// The journal of a log directory. In relaxed mode it is there and has nothing to do.
pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    durability: Durability,
    sizes: JournalSizes,
    queue: Mutex<Queue>,
    /// `None` in relaxed mode and until recovery has ended.
    ring: Mutex<Option<Ring>>,
    /// One commit at a time.
    commit: Mutex<()>,
    durable: AtomicU64,
    notify: RwLock<Option<Arc<Notify>>>,
    poison: Poison,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("durability", &self.durability)
            .field("durable", &self.durable())
            .finish_non_exhaustive()
    }
}

/// How one round of committing ended.
#[derive(Debug)]
pub(crate) enum Round {
    /// Nothing waits.
    Idle,
    /// This much is durable now.
    Committed {
        position: Position,
        partitions: Vec<PartitionId>,
        bytes: u64,
    },
    /// Every file holds something that is not checkpointed.
    RingFull,
}

impl Journal {
    pub(crate) fn new(disk: Arc<dyn Disk>, durability: Durability, sizes: JournalSizes) -> Self {
        Self {
            disk,
            durability,
            sizes,
            queue: Mutex::new(Queue::default()),
            ring: Mutex::new(None),
            commit: Mutex::new(()),
            durable: AtomicU64::new(0),
            notify: RwLock::new(None),
            poison: Poison::default(),
        }
    }

    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    pub(crate) fn poison(&self) -> &Poison {
        &self.poison
    }

    pub(crate) fn durable(&self) -> Position {
        Position(self.durable.load(Ordering::Acquire))
    }

    /// Position of what was queued last.
    pub(crate) fn last_queued(&self) -> Position {
        lock(&self.queue).last()
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        lock(&self.queue).bytes()
    }

    pub(crate) fn set_notify(&self, notify: Box<Notify>) {
        *self.notify.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::from(notify));
    }

    /// Takes room in the queue, before anything is changed that would have to wait for it.
    /// Producers leave an eighth to the broker's own appends.
    pub(crate) fn reserve(
        &self,
        bytes: usize,
        origin: Origin,
    ) -> Result<Reservation<'_>, AppendError> {
        if self.durability == Durability::Relaxed {
            return Ok(Reservation::none(&self.queue));
        }
        let limit = match origin {
            Origin::Client => self.sizes.queue_bytes / 8 * 7,
            Origin::Coordinator => self.sizes.queue_bytes,
        };
        Reservation::take(&self.queue, bytes, limit)
    }

    /// The same for the few small entries that must go on when the queue is full: log starts and deletions.
    pub(crate) fn reserve_beyond_limit(&self, bytes: usize) -> Reservation<'_> {
        if self.durability == Durability::Relaxed {
            return Reservation::none(&self.queue);
        }
        Reservation::beyond_limit(&self.queue, bytes)
    }

    /// Hands an entry over. Called under the partition's lock, so that a partition's entries are in its order.
    pub(crate) fn enqueue(&self, entry: QueuedEntry, reservation: Reservation<'_>) -> Position {
        if self.durability == Durability::Relaxed {
            return Position::ZERO;
        }
        reservation.enqueue(entry)
    }

    /// Tells the owner that something waits. Called without any lock.
    pub(crate) fn notify(&self) {
        if self.durability == Durability::Relaxed {
            return;
        }
        let notify = self.notify.read().unwrap_or_else(PoisonError::into_inner);
        let notify = notify.clone();
        if let Some(notify) = notify {
            notify();
        }
    }

    /// Opens the ring for a new incarnation. The first commit may follow only after a checkpoint names it.
    pub(crate) fn begin(&self, dir: &Path, incarnation: u128) -> Result<RestartPoint, LogError> {
        if self.durability == Durability::Relaxed {
            return Ok(empty_restart_point(incarnation));
        }
        let ring = Ring::begin(self.disk.as_ref(), dir, &self.sizes, incarnation)?;
        let restart = ring.restart_point();
        *lock(&self.ring) = Some(ring);
        Ok(restart)
    }

    /// What is durable, and where recovery begins once that is checkpointed. `None` in relaxed mode.
    pub(crate) fn restart_point(&self) -> Option<(Position, RestartPoint, Vec<JournalFile>)> {
        let ring = lock(&self.ring);
        let ring = ring.as_ref()?;
        // Read under the ring's lock: the position moves under it too.
        Some((self.durable(), ring.restart_point(), ring.list()))
    }

    /// Everything up to `position` is in the checkpoint, which names these files.
    pub(crate) fn release(&self, position: Position, named: &[JournalFile]) {
        if let Some(ring) = lock(&self.ring).as_mut() {
            ring.release(position, named);
        }
    }

    /// Removes files too small to be used, once the checkpoint does not name them any more.
    pub(crate) fn remove_unusable(&self) -> Result<(), LogError> {
        let unusable = lock(&self.ring).as_mut().map(Ring::take_unusable);
        for path in unusable.unwrap_or_default() {
            self.disk
                .remove_file(&path)
                .map_err(LogError::io("remove", &path))?;
        }
        Ok(())
    }

    /// Takes a file that is too small and free out of the ring. It may be removed once a checkpoint does not name it.
    pub(crate) fn retire(&self) -> Option<PathBuf> {
        let mut ring = lock(&self.ring);
        let small = ring.as_mut()?.take_small(&self.sizes);
        small.map(|file| file.path)
    }

    /// Whether the journal has its full size.
    pub(crate) fn step(&self) -> JournalStep {
        let ring = lock(&self.ring);
        ring.as_ref()
            .map_or(JournalStep::Done, |ring| ring.step(&self.sizes))
    }

    /// Makes one file more; `None` if there are enough. See [`JournalSizes`].
    pub(crate) fn grow(&self) -> Result<Option<JournalStep>, LogError> {
        let (dir, growth) = {
            let ring = lock(&self.ring);
            let Some(ring) = ring.as_ref() else {
                return Ok(Some(JournalStep::Done));
            };
            (ring.dir().to_path_buf(), ring.next_growth(&self.sizes))
        };
        let disk = self.disk.as_ref();
        let Some((number, size)) = growth else {
            return Ok(None);
        };
        if !ring::may_grow(disk, &dir, size)? {
            return Ok(Some(JournalStep::Done));
        }
        let file = ring::make_file(disk, &dir, number, size, Filling::InSteps)?;
        if let Some(ring) = lock(&self.ring).as_mut() {
            ring.add(file);
        }
        Ok(Some(self.step()))
    }

    /// Commits as much of the queue as fits in one file: one write, one sync. Any failure poisons.
    pub(crate) fn commit_round(&self) -> Result<Round, LogError> {
        let _one_at_a_time = lock(&self.commit);
        self.poison.check()?;
        loop {
            let Some(slot) = lock(&self.ring).as_ref().map(Ring::slot) else {
                return Ok(Round::Idle);
            };
            if lock(&self.queue).is_empty() {
                return Ok(Round::Idle);
            }
            let taken = self.take_fitting(&slot);
            if taken.is_empty() {
                let turned = lock(&self.ring).as_mut().is_some_and(Ring::turn);
                if turned {
                    continue;
                }
                return Ok(Round::RingFull);
            }
            return self.write(&slot, &taken).map_err(|error| {
                if error.is_out_of_handles() {
                    // Met before anything was written.
                    lock(&self.queue).put_back(taken);
                    return error;
                }
                self.poison.set(error)
            });
        }
    }

    /// Takes entries from the front of the queue as long as they fit behind each other in the slot.
    fn take_fitting(&self, slot: &Slot) -> Vec<QueuedEntry> {
        let inline_limit = (slot.file_size / 4) as usize;
        let mut used = CommitHeader::SIZE;
        lock(&self.queue).take_while(|queued| {
            let size = queued.journal_size(inline_limit);
            let fits = padded(used + size) <= slot.room;
            used += size;
            fits
        })
    }

    fn write(&self, slot: &Slot, taken: &[QueuedEntry]) -> Result<Round, LogError> {
        let inline_limit = (slot.file_size / 4) as usize;
        let mut entries = Vec::with_capacity(taken.len());
        for queued in taken {
            if queued.is_inline(inline_limit) {
                entries.push(std::borrow::Cow::Borrowed(&queued.entry));
            } else {
                entries.push(std::borrow::Cow::Owned(
                    queued.sync_segment(self.disk.as_ref())?,
                ));
            }
        }
        let commit = Commit::lay_out(slot.chain, entries.iter().map(AsRef::as_ref));
        slot.file
            .write_at(&commit.slices(), slot.offset)
            .map_err(LogError::io("write", &slot.path))?;
        slot.file.sync().map_err(LogError::io("sync", &slot.path))?;

        let position = taken.last().map_or(Position::ZERO, |last| last.position);
        let mut ring = lock(&self.ring);
        let ring = ring.as_mut().expect("commits begin after recovery");
        ring.advance(commit.size_in_bytes, commit.crc, position);
        self.durable.store(position.0, Ordering::Release);
        lock(&self.queue).finished(taken);
        let mut partitions: Vec<_> = entries.iter().map(|entry| entry.partition).collect();
        partitions.sort_unstable();
        partitions.dedup();
        Ok(Round::Committed {
            position,
            partitions,
            bytes: commit.size_in_bytes,
        })
    }
}

/// A restart point with no journal behind it.
pub(crate) fn empty_restart_point(incarnation: u128) -> RestartPoint {
    RestartPoint {
        file_number: 0,
        offset: 0,
        chain: Chain {
            incarnation,
            sequence: 1,
            previous_crc: 0,
        },
    }
}

/// The directory of the journal's files.
pub(crate) fn journal_dir(root: &Path) -> PathBuf {
    root.join("journal")
}

/// Locks. A panic while a lock was held is a bug of ours that ended a request; what the lock guards is changed only
/// in steps that leave it consistent.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
