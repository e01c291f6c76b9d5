//! Fetches that wait for more records.
//!
//! A parked fetch registers itself with every partition it asks for. The
//! partition wakes it when its high watermark moves and when it is deleted; the
//! fetch itself watches its timer and the node's end. Waking only says "look
//! again": the fetch re-reads and parks again if it is still short.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::partition::Partition;

/// The fetches parked at one partition.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    // Bounded by the connections: each polls one fetch at a time.
    fetches: Mutex<HashMap<u64, Arc<Notify>>>,
}

impl Parked {
    /// Tells every fetch parked here to look again.
    pub(crate) fn wake(&self) {
        for fetch in self
            .fetches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
        {
            fetch.notify_one();
        }
    }

    fn insert(&self, id: u64, notify: &Arc<Notify>) {
        self.fetches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Arc::clone(notify));
    }

    fn remove(&self, id: u64) {
        self.fetches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }
}

/// One fetch's registration with its partitions, undone on drop.
///
/// Register first and read afterwards: a wake-up between the two is kept.
#[derive(Debug)]
pub(crate) struct ParkedFetch {
    id: u64,
    notify: Arc<Notify>,
    partitions: Vec<Arc<Partition>>,
}

impl ParkedFetch {
    /// Parks at every one of `partitions`.
    pub(crate) fn register(partitions: Vec<Arc<Partition>>) -> ParkedFetch {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let notify = Arc::new(Notify::new());
        for partition in &partitions {
            partition.parked().insert(id, &notify);
        }
        ParkedFetch {
            id,
            notify,
            partitions,
        }
    }

    /// Returns when one of the partitions has news since the last call.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }
}

impl Drop for ParkedFetch {
    fn drop(&mut self) {
        for partition in &self.partitions {
            partition.parked().remove(self.id);
        }
    }
}
