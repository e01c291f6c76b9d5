//! The answers of the coordinator, and how each of them says no.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::add_offsets_to_txn::AddOffsetsToTxnResponse;
use headwater_protocol::messages::add_partitions_to_txn::AddPartitionsToTxnResponse;
use headwater_protocol::messages::consumer_group_describe::{
    ConsumerGroupDescribeResponse, DescribedGroup as DescribedConsumerGroup,
};
use headwater_protocol::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatResponse;
use headwater_protocol::messages::delete_groups::DeleteGroupsResponse;
use headwater_protocol::messages::describe_groups::{DescribeGroupsResponse, DescribedGroup};
use headwater_protocol::messages::describe_transactions::{
    DescribeTransactionsResponse, TransactionState,
};
use headwater_protocol::messages::end_txn::EndTxnResponse;
use headwater_protocol::messages::heartbeat::HeartbeatResponse;
use headwater_protocol::messages::init_producer_id::InitProducerIdResponse;
use headwater_protocol::messages::join_group::JoinGroupResponse;
use headwater_protocol::messages::leave_group::LeaveGroupResponse;
use headwater_protocol::messages::list_groups::ListGroupsResponse;
use headwater_protocol::messages::list_transactions::ListTransactionsResponse;
use headwater_protocol::messages::offset_commit::OffsetCommitResponse;
use headwater_protocol::messages::offset_delete::OffsetDeleteResponse;
use headwater_protocol::messages::offset_fetch::{OffsetFetchResponse, OffsetFetchResponseGroup};
use headwater_protocol::messages::sync_group::SyncGroupResponse;
use headwater_protocol::messages::txn_offset_commit::TxnOffsetCommitResponse;

/// An answer, at the version of its [`crate::Call`].
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    JoinGroup(JoinGroupResponse),
    SyncGroup(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    LeaveGroup(LeaveGroupResponse),
    OffsetCommit(OffsetCommitResponse),
    OffsetFetch(OffsetFetchResponse),
    TxnOffsetCommit(TxnOffsetCommitResponse),
    OffsetDelete(OffsetDeleteResponse),
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse),
    ConsumerGroupDescribe(ConsumerGroupDescribeResponse),
    DescribeGroups(DescribeGroupsResponse),
    ListGroups(ListGroupsResponse),
    DeleteGroups(DeleteGroupsResponse),
    InitProducerId(InitProducerIdResponse),
    AddPartitionsToTxn(AddPartitionsToTxnResponse),
    AddOffsetsToTxn(AddOffsetsToTxnResponse),
    EndTxn(EndTxnResponse),
    DescribeTransactions(DescribeTransactionsResponse),
    ListTransactions(ListTransactionsResponse),
}

