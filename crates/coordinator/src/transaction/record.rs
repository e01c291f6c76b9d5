//! The records of `__transaction_state`, in Kafka's format: one per transactional id, with all that
//! is known of it. Never decides when something is written.

use headwater_protocol::{Decoder, EncodeError, Message};

use super::partition_set::PartitionSet;
use super::state::TransactionState;
use super::{NO_PRODUCER_EPOCH, Transaction};
use crate::effect::CoordinatorRecord;
use crate::record::{RecordError, value, versioned};

const TRANSACTION_LOG_KEY: i16 = 0;
const KIND: &str = "a transaction's state";
/// The tagged fields came with this version (KIP-890).
const LATEST: i16 = 1;
/// Before `transaction.version` 1 nothing may be written that old brokers cannot read.
const FIRST: i16 = 0;

#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message()]
struct TransactionLogKey {
    transactional_id: String,
}

/// As it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 1)]
pub struct TransactionLogValue {
    pub producer_id: i64,
    /// The one before the latest change of anything: another one if epochs had run out.
    #[field(versions = 1.., tag = 0, default = -1, ignorable)]
    pub previous_producer_id: i64,
    /// The one to come when the transaction has ended.
    #[field(versions = 1.., tag = 1, default = -1, ignorable)]
    pub next_producer_id: i64,
    pub producer_epoch: i16,
    /// For KIP-939, which Kafka 4.3 does not have yet.
    #[field(versions = 1.., tag = 3, default = -1, ignorable)]
    pub next_producer_epoch: i16,
    pub transaction_timeout_ms: i32,
    pub transaction_status: i8,
    /// None at all when nothing is under way.
    pub transaction_partitions: Option<Vec<PartitionsSchema>>,
    pub transaction_last_update_timestamp_ms: i64,
    /// -1: none is under way.
    pub transaction_start_timestamp_ms: i64,
    #[field(versions = 1.., tag = 2, ignorable)]
    pub client_transaction_version: i16,
}

/// Partitions of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[message(flexible = 1)]
pub struct PartitionsSchema {
    pub topic: String,
    pub partition_ids: Vec<i32>,
}

/// A record, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionRecord {
    /// The state of a transactional id; without a value the id has expired.
    Transaction {
        transactional_id: String,
        value: Option<TransactionLogValue>,
    },
    /// A kind of a later Kafka: kept in the log, not read.
    Unknown { key_version: i16 },
}

impl TransactionRecord {
    pub fn decode(record: &CoordinatorRecord) -> Result<Self, RecordError> {
        let mut key = Decoder::new(record.key.clone());
        if key.is_empty() {
            return Err(RecordError::NoKey);
        }
        match key.read_i16().map_err(RecordError::Key)? {
            TRANSACTION_LOG_KEY => Ok(Self::Transaction {
                transactional_id: TransactionLogKey::decode(&mut key, 0)
                    .map_err(RecordError::Key)?
                    .transactional_id,
                value: value(record, KIND, LATEST)?,
            }),
            key_version => Ok(Self::Unknown { key_version }),
        }
    }

    /// `transaction_version`: the feature's level, which decides on the version of the value.
    /// Fails only for text that the format cannot hold, which no request can carry either.
    pub fn encode(&self, transaction_version: i16) -> Result<CoordinatorRecord, EncodeError> {
        let Self::Transaction {
            transactional_id,
            value,
        } = self
        else {
            return Err(EncodeError::UnsupportedVersion(LATEST));
        };
        let key = TransactionLogKey {
            transactional_id: transactional_id.clone(),
        };
        let version = if transaction_version >= 1 {
            LATEST
        } else {
            FIRST
        };
        let value = value.as_ref();
        Ok(CoordinatorRecord {
            key: versioned(TRANSACTION_LOG_KEY, &key, 0)?,
            value: value
                .map(|value| versioned(version, value, version))
                .transpose()?,
        })
    }
}

impl From<&Transaction> for TransactionLogValue {
    fn from(transaction: &Transaction) -> Self {
        let partitions = transaction.partitions.topics();
        let partitions = partitions.map(|(topic, partitions)| PartitionsSchema {
            topic: topic.to_owned(),
            partition_ids: partitions.iter().copied().collect(),
        });
        Self {
            producer_id: transaction.producer_id,
            previous_producer_id: transaction.previous_producer_id,
            next_producer_id: transaction.next_producer_id,
            producer_epoch: transaction.producer_epoch,
            next_producer_epoch: NO_PRODUCER_EPOCH,
            transaction_timeout_ms: transaction.timeout_ms,
            transaction_status: transaction.state.id(),
            transaction_partitions: (transaction.state != TransactionState::Empty)
                .then(|| partitions.collect()),
            transaction_last_update_timestamp_ms: transaction.last_update_ms,
            transaction_start_timestamp_ms: transaction.start_ms,
            client_transaction_version: transaction.client_version,
        }
    }
}

impl TransactionLogValue {
    /// The transaction that was written. What the format does not hold is the last epoch.
    pub(super) fn into_transaction(
        self,
        last_producer_epoch: i16,
    ) -> Result<Transaction, RecordError> {
        let state = TransactionState::from_id(self.transaction_status);
        let state = state.ok_or(RecordError::UnknownState(self.transaction_status))?;
        let topics = self.transaction_partitions.iter().flatten();
        let partitions: PartitionSet = topics
            .flat_map(|topic| {
                let partitions = topic.partition_ids.iter();
                partitions.map(|&partition| (topic.topic.as_str(), partition))
            })
            .collect();
        Ok(Transaction {
            producer_id: self.producer_id,
            previous_producer_id: self.previous_producer_id,
            next_producer_id: self.next_producer_id,
            producer_epoch: self.producer_epoch,
            last_producer_epoch,
            timeout_ms: self.transaction_timeout_ms,
            state,
            partitions,
            start_ms: self.transaction_start_timestamp_ms,
            last_update_ms: self.transaction_last_update_timestamp_ms,
            client_version: self.client_transaction_version,
        })
    }
}
