//! `DescribeTransactions` 0: each transactional id by its own coordinator.

use futures::future::join_all;
use headwater_coordinator::TransactionCoordinator;
use headwater_protocol::messages::describe_transactions::{
    DescribeTransactionsRequest, DescribeTransactionsResponse,
};

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: DescribeTransactionsRequest,
) -> Reply<DescribeTransactionsResponse> {
    let answers: Vec<_> = request
        .transactional_ids
        .into_iter()
        .map(|transactional_id| {
            let one = DescribeTransactionsRequest {
                transactional_ids: vec![transactional_id.clone()],
            };
            context.transactions.ask(
                &transactional_id,
                version,
                one,
                TransactionCoordinator::describe_transactions,
            )
        })
        .collect();
    Reply::later(async move {
        let mut response = DescribeTransactionsResponse::default();
        for answer in join_all(answers).await {
            response
                .transaction_states
                .extend(answer.transaction_states);
        }
        response
    })
}
