//! Whether a partition is worth a round of compaction, and how far the round may go.

use std::collections::VecDeque;
use std::sync::Arc;

use super::batch_reader::SourceSegment;
use super::offset_map::OffsetMap;
use super::retention::RetentionRules;
use super::transactions::CleanedTransactions;
use super::{Clean, CleanStats, CleanerOptions, Phase};
use crate::partition::log::PartitionLog;
use crate::partition::segment::Segment;
use crate::partition::state::{CleanerWork, State};
use crate::{LogConfig, LogError};

/// How much a partition needs compaction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cleanable {
    /// Part of the bytes that may be compacted that never were.
    pub(crate) dirty_ratio: f64,
}

/// What a round may count on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What is in the last checkpoint: only that may be compacted.
    Checkpointed,
    /// What would be, if there were a checkpoint now.
    Durable,
}

/// The part of a log that a round may compact.
#[derive(Debug, Clone, Copy)]
struct Range {
    first_dirty_offset: i64,
    /// Segments from the first on.
    segments: usize,
    upper_bound: i64,
}

impl PartitionLog {
    /// Whether a round is due: the log is dirtier than `min.cleanable.dirty.ratio`, or something in it is older than
    /// `max.compaction.lag.ms`.
    pub(crate) fn cleanable(&self, now_ms: i64, extent: Extent) -> Option<Cleanable> {
        let state = self.lock();
        let range = range(&state, now_ms, extent)?;
        let segments = state.segments.get(..range.segments)?;
        let is_dirty = |end: i64| end > range.first_dirty_offset;
        let (mut clean, mut dirty) = (0, 0);
        let mut oldest = i64::MAX;
        for (segment, end) in segments.iter().zip(ends(&state)) {
            if is_dirty(end) {
                dirty += segment.size();
                oldest = oldest.min(segment.first_timestamp().unwrap_or(i64::MAX));
            } else {
                clean += segment.size();
            }
        }
        let overdue = oldest < now_ms.saturating_sub(state.config.max_compaction_lag_ms);
        let dirty_ratio = dirty as f64 / (clean + dirty).max(1) as f64;
        let due = dirty_ratio > state.config.min_cleanable_dirty_ratio || (overdue && dirty > 0);
        due.then_some(Cleanable { dirty_ratio })
    }

    /// Begins a round. `None` where there is nothing to compact, or the partition is being compacted.
    pub(crate) fn begin_clean(
        self: &Arc<Self>,
        now_ms: i64,
        options: CleanerOptions,
    ) -> Result<Option<Clean>, LogError> {
        let clean = self.take_for_cleaning(now_ms, options);
        if clean.is_some() {
            // Only now: the directory of a partition that is being cleaned is not removed.
            self.forget_swap()?;
        }
        Ok(clean)
    }

    fn take_for_cleaning(self: &Arc<Self>, now_ms: i64, options: CleanerOptions) -> Option<Clean> {
        let mut state = self.lock();
        let range = range(&state, now_ms, Extent::Checkpointed)?;
        state.cleaner.work = CleanerWork::Cleaning;
        let segments: Vec<_> = state
            .segments
            .iter()
            .zip(ends(&state))
            .take(range.segments)
            .map(|(segment, end_offset)| SourceSegment {
                base_offset: segment.base_offset(),
                end_offset,
                file: Arc::clone(segment.file()),
                size: segment.size(),
                index_sizes: segment.index_sizes(),
            })
            .collect();
        let dirty = segments
            .iter()
            .filter(|segment| segment.end_offset > range.first_dirty_offset);
        let records = range.upper_bound.abs_diff(range.first_dirty_offset);
        Some(Clean {
            log: Arc::clone(self),
            config: Arc::clone(&state.config),
            options,
            rules: RetentionRules {
                now_ms,
                delete_retention_ms: state.config.delete_retention_ms,
                upper_bound: range.upper_bound,
                last_records: state.producers.last_records(),
            },
            phase: Phase::Map {
                waiting: dirty.cloned().collect(),
                reader: None,
                transactions: CleanedTransactions::default(),
            },
            segments,
            map: OffsetMap::new(records, options.dedupe_buffer_bytes, options.load_factor),
            stats: CleanStats {
                first_dirty_offset: range.first_dirty_offset,
                end_offset: range.first_dirty_offset,
                ..CleanStats::default()
            },
        })
    }
}

/// Where each segment ends: where the next one begins.
fn ends(state: &State) -> impl Iterator<Item = i64> {
    let next = state.segments.iter().skip(1).map(Segment::base_offset);
    next.chain([state.log_end])
}

/// Segments that are closed, in the last checkpoint, below the last stable offset and old enough.
fn range(state: &State, now_ms: i64, extent: Extent) -> Option<Range> {
    let config = &state.config;
    let idle = state.cleaner.work == CleanerWork::Idle;
    if !config.cleanup_policy.compacts() || !idle || state.deleted || state.failed.is_some() {
        return None;
    }
    let bound = match extent {
        Extent::Checkpointed => state.checkpointed.entry?.recovery_point.segment_base,
        Extent::Durable => state.high_watermark(),
    };
    let bound = bound.min(state.last_stable_offset());
    let first_dirty_offset = state
        .cleaner
        .checkpoint
        .first_dirty_offset
        .max(state.log_start);
    let young_from = now_ms.saturating_sub(config.min_compaction_lag_ms);
    let may_be_compacted = |segment: &Segment, end: i64| {
        let is_young = config.min_compaction_lag_ms > 0
            && end > first_dirty_offset
            && segment.max_timestamp().is_some_and(|max| max > young_from);
        let is_synced = extent == Extent::Durable || !segment.is_unsynced();
        end <= bound && is_synced && !segment.lacks_transaction_index() && !is_young
    };
    let closed = state.segments.len().saturating_sub(1);
    let segments = state
        .segments
        .iter()
        .zip(ends(state))
        .take(closed)
        .take_while(|(segment, end)| may_be_compacted(segment, *end))
        .count();
    let upper_bound = state.segments.get(segments)?.base_offset();
    (upper_bound > first_dirty_offset).then_some(Range {
        first_dirty_offset,
        segments,
        upper_bound,
    })
}

/// Neighbours that fit in one segment, so that compaction does not leave ever more and smaller ones.
pub(super) fn group(
    segments: impl Iterator<Item = SourceSegment>,
    config: &LogConfig,
) -> VecDeque<Vec<SourceSegment>> {
    let mut groups: VecDeque<Vec<SourceSegment>> = VecDeque::new();
    let (mut size, mut index_sizes) = (0, [0; 2]);
    for segment in segments {
        let joined = size + segment.size;
        let [offsets, times] = index_sizes;
        let [more_offsets, more_times] = segment.index_sizes;
        let joined_indexes = [offsets + more_offsets, times + more_times];
        let fits = |base_offset: i64| {
            joined <= config.segment_bytes as u64
                && joined_indexes
                    .iter()
                    .all(|size| *size <= config.segment_index_bytes)
                && segment.end_offset - 1 - base_offset <= i64::from(i32::MAX)
        };
        let last = groups.back_mut();
        if let Some(group) = last
            && group.first().is_some_and(|first| fits(first.base_offset))
        {
            (size, index_sizes) = (joined, joined_indexes);
            group.push(segment);
        } else {
            (size, index_sizes) = (segment.size, segment.index_sizes);
            groups.push_back(vec![segment]);
        }
    }
    groups
}
