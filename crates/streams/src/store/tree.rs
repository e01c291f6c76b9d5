//! One table on disk: an LSM tree in a directory of its own.
//!
//! Owns how a tree is laid out and what of it is in memory only. Never writes the log of commits, nor decides when
//! rows in memory go to disk.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use lsm_tree::compaction::Leveled;
use lsm_tree::compaction::filter::Factory;
use lsm_tree::config::{
    BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry, PinningPolicy, RestartIntervalPolicy,
};
use lsm_tree::{AbstractTree, AnyTree, Cache, DescriptorTable, SeqNo, SequenceNumberCounter};

use super::error::StoreError;

/// Small steps: one thread both compacts and writes rows out, so no compaction may take long.
const TABLE_BYTES: u64 = 16 * 1024 * 1024;

/// What a tree's directory has once it is complete.
const MARKER: &str = "current";

/// The order of commits, which all trees share.
#[derive(Debug)]
pub(crate) struct Sequence {
    /// The next number.
    next: SequenceNumberCounter,
    /// What readers see is below. Behind [`next`](Self::next) only while a commit or a compaction is under way.
    published: SequenceNumberCounter,
    /// Held by a reader from when it has looked at `published` until it has the tables and buffers to look into.
    looking: RwLock<()>,
}

impl Default for Sequence {
    fn default() -> Self {
        Self {
            next: SequenceNumberCounter::new(1),
            published: SequenceNumberCounter::new(1),
            looking: RwLock::default(),
        }
    }
}

impl Sequence {
    /// The number of a commit that is being made.
    pub(crate) fn take(&self) -> SeqNo {
        self.next.next()
    }

    /// All numbers below are taken.
    pub(crate) fn taken(&self) -> SeqNo {
        self.next.get()
    }

    /// Shows everything that was written. Called by who has the log of commits, so that no commit is shown in half.
    pub(crate) fn publish(&self) {
        self.published.fetch_max(self.next.get());
    }

    /// Behind which nobody looks any more, now or later.
    fn out_of_sight(&self) -> SeqNo {
        let _nobody = self.looking.write().unwrap_or_else(PoisonError::into_inner);
        self.published.get()
    }
}

/// What trees share.
#[derive(Clone)]
pub(crate) struct TreeShares {
    pub(crate) sequence: Arc<Sequence>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) descriptors: Arc<DescriptorTable>,
}

/// A tree.
pub(crate) struct Tree {
    pub(crate) name: Arc<str>,
    lsm: AnyTree,
    sequence: Arc<Sequence>,
    /// Bytes that are in memory only, and of those what is being written out.
    buffered: AtomicU64,
    sealed: AtomicU64,
    /// Commits below these numbers are sealed, and on disk.
    sealed_below: AtomicU64,
    flushed_below: AtomicU64,
    /// How many hold it, and since when nobody does.
    holders: AtomicUsize,
    idle_since: Mutex<Instant>,
}

/// A tree that somebody uses: as long as one of these lives, it is not deleted.
pub(crate) struct Held(Arc<Tree>);

impl Held {
    /// To be made by who has the log of commits, as deletes are.
    pub(crate) fn new(tree: Arc<Tree>) -> Self {
        tree.holders.fetch_add(1, Ordering::AcqRel);
        Self(tree)
    }

    pub(crate) fn tree(&self) -> &Arc<Tree> {
        &self.0
    }
}

