//! The control batch that ends a transaction on a partition: what it says and how it is written.

use bytes::{BufMut, Bytes};
use headwater_records::{
    BatchBuilder, BatchHeader, NO_SEQUENCE, Record, RecordBatch, TimestampType, set_log_append_time,
};

/// Version of a control record's key, and of a marker's value.
const VERSION: i16 = 0;
/// Type in the key of the marker of an aborted transaction.
const ABORT: i16 = 0;
/// Type in the key of the marker of a committed one.
const COMMIT: i16 = 1;
/// A control batch holds one record of a few bytes; more is not read.
const MAX_CONTROL_BYTES: usize = 64 * 1024;

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionOutcome {
    /// Its records count.
    Commit,
    /// Readers of committed records skip them.
    Abort,
}

/// The end of a producer's transaction, as its coordinator orders it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndMarker {
    /// Whose transaction.
    pub producer_id: i64,
    /// The producer's epoch; with transactions v2 (KIP-890) the one it has from now on.
    pub producer_epoch: i16,
    /// Epoch of the coordinator, which fences its predecessors.
    pub coordinator_epoch: i32,
    /// How it ends.
    pub outcome: TransactionOutcome,
    /// Level of `transaction.version` under which it ends: from 2 on the epoch must be a new one.
    pub transaction_version: i16,
}

impl EndMarker {
    /// What a control batch of the log says, whatever version it was written under; `None` if it ends no transaction.
    pub fn of(batch: &RecordBatch) -> Option<Self> {
        let marker = LoggedMarker::decode(batch)?;
        Some(Self {
            producer_id: batch.header.producer_id,
            producer_epoch: batch.header.producer_epoch,
            coordinator_epoch: marker.coordinator_epoch,
            outcome: marker.outcome,
            transaction_version: 0,
        })
    }

    /// The control batch. Its record is Kafka's `EndTransactionMarker`:
    ///
    /// ```text
    /// key    0 version  i16   0
    ///        2 type     i16   0 abort, 1 commit
    /// value  0 version  i16   0
    ///        2 coordinator_epoch  i32
    /// ```
    pub(crate) fn encode(&self, now_ms: i64, timestamp_type: TimestampType) -> Bytes {
        let mut key = Vec::with_capacity(4);
        key.put_i16(VERSION);
        key.put_i16(match self.outcome {
            TransactionOutcome::Abort => ABORT,
            TransactionOutcome::Commit => COMMIT,
        });
        let mut value = Vec::with_capacity(6);
        value.put_i16(VERSION);
        value.put_i32(self.coordinator_epoch);
        let mut builder = BatchBuilder::new()
            .producer(self.producer_id, self.producer_epoch, NO_SEQUENCE)
            .transactional()
            .control();
        builder.append(now_ms, Some(&key), Some(&value), &[]);
        let batch = builder.build(0);
        match timestamp_type {
            TimestampType::CreateTime => batch,
            TimestampType::LogAppendTime => {
                let mut batch = batch.to_vec();
                set_log_append_time(&mut batch, now_ms);
                Bytes::from(batch)
            }
        }
    }
}

/// What a marker found in the log says, besides its batch's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoggedMarker {
    pub(crate) outcome: TransactionOutcome,
    pub(crate) coordinator_epoch: i32,
}

impl LoggedMarker {
    /// Reads a control batch. `None` for control records that end no transaction, and for a batch that the cleaner has
    /// emptied: then nothing of its transaction is left.
    fn decode(batch: &RecordBatch) -> Option<Self> {
        let record = batch.records(MAX_CONTROL_BYTES).ok()?.next()?.ok()?;
        let outcome = outcome_of(&record)?;
        let epoch = record.value.as_deref()?.get(2..6)?;
        Some(Self {
            outcome,
            coordinator_epoch: i32::from_be_bytes(epoch.try_into().ok()?),
        })
    }
}

