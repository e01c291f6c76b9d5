//! `ListPartitionReassignments`, version 0: no partition ever moves on a single node.

use headwater_protocol::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;

pub(crate) fn begin(
    _context: &Context,
    _connection: &ConnectionInfo,
    _version: i16,
    _request: ListPartitionReassignmentsRequest,
) -> Reply<ListPartitionReassignmentsResponse> {
    Reply::Now(ListPartitionReassignmentsResponse::default())
}
