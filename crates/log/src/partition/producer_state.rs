//! What a partition knows of its producers: their last batches, to find duplicates and gaps, their epoch, and the
//! transaction they have open.
//!
//! The checks are those of Kafka's `ProducerAppendInfo`. What is in the log already is taken in without them.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut, Bytes};
use headwater_records::{BatchHeader, NO_SEQUENCE};

use super::Origin;
use super::end_marker::{EndMarker, LoggedBatch, TransactionOutcome};
use crate::AppendError;

/// Batches remembered for each producer: as many as a producer may have in flight.
const BATCHES_KEPT: usize = 5;
const SNAPSHOT_VERSION: i16 = 102;
/// Coordinator epoch of a producer for which no marker was written.
const NO_COORDINATOR_EPOCH: i32 = -1;
/// From this level of `transaction.version` on each transaction ends with an epoch of its own (KIP-890).
const EPOCH_PER_TRANSACTION: i16 = 2;

/// A batch that a producer wrote, or the marker of a transaction of its, and how it left the producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchMetadata {
    pub(crate) producer_epoch: i16,
    /// -1 for a marker, and for what a coordinator writes on behalf of a producer.
    pub(crate) first_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) coordinator_epoch: i32,
    pub(crate) transaction_first_offset: Option<i64>,
}

impl BatchMetadata {
    fn of(header: &BatchHeader) -> Self {
        Self {
            producer_epoch: header.producer_epoch,
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            timestamp: header.max_timestamp,
            coordinator_epoch: NO_COORDINATOR_EPOCH,
            transaction_first_offset: None,
        }
    }

    fn has_sequence(&self) -> bool {
        self.first_sequence != NO_SEQUENCE
    }
}

/// The last that a producer wrote, which the cleaner keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastRecord {
    /// Last offset of its last batch of data; none if only its marker is known.
    pub(crate) data_offset: Option<i64>,
    pub(crate) producer_epoch: i16,
}

/// A producer that a partition knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// Sequence of its last record, -1 if it wrote none at this epoch.
    pub last_sequence: i32,
    /// Timestamp of its last batch or marker.
    pub last_timestamp_ms: i64,
    /// Epoch of the coordinator that wrote its last marker, -1 without one.
    pub coordinator_epoch: i32,
    /// First offset of the transaction it has open.
    pub transaction_start_offset: Option<i64>,
}

/// What a batch did to the transactions of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transition {
    None,
    /// With this batch a transaction began.
    Began,
    /// It is the marker of one that was open.
    Ended {
        first_offset: i64,
        outcome: TransactionOutcome,
    },
}

/// The producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ProducerState {
    /// The last entry is how the producer is now.
    producers: HashMap<i64, VecDeque<BatchMetadata>>,
    /// Counts changes, so that an unchanged state need not be written again.
    generation: u64,
}

impl ProducerState {
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    fn last(&self, producer_id: i64) -> Option<&BatchMetadata> {
        self.producers.get(&producer_id)?.back()
    }

    pub(crate) fn knows(&self, producer_id: i64) -> bool {
        self.producers.contains_key(&producer_id)
    }

    /// First offset of the transaction that the producer has open.
    pub(crate) fn open_transaction(&self, producer_id: i64) -> Option<i64> {
        self.last(producer_id)?.transaction_first_offset
    }

    /// First offset and producer of all transactions that are open.
    pub(crate) fn open_transactions(&self) -> impl Iterator<Item = (i64, i64)> {
        self.producers.iter().filter_map(|(producer_id, batches)| {
            Some((batches.back()?.transaction_first_offset?, *producer_id))
        })
    }

    /// Where the last batch of each producer is.
    pub(crate) fn last_records(&self) -> HashMap<i64, LastRecord> {
        let last = |batches: &VecDeque<BatchMetadata>| {
            let is_data = |batch: &&BatchMetadata| {
                batch.has_sequence() || batch.transaction_first_offset.is_some()
            };
            let data = batches.iter().rev().find(is_data);
            Some(LastRecord {
                data_offset: data.map(|batch| batch.last_offset),
                producer_epoch: batches.back()?.producer_epoch,
            })
        };
        let producers = self.producers.iter();
        producers
            .filter_map(|(producer_id, batches)| Some((*producer_id, last(batches)?)))
            .collect()
    }

    /// All producers, by id.
    pub(crate) fn active(&self) -> Vec<ActiveProducer> {
        let producers = self.producers.iter().filter_map(|(producer_id, batches)| {
            let last = batches.back()?;
            Some(ActiveProducer {
                producer_id: *producer_id,
                producer_epoch: last.producer_epoch,
                last_sequence: last_sequence(batches, last.producer_epoch),
                last_timestamp_ms: last.timestamp,
                coordinator_epoch: last.coordinator_epoch,
                transaction_start_offset: last.transaction_first_offset,
            })
        });
        let mut producers: Vec<_> = producers.collect();
        producers.sort_unstable_by_key(|producer| producer.producer_id);
        producers
    }

