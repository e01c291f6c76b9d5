//! `ListGroups`, versions 0 to 5: the groups of every coordinator.
//!
//! While a coordinator loads, the whole answer says so, so that no client takes a part for all.

use headwater_coordinator::GroupCoordinator;
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
        let mut all = ListGroupsResponse::default();
        for answer in answers.await {
            if answer.error_code != 0 {
                return answer;
            }
            all.groups.extend(answer.groups);
        }
        all
    })
}
