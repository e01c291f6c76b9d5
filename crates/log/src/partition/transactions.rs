//! The transactions of a partition: which are open, how far readers of committed records may go, and which of what they
//! read was aborted.
//!
//! Whether a producer may take part in a transaction, and when one ends, is the coordinator's business.

use std::collections::BTreeMap;

use headwater_records::{BatchHeader, RecordBatch, TimestampType};

use super::append::Admission;
use super::end_marker::{EndMarker, LoggedBatch, TransactionOutcome};
use super::log::PartitionLog;
use super::producer_state::{ActiveProducer, Transition};
use super::segment::Segment;
use super::state::State;
use super::transaction_index::{AbortedEntry, AbortedView, Search};
use super::{AppendOptions, Appended, Origin};
use crate::{AppendError, LogError, ReadError};

/// Looks at the indexes begin again this often when retention or the cleaner takes files away meanwhile.
const MAX_LOOKS: usize = 4;

/// A transaction whose records a reader of committed records skips, from the first one of its producer on until the
/// producer's next marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: i64,
    /// Its first offset on this partition.
    pub first_offset: i64,
}

/// Transactions that hold back the last stable offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OpenTransactions {
    /// First offset to producer, of those without a marker.
    ongoing: BTreeMap<i64, i64>,
    /// First offset to marker offset, of those whose marker is not below the high watermark. As many as appends wait.
    ended: BTreeMap<i64, i64>,
}

impl OpenTransactions {
    /// Those that are open in a state of the producers.
    pub(crate) fn from_ongoing(ongoing: impl Iterator<Item = (i64, i64)>) -> Self {
        Self {
            ongoing: ongoing.collect(),
            ended: BTreeMap::new(),
        }
    }

    /// Takes in what a batch did. Returns what belongs in the index of aborted transactions.
    pub(crate) fn note(
        &mut self,
        header: &BatchHeader,
        transition: Transition,
    ) -> Option<AbortedEntry> {
        match transition {
            Transition::None => None,
            Transition::Began => {
                self.begin(header.producer_id, header.base_offset);
                None
            }
            Transition::Ended {
                first_offset,
                outcome,
            } => {
                let last_offset = header.last_offset();
                let last_stable_offset = self.end(first_offset, last_offset);
                (outcome == TransactionOutcome::Abort).then_some(AbortedEntry {
                    producer_id: header.producer_id,
                    first_offset,
                    last_offset,
                    last_stable_offset,
                })
            }
        }
    }

    fn begin(&mut self, producer_id: i64, first_offset: i64) {
        self.ongoing.insert(first_offset, producer_id);
    }

    /// Ends the one that began at `first_offset`. Returns the first offset that stays open, or else that behind the
    /// marker: what the last stable offset will be once the marker is durable.
    fn end(&mut self, first_offset: i64, marker_offset: i64) -> i64 {
        let ended = self.ongoing.remove(&first_offset);
        debug_assert!(ended.is_some(), "only what began ends");
        self.ended.insert(first_offset, marker_offset);
        let open = self.ongoing.keys().next();
        open.copied().unwrap_or(marker_offset + 1)
    }

    /// Lets go of those whose marker is durable.
    pub(crate) fn advance(&mut self, high_watermark: i64) {
        self.ended.retain(|_, marker| *marker >= high_watermark);
    }

    /// The first offset that is not decided durably.
    pub(crate) fn first_unstable_offset(&self) -> Option<i64> {
        let open = self.ongoing.keys().next();
        let ended = self.ended.keys().next();
        open.into_iter().chain(ended).min().copied()
    }
}

impl State {
    /// Everything before is durable and decided.
    pub(crate) fn last_stable_offset(&self) -> i64 {
        let high_watermark = self.high_watermark();
        let unstable = self.transactions.first_unstable_offset();
        // Records of an open transaction may have been deleted: nobody reads those.
        let unstable = unstable.map(|offset| offset.max(self.log_start));
        unstable.map_or(high_watermark, |offset| offset.min(high_watermark))
    }

    /// Takes a batch into producer state, and its transaction into those open. What was aborted goes into the index of
    /// the active segment, which holds the marker.
    pub(crate) fn note_producer(&mut self, batch: &LoggedBatch, keep_below: i64) {
        let transition = self.producers.note(batch, keep_below);
        let aborted = self.transactions.note(&batch.header, transition);
        if let (Some(aborted), Some(active)) = (aborted, self.segments.last_mut()) {
            active.note_aborted(aborted);
        }
    }
}

impl PartitionLog {
    /// Everything before is durable, and no transaction is open there: how far readers of committed records may go.
    pub fn last_stable_offset(&self) -> i64 {
        self.lock().last_stable_offset()
    }

    /// First offset of the transaction that the producer has open here.
    pub fn open_transaction(&self, producer_id: i64) -> Option<i64> {
        self.lock().producers.open_transaction(producer_id)
    }

