//! What only this node knows of itself, for the page and for tests.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::metadata::Metadata;
use crate::partitions::Partitions;
use crate::settings::Durability;

/// Syncs remembered for the percentiles.
const WINDOW: usize = 1_024;

/// A handle on a node's figures; cheap to clone. It does not keep a stopped node's
/// data directory locked, and then knows of no partitions.
#[derive(Clone)]
pub struct Insight {
    pub(crate) partitions: Weak<Partitions>,
    pub(crate) metadata: Weak<Metadata>,
    pub(crate) cluster_id: Arc<str>,
    pub(crate) durability: Durability,
    pub(crate) data_dir: Arc<Path>,
    pub(crate) journal: Arc<JournalFigures>,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) started: Instant,
}

/// How the journal is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalInsight {
    /// Commits since the start, each one write and one sync.
    pub commits: u64,
    /// Median of the latest commits.
    pub sync_micros_p50: u64,
    /// 99th percentile of the latest commits.
    pub sync_micros_p99: u64,
}

/// How large a partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionSize {
    /// The topic's name.
    pub topic: String,
    /// Number within the topic.
    pub partition: i32,
    /// Bytes in all segments.
    pub size_bytes: u64,
}

impl Insight {
    /// This build's version.
    pub fn version(&self) -> &'static str {
        crate::VERSION
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> String {
        self.cluster_id.to_string()
    }

    /// What an acknowledgement means here.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Where the data lives.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Time since the start.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Clients connected.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How the journal is doing.
    pub fn journal(&self) -> JournalInsight {
        self.journal.insight()
    }

    /// Every partition's size, by topic and number.
    pub fn partitions(&self) -> Vec<PartitionSize> {
        let (Some(partitions), Some(metadata)) =
            (self.partitions.upgrade(), self.metadata.upgrade())
        else {
            return Vec::new();
        };
        let image = metadata.image();
        let mut sizes = Vec::new();
        for topic in image.topics() {
            for partition in 0..topic.partitions.len() as i32 {
                let size_bytes = partitions.size_in_bytes(topic.id, partition);
                sizes.push(PartitionSize {
                    topic: topic.name.clone(),
                    partition,
                    size_bytes,
                });
            }
        }
        sizes
    }

    /// Why no more is written, if that is so.
    pub fn poisoned(&self) -> Option<String> {
        self.partitions.upgrade()?.poisoned()
    }
}

/// Written by the journal thread, read by whoever asks.
#[derive(Debug, Default)]
pub(crate) struct JournalFigures {
    commits: AtomicU64,
    bytes: AtomicU64,
    latest: Mutex<VecDeque<u64>>,
}

impl JournalFigures {
    /// One commit of `bytes` took that long.
    pub(crate) fn commit(&self, took: Duration, bytes: u64) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() == WINDOW {
            latest.pop_front();
        }
        latest.push_back(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes written to the journal since the start.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Commits since the start.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn insight(&self) -> JournalInsight {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<u64> = latest.iter().copied().collect();
        drop(latest);
        sorted.sort_unstable();
        let percentile = |per_cent: usize| match sorted.len() {
            0 => 0,
            count => sorted[(count * per_cent / 100).min(count - 1)],
        };
        JournalInsight {
            commits: self.commits(),
            sync_micros_p50: percentile(50),
            sync_micros_p99: percentile(99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_latest_commits() {
        let figures = JournalFigures::default();
        assert_eq!(figures.insight(), JournalInsight::default());
        for _ in 0..WINDOW {
            figures.commit(Duration::from_secs(1), 4_096);
        }
        for micros in 0..WINDOW as u64 {
            figures.commit(Duration::from_micros(micros), 4_096);
        }
        let insight = figures.insight();
        assert_eq!(insight.commits, 2 * WINDOW as u64);
        assert_eq!(figures.bytes(), 2 * WINDOW as u64 * 4_096);
        assert_eq!(
            (insight.sync_micros_p50, insight.sync_micros_p99),
            (512, 1_013)
        );
    }
}
