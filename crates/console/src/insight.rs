//! What only Headwater's own store can tell: the `StoreInsight` trait and its snapshot.
//!
//! Owns the contract only. Against any other Kafka there is no insight and the page says "not known here".

use serde::{Deserialize, Serialize};

/// A handle on the store running in this process.
pub trait StoreInsight: Send + Sync + 'static {
    /// The figures now. Cheap: it is called every two seconds while any tab looks.
    fn snapshot(&self) -> StoreSnapshot;
}

/// The store's figures at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StoreSnapshot {
    /// Headwater's version.
    pub version: String,
    /// The cluster id.
    pub cluster_id: String,
    /// `fsync` or `relaxed`.
    pub durability: String,
    /// Time since the store started.
    pub uptime_ms: u64,
    /// Client connections now.
    pub connections: u64,
    /// Resident memory of the process.
    pub resident_bytes: u64,
    /// The journal's figures.
    pub journal: JournalSnapshot,
    /// Bytes on disk, partition by partition.
    pub partitions: Vec<PartitionSize>,
    /// Why the log directory takes no more writes, when a sync failed.
    pub poisoned: Option<String>,
}

/// The journal's figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalSnapshot {
    /// Commits since start, each one write and one sync.
    pub commits: u64,
    /// Half of the syncs were at most this long.
    pub sync_micros_p50: u64,
    /// All but one in a hundred syncs were at most this long.
    pub sync_micros_p99: u64,
}

/// Bytes on disk of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionSize {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Bytes on disk.
    pub size_bytes: u64,
}
