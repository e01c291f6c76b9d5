//! Which segments may go: by time, by size, and below the log start. Whole segments only; their files are unlinked by
//! a later checkpoint, once the new log start is durable.

use super::log::PartitionLog;
use super::segment::Segment;
use super::state::{CleanerWork, State};
use crate::LogError;

impl PartitionLog {
    /// Rolls the active segment if it is due and takes out segments as the configuration says.
    pub(crate) fn apply_retention(&self, now_ms: i64) -> Result<(), LogError> {
        let changed = {
            let mut state = self.lock();
            if Self::check_appendable(&state).is_err() {
                return Ok(());
            }
            self.roll_if_due(&mut state, now_ms)?;
            let count = deletable(&state, now_ms);
            self.take_out(&mut state, count)?
        };
        if changed {
            self.node.journal.notify();
        }
        Ok(())
    }

    fn roll_if_due(&self, state: &mut State, now_ms: i64) -> Result<(), LogError> {
        let config = std::sync::Arc::clone(&state.config);
        let due = |active: &Segment| active.is_due(now_ms, &config);
        if state.segments.last().is_some_and(due) {
            self.roll(state)?;
        }
        Ok(())
    }

    /// Takes out the first `count` segments, after rolling if the active one is among them. Whether any went.
    fn take_out(&self, state: &mut State, count: usize) -> Result<bool, LogError> {
        // Files must not be removed under names that are about to be another segment's: the next round does it.
        if count == 0 || state.cleaner.work == CleanerWork::Swapping {
            return Ok(false);
        }
        if count == state.segments.len() {
            self.roll(state)?;
        }
        let first_kept = state.segments.get(count).map(Segment::base_offset);
        let first_kept = first_kept.expect("the active segment stays");
        // Their place may be that of the high watermark: it goes to the segment that begins there.
        state.watermark = state.settled_watermark();
        assert!(
            first_kept <= state.high_watermark(),
            "nothing goes that is not durable"
        );
        let taken: Vec<_> = state.segments.drain(..count).collect();
        state.removed.extend(taken);
        self.raise_log_start(state, first_kept);
        Ok(true)
    }
}

/// How many of the oldest segments may go.
fn deletable(state: &State, now_ms: i64) -> usize {
    let config = &state.config;
    let mut excess = match config.retention_bytes {
        limit if limit >= 0 && config.cleanup_policy.deletes() => {
            state.size_in_bytes().saturating_sub(limit.cast_unsigned())
        }
        _ => 0,
    };
    let by_time = config.retention_ms >= 0 && config.cleanup_policy.deletes();
    let mut count = 0;
    for (index, segment) in state.segments.iter().enumerate() {
        let next = state.segments.get(index + 1);
        let end = next.map_or(state.log_end, Segment::base_offset);
        if end > state.high_watermark() || (next.is_none() && segment.size() == 0) {
            break;
        }
        let is_old = |max: i64| max >= 0 && now_ms.saturating_sub(max) > config.retention_ms;
        let expired = by_time
            // Compaction has left nothing of it: it must not keep those behind it.
            && (segment.size() == 0
                // Records without timestamps tell nothing of their age: they go by size only.
                || segment.max_timestamp().is_some_and(is_old));
        let too_much = excess > 0 && excess >= segment.size();
        let below_start = end <= state.log_start;
        if !(expired || too_much || below_start) {
            break;
        }
        excess = excess.saturating_sub(segment.size());
        count = index + 1;
    }
    count
}
