//! The database that holds all stores on disk of one application in one process.
//!
//! Owns the memory that they share: the block cache, the write buffers and the caches of rows. Never decides what
//! is written, nor when.
//!
//! ```text
//! <directory>/
//!   LOCK               held by the process that has it open
//!   FORMAT             the version of all this
//!   log/               the log of commits
//!   tables/<name>/     a table: an LSM tree, opened when it is first asked for
//!   deleted/<name>/    a table on its way out
//! ```
//!
//! One log serves all stores, so the changes of several commit in one atomic batch together with their checkpoints.
//! It is written to the page cache at each commit: a kill loses nothing. After a power cut a prefix of the commits is
//! there, and since the checkpoints are in the same batches, the rest is restored from the changelogs. What the log
//! holds is in the trees' write buffers too, and both are let go when those have been written to disk: so it is as
//! short as the buffers are small, and a process that is started after a kill has read it in a moment.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use lsm_tree::{Cache, DescriptorTable, SeqNo};

use super::batch::Batch;
use super::cache_budget::CacheBudget;
use super::checkpoint::Checkpoint;
use super::clean_up::table_path;
use super::commit_log::{Change, Changes, CommitLog, LeftLog};
use super::compactor::Compactor;
use super::disk::DiskTable;
use super::error::StoreError;
use super::expiry::{Expiry, Fronts};
use super::layout::Layout;
use super::memory_budget::MemoryBudget;
use super::tree::{Sequence, Tree, TreeShares, is_damage, store_error};

/// The name of the table of checkpoints; those of stores contain a dot.
const CHECKPOINTS: &str = "checkpoints";

const FORMAT: &str = "2";

/// What a row costs in a write buffer above its bytes.
const ROW_OVERHEAD: u64 = 96;

/// Tables whose files are open at once.
const OPEN_FILES: usize = 900;

/// Ended logs at which buffers are written out however small they are: a process that is killed again and again.
const MOST_LOGS: usize = 8;

/// Runs of tables that lie unsorted at which commits wait for the compactor.
const MOST_RUNS: usize = 20;

/// The database of all stores on disk of one application in one process. Cheap to clone; closed when the last clone,
/// store and reader is gone.
#[derive(Clone)]
pub struct StateDatabase {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) directory: PathBuf,
    budget: MemoryBudget,
    cache: Arc<CacheBudget>,
    pub(super) fronts: Fronts,
    // Its thread ends before the trees close.
    pub(super) compactor: Compactor,
    /// Whoever has it, commits.
    log: Arc<Mutex<CommitLog>>,
    /// The logs that were ended and are still needed.
    ended: Mutex<VecDeque<EndedLog>>,
    pub(super) trees: Mutex<HashMap<Arc<str>, Arc<Tree>>>,
    /// Bytes in write buffers that are not being written out.
    pub(super) buffered: AtomicU64,
    pub(super) checkpoints: Arc<Tree>,
    pub(super) shares: TreeShares,
    /// When it was opened, and when tables that nobody needs are looked for next.
    pub(super) opened: Instant,
    pub(super) next_clean_up: Mutex<Instant>,
    _lock: File,
}

/// A log that is needed until these trees have written what was committed below the number.
pub(super) struct EndedLog {
    path: PathBuf,
    pub(super) trees: Vec<Arc<Tree>>,
    below: SeqNo,
}

impl std::fmt::Debug for StateDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateDatabase")
            .field("directory", &self.shared.directory)
            .finish_non_exhaustive()
    }
}

impl StateDatabase {
    /// Opens the database in `directory`, and makes it if there is none.
    pub fn open(directory: impl AsRef<Path>, budget: MemoryBudget) -> Result<Self, StoreError> {
        let directory = directory.as_ref();
        let failed = |error: io::Error| disk_error(directory, &error);
        let lock = prepare(directory)?;
        let logs = directory.join("log");
        let left = LeftLog::all(&logs).map_err(failed)?;
        let (number, before) = left
            .last()
            .map_or((1, 0), |last| (last.number + 1, last.length));
        if let Some(last) = left.last() {
            last.sync().map_err(failed)?;
        }
        let log = CommitLog::begin(&logs, number, before).map_err(failed)?;
        let log = Arc::new(Mutex::new(log));
        let shares = TreeShares {
            sequence: Arc::new(Sequence::default()),
            cache: Arc::new(Cache::with_capacity_bytes(budget.block_cache_bytes)),
            descriptors: Arc::new(DescriptorTable::new(OPEN_FILES)),
        };
        let fronts = Fronts::default();
        let checkpoints = Arc::new(Tree::open(
            &table_path(directory, CHECKPOINTS),
            CHECKPOINTS,
            &shares,
            fronts.filter(CHECKPOINTS),
        )?);
        let name = Arc::clone(&checkpoints.name);
        let state = Self {
            shared: Arc::new(Shared {
                directory: directory.to_owned(),
                budget,
                cache: Arc::new(CacheBudget::new(
                    budget.row_cache_bytes as usize,
                    budget.result_cache_bytes as usize,
                )),
                fronts,
                compactor: Compactor::start(directory, Arc::clone(&log))?,
                log,
                ended: Mutex::default(),
                trees: Mutex::new(HashMap::from([(name, Arc::clone(&checkpoints))])),
                buffered: AtomicU64::new(0),
                checkpoints,
                shares,
                opened: Instant::now(),
                next_clean_up: Mutex::new(Instant::now()),
                _lock: lock,
            }),
        };
        let many = left.len() > MOST_LOGS;
        state.replay(left)?;
        let mut log = state.log();
        state.shared.shares.sequence.publish();
        if many {
            state.seal(&mut log)?;
            drop(log);
            state.shared.compactor.wait(0, || true);
            log = state.log();
        }
        state.relieve(&mut log)?;
        drop(log);
        Ok(state)
    }

