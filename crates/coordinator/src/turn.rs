//! One turn of the machine: what a call reads besides the groups, and what it brings about.
//!
//! Owns the order of effects (records first, then replies) and how much fits into one batch;
//! decides nothing.

use std::sync::Arc;

use headwater_protocol::ErrorCode;

use crate::config::GroupConfig;
use crate::effect::{CoordinatorRecord, Effect, ProducerIdAndEpoch, Token};
use crate::image::ClusterImage;
use crate::record::GroupRecord;
use crate::response::Response;
use crate::timers::Timers;

/// Records and bytes after which a batch of tombstones ends, well below the 1 MiB that a partition
/// takes by default.
const FULL_BATCH: (usize, usize) = (2_000, 256 << 10);

/// The surroundings of one call.
pub(crate) struct Turn<'a> {
    pub(crate) now_ms: i64,
    pub(crate) config: &'a GroupConfig,
    pub(crate) timers: &'a mut Timers,
    pub(crate) image: Arc<dyn ClusterImage>,
    records: Vec<CoordinatorRecord>,
    /// Of `records`.
    bytes: usize,
    /// Batches of tombstones that were full before.
    full_batches: Vec<Vec<CoordinatorRecord>>,
    /// Whose transaction the records belong to.
    producer: Option<ProducerIdAndEpoch>,
    /// Groups whose state is written in this turn.
    written_groups: Vec<String>,
    replies: Vec<Effect>,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(
        now_ms: i64,
        config: &'a GroupConfig,
        timers: &'a mut Timers,
        image: Arc<dyn ClusterImage>,
    ) -> Self {
        Self {
            now_ms,
            config,
            timers,
            image,
            records: Vec::new(),
            bytes: 0,
            full_batches: Vec::new(),
            producer: None,
            written_groups: Vec::new(),
            replies: Vec::new(),
        }
    }

    /// A time from now.
    pub(crate) fn after_ms(&self, delay_ms: i32) -> i64 {
        self.now_ms.saturating_add(i64::from(delay_ms.max(0)))
    }

    pub(crate) fn reply(&mut self, token: Token, response: impl Into<Response>) {
        self.replies.push(Effect::Reply {
            token,
            response: response.into(),
        });
    }

    pub(crate) fn append(&mut self, record: &GroupRecord) {
        if let GroupRecord::GroupMetadata {
            group_id,
            value: Some(_),
        }
        | GroupRecord::ConsumerGroup { group_id, .. } = record
            && self.written_groups.last() != Some(group_id)
        {
            self.written_groups.push(group_id.clone());
        }
        let record = record
            .encode()
            .expect("text from requests fits, and longer ids are refused before they are made");
        self.bytes += record.key.len() + record.value.as_ref().map_or(0, bytes::Bytes::len);
        self.records.push(record);
    }

    /// Appends a tombstone of one group or offset, in the next batch if this one is full: those of a
    /// large group do not fit into one. Each batch lasts by itself, whatever becomes of the next.
    pub(crate) fn append_tombstone(&mut self, record: &GroupRecord) {
        if self.is_batch_full() {
            self.full_batches.push(std::mem::take(&mut self.records));
            self.bytes = 0;
        }
        self.append(record);
    }

    /// Whether no more tombstones should go into the batch.
    pub(crate) fn is_batch_full(&self) -> bool {
        let (records, bytes) = FULL_BATCH;
        self.records.len() >= records || self.bytes >= bytes
    }

    /// The records of this turn are part of the producer's transaction.
    pub(crate) fn in_transaction_of(&mut self, producer: ProducerIdAndEpoch) {
        self.producer = Some(producer);
    }

    pub(crate) fn record_count(&self) -> usize {
        self.records.len()
    }

    /// The effects, and the groups whose state is among the records.
    pub(crate) fn finish(self) -> (Vec<Effect>, Vec<String>) {
        let batches = self.full_batches.into_iter().chain([self.records]);
        let mut effects: Vec<Effect> = batches
            .filter(|records| !records.is_empty())
            .map(|records| Effect::Append {
                records,
                producer: self.producer,
            })
            .collect();
        effects.extend(self.replies);
        (effects, self.written_groups)
    }
}

/// Checks end in the error that the client is to see.
pub(crate) type Check<T = ()> = Result<T, ErrorCode>;