/// What the key of a control record says.
fn outcome_of(record: &Record) -> Option<TransactionOutcome> {
    let kind = record.key.as_deref()?.get(2..4)?;
    match i16::from_be_bytes(kind.try_into().ok()?) {
        ABORT => Some(TransactionOutcome::Abort),
        COMMIT => Some(TransactionOutcome::Commit),
        _ => None,
    }
}

/// A batch as the log takes it in: its header, and what it says if it is a marker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoggedBatch {
    pub(crate) header: BatchHeader,
    pub(crate) marker: Option<LoggedMarker>,
}

impl LoggedBatch {
    pub(crate) fn of(batch: &RecordBatch) -> Self {
        let marker = batch
            .header
            .is_control()
            .then(|| LoggedMarker::decode(batch));
        Self {
            header: batch.header,
            marker: marker.flatten(),
        }
    }

    /// For a batch that is known not to be a control batch.
    pub(crate) fn of_data(header: BatchHeader) -> Self {
        Self {
            header,
            marker: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marker(outcome: TransactionOutcome) -> EndMarker {
        EndMarker {
            producer_id: 7,
            producer_epoch: 3,
            coordinator_epoch: 0x0102_0304,
            outcome,
            transaction_version: 2,
        }
    }

    fn record_of(bytes: &Bytes) -> Record {
        let batch = RecordBatch::parse(bytes).unwrap();
        batch.records(1000).unwrap().next().unwrap().unwrap()
    }

    #[test]
    fn the_marker_is_kafkas_end_transaction_marker() {
        let bytes = marker(TransactionOutcome::Commit).encode(55, TimestampType::CreateTime);
        let batch = RecordBatch::parse(&bytes).unwrap();
        batch.check_crc().unwrap();
        assert!(batch.header.is_control() && batch.header.is_transactional());
        assert_eq!(batch.header.base_sequence, NO_SEQUENCE);
        assert_eq!(
            (batch.header.producer_id, batch.header.producer_epoch),
            (7, 3)
        );
        assert_eq!(batch.header.max_timestamp, 55);
        let record = record_of(&bytes);
        assert_eq!(record.key.as_deref(), Some(&[0, 0, 0, 1][..]));
        assert_eq!(record.value.as_deref(), Some(&[0, 0, 1, 2, 3, 4][..]));
        let abort = marker(TransactionOutcome::Abort).encode(55, TimestampType::CreateTime);
        assert_eq!(record_of(&abort).key.as_deref(), Some(&[0, 0, 0, 0][..]));
    }

    #[test]
    fn a_topic_with_log_append_time_has_it_in_its_markers_too() {
        let bytes = marker(TransactionOutcome::Abort).encode(55, TimestampType::LogAppendTime);
        let batch = RecordBatch::parse(&bytes).unwrap();
        batch.check_crc().unwrap();
        let timestamp_type = batch.header.attributes.timestamp_type();
        assert_eq!(timestamp_type, TimestampType::LogAppendTime);
        assert_eq!(batch.header.max_timestamp, 55);
    }

    #[test]
    fn a_control_record_of_another_kind_ends_nothing() {
        let mut builder = BatchBuilder::new().control();
        builder.append(1, Some(&[0, 0, 0, 2]), Some(&[0; 6]), &[]);
        let batch = RecordBatch::parse(&builder.build(0)).unwrap();
        assert_eq!(LoggedBatch::of(&batch).marker, None);
    }

    proptest! {
        #[test]
        fn markers_read_back(coordinator_epoch: i32, commit: bool) {
            let outcome = if commit { TransactionOutcome::Commit } else { TransactionOutcome::Abort };
            let marker = EndMarker { coordinator_epoch, ..marker(outcome) };
            let bytes = marker.encode(1, TimestampType::CreateTime);
            let logged = LoggedBatch::of(&RecordBatch::parse(&bytes).unwrap());
            prop_assert_eq!(logged.marker, Some(LoggedMarker { outcome, coordinator_epoch }));
        }
    }
}
