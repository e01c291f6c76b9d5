//! `AddPartitionsToTxn` 0-5: partitions become part of a transaction.
//!
//! Up to version 3 it is a client's request for one transaction; from 4 on a broker's for several,
//! which may only ask (`verify_only`). A partition that does not exist keeps all others of its
//! transaction out. Before version 2 `PRODUCER_FENCED` is told as `INVALID_PRODUCER_EPOCH`. Clients of
//! `transaction.version` 2 do not ask: their writes add partitions (KIP-890).

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, join_all};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult, AddPartitionsToTxnTransaction,
};

use crate::context::{ConnectionInfo, Context};
use crate::coordinators::Transactions;
use crate::metadata::Image;
use crate::reply::Reply;

/// The first version with several transactions.
const SEVERAL_SINCE: i16 = 4;
/// Transactions looked at before others get their turn: a request may name some hundred thousand.
const AT_A_TIME: usize = 1_000;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: AddPartitionsToTxnRequest,
) -> Reply<AddPartitionsToTxnResponse> {
    let image = context.metadata.image();
    let transactions = &context.transactions;
    if version >= SEVERAL_SINCE {
        let transactions = Arc::clone(transactions);
        return Reply::later(add_all(transactions, image, version, request.transactions));
    }
    let answer = add(transactions, &image, version, single(request));
    Reply::later(async move {
        AddPartitionsToTxnResponse {
            results_by_topic_v3_and_below: answer.await.topic_results,
            ..AddPartitionsToTxnResponse::default()
        }
    })
}

/// Some after the other: no producer waits for a request of this kind with its next one.
async fn add_all(
    transactions: Arc<Transactions>,
    image: Arc<Image>,
    version: i16,
    asked: Vec<AddPartitionsToTxnTransaction>,
) -> AddPartitionsToTxnResponse {
    let mut results = Vec::with_capacity(asked.len());
    let mut asked = asked.into_iter();
    while asked.len() > 0 {
        let some = asked.by_ref().take(AT_A_TIME);
        let answers = some.map(|transaction| add(&transactions, &image, version, transaction));
        results.extend(join_all(answers).await);
        tokio::task::yield_now().await;
    }
    AddPartitionsToTxnResponse {
        results_by_transaction: results,
        ..AddPartitionsToTxnResponse::default()
    }
}

/// The one transaction of an old request.
fn single(request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnTransaction {
    AddPartitionsToTxnTransaction {
        transactional_id: request.v3_and_below_transactional_id,
        producer_id: request.v3_and_below_producer_id,
        producer_epoch: request.v3_and_below_producer_epoch,
        verify_only: false,
        topics: request.v3_and_below_topics,
    }
}

fn add(
    transactions: &Transactions,
    image: &Image,
    version: i16,
    transaction: AddPartitionsToTxnTransaction,
) -> BoxFuture<'static, AddPartitionsToTxnResult> {
    if let Some(refused) = refuse_unknown(image, &transaction) {
        return futures::future::ready(refused).boxed();
    }
    let transactional_id = transaction.transactional_id.clone();
    // As if it came alone, so that each is answered by its own coordinator.
    let one = AddPartitionsToTxnRequest {
        transactions: vec![transaction],
        ..AddPartitionsToTxnRequest::default()
    };
    let answer = transactions.ask(
        &transactional_id,
        version.max(SEVERAL_SINCE),
        one,
        |coordinator, mut call, request| {
            call.version = version;
            coordinator.add_partitions_to_txn(call, &request.transactions[0])
        },
    );
    answer
        .map(|mut response| response.results_by_transaction.pop().unwrap_or_default())
        .boxed()
}

/// The answer if there is a partition that does not exist.
fn refuse_unknown(
    image: &Image,
    transaction: &AddPartitionsToTxnTransaction,
) -> Option<AddPartitionsToTxnResult> {
    let exists = |topic: &str, partition: i32| {
        image.topic(topic).is_some_and(|topic| {
            usize::try_from(partition).is_ok_and(|index| index < topic.partitions.len())
        })
    };
    let mut partitions = transaction.topics.iter().flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(move |partition| (topic.name.as_str(), *partition))
    });
    if partitions.all(|(topic, partition)| exists(topic, partition)) {
        return None;
    }
    let topic_results = transaction.topics.iter().map(|topic| {
        let result = |&partition_index| AddPartitionsToTxnPartitionResult {
            partition_index,
            partition_error_code: if exists(&topic.name, partition_index) {
                ErrorCode::OperationNotAttempted.into()
            } else {
                ErrorCode::UnknownTopicOrPartition.into()
            },
        };
        AddPartitionsToTxnTopicResult {
            name: topic.name.clone(),
            results_by_partition: topic.partitions.iter().map(result).collect(),
        }
    });
    Some(AddPartitionsToTxnResult {
        transactional_id: transaction.transactional_id.clone(),
        topic_results: topic_results.collect(),
    })
}
