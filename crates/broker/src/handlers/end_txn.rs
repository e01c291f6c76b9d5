//! `EndTxn` 0-5: commits or aborts a transaction.
//!
//! The answer comes when the prepare record, every partition's marker and the complete record are on
//! disk, which is one write of the journal or two: whoever reads committed records after it finds
//! them. Kafka answers after the prepare record. From version 5 on (KIP-890) the answer brings the
//! epoch to go on with, and a new producer id when epochs have run out; before version 2
//! `PRODUCER_FENCED` is told as `INVALID_PRODUCER_EPOCH`.

use headwater_protocol::messages::end_txn::{EndTxnRequest, EndTxnResponse};

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: EndTxnRequest,
) -> Reply<EndTxnResponse> {
    let transactions = &context.transactions;
    let transactional_id = request.transactional_id.clone();
    Reply::Later(transactions.ask(
        &transactional_id,
        version,
        request,
        |coordinator, call, request| {
            let mut new_producer_id = || transactions.new_producer_id();
            coordinator.end_txn(call, request, &mut new_producer_id)
        },
    ))
}
