//! `ListGroups`, versions 0 to 5: the groups of every coordinator.
//!
//! While a coordinator loads, the whole answer says so, so that no client takes a part for all.
//! One that cannot be loaded has no groups to list, as in Kafka.

use headwater_coordinator::GroupCoordinator;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature of every handler"
)]
pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: ListGroupsRequest,
) -> Reply<ListGroupsResponse> {
    let answers = context
        .groups
        .ask_all(version, &request, GroupCoordinator::list_groups);
    Reply::later(async move {
        let mut answers = answers.await;
        let loading = i16::from(ErrorCode::CoordinatorLoadInProgress);
        if let Some(at) = answers
            .iter()
            .position(|answer| answer.error_code == loading)
        {
            return answers.swap_remove(at);
        }
        ListGroupsResponse {
            groups: answers
                .into_iter()
                .flat_map(|answer| answer.groups)
                .collect(),
            ..ListGroupsResponse::default()
        }
    })
}
