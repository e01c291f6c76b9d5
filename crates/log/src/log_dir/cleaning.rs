//! Choosing the partition to compact next.

use super::LogDir;
use crate::{Clean, CleanerOptions, LogError};

impl LogDir {
    /// Begins a round of compaction of the partition that is dirtiest, if any is dirty enough. The round goes on by
    /// [`Clean::step`], beside appends, reads, checkpoints and retention.
    pub fn next_clean(
        &self,
        now_ms: i64,
        options: CleanerOptions,
    ) -> Result<Option<Clean>, LogError> {
        self.node.check_writable()?;
        let mut dirtiest = None;
        for partition in self.all_partitions() {
            if let Some(cleanable) = partition.cleanable(now_ms) {
                let ratio = cleanable.dirty_ratio;
                if dirtiest.as_ref().is_none_or(|(most, _)| *most < ratio) {
                    dirtiest = Some((ratio, partition));
                }
            }
        }
        match dirtiest {
            Some((_, partition)) => partition.begin_clean(now_ms, options),
            None => Ok(None),
        }
    }
}
