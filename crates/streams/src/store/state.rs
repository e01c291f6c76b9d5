//! The database that holds all stores on disk of one application in one process.
//!
//! Owns the memory that they share: the block cache, the write buffers and the caches of rows. Never decides what
//! is written, nor when.
//!
//! One journal serves all stores, so the changes of several commit in one atomic batch together with their
//! checkpoints. The journal is written to the page cache at each commit and not synced: a kill loses nothing. After
//! a power cut a prefix of the commits is there, and since the checkpoints are in the same batches, the rest is
//! restored from the changelogs.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fjall::config::{FilterPolicy, FilterPolicyEntry, PinningPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch};

use super::cache_budget::CacheBudget;
use super::checkpoint::Checkpoint;
use super::disk::DiskTable;
use super::error::StoreError;
use super::expiry::{Expiry, Fronts, Housekeeper};
use super::layout::Layout;
use super::table::PutRow;

const MIB: u64 = 1024 * 1024;

/// The name of the keyspace of checkpoints; those of stores contain a dot.
const CHECKPOINTS: &str = "checkpoints";

/// The row of the checkpoints that tells the format of the database.
const FORMAT_KEY: &[u8] = b"\0format";
const FORMAT: &[u8] = b"1";

/// What a row costs in a write buffer above its bytes.
const ROW_OVERHEAD: u64 = 96;

/// How the memory of all stores of an application is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Blocks read from disk.
    pub block_cache_bytes: u64,
    /// Committed rows that are not in a table on disk yet.
    pub write_buffer_bytes: u64,
    /// Clean rows in front of the stores, beside the changes of open transactions.
    pub row_cache_bytes: u64,
}

impl MemoryBudget {
    /// Divides `total_bytes`; at least 16 MiB.
    pub fn of(total_bytes: u64) -> Self {
        let eighth = total_bytes.max(16 * MIB) / 8;
        Self {
            block_cache_bytes: 3 * eighth,
            write_buffer_bytes: 2 * eighth,
            row_cache_bytes: 3 * eighth,
        }
    }
}

impl Default for MemoryBudget {
    /// 96 MiB in all.
    fn default() -> Self {
        Self::of(96 * MIB)
    }
}

/// The database of all stores on disk of one application in one process. Cheap to clone; closed when the last clone,
/// store and reader is gone.
#[derive(Clone)]
pub struct StateDatabase {
    shared: Arc<Shared>,
}

struct Shared {
    directory: PathBuf,
    budget: MemoryBudget,
    cache: Arc<CacheBudget>,
    fronts: Arc<Fronts>,
    /// The stores' write buffers: those that are largest are written out when all together are too large.
    buffers: Mutex<HashMap<String, Buffer>>,
    buffered: AtomicU64,
    // Behind the tables that need them: dropped in this order.
    housekeeper: Housekeeper,
    checkpoints: Keyspace,
    database: Database,
}

