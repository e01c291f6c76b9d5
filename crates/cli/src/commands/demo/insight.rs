//! The store's figures as the page wants them.

use std::fs;

use headwater_broker::{Durability, Insight};
use headwater_console::{JournalSnapshot, PartitionSize, StoreInsight, StoreSnapshot};

/// The page's view of the store in this process.
pub(super) struct BrokerInsight(Insight);

impl BrokerInsight {
    pub(super) fn new(insight: Insight) -> Self {
        Self(insight)
    }
}

impl StoreInsight for BrokerInsight {
    fn snapshot(&self) -> StoreSnapshot {
        let journal = self.0.journal();
        StoreSnapshot {
            version: self.0.version().to_owned(),
            cluster_id: self.0.cluster_id(),
            durability: match self.0.durability() {
                Durability::Fsync => "fsync",
                Durability::Relaxed => "relaxed",
            }
            .to_owned(),
            uptime_ms: self.0.uptime().as_millis() as u64,
            connections: self.0.connections() as u64,
            resident_bytes: resident_bytes(),
            journal: JournalSnapshot {
                commits: journal.commits,
                sync_micros_p50: journal.sync_micros_p50,
                sync_micros_p99: journal.sync_micros_p99,
            },
            partitions: self
                .0
                .partitions()
                .into_iter()
                .map(|size| PartitionSize {
                    topic: size.topic,
                    partition: size.partition,
                    size_bytes: size.size_bytes,
                })
                .collect(),
            poisoned: self.0.poisoned(),
        }
    }
}

/// Resident memory of this process; 0 where the system does not tell it in `/proc`.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
        .map_or(0, |kibibytes| kibibytes * 1024)
}
