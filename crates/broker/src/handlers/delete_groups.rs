//! `DeleteGroups`, versions 0 to 2: each group by its own coordinator, if it has no members.

use futures::future::join_all;
use headwater_coordinator::GroupCoordinator;
use headwater_protocol::messages::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: DeleteGroupsRequest,
) -> Reply<DeleteGroupsResponse> {
    let answers: Vec<_> = request
        .groups_names
        .into_iter()
        .map(|group| {
            let one = DeleteGroupsRequest {
                groups_names: vec![group.clone()],
            };
            context
                .groups
                .ask(&group, version, one, GroupCoordinator::delete_groups)
        })
        .collect();
    Reply::later(async move {
        let mut response = DeleteGroupsResponse::default();
        for answer in join_all(answers).await {
            response.results.extend(answer.results);
        }
        response
    })
}
