//! `TxnOffsetCommit`, versions 0 to 5: offsets that a group gets when a transaction commits.
//!
//! Topics and partitions that do not exist are answered here, the transaction's coordinator says
//! whether the producer may write to the group's partition of offsets, and the group's coordinator
//! decides on the rest. From version 3 on the request names the member, which the group then checks
//! (KIP-447); version 4 knows `TRANSACTION_ABORTABLE`; 5 adds the partition to the transaction by
//! itself (KIP-890). Before version 2 clients did not know that coordinators load.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::BoxFuture;
use headwater_coordinator::{
    GroupCoordinator, PartitionSet, ProducerIdAndEpoch, TransactionalProducer,
};
use headwater_protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use headwater_protocol::{ErrorCode, Request, Uuid};

use crate::context::{ConnectionInfo, Context};
use crate::coordinators::TransactionalClient;
use crate::metadata::{CONSUMER_OFFSETS, Image};
use crate::reply::Reply;

/// From here on clients wait for a coordinator that loads.
const KNOWS_LOADING: i16 = 2;
/// From here on clients know `TRANSACTION_ABORTABLE`.
const KNOWS_ABORTABLE: i16 = 4;
/// From here on the partition is added by the request itself.
const ADDS_BY_WRITING: i16 = 5;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    mut request: TxnOffsetCommitRequest,
) -> Reply<TxnOffsetCommitResponse> {
    let image = context.metadata.image();
    let mut refused = Vec::new();
    let mut topic_ids = BTreeMap::new();
    request
        .topics
        .retain_mut(|topic| take_unknown(&image, topic, &mut topic_ids, &mut refused));
    if request.topics.is_empty() {
        return Reply::Now(TxnOffsetCommitResponse {
            topics: refused,
            ..TxnOffsetCommitResponse::default()
        });
    }
    let answer = commit(context, version, &topic_ids, request);
    Reply::later(async move { complete(version, answer.await, refused) })
}

/// Commits in the transaction, if the producer has one open that the group's partition is part of.
fn commit(
    context: &Context,
    version: i16,
    topic_ids: &BTreeMap<String, Uuid>,
    request: TxnOffsetCommitRequest,
) -> BoxFuture<'static, TxnOffsetCommitResponse> {
    if request.group_id.is_empty() {
        return ready(request.error_response(ErrorCode::InvalidGroupId, version));
    }
    let partition = match context.groups.partition_of(&request.group_id) {
        Ok(partition) => partition,
        Err(code) => return ready(request.error_response(code, version)),
    };
    let client = match version {
        ..KNOWS_ABORTABLE => TransactionalClient::AddsFirst,
        KNOWS_ABORTABLE..ADDS_BY_WRITING => TransactionalClient::KnowsAbortable,
        _ => TransactionalClient::AddsByWriting,
    };
    let mut partitions = PartitionSet::default();
    partitions.insert(CONSUMER_OFFSETS, partition);
    let transactional_id = request.transactional_id.clone();
    let producer = TransactionalProducer {
        transactional_id: &transactional_id,
        producer: ProducerIdAndEpoch {
            producer_id: request.producer_id,
            producer_epoch: request.producer_epoch,
        },
    };
    let transactions = &context.transactions;
    transactions.write(producer, client, &partitions, |transaction| {
        if let Err(code) = transaction.check(CONSUMER_OFFSETS, partition) {
            return ready(request.error_response(code, version));
        }
        let group_id = request.group_id.clone();
        context.groups.ask(
            &group_id,
            version,
            request,
            |coordinator: &mut GroupCoordinator, call, request| {
                coordinator.txn_offset_commit(call, topic_ids, request)
            },
        )
    })
}

fn ready(response: TxnOffsetCommitResponse) -> BoxFuture<'static, TxnOffsetCommitResponse> {
    std::future::ready(response).boxed()
}

/// Moves the partitions that there are not to `refused`; false if nothing remains.
fn take_unknown(
    image: &Image,
    topic: &mut TxnOffsetCommitRequestTopic,
    topic_ids: &mut BTreeMap<String, Uuid>,
    refused: &mut Vec<TxnOffsetCommitResponseTopic>,
) -> bool {
    let known = image.topic(&topic.name);
    if let Some(known) = known {
        topic_ids.insert(known.name.clone(), known.id);
    }
    let count = known.map_or(0, |known| known.partitions.len());
    let exists = |partition: &TxnOffsetCommitRequestPartition| {
        usize::try_from(partition.partition_index).is_ok_and(|index| index < count)
    };
    let (there, missing): (Vec<_>, Vec<_>) = std::mem::take(&mut topic.partitions)
        .into_iter()
        .partition(exists);
    topic.partitions = there;
    if !missing.is_empty() {
        let unknown =
            |partition: TxnOffsetCommitRequestPartition| TxnOffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: ErrorCode::UnknownTopicOrPartition.into(),
            };
        refused.push(TxnOffsetCommitResponseTopic {
            name: topic.name.clone(),
            partitions: missing.into_iter().map(unknown).collect(),
        });
    }
    !topic.partitions.is_empty()
}

/// What was refused here, then the coordinators' answer, a topic once: Kafka's order.
fn complete(
    version: i16,
    response: TxnOffsetCommitResponse,
    refused: Vec<TxnOffsetCommitResponseTopic>,
) -> TxnOffsetCommitResponse {
    let mut topics = refused;
    for mut answered in response.topics {
        if version < KNOWS_LOADING {
            for partition in &mut answered.partitions {
                if partition.error_code == i16::from(ErrorCode::CoordinatorLoadInProgress) {
                    partition.error_code = ErrorCode::CoordinatorNotAvailable.into();
                }
            }
        }
        match topics.iter_mut().find(|topic| topic.name == answered.name) {
            Some(topic) => topic.partitions.extend(answered.partitions),
            None => topics.push(answered),
        }
    }
    TxnOffsetCommitResponse { topics, ..response }
}