    /// Whether a batch follows the producer's last one. A batch of a client that is there already is returned: it is a
    /// duplicate. What coordinators write on behalf of a producer has no sequence, only an epoch.
    pub(crate) fn check(
        &self,
        header: &BatchHeader,
        origin: Origin,
    ) -> Result<Option<BatchMetadata>, AppendError> {
        let Some((batches, last)) = self
            .producers
            .get(&header.producer_id)
            .and_then(|batches| Some((batches, batches.back()?)))
        else {
            // Unknown: expired, or its records were deleted. Any sequence may be its next.
            return Ok(None);
        };
        if header.producer_epoch < last.producer_epoch {
            return Err(AppendError::InvalidProducerEpoch {
                producer_id: header.producer_id,
                found: header.producer_epoch,
                current: last.producer_epoch,
            });
        }
        if origin == Origin::Client {
            let duplicate = batches.iter().find(|batch| {
                batch.producer_epoch == header.producer_epoch
                    && batch.first_sequence == header.base_sequence
                    && batch.last_sequence == header.last_sequence()
            });
            if let Some(duplicate) = duplicate {
                return Ok(Some(*duplicate));
            }
            check_sequence(header, batches)?;
        }
        if last.transaction_first_offset.is_some() && !header.is_transactional() {
            return Err(AppendError::InvalidTxnState {
                producer_id: header.producer_id,
            });
        }
        Ok(None)
    }

    /// Whether a marker may be written: see [`PartitionLog::append_end_marker`](super::PartitionLog::append_end_marker).
    pub(crate) fn check_marker(&self, marker: &EndMarker) -> Result<(), AppendError> {
        let Some(last) = self.last(marker.producer_id) else {
            return Ok(());
        };
        let found = marker.producer_epoch;
        let is_stale = if marker.transaction_version >= EPOCH_PER_TRANSACTION {
            // A marker written again has ended its transaction the first time. There is no epoch above the last one.
            let again = found == last.producer_epoch
                && (last.transaction_first_offset.is_none() || found == i16::MAX);
            found <= last.producer_epoch && !again
        } else {
            found < last.producer_epoch
        };
        if is_stale {
            return Err(AppendError::InvalidProducerEpoch {
                producer_id: marker.producer_id,
                found,
                current: last.producer_epoch,
            });
        }
        if marker.coordinator_epoch < last.coordinator_epoch {
            return Err(AppendError::TransactionCoordinatorFenced {
                producer_id: marker.producer_id,
                found: marker.coordinator_epoch,
                current: last.coordinator_epoch,
            });
        }
        Ok(())
    }

    /// Takes in a batch of the log. Besides the last five batches, all that is not below the high watermark is kept, so
    /// that a snapshot at the high watermark is complete.
    pub(crate) fn note(&mut self, batch: &LoggedBatch, high_watermark: i64) -> Transition {
        let header = &batch.header;
        if !header.has_producer_id() || (header.is_control() && batch.marker.is_none()) {
            return Transition::None;
        }
        self.generation += 1;
        let batches = self.producers.entry(header.producer_id).or_default();
        let last = batches.back();
        let open = last.and_then(|last| last.transaction_first_offset);
        let mut noted = BatchMetadata {
            coordinator_epoch: last.map_or(NO_COORDINATOR_EPOCH, |last| last.coordinator_epoch),
            transaction_first_offset: open,
            ..BatchMetadata::of(header)
        };
        let mut transition = Transition::None;
        if let Some(marker) = batch.marker {
            noted.coordinator_epoch = marker.coordinator_epoch;
            noted.transaction_first_offset = None;
            if let Some(first_offset) = open {
                let outcome = marker.outcome;
                transition = Transition::Ended {
                    first_offset,
                    outcome,
                };
            }
        } else if header.is_transactional() && open.is_none() {
            noted.transaction_first_offset = Some(header.base_offset);
            transition = Transition::Began;
        }
        batches.push_back(noted);
        forget_old(batches, high_watermark);
        transition
    }

