//! What a partition knows of its idempotent producers: their last batches, to find duplicates and gaps.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut, Bytes};
use headwater_records::BatchHeader;

use crate::AppendError;

/// Batches remembered for each producer: as many as a producer may have in flight.
const BATCHES_KEPT: usize = 5;
const SNAPSHOT_VERSION: i16 = 101;

/// A batch that a producer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchMetadata {
    pub(crate) producer_epoch: i16,
    pub(crate) first_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) timestamp: i64,
}

impl BatchMetadata {
    pub(crate) fn of(header: &BatchHeader) -> Self {
        Self {
            producer_epoch: header.producer_epoch,
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            timestamp: header.max_timestamp,
        }
    }
}

/// The producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ProducerState {
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

    /// Whether a batch follows the producer's last one. A batch that is there already is returned: it is a duplicate.
    pub(crate) fn check(&self, header: &BatchHeader) -> Result<Option<BatchMetadata>, AppendError> {
        let Some(batches) = self.producers.get(&header.producer_id) else {
            // Unknown: expired, or its records were deleted. Any sequence may be its next.
            return Ok(None);
        };
        let Some(last) = batches.back() else {
            return Ok(None);
        };
        if header.producer_epoch < last.producer_epoch {
            return Err(AppendError::InvalidProducerEpoch {
                producer_id: header.producer_id,
                found: header.producer_epoch,
                current: last.producer_epoch,
            });
        }
        let duplicate = batches.iter().find(|batch| {
            batch.producer_epoch == header.producer_epoch
                && batch.first_sequence == header.base_sequence
                && batch.last_sequence == header.last_sequence()
        });
        if let Some(duplicate) = duplicate {
            return Ok(Some(*duplicate));
        }
        let last_sequence = if header.producer_epoch == last.producer_epoch {
            last.last_sequence
        } else {
            -1
        };
        let expected = last_sequence.checked_add(1).unwrap_or(0);
        if header.base_sequence == expected {
            return Ok(None);
        }
        Err(AppendError::OutOfOrderSequence {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            found: header.base_sequence,
            last: last_sequence,
        })
    }

    /// Takes in a batch of the log. Besides the last five batches, the last five below the high watermark are kept,
    /// so that a snapshot at the high watermark is complete.
    pub(crate) fn note(&mut self, header: &BatchHeader, high_watermark: i64) {
        if !header.has_producer_id() {
            return;
        }
        self.generation += 1;
        let batches = self.producers.entry(header.producer_id).or_default();
        batches.push_back(BatchMetadata::of(header));
        let durable = batches
            .iter()
            .take_while(|batch| batch.last_offset < high_watermark)
            .count();
        batches.drain(..durable.saturating_sub(BATCHES_KEPT));
    }

    /// Forgets producers that have been silent for longer than `expiration_ms`.
    pub(crate) fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        let before = self.producers.len();
        self.producers.retain(|_, batches| {
            batches
                .back()
                .is_some_and(|last| now_ms.saturating_sub(last.timestamp) < expiration_ms)
        });
        if self.producers.len() != before {
            self.generation += 1;
        }
    }

    /// The state as it was at `offset`, encoded, big-endian:
    ///
    /// ```text
    /// 0 version   i16    101: Kafka's snapshot (1) has one batch per producer, this one has five
    /// 2 crc       u32    CRC-32C of all that follows
    /// 6 count     u32    batches, those of one producer in order
    ///   producer_id i64, producer_epoch i16, first_sequence i32, last_sequence i32,
    ///   base_offset i64, last_offset i64, timestamp i64
    /// ```
    pub(crate) fn encode(&self, offset: i64) -> Vec<u8> {
        let mut producers: Vec<_> = self.producers.iter().collect();
        producers.sort_unstable_by_key(|(producer_id, _)| **producer_id);
        let mut body = Vec::new();
        let mut count = 0;
        for (producer_id, batches) in producers {
            let below: Vec<_> = batches.iter().filter(|b| b.last_offset < offset).collect();
            let kept = below.len().saturating_sub(BATCHES_KEPT);
            for batch in below.iter().skip(kept) {
                count += 1;
                body.put_i64(*producer_id);
                body.put_i16(batch.producer_epoch);
                body.put_i32(batch.first_sequence);
                body.put_i32(batch.last_sequence);
                body.put_i64(batch.base_offset);
                body.put_i64(batch.last_offset);
                body.put_i64(batch.timestamp);
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

/// Name of the snapshot at `offset`.
pub(crate) fn snapshot_path(dir: &Path, offset: i64) -> PathBuf {
    dir.join(format!("{offset:020}.snapshot"))
}

#[cfg(test)]
#[path = "producer_state/tests.rs"]
mod tests;
