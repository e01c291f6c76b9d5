//! `flush.messages` and `flush.ms`: syncing a partition without a journal, as Kafka does when asked to.
//!
//! With a journal every append is durable before it is acknowledged, and there is nothing to do here.

use std::sync::Arc;

use super::log::PartitionLog;
use super::segment::Segment;
use super::state::State;
use crate::LogError;
use crate::node::partitions_dir;

/// How far a partition was synced at the wish of its configuration.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flushed {
    end_offset: i64,
    at_ms: i64,
}

impl PartitionLog {
    /// After an append in relaxed mode: syncs if `flush.messages` records were appended since the last time.
    pub(super) fn flush_after_append(&self, now_ms: i64) -> Result<(), LogError> {
        let due = {
            let state = self.lock();
            let since = state.log_end - state.flushed.end_offset;
            since >= state.config.flush_messages
        };
        if due { self.flush(now_ms) } else { Ok(()) }
    }

    /// In relaxed mode: syncs if something has waited for `flush.ms`.
    pub(crate) fn flush_if_due(&self, now_ms: i64) -> Result<(), LogError> {
        let due = {
            let state = self.lock();
            let waits = state.log_end > state.flushed.end_offset;
            let since = now_ms.saturating_sub(state.flushed.at_ms);
            waits && !state.deleted && since >= state.config.flush_ms
        };
        if due { self.flush(now_ms) } else { Ok(()) }
    }

    fn flush(&self, now_ms: i64) -> Result<(), LogError> {
        let (files, flushed) = {
            let state = self.lock();
            let flushed = Flushed {
                end_offset: state.log_end,
                at_ms: now_ms,
            };
            (to_sync(&state), flushed)
        };
        let poison = self.node.journal.poison();
        let disk = self.node.disk.as_ref();
        let sync = || {
            for file in files {
                file.file.sync().map_err(LogError::io("sync", &file.path))?;
            }
            for dir in [self.dir.as_ref(), &partitions_dir(&self.node.root)] {
                disk.sync_dir(dir).map_err(LogError::io("sync", dir))?;
            }
            Ok(())
        };
        sync().map_err(|error| poison.set_if_sync(error))?;
        let mut state = self.lock();
        if state.flushed.end_offset < flushed.end_offset {
            state.flushed = flushed;
        }
        Ok(())
    }
}

/// Segments with records behind what was flushed, but for those that a checkpoint has synced.
fn to_sync(state: &State) -> Vec<Arc<super::segment::SegmentFile>> {
    let unsynced = state
        .segments
        .iter()
        .filter(|segment| segment.is_unsynced());
    let first = state.segment_index(state.flushed.end_offset);
    let first = first.and_then(|at| state.segments.get(at));
    let from = first.map_or(0, Segment::base_offset);
    unsynced
        .filter(|segment| segment.base_offset() >= from)
        .map(|segment| Arc::clone(segment.file()))
        .collect()
}
