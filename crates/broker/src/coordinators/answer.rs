//! From a coordinator's response to that of the API asked.

use headwater_coordinator::Response;
use headwater_protocol::messages::add_offsets_to_txn::AddOffsetsToTxnResponse;
use headwater_protocol::messages::add_partitions_to_txn::AddPartitionsToTxnResponse;
use headwater_protocol::messages::consumer_group_describe::ConsumerGroupDescribeResponse;
use headwater_protocol::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatResponse;
use headwater_protocol::messages::delete_groups::DeleteGroupsResponse;
use headwater_protocol::messages::describe_groups::DescribeGroupsResponse;
use headwater_protocol::messages::describe_transactions::DescribeTransactionsResponse;
use headwater_protocol::messages::end_txn::EndTxnResponse;
use headwater_protocol::messages::heartbeat::HeartbeatResponse;
use headwater_protocol::messages::init_producer_id::InitProducerIdResponse;
use headwater_protocol::messages::join_group::JoinGroupResponse;
use headwater_protocol::messages::leave_group::LeaveGroupResponse;
use headwater_protocol::messages::list_groups::ListGroupsResponse;
use headwater_protocol::messages::list_transactions::ListTransactionsResponse;
use headwater_protocol::messages::offset_commit::OffsetCommitResponse;
use headwater_protocol::messages::offset_delete::OffsetDeleteResponse;
use headwater_protocol::messages::offset_fetch::OffsetFetchResponse;
use headwater_protocol::messages::sync_group::SyncGroupResponse;
use headwater_protocol::messages::txn_offset_commit::TxnOffsetCommitResponse;

/// A response a coordinator can give.
pub(crate) trait FromResponse: Sized {
    /// `None` if the coordinator answered another API's question, which is a mistake of ours.
    fn from_response(response: Response) -> Option<Self>;
}

macro_rules! from_response {
    ($($variant:ident $response:ident)*) => {
        $(impl FromResponse for $response {
            fn from_response(response: Response) -> Option<Self> {
                match response {
                    Response::$variant(response) => Some(response),
                    _ => None,
                }
            }
        })*
    };
}

from_response! {
    JoinGroup JoinGroupResponse
    SyncGroup SyncGroupResponse
    Heartbeat HeartbeatResponse
    LeaveGroup LeaveGroupResponse
    OffsetCommit OffsetCommitResponse
    OffsetFetch OffsetFetchResponse
    OffsetDelete OffsetDeleteResponse
    TxnOffsetCommit TxnOffsetCommitResponse
    ConsumerGroupHeartbeat ConsumerGroupHeartbeatResponse
    ConsumerGroupDescribe ConsumerGroupDescribeResponse
    DescribeGroups DescribeGroupsResponse
    ListGroups ListGroupsResponse
    DeleteGroups DeleteGroupsResponse
    InitProducerId InitProducerIdResponse
    AddPartitionsToTxn AddPartitionsToTxnResponse
    AddOffsetsToTxn AddOffsetsToTxnResponse
    EndTxn EndTxnResponse
    DescribeTransactions DescribeTransactionsResponse
    ListTransactions ListTransactionsResponse
}