    /// Whether anything that the producer wrote here is remembered.
    pub fn knows_producer(&self, producer_id: i64) -> bool {
        self.lock().producers.knows(producer_id)
    }

    /// The producers that are known, by id.
    pub fn active_producers(&self) -> Vec<ActiveProducer> {
        self.lock().producers.active()
    }

    /// Ends the transaction of a producer, be it open here or not. The marker counts for readers once
    /// [`Appended::position`] is durable.
    ///
    /// Refused are an epoch that is too old (`InvalidProducerEpoch`): below the producer's, or from transaction version
    /// 2 on (KIP-890) also the same while a transaction is open; and a coordinator whose successor has written here
    /// (`TransactionCoordinatorFenced`).
    pub fn append_end_marker(
        &self,
        marker: EndMarker,
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        let timestamp_type = self.lock().config.message_timestamp_type;
        let bytes = marker.encode(now_ms, timestamp_type);
        let batch = RecordBatch::parse(&bytes).expect("what was just encoded is a batch");
        let options = AppendOptions {
            origin: Origin::Coordinator,
            leader_epoch,
            now_ms,
        };
        let appended = self.append_admitted(&[batch], options, |state| {
            state.producers.check_marker(&marker)?;
            Ok(Admission::Append)
        })?;
        let log_append_time_ms = match timestamp_type {
            TimestampType::LogAppendTime => now_ms,
            TimestampType::CreateTime => -1,
        };
        Ok(Appended {
            log_append_time_ms,
            ..appended
        })
    }

    /// Whether any transaction with records at or behind `offset` was aborted. Most partitions have none, and readers
    /// of theirs need not look closer.
    pub fn has_aborted_behind(&self, offset: i64) -> bool {
        let state = self.lock();
        let first = state.segment_index(offset).unwrap_or(0);
        let mut segments = state.segments.iter().skip(first);
        segments.any(|segment| {
            let last = segment.transaction_index().last();
            last.is_some_and(|last| last.last_offset >= offset)
        })
    }

    /// What was aborted of the transactions with records at or behind `from` and before `to`, by first offset. `to` is
    /// at most the last stable offset.
    pub fn aborted_transactions(
        &self,
        from: i64,
        to: i64,
    ) -> Result<Vec<AbortedTransaction>, ReadError> {
        let mut looks = 1;
        loop {
            match self.look_for_aborted(from, to) {
                // Files were taken away since the lock was let go: what replaced them is known now.
                Err(_) if looks < MAX_LOOKS => looks += 1,
                found => return Ok(found?),
            }
        }
    }

    fn look_for_aborted(&self, from: i64, to: i64) -> Result<Vec<AbortedTransaction>, LogError> {
        let entries = self.aborted_entries(from, to)?;
        let aborted = entries.into_iter().map(|entry| AbortedTransaction {
            producer_id: entry.producer_id,
            first_offset: entry.first_offset,
        });
        let mut found: Vec<_> = aborted.collect();
        found.sort_unstable_by_key(|aborted| aborted.first_offset);
        Ok(found)
    }

    /// The same as the indexes have it, by the offset of the marker.
    pub(super) fn aborted_entries(
        &self,
        from: i64,
        to: i64,
    ) -> Result<Vec<AbortedEntry>, LogError> {
        let views: Vec<_> = {
            let state = self.lock();
            let first = state.segment_index(from).unwrap_or(0);
            let segments = state.segments.iter().skip(first);
            let indexes = segments.map(Segment::transaction_index);
            indexes
                .filter(|index| index.len() > 0)
                .map(|index| AbortedView::of(index, from))
                .collect()
        };
        let mut found = Vec::new();
        for view in &views {
            let search = view.visit(self.node.disk.as_ref(), from, |entry| {
                if entry.first_offset < to {
                    found.push(*entry);
                }
                if entry.last_stable_offset >= to {
                    Search::Complete
                } else {
                    Search::GoesOn
                }
            })?;
            if search == Search::Complete {
                break;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_open_or_not_durably_ended_holds_back() {
        let mut open = OpenTransactions::default();
        assert_eq!(open.first_unstable_offset(), None);
        open.begin(1, 10);
        open.begin(2, 12);
        assert_eq!(open.first_unstable_offset(), Some(10));
        assert_eq!(open.end(10, 14), 12, "the other one stays open");
        assert_eq!(open.first_unstable_offset(), Some(10), "not durable yet");
        open.advance(14);
        assert_eq!(open.first_unstable_offset(), Some(10));
        open.advance(15);
        assert_eq!(open.first_unstable_offset(), Some(12));
        assert_eq!(open.end(12, 15), 16);
        open.advance(16);
        assert_eq!(open.first_unstable_offset(), None);
    }
}
