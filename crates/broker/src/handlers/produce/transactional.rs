//! Transactional batches of a produce request: whose transaction they are in, and whether each
//! partition takes them.
//!
//! Up to version 11 a partition must have been added to the transaction; from 12 on the write adds it
//! (KIP-890). A coordinator that cannot say is answered `NOT_ENOUGH_REPLICAS`, which makes clients of
//! every age try again without looking for another leader.

use headwater_coordinator::{PartitionSet, ProducerIdAndEpoch, TransactionalProducer};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::produce::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use headwater_records::BatchHeader;

use super::{Refused, topic_key};
use crate::coordinators::{InTransaction, TransactionalClient};
use crate::metadata::Image;
use crate::served::Served;

/// The first version whose clients know `TRANSACTION_ABORTABLE`.
const ABORTABLE_SINCE: i16 = 11;
/// The first version in which a write adds its partition.
const ADDS_SINCE: i16 = 12;

/// The transaction that a request writes to.
pub(super) struct Transactional {
    producer: ProducerIdAndEpoch,
    /// Those that exist.
    pub(super) partitions: PartitionSet,
}

impl Transactional {
    /// Looks at the heads of all batches. `None`: none of them is transactional. One request is one
    /// producer's.
    pub(super) fn find(
        image: &Image,
        version: i16,
        request: &ProduceRequest,
    ) -> Result<Option<Transactional>, ErrorCode> {
        let mut found: Option<Transactional> = None;
        for topic in &request.topic_data {
            let key = topic_key(version, topic);
            let known = key.topic(image).filter(|topic| !topic.internal);
            for (partition, header) in transactional(topic) {
                let producer = ProducerIdAndEpoch {
                    producer_id: header.producer_id,
                    producer_epoch: header.producer_epoch,
                };
                let transactional = found.get_or_insert_with(|| Transactional {
                    producer,
                    partitions: PartitionSet::default(),
                });
                if transactional.producer != producer {
                    return Err(ErrorCode::InvalidProducerIdMapping);
                }
                if let Some(known) = known
                    && usize::try_from(partition).is_ok_and(|at| at < known.partitions.len())
                {
                    transactional.partitions.insert(&known.name, partition);
                }
            }
        }
        if found.is_some() && request.transactional_id.is_none() {
            return Err(ErrorCode::TransactionalIdAuthorizationFailed);
        }
        Ok(found)
    }

    pub(super) fn producer<'a>(&self, transactional_id: &'a str) -> TransactionalProducer<'a> {
        TransactionalProducer {
            transactional_id,
            producer: self.producer,
        }
    }
}

pub(super) fn client(version: i16) -> TransactionalClient {
    match version {
        ADDS_SINCE.. => TransactionalClient::AddsByWriting,
        ABORTABLE_SINCE => TransactionalClient::KnowsAbortable,
        _ => TransactionalClient::AddsFirst,
    }
}

/// Whether a partition takes a transactional batch now.
pub(super) fn check(
    within: &InTransaction<'_>,
    topic: &str,
    data: &PartitionProduceData,
) -> Result<(), Refused> {
    if header(data).is_none() {
        return Ok(());
    }
    within
        .check(topic, data.index)
        .map_err(|code| match code {
            ErrorCode::InvalidTxnState => Refused {
                message: Some("Partition was not added to the transaction".to_owned()),
                ..Refused::plain(code)
            },
            ErrorCode::ConcurrentTransactions
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator => Refused {
                message: Some(format!(
                    "Unable to verify the partition has been added to the transaction. Underlying error: {}",
                    code.name()
                )),
                ..Refused::plain(ErrorCode::NotEnoughReplicas)
            },
            code => Refused::plain(code),
        })
}

/// Refuses a batch whose predecessor was refused and will be sent again. A client that adds by writing
/// gives each transaction an epoch of its own, so that to a partition which does not know it the first
/// sequence is 0; of older clients a partition may have forgotten what they wrote.
pub(super) fn check_first(
    version: i16,
    served: &Served,
    data: &PartitionProduceData,
) -> Result<(), Refused> {
    let Some(header) = header(data).filter(|_| version >= ADDS_SINCE) else {
        return Ok(());
    };
    let log = served.partition.log();
    if header.base_sequence <= 0 || log.knows_producer(header.producer_id) {
        return Ok(());
    }
    Err(Refused {
        message: Some(format!(
            "Producer {} begins with sequence {} where it has written nothing",
            header.producer_id, header.base_sequence
        )),
        ..Refused::plain(ErrorCode::OutOfOrderSequenceNumber)
    })
}

/// The partitions of a topic that get a transactional batch, with its head.
fn transactional(topic: &TopicProduceData) -> impl Iterator<Item = (i32, BatchHeader)> {
    topic
        .partition_data
        .iter()
        .filter_map(|data| Some((data.index, header(data)?)))
}

/// The head of a transactional batch. What cannot be read is the log's to refuse.
fn header(data: &PartitionProduceData) -> Option<BatchHeader> {
    let header = BatchHeader::parse(data.records.as_ref()?).ok()?;
    (header.is_transactional() && header.has_producer_id()).then_some(header)
}
