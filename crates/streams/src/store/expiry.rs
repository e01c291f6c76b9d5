//! Rows on disk that are too old: which they are, and how they go without the stream's thread touching them.
//!
//! Rows that a store forgets by time begin with that time, so the old ones are a range at the front. Readers skip
//! it. On disk, whole tables within the range are dropped by the compactor's thread, and what shares a table with
//! living rows goes when that table is compacted. No tombstone is ever written for it.

use std::collections::HashMap;
use std::panic::RefUnwindSafe;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lsm_tree::compaction::filter::{CompactionFilter, Context, Factory, ItemAccessor, Verdict};

use super::layout::TIMELESS;
use super::versioned::is_old_tombstone;

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
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> lsm_tree::Result<Verdict> {
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
