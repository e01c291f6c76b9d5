//! `DescribeGroups`, versions 0 to 6: each group by its own coordinator.

use futures::future::join_all;
use headwater_coordinator::GroupCoordinator;
use headwater_protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse,
};

use super::authorized_operations;
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
    request: DescribeGroupsRequest,
) -> Reply<DescribeGroupsResponse> {
    let with_operations = request.include_authorized_operations;
    let answers: Vec<_> = request
        .groups
        .iter()
        .map(|group| {
            let one = DescribeGroupsRequest {
                groups: vec![group.clone()],
                include_authorized_operations: with_operations,
            };
            context
                .groups
                .ask(group, version, one, GroupCoordinator::describe_groups)
        })
        .collect();
    Reply::later(async move {
        let mut response = DescribeGroupsResponse::default();
        for answer in join_all(answers).await {
            response.groups.extend(answer.groups);
        }
        if with_operations {
            for group in response
                .groups
                .iter_mut()
                .filter(|group| group.error_code == 0)
            {
                group.authorized_operations = authorized_operations::GROUP;
            }
        }
        response
    })
}
