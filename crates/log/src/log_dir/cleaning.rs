//! Choosing the partition to compact next.

use std::sync::Arc;

use super::LogDir;
use crate::partition::Extent;
use crate::{Clean, CleanerOptions, LogError, PartitionLog};

impl LogDir {
    /// Begins a round of compaction of the partition that is dirtiest, if any is dirty enough. The round goes on by
    /// [`Clean::step`], beside appends, reads, checkpoints and retention. Where only a checkpoint is missing for there
    /// to be something to compact, it is made first.
    pub fn next_clean(
        &self,
        now_ms: i64,
        options: CleanerOptions,
    ) -> Result<Option<Clean>, LogError> {
        self.node.check_writable()?;
        let mut dirtiest = self.dirtiest(now_ms, Extent::Checkpointed);
        if dirtiest.is_none() && self.dirtiest(now_ms, Extent::Durable).is_some() {
            self.checkpoint(now_ms)?;
            dirtiest = self.dirtiest(now_ms, Extent::Checkpointed);
        }
        match dirtiest {
            Some(partition) => partition.begin_clean(now_ms, options),
            None => Ok(None),
        }
    }

    fn dirtiest(&self, now_ms: i64, extent: Extent) -> Option<Arc<PartitionLog>> {
        let mut dirtiest = None;
        for partition in self.all_partitions() {
            if let Some(cleanable) = partition.cleanable(now_ms, extent) {
                let ratio = cleanable.dirty_ratio;
                if dirtiest.as_ref().is_none_or(|(most, _)| *most < ratio) {
                    dirtiest = Some((ratio, partition));
                }
            }
        }
        dirtiest.map(|(_, partition)| partition)
    }
}
