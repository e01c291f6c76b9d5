//! What a partition with transactions must say, worked out from all that was written to it.

use headwater_log::{
    AbortedTransaction, AppendError, Appended, EndMarker, PartitionLog, TransactionOutcome,
};
use headwater_records::BatchBuilder;

use crate::store::{CLIENT, NOW};

/// What lies at one offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Plain,
    Data {
        producer_id: i64,
        epoch: i16,
    },
    Marker {
        producer_id: i64,
        epoch: i16,
        outcome: TransactionOutcome,
    },
}

/// All that was written, by offset. One record per batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) written: Vec<Written>,
}

#[derive(Debug, Clone, Copy)]
struct Transaction {
    producer_id: i64,
    first: i64,
    end: Option<(i64, TransactionOutcome)>,
}

impl Ledger {
    pub(crate) fn end(&self) -> i64 {
        self.written.len() as i64
    }

    fn transactions(&self) -> Vec<Transaction> {
        let mut all: Vec<Transaction> = Vec::new();
        for (offset, written) in (0..).zip(&self.written) {
            let open = |all: &mut Vec<Transaction>, producer_id: i64| {
                let mut open = all.iter().rev();
                open.position(|t| t.producer_id == producer_id && t.end.is_none())
                    .map(|behind| all.len() - 1 - behind)
            };
            match *written {
                Written::Plain => {}
                Written::Data { producer_id, .. } => {
                    if open(&mut all, producer_id).is_none() {
                        all.push(Transaction {
                            producer_id,
                            first: offset,
                            end: None,
                        });
                    }
                }
                Written::Marker {
                    producer_id,
                    outcome,
                    ..
                } => {
                    if let Some(at) = open(&mut all, producer_id) {
                        all[at].end = Some((offset, outcome));
                    }
                }
            }
        }
        all
    }

    pub(crate) fn open_transaction(&self, producer_id: i64) -> Option<i64> {
        let all = self.transactions();
        let open = all
            .iter()
            .find(|t| t.producer_id == producer_id && t.end.is_none());
        open.map(|t| t.first)
    }

    pub(crate) fn last_stable_offset(&self, log_start: i64, high_watermark: i64) -> i64 {
        let all = self.transactions();
        let unstable = all.iter().filter(|t| match t.end {
            None => true,
            Some((marker, _)) => marker >= high_watermark,
        });
        let first = unstable.map(|t| t.first.max(log_start)).min();
        first.unwrap_or(high_watermark).min(high_watermark)
    }

    pub(crate) fn aborted(&self, from: i64, to: i64) -> Vec<AbortedTransaction> {
        let all = self.transactions();
        let aborted = all.iter().filter(|t| {
            let aborts = |(marker, outcome)| outcome == TransactionOutcome::Abort && marker >= from;
            t.first < to && t.end.is_some_and(aborts)
        });
        let mut aborted: Vec<_> = aborted
            .map(|t| AbortedTransaction {
                producer_id: t.producer_id,
                first_offset: t.first,
            })
            .collect();
        aborted.sort_by_key(|aborted| aborted.first_offset);
        aborted
    }

    pub(crate) fn epoch(&self, producer_id: i64) -> i16 {
        let epochs = self.written.iter().filter_map(|written| match *written {
            Written::Data {
                producer_id: p,
                epoch,
            }
            | Written::Marker {
                producer_id: p,
                epoch,
                ..
            } => (p == producer_id).then_some(epoch),
            Written::Plain => None,
        });
        epochs.max().unwrap_or(0)
    }

    /// Sequence of the producer's next record: each epoch begins at 0.
    fn sequence(&self, producer_id: i64) -> i32 {
        let epoch = self.epoch(producer_id);
        let of_epoch = |written: &&Written| **written == Written::Data { producer_id, epoch };
        self.written.iter().filter(of_epoch).count() as i32
    }

    pub(crate) fn append_plain(
        &mut self,
        log: &PartitionLog,
        size: usize,
    ) -> Result<Appended, AppendError> {
        let mut builder = BatchBuilder::new();
        builder.append(NOW, None, Some(&vec![b'p'; size]), &[]);
        self.written.push(Written::Plain);
        log.append(builder.build(0), CLIENT)
    }

    pub(crate) fn append(
        &mut self,
        log: &PartitionLog,
        producer_id: i64,
        size: usize,
    ) -> Result<Appended, AppendError> {
        let epoch = self.epoch(producer_id);
        let sequence = self.sequence(producer_id);
        self.written.push(Written::Data { producer_id, epoch });
        let builder = BatchBuilder::new().producer(producer_id, epoch, sequence);
        let mut builder = builder.transactional();
        builder.append(NOW, None, Some(&vec![b't'; size]), &[]);
        log.append(builder.build(0), CLIENT)
    }

    /// Ends a transaction as transactions v2 do: with an epoch above the current one.
    pub(crate) fn end_transaction(
        &mut self,
        log: &PartitionLog,
        producer_id: i64,
        outcome: TransactionOutcome,
    ) -> Result<Appended, AppendError> {
        let epoch = self.epoch(producer_id) + 1;
        self.written.push(Written::Marker {
            producer_id,
            epoch,
            outcome,
        });
        let marker = EndMarker {
            producer_id,
            producer_epoch: epoch,
            coordinator_epoch: 0,
            outcome,
            transaction_version: 2,
        };
        log.append_end_marker(marker, 0, NOW)
    }

    /// Holds the log to it.
    pub(crate) fn check(&self, log: &PartitionLog, producers: &[i64], context: &str) {
        assert_eq!(log.log_end_offset(), self.end(), "{context}");
        let (start, high_watermark) = (log.log_start_offset(), log.high_watermark());
        let stable = self.last_stable_offset(start, high_watermark);
        assert_eq!(log.last_stable_offset(), stable, "{context}: {self:?}");
        for producer in producers {
            let open = self.open_transaction(*producer);
            assert_eq!(
                log.open_transaction(*producer),
                open,
                "{context}: {producer}"
            );
        }
        let middle = i64::midpoint(start, stable);
        for (from, to) in [
            (start, stable),
            (start, middle),
            (middle, stable),
            (start, start + 1),
        ] {
            let found = log.aborted_transactions(from, to.min(stable)).unwrap();
            let expected = self.aborted(from, to.min(stable));
            let any = !self.aborted(from, i64::MAX).is_empty();
            assert_eq!(log.has_aborted_behind(from), any, "{context}: from {from}");
            assert_eq!(
                found, expected,
                "{context}: aborted in {from}..{to}: {self:?}"
            );
        }
    }
}
