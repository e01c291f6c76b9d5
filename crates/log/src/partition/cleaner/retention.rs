//! Which records of a batch outlive a round of compaction, and what becomes of the batch.

use std::collections::HashMap;

use bytes::Bytes;
use headwater_records::{Record, RecordBatch, RecordError, retain_header, retain_records};

use super::offset_map::OffsetMap;
use super::transactions::{CleanedTransactions, Marker};
use crate::partition::producer_state::LastRecord;
use crate::partition::transaction_index::AbortedEntry;

/// Bytes that one batch may decompress to.
pub(super) const MAX_DECOMPRESSED_BYTES: usize = 256 << 20;

/// What is left of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Retained {
    Nothing,
    Unchanged,
    Rewritten(Bytes),
}

/// The rules of one round.
#[derive(Debug)]
pub(super) struct RetentionRules {
    pub(super) now_ms: i64,
    pub(super) delete_retention_ms: i64,
    /// End of what the round may compact: the batch that ends there stays, if only as a header.
    pub(super) upper_bound: i64,
    /// The last batch of each producer, which tells its sequence or epoch after everything else is gone.
    pub(super) last_records: HashMap<i64, LastRecord>,
}

impl RetentionRules {
    /// Decides on a batch. Those of a log have to be shown in their order.
    pub(super) fn apply(
        &self,
        batch: &RecordBatch,
        map: &OffsetMap,
        transactions: &mut CleanedTransactions,
        aborted: &mut Vec<AbortedEntry>,
    ) -> Result<Retained, RecordError> {
        let header = &batch.header;
        let horizon = header.delete_horizon_ms();
        let expired = horizon.is_some_and(|horizon| horizon <= self.now_ms);
        let (discarded, ends_nothing) = if header.is_control() {
            match transactions.end(batch) {
                Marker::Unneeded => (expired, true),
                Marker::Needed(entry) => {
                    aborted.extend(entry);
                    (false, false)
                }
            }
        } else {
            (transactions.is_aborted(header), false)
        };
        let keeps_header =
            self.is_last_of_producer(batch) || header.next_offset() == self.upper_bound;
        if discarded {
            return Ok(emptied(batch, keeps_header));
        }

        let all: Vec<Record> = batch
            .records(MAX_DECOMPRESSED_BYTES)?
            .collect::<Result<_, _>>()?;
        let count = all.len();
        let retained: Vec<Record> = if header.is_control() {
            all
        } else {
            let stays = |record: &Record| record_stays(record, map, expired);
            all.into_iter().filter(stays).collect()
        };
        if retained.is_empty() {
            return Ok(emptied(batch, keeps_header));
        }
        let has_tombstones = retained.iter().any(|record| record.value.is_none());
        let needs_horizon = (has_tombstones || ends_nothing) && horizon.is_none();
        if retained.len() == count && !needs_horizon {
            return Ok(Retained::Unchanged);
        }
        let horizon = if needs_horizon {
            Some(self.now_ms.saturating_add(self.delete_retention_ms))
        } else {
            horizon
        };
        Ok(Retained::Rewritten(retain_records(
            header, &retained, horizon,
        )))
    }

    fn is_last_of_producer(&self, batch: &RecordBatch) -> bool {
        let header = &batch.header;
        let last = self.last_records.get(&header.producer_id);
        header.has_producer_id()
            && last.is_some_and(|last| match last.data_offset {
                Some(offset) => header.last_offset() == offset,
                None => header.is_control() && header.producer_epoch == last.producer_epoch,
            })
    }
}

/// What is left of a batch without records.
fn emptied(batch: &RecordBatch, keeps_header: bool) -> Retained {
    match (keeps_header, batch.header.record_count) {
        (false, _) => Retained::Nothing,
        (true, 0) => Retained::Unchanged,
        (true, _) => Retained::Rewritten(retain_header(&batch.header)),
    }
}

/// The last of its key stays; a tombstone until its horizon has passed.
fn record_stays(record: &Record, map: &OffsetMap, expired: bool) -> bool {
    if record.offset > map.latest_offset() {
        return true;
    }
    let Some(key) = &record.key else {
        return false;
    };
    map.is_latest(key, record) && (record.value.is_some() || !expired)
}