    /// Waits until what is on disk stays as it is until the next commit.
    #[cfg(test)]
    pub(crate) fn rest(&self) {
        self.shared.compactor.rest();
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// A batch that commits at `now_ms`, in milliseconds since the Unix epoch.
    pub fn batch(&self, now_ms: i64) -> Batch {
        Batch::on_disk(self.clone(), now_ms)
    }

    pub(crate) fn table(&self, name: &str, layout: Layout) -> Result<DiskTable, StoreError> {
        let log = self.log();
        let tree = self.tree(name)?;
        // What it holds has numbers of an earlier process.
        self.shared.shares.sequence.publish();
        let expiry = self.shared.fronts.of(name);
        let table = DiskTable::new(self.clone(), tree, expiry, layout);
        // Not before it is held: idle tables are deleted by who has the log.
        drop(log);
        Ok(table)
    }

    pub(crate) fn cache(&self) -> &Arc<CacheBudget> {
        &self.shared.cache
    }

    /// The name of the table of checkpoints.
    pub(crate) fn checkpoints(&self) -> &Arc<str> {
        &self.shared.checkpoints.name
    }

    pub(crate) fn read_checkpoint(
        &self,
        table: &str,
        fingerprint: u64,
    ) -> Result<Option<Checkpoint>, StoreError> {
        let row = self
            .shared
            .checkpoints
            .get(table.as_bytes())
            .map_err(|error| self.error(&error))?;
        Ok(row.and_then(|row| Checkpoint::decode(&row, fingerprint)))
    }

    /// Has rows that expired dropped from disk, off the caller's thread.
    pub(crate) fn drop_expired(&self, tree: &Arc<Tree>, expiry: &Arc<Expiry>) {
        self.shared.compactor.drop_before(tree, expiry.front());
    }

    /// What an error of a tree means to us.
    pub(crate) fn error(&self, error: &lsm_tree::Error) -> StoreError {
        store_error(&self.shared.directory, error)
    }

    /// Writes changes to the log, and then to the trees.
    pub(crate) fn commit(&self, changes: &Changes) -> Result<(), StoreError> {
        let shared = &self.shared;
        let mut log = self.log();
        shared.compactor.check(&shared.directory)?;
        let trees = self.trees_of(changes.tables().iter().map(|name| &**name))?;
        self.append(&mut log, changes)?;
        self.apply(&trees, |each| changes.each(each));
        shared.shares.sequence.publish();
        self.relieve(&mut log)?;
        drop(log);
        // Buffers that wait to be written take memory too, and unsorted tables make every look-up slow.
        let limit = shared.budget.write_buffer_bytes / 2;
        shared.compactor.wait(limit, || {
            trees.iter().all(|tree| tree.unsorted_runs() < MOST_RUNS)
        });
        Ok(())
    }

    /// Forgets a table's checkpoint, then its rows.
    pub(crate) fn clear(&self, tree: &Arc<Tree>) -> Result<(), StoreError> {
        let shared = &self.shared;
        let mut log = self.log();
        self.void(&mut log, &tree.name)?;
        drop(log);
        // This may wait for a table that is being merged, so nobody else is to wait meanwhile.
        tree.drop_tables().map_err(|error| self.error(&error))?;
        let _log = self.log();
        let unsealed = tree.unsealed();
        let gone = tree.clear().map_err(|error| self.error(&error))?;
        shared.buffered.fetch_sub(unsealed, Ordering::Relaxed);
        shared.compactor.dropped(gone - unsealed);
        Ok(())
    }

    /// Forgets how far a table has come, and all earlier changes of it.
    pub(super) fn void(&self, log: &mut CommitLog, table: &Arc<str>) -> Result<(), StoreError> {
        let shared = &self.shared;
        let mut changes = Changes::default();
        changes.of(&shared.checkpoints.name);
        changes.remove(&[table.as_bytes()]);
        changes.of(table);
        changes.void();
        self.append(log, &changes)?;
        // The rows go from disk at once: a power cut must not bring back a checkpoint without them.
        log.sync().map_err(|error| self.disk_error(&error))?;
        let at = shared.shares.sequence.take();
        shared.checkpoints.remove(table.as_bytes(), at);
        shared.checkpoints.buffer(ROW_OVERHEAD);
        shared.buffered.fetch_add(ROW_OVERHEAD, Ordering::Relaxed);
        Ok(())
    }

    /// Writes rows, in order and each key once, past the log: straight into a table. Not to be mixed with a batch
    /// that has not committed. After a kill all of it is there or nothing.
    pub(crate) fn ingest<'r, K: AsRef<[u8]>>(
        &self,
        tree: &Arc<Tree>,
        rows: impl Iterator<Item = (K, Option<&'r [u8]>)>,
    ) -> Result<(), StoreError> {
        let shared = &self.shared;
        let failed = |error: lsm_tree::Error| self.error(&error);
        {
            // Rows that are older must not come back over these out of the log: they are written out, and void.
            let mut log = self.log();
            if tree.unsealed() > 0 {
                log.sync().map_err(|error| self.disk_error(&error))?;
                let bytes = tree.seal();
                shared.buffered.fetch_sub(bytes, Ordering::Relaxed);
                shared.compactor.flush(tree, bytes);
            }
            let flushed = tree.flush().map_err(failed)?;
            shared.compactor.dropped(flushed);
            let mut changes = Changes::default();
            changes.of(&tree.name);
            changes.void();
            self.append(&mut log, &changes)?;
        }
        tree.ingest(rows).map_err(failed)?;
        let log = self.log();
        tree.forget_past().map_err(failed)?;
        drop(log);
        shared.compactor.compact(tree);
        Ok(())
    }

    pub(super) fn log(&self) -> MutexGuard<'_, CommitLog> {
        self.shared
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn append(&self, log: &mut CommitLog, changes: &Changes) -> Result<(), StoreError> {
        log.append(changes).map_err(|error| {
            // What follows a torn record would be lost.
            self.shared
                .compactor
                .fail(format!("the log of commits: {error}"));
            self.disk_error(&error)
        })
    }

    fn disk_error(&self, error: &io::Error) -> StoreError {
        disk_error(&self.shared.directory, error)
    }

    /// The tree of a table, which is opened if it is not yet.
    fn tree(&self, name: &str) -> Result<Arc<Tree>, StoreError> {
        let shared = &self.shared;
        let mut trees = shared.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = trees.get(name) {
            return Ok(Arc::clone(tree));
        }
        let path = table_path(&shared.directory, name);
        let tree = Tree::open(&path, name, &shared.shares, shared.fronts.filter(name))?;
        let tree = Arc::new(tree);
        trees.insert(Arc::clone(&tree.name), Arc::clone(&tree));
        Ok(tree)
    }

    fn trees_of<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Vec<Arc<Tree>>, StoreError> {
        names.map(|name| self.tree(name)).collect()
    }

    /// Puts changes into the trees' buffers, under one number.
    fn apply(&self, trees: &[Arc<Tree>], changes: impl FnOnce(&mut dyn FnMut(Change<'_>))) {
        let shared = &self.shared;
        let at = shared.shares.sequence.take();
        let mut current = None;
        let mut bytes = 0;
        let settle = |tree: Option<&Arc<Tree>>, bytes: &mut u64| {
            if let Some(tree) = tree {
                tree.buffer(*bytes);
                shared.buffered.fetch_add(*bytes, Ordering::Relaxed);
            }
            *bytes = 0;
        };
        changes(&mut |change| match (change, current) {
            (Change::Table(index), _) => {
                settle(current, &mut bytes);
                current = trees.get(index);
            }
            (Change::Put(key, value), Some(tree)) => {
                bytes += ROW_OVERHEAD + (key.len() + value.len()) as u64;
                tree.put(key, value, at);
            }
            (Change::Remove(key), Some(tree)) => {
                bytes += ROW_OVERHEAD + key.len() as u64;
                tree.remove(key, at);
            }
            (Change::Void, Some(tree)) => {
                bytes = 0;
                let gone = tree.forget_replayed();
                shared.buffered.fetch_sub(gone, Ordering::Relaxed);
            }
            (_, None) => {}
        });
        settle(current, &mut bytes);
    }

    /// Puts what an earlier process has left back into the trees' buffers.
    fn replay(&self, left: Vec<LeftLog>) -> Result<(), StoreError> {
        let failed = |error: io::Error| self.disk_error(&error);
        let mut ended = Vec::with_capacity(left.len());
        for log in left {
            let mut touched: HashMap<Arc<str>, Arc<Tree>> = HashMap::new();
            for record in log.records().map_err(failed)? {
                let trees = self.trees_of(record.tables.iter().copied())?;
                self.apply(&trees, |each| record.each(each));
                touched.extend(trees.into_iter().map(|tree| (Arc::clone(&tree.name), tree)));
            }
            ended.push((log.path, touched));
        }
        let below = self.shared.shares.sequence.taken();
        let ended = ended.into_iter().map(|(path, touched)| EndedLog {
            path,
            trees: touched
                .into_values()
                .filter(|tree| tree.unsealed() > 0)
                .collect(),
            below,
        });
        self.ended().extend(ended);
        Ok(())
    }

    /// Has all write buffers written out when together they are above the budget, and lets go of logs that are not
    /// needed any more.
    fn relieve(&self, log: &mut CommitLog) -> Result<(), StoreError> {
        let shared = &self.shared;
        self.reap();
        if shared.buffered.load(Ordering::Relaxed) > shared.budget.write_buffer_bytes / 2 {
            self.seal(log)?;
        }
        Ok(())
    }

    fn seal(&self, log: &mut CommitLog) -> Result<(), StoreError> {
        let shared = &self.shared;
        let path = log.turn().map_err(|error| {
            shared
                .compactor
                .fail(format!("the log of commits: {error}"));
            self.disk_error(&error)
        })?;
        let mut sealed = Vec::new();
        let trees = shared.trees.lock().unwrap_or_else(PoisonError::into_inner);
        for tree in trees.values().filter(|tree| tree.unsealed() > 0) {
            let bytes = tree.seal();
            shared.buffered.fetch_sub(bytes, Ordering::Relaxed);
            shared.compactor.flush(tree, bytes);
            sealed.push(Arc::clone(tree));
        }
        drop(trees);
        self.ended().push_back(EndedLog {
            path,
            trees: sealed,
            below: shared.shares.sequence.taken(),
        });
        Ok(())
    }

    /// Deletes ended logs, oldest first, of which everything is on disk.
    fn reap(&self) {
        let mut ended = self.ended();
        let done = |log: &EndedLog| log.trees.iter().all(|tree| tree.is_flushed(log.below));
        while let Some(log) = ended.front().filter(|log| done(log)) {
            if let Err(error) = fs::remove_file(&log.path)
                && error.kind() != io::ErrorKind::NotFound
            {
                // Those behind it have to stay too: a log that is missing between others is damage.
                tracing::warn!(log = %log.path.display(), %error, "it could not be deleted");
                break;
            }
            ended.pop_front();
        }
    }

    pub(super) fn ended(&self) -> MutexGuard<'_, VecDeque<EndedLog>> {
        self.shared
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes what is missing of the directory and locks it.
fn prepare(directory: &Path) -> Result<File, StoreError> {
    let failed = |error: io::Error| disk_error(directory, &error);
    fs::create_dir_all(directory).map_err(failed)?;
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join("LOCK"))
        .map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::Locked {
                directory: directory.to_owned(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    check_format(directory)?;
    super::clean_up::finish_deletes(directory).map_err(failed)?;
    for part in ["log", "tables"] {
        fs::create_dir_all(directory.join(part)).map_err(failed)?;
    }
    Ok(lock)
}

fn check_format(directory: &Path) -> Result<(), StoreError> {
    let failed = |error: io::Error| disk_error(directory, &error);
    let file = directory.join("FORMAT");
    let other = |format: &str| StoreError::Damaged {
        directory: directory.to_owned(),
        reason: format!("written in format {format:?} by another version"),
    };
    match fs::read_to_string(&file) {
        Ok(found) if found.trim_end() == FORMAT => Ok(()),
        Ok(found) => Err(other(found.trim_end())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if directory.join("keyspaces").exists() {
                return Err(other("1"));
            }
            let draft = directory.join("FORMAT.new");
            write_synced(&draft, format!("{FORMAT}\n").as_bytes()).map_err(failed)?;
            fs::rename(&draft, &file).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Writes a file that is to get its name: what a power cut leaves of that is whole.
fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

pub(super) fn disk_error(directory: &Path, error: &io::Error) -> StoreError {
    let directory = directory.to_owned();
    let reason = error.to_string();
    if is_damage(error.kind()) {
        StoreError::Damaged { directory, reason }
    } else {
        StoreError::Disk { directory, reason }
    }
}
