//! Rows on disk that are too old: which they are, and how they go without the stream's thread touching them.
//!
//! Rows that a store forgets by time begin with that time, so the old ones are a range at the front. Readers skip
//! it. On disk, whole tables within the range are dropped by the housekeeper's thread, and what shares a table with
//! living rows goes when that table is compacted. No tombstone is ever written for it.

use std::collections::HashMap;
use std::ops::Bound;
use std::panic::RefUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use fjall::compaction::filter::{
    CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict,
};
use fjall::{AbstractTree, Keyspace};

use super::error::StoreError;
use super::layout::TIMELESS;
use super::versioned::is_old_tombstone;

/// How many stores may wait for the housekeeper; further ones ask again at a later commit.
const WAITING: usize = 64;

/// Where the living rows of one store begin, as of its last commit.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    /// Rows whose first eight bytes are less are dead.
    front: AtomicU64,
    /// The oldest time that is kept.
    oldest: AtomicI64,
    /// Tombstones of a versioned store that are older are of no use; 0 for stores of other kinds.
    tombstones: AtomicI64,
}

impl Expiry {
    pub(crate) fn front(&self) -> u64 {
        self.front.load(Ordering::Acquire)
    }

    /// The oldest time that is kept; 0 where time makes nothing old.
    pub(crate) fn oldest(&self) -> i64 {
        self.oldest.load(Ordering::Acquire)
    }

    pub(crate) fn advance(&self, front: u64, oldest: i64) {
        self.front.fetch_max(front, Ordering::AcqRel);
        self.oldest.fetch_max(oldest, Ordering::AcqRel);
    }

    pub(crate) fn forget_tombstones(&self, before: i64) {
        self.tombstones.fetch_max(before, Ordering::AcqRel);
    }

    /// For a store that begins anew.
    pub(crate) fn reset(&self) {
        self.front.store(0, Ordering::Release);
        self.oldest.store(0, Ordering::Release);
        self.tombstones.store(0, Ordering::Release);
    }
}

/// The fronts of all tables of a database, by name: compactions ask for them.
#[derive(Debug, Default)]
pub(crate) struct Fronts {
    tables: Mutex<HashMap<String, Arc<Expiry>>>,
}

impl Fronts {
    pub(crate) fn of(&self, table: &str) -> Arc<Expiry> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tables.entry(table.to_owned()).or_default())
    }

    /// What a compaction of the table `name` drops.
    pub(crate) fn filter(&self, name: &str) -> Arc<dyn Factory> {
        Arc::new(ExpiryFilter {
            expiry: self.of(name),
        })
    }
}

struct ExpiryFilter {
    expiry: Arc<Expiry>,
}

impl RefUnwindSafe for ExpiryFilter {}

impl Factory for ExpiryFilter {
    fn name(&self) -> &'static str {
        "expiry"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(Dropping {
            front: self.expiry.front().to_be_bytes(),
            tombstones: self.expiry.tombstones.load(Ordering::Acquire),
        })
    }
}

struct Dropping {
    front: [u8; 8],
    tombstones: i64,
}

impl CompactionFilter for Dropping {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        let key = item.key();
        let Some(time) = key.get(..8) else {
            return Ok(Verdict::Keep);
        };
        if time < &self.front[..] {
            // An older version of the row that comes back to light is behind the front as well.
            return Ok(Verdict::Destroy);
        }
        if self.tombstones > 0
            && time == TIMELESS
            && is_old_tombstone(&item.value()?, self.tombstones)
        {
            return Ok(Verdict::Remove);
        }
        Ok(Verdict::Keep)
    }
}

/// The thread that drops old tables.
#[derive(Debug)]
pub(crate) struct Housekeeper {
    /// None only while it ends.
    requests: Option<SyncSender<(Keyspace, u64)>>,
    thread: Option<JoinHandle<()>>,
}

impl Housekeeper {
    pub(crate) fn start(directory: &Path) -> Result<Self, StoreError> {
        let (requests, waiting) = sync_channel::<(Keyspace, u64)>(WAITING);
        let thread = std::thread::Builder::new()
            .name("streams-state".to_owned())
            .spawn(move || {
                for (keyspace, front) in waiting {
                    drop_tables(&keyspace, front);
                }
            })
            .map_err(|error| StoreError::Disk {
                directory: directory.to_owned(),
                reason: format!("no thread could be started: {error}"),
            })?;
        Ok(Self {
            requests: Some(requests),
            thread: Some(thread),
        })
    }

    pub(crate) fn drop_expired(&self, keyspace: &Keyspace, expiry: &Arc<Expiry>) {
        if let Some(requests) = &self.requests {
            // Full: the store asks again when its front has moved on.
            let _ = requests.try_send((keyspace.clone(), expiry.front()));
        }
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn drop_tables(keyspace: &Keyspace, front: u64) {
    let range = (
        Bound::Unbounded,
        Bound::Excluded(front.to_be_bytes().to_vec()),
    );
    if let Err(error) = keyspace.tree.drop_range::<Vec<u8>, _>(range) {
        // Nothing is lost but room on disk, and the next attempt may go better.
        tracing::warn!(table = %keyspace.name(), %error, "expired rows could not be dropped from disk");
    }
}
