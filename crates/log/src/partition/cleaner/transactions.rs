//! What the cleaner knows of transactions as it walks a log: whose data was aborted, and which markers still have some.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use headwater_records::{BatchHeader, RecordBatch};

use crate::partition::end_marker::{LoggedBatch, TransactionOutcome};
use crate::partition::transaction_index::AbortedEntry;

/// An aborted transaction that the walk is inside of.
#[derive(Debug)]
struct Aborted {
    entry: AbortedEntry,
    /// Whether a batch of it was met: then its marker has to stay.
    has_data: bool,
}

/// What a marker means for the log that is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// It ends data that is there. Of an aborted transaction the index must tell.
    Needed(Option<AbortedEntry>),
    /// Nothing of its transaction is left.
    Unneeded,
}

/// The transactions of a log, batch by batch. Kafka's `CleanedTransactionMetadata`.
#[derive(Debug, Default)]
pub(super) struct CleanedTransactions {
    /// Aborted transactions that the walk has not come to, the first one on top: offset, producer, entry.
    ahead: BinaryHeap<Reverse<(i64, i64, [i64; 2])>>,
    aborted: HashMap<i64, Aborted>,
    /// Producers of which data was met that is not known to be aborted, since their last marker.
    committed: HashSet<i64>,
}

impl CleanedTransactions {
    /// Tells of aborted transactions with markers in the segment that comes next.
    pub(super) fn expect(&mut self, entries: Vec<AbortedEntry>) {
        for entry in entries {
            let rest = [entry.last_offset, entry.last_stable_offset];
            self.ahead
                .push(Reverse((entry.first_offset, entry.producer_id, rest)));
        }
    }

    /// Whether a data batch is part of an aborted transaction.
    pub(super) fn is_aborted(&mut self, header: &BatchHeader) -> bool {
        self.enter(header.last_offset());
        if !header.is_transactional() {
            return false;
        }
        if let Some(aborted) = self.aborted.get_mut(&header.producer_id) {
            aborted.has_data = true;
            return true;
        }
        self.committed.insert(header.producer_id);
        false
    }

    /// What a control batch ends.
    pub(super) fn end(&mut self, batch: &RecordBatch) -> Marker {
        let header = &batch.header;
        self.enter(header.last_offset());
        if header.record_count == 0 {
            // Emptied by an earlier round, which knew that nothing was left.
            return Marker::Unneeded;
        }
        let Some(marker) = LoggedBatch::of(batch).marker else {
            return Marker::Needed(None);
        };
        let met_data = match marker.outcome {
            TransactionOutcome::Abort => match self.aborted.remove(&header.producer_id) {
                Some(aborted) if aborted.has_data => return Marker::Needed(Some(aborted.entry)),
                _ => false,
            },
            TransactionOutcome::Commit => self.committed.remove(&header.producer_id),
        };
        if met_data {
            Marker::Needed(None)
        } else {
            Marker::Unneeded
        }
    }

    /// Enters the aborted transactions that begin at or before `offset`.
    fn enter(&mut self, offset: i64) {
        while let Some(Reverse((first_offset, producer_id, rest))) = self.ahead.peek().copied() {
            if first_offset > offset {
                break;
            }
            self.ahead.pop();
            let [last_offset, last_stable_offset] = rest;
            let entry = AbortedEntry {
                producer_id,
                first_offset,
                last_offset,
                last_stable_offset,
            };
            // One that spans segments is told of for each of them.
            self.aborted.entry(producer_id).or_insert(Aborted {
                entry,
                has_data: false,
            });
        }
    }
}