    /// Forgets producers that have been silent for longer than `expiration_ms`, but none with an open transaction:
    /// its marker is still to come.
    pub(crate) fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        let before = self.producers.len();
        self.producers.retain(|_, batches| {
            batches.back().is_some_and(|last| {
                last.transaction_first_offset.is_some()
                    || now_ms.saturating_sub(last.timestamp) < expiration_ms
            })
        });
        if self.producers.len() != before {
            self.generation += 1;
        }
    }

    /// The state as it was at `offset`, encoded, big-endian:
    ///
    /// ```text
    /// 0 version   i16    102: Kafka's snapshot (1) has one batch per producer, this one has five
    /// 2 crc       u32    CRC-32C of all that follows
    /// 6 count     u32    batches and markers, those of one producer in order
    ///   producer_id i64, producer_epoch i16, first_sequence i32, last_sequence i32,
    ///   base_offset i64, last_offset i64, timestamp i64, coordinator_epoch i32,
    ///   transaction_first_offset i64 (-1 without one)
    /// ```
    pub(crate) fn encode(&self, offset: i64) -> Vec<u8> {
        let mut producers: Vec<_> = self.producers.iter().collect();
        producers.sort_unstable_by_key(|(producer_id, _)| **producer_id);
        let mut body = Vec::new();
        let mut count = 0;
        for (producer_id, batches) in producers {
            let below = batches.iter().take_while(|b| b.last_offset < offset);
            let mut below: VecDeque<_> = below.copied().collect();
            forget_old(&mut below, offset);
            for batch in below {
                count += 1;
                body.put_i64(*producer_id);
                body.put_i16(batch.producer_epoch);
                body.put_i32(batch.first_sequence);
                body.put_i32(batch.last_sequence);
                body.put_i64(batch.base_offset);
                body.put_i64(batch.last_offset);
                body.put_i64(batch.timestamp);
                body.put_i32(batch.coordinator_epoch);
                body.put_i64(batch.transaction_first_offset.unwrap_or(-1));
            }
        }
        let mut covered = Vec::with_capacity(body.len() + 4);
        covered.put_u32(count);
        covered.put_slice(&body);
        let mut out = Vec::with_capacity(covered.len() + 6);
        out.put_i16(SNAPSHOT_VERSION);
        out.put_u32(crc32c::crc32c(&covered));
        out.put_slice(&covered);
        out
    }

    /// Reads a snapshot; `None` where it is damaged.
    pub(crate) fn decode(input: &[u8]) -> Option<Self> {
        let mut input = Bytes::copy_from_slice(input);
        if input.try_get_i16().ok()? != SNAPSHOT_VERSION {
            return None;
        }
        if input.try_get_u32().ok()? != crc32c::crc32c(&input) {
            return None;
        }
        let mut state = Self::default();
        for _ in 0..input.try_get_u32().ok()? {
            let producer_id = input.try_get_i64().ok()?;
            let batch = BatchMetadata {
                producer_epoch: input.try_get_i16().ok()?,
                first_sequence: input.try_get_i32().ok()?,
                last_sequence: input.try_get_i32().ok()?,
                base_offset: input.try_get_i64().ok()?,
                last_offset: input.try_get_i64().ok()?,
                timestamp: input.try_get_i64().ok()?,
                coordinator_epoch: input.try_get_i32().ok()?,
                transaction_first_offset: Some(input.try_get_i64().ok()?)
                    .filter(|offset| *offset >= 0),
            };
            state
                .producers
                .entry(producer_id)
                .or_default()
                .push_back(batch);
        }
        Some(state)
    }
}

/// Keeps of what is below the high watermark the last five batches, and the last entry, be it a marker.
fn forget_old(batches: &mut VecDeque<BatchMetadata>, high_watermark: i64) {
    let durable = batches
        .iter()
        .take_while(|batch| batch.last_offset < high_watermark)
        .count();
    let with_sequence = batches.iter().take(durable);
    let with_sequence = with_sequence.filter(|batch| batch.has_sequence()).count();
    let mut surplus = with_sequence.saturating_sub(BATCHES_KEPT);
    let mut behind = 0;
    batches.retain(|batch| {
        behind += 1;
        if behind >= durable {
            return true;
        }
        if batch.has_sequence() && surplus == 0 {
            return true;
        }
        surplus -= usize::from(batch.has_sequence());
        false
    });
}

/// The last sequence that a producer used at `producer_epoch`, -1 without one.
fn last_sequence(batches: &VecDeque<BatchMetadata>, producer_epoch: i16) -> i32 {
    let of_epoch = batches.iter().rev();
    let mut of_epoch = of_epoch.take_while(|batch| batch.producer_epoch == producer_epoch);
    let last = of_epoch.find(|batch| batch.has_sequence());
    last.map_or(NO_SEQUENCE, |batch| batch.last_sequence)
}

/// Sequences go on from the last one and wrap from `i32::MAX` to 0; a new epoch begins at 0.
fn check_sequence(
    header: &BatchHeader,
    batches: &VecDeque<BatchMetadata>,
) -> Result<(), AppendError> {
    let last = last_sequence(batches, header.producer_epoch);
    if header.base_sequence == last.checked_add(1).unwrap_or(0) {
        return Ok(());
    }
    Err(AppendError::OutOfOrderSequence {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        found: header.base_sequence,
        last,
    })
}

/// Name of the snapshot at `offset`.
pub(crate) fn snapshot_path(dir: &Path, offset: i64) -> PathBuf {
    dir.join(format!("{offset:020}.snapshot"))
}

#[cfg(test)]
#[path = "producer_state/tests.rs"]
mod tests;
