//! `ConsumerGroupDescribe`, versions 0 and 1: each group by its own coordinator.
//!
//! Classic groups are not found here, nor consumer groups by `DescribeGroups`. From version 1 on
//! members say which protocol they speak.

use futures::future::join_all;
use headwater_coordinator::GroupCoordinator;
use headwater_protocol::messages::consumer_group_describe::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
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
    request: ConsumerGroupDescribeRequest,
) -> Reply<ConsumerGroupDescribeResponse> {
    let with_operations = request.include_authorized_operations;
    let answers: Vec<_> = request
        .group_ids
        .iter()
        .map(|group| {
            let one = ConsumerGroupDescribeRequest {
                group_ids: vec![group.clone()],
                include_authorized_operations: with_operations,
            };
            context.groups.ask_with_image(
                group,
                version,
                one,
                GroupCoordinator::consumer_group_describe,
            )
        })
        .collect();
    Reply::later(async move {
        let mut response = ConsumerGroupDescribeResponse::default();
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
