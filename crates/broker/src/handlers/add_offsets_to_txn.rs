//! `AddOffsetsToTxn` 0-4: a group's offsets become part of a transaction.
//!
//! What is added is the partition of `__consumer_offsets` that holds the group. Clients of
//! `transaction.version` 2 do not ask: their `TxnOffsetCommit` adds it (KIP-890). Before version 2
//! `PRODUCER_FENCED` is told as `INVALID_PRODUCER_EPOCH`.

use headwater_coordinator::PartitionSet;
use headwater_protocol::Request;
use headwater_protocol::messages::add_offsets_to_txn::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse,
};

use crate::context::{ConnectionInfo, Context};
use crate::metadata::CONSUMER_OFFSETS;
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: AddOffsetsToTxnRequest,
) -> Reply<AddOffsetsToTxnResponse> {
    let offsets = match context.groups.partition_of(&request.group_id) {
        Ok(partition) => PartitionSet::from_iter([(CONSUMER_OFFSETS, partition)]),
        Err(code) => return Reply::Now(request.error_response(code, version)),
    };
    let transactional_id = request.transactional_id.clone();
    Reply::Later(context.transactions.ask(
        &transactional_id,
        version,
        request,
        |coordinator, call, request| coordinator.add_offsets_to_txn(call, request, &offsets),
    ))
}
