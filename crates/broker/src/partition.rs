//! One partition as the broker sees it: its log, and who waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use headwater_log::PartitionLog;

use crate::delayed::Parked;

/// A partition that is being served.
#[derive(Debug)]
pub(crate) struct Partition {
    log: Arc<PartitionLog>,
    parked: Parked,
    deleted: AtomicBool,
}

impl Partition {
    pub(crate) fn new(log: Arc<PartitionLog>) -> Partition {
        Partition {
            log,
            parked: Parked::default(),
            deleted: AtomicBool::new(false),
        }
    }

    /// For reading and for its offsets. Appends go through [`crate::partitions::Partitions::append`], which wakes who waits.
    pub(crate) fn log(&self) -> &Arc<PartitionLog> {
        &self.log
    }

    /// Fetches waiting for records of this partition.
    pub(crate) fn parked(&self) -> &Parked {
        &self.parked
    }

    /// Its topic is gone; a handle kept across an await must look.
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// Ends whoever waits here.
    pub(crate) fn mark_deleted(&self) {
        self.deleted.store(true, Ordering::Release);
        self.parked.wake();
    }
}