impl Clone for Held {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.0))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Noted before it counts as idle, so that nobody takes the time before it was held for this one.
        *self.0.idle_since() = Instant::now();
        self.0.holders.fetch_sub(1, Ordering::AcqRel);
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Tree {
    /// Opens the tree in `directory`, and makes it if there is none.
    pub(crate) fn open(
        directory: &Path,
        name: &str,
        shares: &TreeShares,
        filter: Arc<dyn Factory>,
    ) -> Result<Self, StoreError> {
        let open = || -> lsm_tree::Result<AnyTree> {
            if directory.exists() && !directory.join(MARKER).exists() {
                let tables = fs::read_dir(directory.join("tables"));
                if tables.is_ok_and(|mut tables| tables.next().is_some()) {
                    let missing = format!("tables/{name}/{MARKER} is missing");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, missing).into());
                }
                // Its making was cut short.
                fs::remove_dir_all(directory)?;
            }
            lsm_tree::Config::new(
                directory,
                shares.sequence.next.clone(),
                SequenceNumberCounter::default(),
            )
            .use_cache(Arc::clone(&shares.cache))
            .use_descriptor_table(Some(Arc::clone(&shares.descriptors)))
            .data_block_restart_interval_policy(RestartIntervalPolicy::new([10, 16]))
            .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(
                BloomConstructionPolicy::BitsPerKey(10.0),
            )))
            // Index and filter blocks of all but the youngest tables live in the block cache, so that it bounds them.
            .index_block_pinning_policy(PinningPolicy::new([true, false]))
            .filter_block_pinning_policy(PinningPolicy::new([true, false]))
            .with_compaction_filter_factory(Some(filter))
            .open()
        };
        // What damaged files hold is met with assertions in places: that is damage too, not our bug.
        let lsm = catch_unwind(AssertUnwindSafe(open))
            .map_err(|panic| StoreError::Damaged {
                directory: directory.to_owned(),
                reason: panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
                    .unwrap_or_default(),
            })?
            .map_err(|error| store_error(directory, &error))?;
        let highest = lsm.get_highest_seqno().map_or(0, |highest| highest + 1);
        shares.sequence.next.fetch_max(highest);
        Ok(Self {
            name: name.into(),
            lsm,
            sequence: Arc::clone(&shares.sequence),
            buffered: AtomicU64::new(0),
            sealed: AtomicU64::new(0),
            sealed_below: AtomicU64::new(0),
            flushed_below: AtomicU64::new(0),
            holders: AtomicUsize::new(0),
            idle_since: Mutex::new(Instant::now()),
        })
    }

    fn idle_since(&self) -> MutexGuard<'_, Instant> {
        self.idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody has held it for so long.
    pub(crate) fn is_idle(&self, delay: Duration) -> bool {
        self.holders.load(Ordering::Acquire) == 0 && self.idle_since().elapsed() >= delay
    }

    /// The row's value.
    pub(crate) fn get(&self, key: &[u8]) -> lsm_tree::Result<Option<lsm_tree::UserValue>> {
        self.lsm.get(key, SeqNo::MAX)
    }

    /// The rows within the bounds, in order, as of one moment.
    pub(crate) fn range<K: AsRef<[u8]>>(
        &self,
        bounds: impl std::ops::RangeBounds<K>,
    ) -> Box<dyn DoubleEndedIterator<Item = lsm_tree::IterGuardImpl> + Send + 'static> {
        let _looking = self
            .sequence
            .looking
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let at = self.sequence.published.get();
        self.lsm.range(bounds, at, None)
    }

    /// The key of the last row.
    pub(crate) fn last_key(&self) -> lsm_tree::Result<Option<lsm_tree::UserKey>> {
        use lsm_tree::Guard;
        let last = self.range::<&[u8]>(..).next_back();
        last.map(Guard::key).transpose()
    }

    pub(crate) fn put(&self, key: &[u8], value: &[u8], at: SeqNo) {
        self.lsm.insert(key, value, at);
    }

    pub(crate) fn remove(&self, key: &[u8], at: SeqNo) {
        self.lsm.remove(key, at);
    }

    /// Notes that so much more is in memory only.
    pub(crate) fn buffer(&self, bytes: u64) {
        self.buffered.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that are in memory only.
    pub(crate) fn buffered(&self) -> u64 {
        self.buffered.load(Ordering::Relaxed) + self.sealed.load(Ordering::Relaxed)
    }

    /// Bytes in memory that nobody has sealed.
    pub(crate) fn unsealed(&self) -> u64 {
        self.buffered.load(Ordering::Relaxed)
    }

    /// Takes what is in memory out of the commits' way, to be flushed; how many bytes that are. Called by who has the
    /// log of commits, which is on disk by then.
    pub(crate) fn seal(&self) -> u64 {
        let bytes = self.buffered.swap(0, Ordering::Relaxed);
        self.lsm.rotate_memtable();
        self.sealed.fetch_add(bytes, Ordering::Relaxed);
        self.sealed_below
            .store(self.sequence.taken(), Ordering::Release);
        bytes
    }

    /// Writes what is sealed to disk; how many bytes that were.
    pub(crate) fn flush(&self) -> lsm_tree::Result<u64> {
        let lock = self.lsm.get_flush_lock();
        let bytes = self.sealed.load(Ordering::Relaxed);
        let below = self.sealed_below.load(Ordering::Acquire);
        self.lsm.flush(&lock, self.sequence.out_of_sight())?;
        drop(lock);
        self.flushed_below.fetch_max(below, Ordering::AcqRel);
        // A clear may have taken them off meanwhile.
        let left = self
            .sealed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sealed| {
                Some(sealed.saturating_sub(bytes))
            });
        Ok(left.unwrap_or(0).min(bytes))
    }

    /// Whether all commits below this number are on disk, as far as they are of this tree.
    pub(crate) fn is_flushed(&self, below: SeqNo) -> bool {
        self.flushed_below.load(Ordering::Acquire) >= below
    }

    /// One step of compaction; whether more is needed soon.
    pub(crate) fn compact(&self) -> lsm_tree::Result<bool> {
        let strategy = Leveled::default().with_table_target_size(TABLE_BYTES);
        self.lsm
            .compact(Arc::new(strategy), self.sequence.out_of_sight())?;
        Ok(self.lsm.l0_run_count() > 8)
    }

    /// Lets go of what nobody looks at any more. Called by who has the log of commits, after a flush or a compaction.
    pub(crate) fn forget_past(&self) -> lsm_tree::Result<()> {
        self.sequence.publish();
        let behind = self.sequence.out_of_sight();
        let path = &self.lsm.tree_config().path;
        self.lsm
            .get_version_history_lock()
            .maintenance(path, behind)
    }

    /// How many runs of tables lie unsorted.
    pub(crate) fn unsorted_runs(&self) -> usize {
        self.lsm.l0_run_count()
    }

    /// Drops whole tables of rows before `front`.
    pub(crate) fn drop_before(&self, front: u64) -> lsm_tree::Result<()> {
        self.lsm.drop_range(..front.to_be_bytes().to_vec())
    }

    /// Drops all tables: their files go once nobody reads them, while those of a tree that is only cleared stay until
    /// it is opened again.
    pub(crate) fn drop_tables(&self) -> lsm_tree::Result<()> {
        self.lsm.drop_range::<&[u8], _>(..)
    }

    /// Drops the rows in memory that were put there from logs.
    pub(crate) fn forget_replayed(&self) -> u64 {
        self.lsm.clear_active_memtable();
        self.buffered.swap(0, Ordering::Relaxed)
    }

    /// Drops all rows; how many bytes of them were in memory only. Called by who has the log of commits.
    pub(crate) fn clear(&self) -> lsm_tree::Result<u64> {
        self.lsm.clear()?;
        self.flushed_below
            .store(self.sequence.taken(), Ordering::Release);
        self.forget_past()?;
        Ok(self.buffered.swap(0, Ordering::Relaxed) + self.sealed.swap(0, Ordering::Relaxed))
    }

    /// Writes rows, in order and each key once, straight into a table. Nothing of the tree may be in memory only.
    pub(crate) fn ingest<'r, K: AsRef<[u8]>>(
        &self,
        rows: impl Iterator<Item = (K, Option<&'r [u8]>)>,
    ) -> lsm_tree::Result<()> {
        let mut ingestion = self.lsm.ingestion()?;
        for (key, value) in rows {
            match value {
                Some(value) => ingestion.write(key.as_ref(), value)?,
                None => ingestion.write_tombstone(key.as_ref())?,
            }
        }
        ingestion.finish()
    }

    pub(crate) fn approximate_len(&self) -> usize {
        self.lsm.approximate_len()
    }

    /// Bytes on disk.
    pub(crate) fn disk_space(&self) -> u64 {
        self.lsm.disk_space()
    }
}

/// What an error of a tree means to us.
pub(crate) fn store_error(directory: &Path, error: &lsm_tree::Error) -> StoreError {
    let directory = directory.to_owned();
    let reason = error.to_string();
    match error {
        lsm_tree::Error::Io(error) if !is_damage(error.kind()) => {
            StoreError::Disk { directory, reason }
        }
        _ => StoreError::Damaged { directory, reason },
    }
}

/// Files that are missing, cut or full of other bytes; anything else is the disk's or the system's.
pub(crate) fn is_damage(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotFound
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
    )
}