impl Response {
    /// The same answer refusing everything, for when what it says will not last.
    /// An answer that refuses already stays as it is where it has one error for all.
    pub fn into_error(self, code: ErrorCode) -> Self {
        let code = i16::from(code);
        match self {
            Self::JoinGroup(response) => Self::JoinGroup(JoinGroupResponse {
                error_code: code,
                member_id: response.member_id,
                ..JoinGroupResponse::default()
            }),
            Self::SyncGroup(_) => Self::SyncGroup(SyncGroupResponse {
                error_code: code,
                ..SyncGroupResponse::default()
            }),
            Self::Heartbeat(mut response) => {
                response.error_code = code;
                Self::Heartbeat(response)
            }
            Self::LeaveGroup(_) => Self::LeaveGroup(LeaveGroupResponse {
                error_code: code,
                ..LeaveGroupResponse::default()
            }),
            Self::ConsumerGroupHeartbeat(_) => {
                Self::ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse {
                    error_code: code,
                    ..ConsumerGroupHeartbeatResponse::default()
                })
            }
            other => other.into_offset_error(code),
        }
    }

    /// The same for the answers about committed offsets.
    fn into_offset_error(self, code: i16) -> Self {
        match self {
            Self::OffsetCommit(mut response) => {
                let partitions = response
                    .topics
                    .iter_mut()
                    .flat_map(|topic| &mut topic.partitions);
                partitions.for_each(|partition| partition.error_code = code);
                Self::OffsetCommit(response)
            }
            Self::TxnOffsetCommit(mut response) => {
                let partitions = response
                    .topics
                    .iter_mut()
                    .flat_map(|topic| &mut topic.partitions);
                partitions.for_each(|partition| partition.error_code = code);
                Self::TxnOffsetCommit(response)
            }
            Self::OffsetDelete(_) => Self::OffsetDelete(OffsetDeleteResponse {
                error_code: code,
                ..OffsetDeleteResponse::default()
            }),
            Self::OffsetFetch(response) => Self::OffsetFetch(refused_fetch(response, code)),
            other => other.into_administration_error(code),
        }
    }

    /// The same for the answers about groups as a whole.
    fn into_administration_error(self, code: i16) -> Self {
        match self {
            Self::ConsumerGroupDescribe(response) => {
                Self::ConsumerGroupDescribe(refused_descriptions(response, code))
            }
            Self::DescribeGroups(mut response) => {
                for group in &mut response.groups {
                    *group = DescribedGroup {
                        error_code: code,
                        group_id: std::mem::take(&mut group.group_id),
                        ..DescribedGroup::default()
                    };
                }
                Self::DescribeGroups(response)
            }
            Self::ListGroups(_) => Self::ListGroups(ListGroupsResponse {
                error_code: code,
                ..ListGroupsResponse::default()
            }),
            Self::DeleteGroups(mut response) => {
                for result in &mut response.results {
                    result.error_code = code;
                }
                Self::DeleteGroups(response)
            }
            other => other.into_transaction_error(code),
        }
    }

    /// The same for the answers about transactions.
    fn into_transaction_error(self, code: i16) -> Self {
        match self {
            Self::InitProducerId(_) => Self::InitProducerId(InitProducerIdResponse {
                error_code: code,
                producer_id: -1,
                producer_epoch: -1,
                ..InitProducerIdResponse::default()
            }),
            Self::AddPartitionsToTxn(mut response) => {
                let topics = response
                    .results_by_transaction
                    .iter_mut()
                    .flat_map(|result| &mut result.topic_results);
                for partition in topics.flat_map(|topic| &mut topic.results_by_partition) {
                    partition.partition_error_code = code;
                }
                Self::AddPartitionsToTxn(response)
            }
            Self::AddOffsetsToTxn(mut response) => {
                response.error_code = code;
                Self::AddOffsetsToTxn(response)
            }
            Self::EndTxn(_) => Self::EndTxn(EndTxnResponse {
                error_code: code,
                producer_id: -1,
                producer_epoch: -1,
                ..EndTxnResponse::default()
            }),
            Self::DescribeTransactions(mut response) => {
                for state in &mut response.transaction_states {
                    *state = TransactionState {
                        error_code: code,
                        transactional_id: std::mem::take(&mut state.transactional_id),
                        ..TransactionState::default()
                    };
                }
                Self::DescribeTransactions(response)
            }
            Self::ListTransactions(_) => Self::ListTransactions(ListTransactionsResponse {
                error_code: code,
                ..ListTransactionsResponse::default()
            }),
            other => other,
        }
    }
}

fn refused_descriptions(
    mut response: ConsumerGroupDescribeResponse,
    code: i16,
) -> ConsumerGroupDescribeResponse {
    for group in &mut response.groups {
        *group = DescribedConsumerGroup {
            error_code: code,
            group_id: std::mem::take(&mut group.group_id),
            ..DescribedConsumerGroup::default()
        };
    }
    response
}

