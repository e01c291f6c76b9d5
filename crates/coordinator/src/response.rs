//! The answers of the coordinator, and how each of them says no.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::delete_groups::DeleteGroupsResponse;
use headwater_protocol::messages::describe_groups::{DescribeGroupsResponse, DescribedGroup};
use headwater_protocol::messages::heartbeat::HeartbeatResponse;
use headwater_protocol::messages::join_group::JoinGroupResponse;
use headwater_protocol::messages::leave_group::LeaveGroupResponse;
use headwater_protocol::messages::list_groups::ListGroupsResponse;
use headwater_protocol::messages::offset_commit::OffsetCommitResponse;
use headwater_protocol::messages::offset_fetch::{OffsetFetchResponse, OffsetFetchResponseGroup};
use headwater_protocol::messages::sync_group::SyncGroupResponse;

/// An answer, at the version of its [`crate::Call`].
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    JoinGroup(JoinGroupResponse),
    SyncGroup(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    LeaveGroup(LeaveGroupResponse),
    OffsetCommit(OffsetCommitResponse),
    OffsetFetch(OffsetFetchResponse),
    DescribeGroups(DescribeGroupsResponse),
    ListGroups(ListGroupsResponse),
    DeleteGroups(DeleteGroupsResponse),
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
            Self::OffsetCommit(mut response) => {
                let partitions = response
                    .topics
                    .iter_mut()
                    .flat_map(|topic| &mut topic.partitions);
                partitions.for_each(|partition| partition.error_code = code);
                Self::OffsetCommit(response)
            }
            Self::OffsetFetch(response) => Self::OffsetFetch(refused_fetch(response, code)),
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
        }
    }
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
    DescribeGroups(DescribeGroupsResponse),
    ListGroups(ListGroupsResponse),
    DeleteGroups(DeleteGroupsResponse),
}