struct Buffer {
    keyspace: Keyspace,
    bytes: Arc<AtomicU64>,
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
        let fronts = Arc::new(Fronts::default());
        let open = || open_database(directory, &budget, &fronts);
        // What damaged files hold is met with assertions in places: that is damage too, not our bug.
        let opened = catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|panic| {
            let reason = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
                .unwrap_or_default();
            Err(StoreError::Damaged {
                directory: directory.to_owned(),
                reason,
            })
        });
        let (database, checkpoints) = opened?;
        let state = Self {
            shared: Arc::new(Shared {
                directory: directory.to_owned(),
                budget,
                cache: Arc::new(CacheBudget::new(budget.row_cache_bytes as usize)),
                fronts,
                buffers: Mutex::default(),
                buffered: AtomicU64::new(0),
                housekeeper: Housekeeper::start(directory)?,
                checkpoints,
                database,
            }),
        };
        state.check_format()?;
        Ok(state)
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// A batch that commits at `now_ms`, in milliseconds since the Unix epoch.
    pub fn batch(&self, now_ms: i64) -> Batch {
        Batch {
            disk: Some((self.clone(), self.shared.database.batch())),
            touched: Vec::new(),
            now_ms,
        }
    }

    pub(crate) fn table(&self, name: &str, layout: Layout) -> Result<DiskTable, StoreError> {
        let keyspace = self
            .shared
            .database
            .keyspace(name, options)
            .map_err(|error| self.error(&error))?;
        let bytes = Arc::clone(
            &self
                .buffers()
                .entry(name.to_owned())
                .or_insert_with(|| Buffer {
                    keyspace: keyspace.clone(),
                    bytes: Arc::default(),
                })
                .bytes,
        );
        Ok(DiskTable::new(
            self.clone(),
            name,
            keyspace,
            bytes,
            self.shared.fronts.of(name),
            layout,
        ))
    }

    pub(crate) fn cache(&self) -> &Arc<CacheBudget> {
        &self.shared.cache
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

    /// Forgets how far a table has come, before its rows go.
    pub(crate) fn forget_checkpoint(&self, table: &str) -> Result<(), StoreError> {
        self.shared
            .checkpoints
            .remove(table.as_bytes())
            .map_err(|error| self.error(&error))
    }

    /// Has rows that expired dropped from disk, off the caller's thread.
    pub(crate) fn drop_expired(&self, keyspace: &Keyspace, expiry: &Arc<Expiry>) {
        self.shared.housekeeper.drop_expired(keyspace, expiry);
    }

    /// Takes a write buffer that is empty now off the sum.
    pub(crate) fn release(&self, buffer: &AtomicU64) {
        let bytes = buffer.swap(0, Ordering::Relaxed);
        self.shared.buffered.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// What an error of the database means to us.
    pub(crate) fn error(&self, error: &fjall::Error) -> StoreError {
        store_error(&self.shared.directory, error)
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let checkpoints = &self.shared.checkpoints;
        let format = checkpoints
            .get(FORMAT_KEY)
            .map_err(|error| self.error(&error))?;
        match format {
            None => checkpoints
                .insert(FORMAT_KEY, FORMAT)
                .map_err(|error| self.error(&error)),
            Some(format) if *format == *FORMAT => Ok(()),
            Some(format) => Err(StoreError::Damaged {
                directory: self.shared.directory.clone(),
                reason: format!(
                    "written in format {} by another version",
                    String::from_utf8_lossy(&format)
                ),
            }),
        }
    }

    /// Writes out the largest write buffers when all together are above the budget, and waits when the disk does not
    /// keep up.
    fn relieve(&self) -> Result<(), StoreError> {
        let shared = &self.shared;
        let limit = shared.budget.write_buffer_bytes / 2;
        if shared.buffered.load(Ordering::Relaxed) <= limit {
            return Ok(());
        }
        let mut buffers: Vec<_> = self
            .buffers()
            .values()
            .map(|buffer| {
                (
                    buffer.bytes.load(Ordering::Relaxed),
                    buffer.keyspace.clone(),
                    Arc::clone(&buffer.bytes),
                )
            })
            .collect();
        buffers.sort_unstable_by_key(|(bytes, ..)| std::cmp::Reverse(*bytes));
        for (_, keyspace, bytes) in buffers {
            if shared.buffered.load(Ordering::Relaxed) <= limit / 2 {
                break;
            }
            self.release(&bytes);
            keyspace
                .rotate_memtable()
                .map_err(|error| self.error(&error))?;
        }
        // Buffers that wait to be written take memory too. Ten seconds without progress is the database's to report.
        for _ in 0..2000 {
            if shared.database.outstanding_flushes() <= 8 {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn buffers(&self) -> std::sync::MutexGuard<'_, HashMap<String, Buffer>> {
        self.shared
            .buffers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changes of several stores that become visible together, and durable against a kill.
#[must_use = "changes that are not committed are lost"]
pub struct Batch {
    disk: Option<(StateDatabase, OwnedWriteBatch)>,
    touched: Vec<(Arc<AtomicU64>, u64)>,
    now_ms: i64,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").finish_non_exhaustive()
    }
}

impl Batch {
    /// A batch for stores in memory only.
    pub fn in_memory(now_ms: i64) -> Self {
        Self {
            disk: None,
            touched: Vec::new(),
            now_ms,
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Adds changes of a table, as `changes` hands them out.
    pub(crate) fn write(&mut self, table: &DiskTable, changes: impl FnOnce(&mut PutRow<'_>)) {
        let Some((_, batch)) = &mut self.disk else {
            return;
        };
        let mut bytes = 0;
        changes(&mut |key, value| {
            bytes += ROW_OVERHEAD + key.len() as u64 + value.map_or(0, <[u8]>::len) as u64;
            let row = table.row(key);
            match value {
                Some(value) => batch.insert(table.keyspace(), &*row, value),
                None => batch.remove(table.keyspace(), &*row),
            }
        });
        self.touched.push((Arc::clone(table.buffered()), bytes));
    }

    /// Adds how far a table has come.
    pub(crate) fn checkpoint(&mut self, table: &str, checkpoint: &Checkpoint, fingerprint: u64) {
        if let Some((state, batch)) = &mut self.disk {
            let row = checkpoint.encode(fingerprint);
            batch.insert(&state.shared.checkpoints, table.as_bytes(), &row[..]);
        }
    }

    /// Commits. After an error nothing of the stores in it can be used: they have to be opened again.
    pub fn commit(self) -> Result<(), StoreError> {
        let Some((state, batch)) = self.disk else {
            return Ok(());
        };
        batch.commit().map_err(|error| state.error(&error))?;
        for (buffer, bytes) in self.touched {
            buffer.fetch_add(bytes, Ordering::Relaxed);
            state.shared.buffered.fetch_add(bytes, Ordering::Relaxed);
        }
        state.relieve()
    }
}

fn open_database(
    directory: &Path,
    budget: &MemoryBudget,
    fronts: &Arc<Fronts>,
) -> Result<(Database, Keyspace), StoreError> {
    let fronts = Arc::clone(fronts);
    let open = || -> fjall::Result<(Database, Keyspace)> {
        let database = Database::builder(directory)
            .cache_size(budget.block_cache_bytes)
            .max_journaling_size(64 * MIB)
            .journal_compression(fjall::CompressionType::None)
            // With two, one hands compactions back to the queue as fast as it can while the other is busy.
            .worker_threads(1)
            .with_compaction_filter_factories(Arc::new(move |name| Some(fronts.filter(name))))
            .open()?;
        let checkpoints = database.keyspace(CHECKPOINTS, options)?;
        Ok((database, checkpoints))
    };
    open().map_err(|error| store_error(directory, &error))
}

/// Of every keyspace. Write buffers are written out by [`StateDatabase::relieve`] alone, which knows all of them;
/// index and filter blocks of all but the youngest tables live in the block cache, so that it bounds them.
fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .max_memtable_size(1024 * MIB)
        // Small steps: one thread both compacts and writes buffers out, so no compaction may take long.
        .compaction_strategy(Arc::new(
            fjall::compaction::Leveled::default().with_table_target_size(16 * MIB),
        ))
        .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(
            fjall::config::BloomConstructionPolicy::BitsPerKey(10.0),
        )))
        .index_block_pinning_policy(PinningPolicy::new([true, false]))
        .filter_block_pinning_policy(PinningPolicy::new([true, false]))
}

fn store_error(directory: &Path, error: &fjall::Error) -> StoreError {
    let directory = directory.to_owned();
    let disk = match error {
        fjall::Error::Locked => return StoreError::Locked { directory },
        // Files that are missing, cut or full of other bytes; anything else is the disk's or the system's.
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => !matches!(
            error.kind(),
            ErrorKind::UnexpectedEof
                | ErrorKind::InvalidData
                | ErrorKind::InvalidInput
                | ErrorKind::NotFound
                | ErrorKind::AlreadyExists
                | ErrorKind::NotADirectory
                | ErrorKind::IsADirectory
        ),
        fjall::Error::Poisoned | fjall::Error::KeyspaceDeleted => true,
        _ => false,
    };
    let reason = error.to_string();
    if disk {
        StoreError::Disk { directory, reason }
    } else {
        StoreError::Damaged { directory, reason }
    }
}