fn refused_fetch(mut response: OffsetFetchResponse, code: i16) -> OffsetFetchResponse {
    for group in &mut response.groups {
        *group = OffsetFetchResponseGroup {
            group_id: std::mem::take(&mut group.group_id),
            error_code: code,
            ..OffsetFetchResponseGroup::default()
        };
    }
    // Version 1 has no error for all, so its partitions carry it.
    for partition in response
        .topics
        .iter_mut()
        .flat_map(|topic| &mut topic.partitions)
    {
        partition.committed_offset = -1;
        partition.metadata = Some(String::new());
        partition.error_code = code;
    }
    if response.groups.is_empty() {
        response.error_code = code;
    }
    response
}

macro_rules! into_response {
    ($($variant:ident($message:ty)),* $(,)?) => {
        $(impl From<$message> for Response {
            fn from(message: $message) -> Self {
                Self::$variant(message)
            }
        })*
    };
}

into_response! {
    JoinGroup(JoinGroupResponse),
    SyncGroup(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    LeaveGroup(LeaveGroupResponse),
    OffsetCommit(OffsetCommitResponse),
    OffsetFetch(OffsetFetchResponse),
    TxnOffsetCommit(TxnOffsetCommitResponse),
    OffsetDelete(OffsetDeleteResponse),
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse),
    ConsumerGroupDescribe(ConsumerGroupDescribeResponse),
    DescribeGroups(DescribeGroupsResponse),
    ListGroups(ListGroupsResponse),
    DeleteGroups(DeleteGroupsResponse),
    InitProducerId(InitProducerIdResponse),
    AddPartitionsToTxn(AddPartitionsToTxnResponse),
    AddOffsetsToTxn(AddOffsetsToTxnResponse),
    EndTxn(EndTxnResponse),
    DescribeTransactions(DescribeTransactionsResponse),
    ListTransactions(ListTransactionsResponse),
}

#[cfg(test)]
mod tests {
    use headwater_protocol::messages::offset_fetch::{
        OffsetFetchResponsePartition, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
    };

    use super::*;

    const LOST: ErrorCode = ErrorCode::NotCoordinator;

    #[test]
    fn a_join_that_is_refused_keeps_the_member_id_and_tells_nothing_else() {
        let joined = Response::from(JoinGroupResponse {
            generation_id: 3,
            leader: "m".to_owned(),
            member_id: "m".to_owned(),
            ..JoinGroupResponse::default()
        });
        let refused = joined.into_error(LOST);
        let expected = JoinGroupResponse {
            error_code: LOST.into(),
            member_id: "m".to_owned(),
            ..JoinGroupResponse::default()
        };
        assert_eq!(refused, Response::JoinGroup(expected));
    }

    #[test]
    fn a_fetch_of_several_groups_is_refused_group_by_group() {
        let fetched = Response::from(OffsetFetchResponse {
            groups: vec![OffsetFetchResponseGroup {
                group_id: "g".to_owned(),
                topics: vec![OffsetFetchResponseTopics::default()],
                ..OffsetFetchResponseGroup::default()
            }],
            ..OffsetFetchResponse::default()
        });
        let Response::OffsetFetch(refused) = fetched.into_error(LOST) else {
            panic!("another kind of answer");
        };
        assert_eq!(refused.error_code, 0, "older versions only");
        assert_eq!(refused.groups[0].error_code, i16::from(LOST));
        assert!(refused.groups[0].topics.is_empty());
    }

    #[test]
    fn a_fetch_of_one_group_is_refused_as_a_whole_and_in_every_partition() {
        let fetched = Response::from(OffsetFetchResponse {
            topics: vec![OffsetFetchResponseTopic {
                name: "t".to_owned(),
                partitions: vec![OffsetFetchResponsePartition {
                    committed_offset: 5,
                    ..OffsetFetchResponsePartition::default()
                }],
            }],
            ..OffsetFetchResponse::default()
        });
        let Response::OffsetFetch(refused) = fetched.into_error(LOST) else {
            panic!("another kind of answer");
        };
        let partition = &refused.topics[0].partitions[0];
        assert_eq!(refused.error_code, i16::from(LOST));
        assert_eq!(partition.error_code, i16::from(LOST));
        assert_eq!(partition.committed_offset, -1);
    }
}
