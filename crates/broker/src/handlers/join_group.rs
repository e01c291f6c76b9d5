//! `JoinGroup`, versions 0 to 9.
//!
//! The answer comes when the rebalance it belongs to has everybody, or their time is up. From
//! version 4 on a new member is first given its id and joins with it.

use headwater_coordinator::Client;
use headwater_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse};

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    request: JoinGroupRequest,
) -> Reply<JoinGroupResponse> {
    let group = request.group_id.clone();
    let client_host = format!("/{}", connection.peer.ip());
    let new_member_uuid = uuid::Uuid::new_v4().to_string();
    let client = Client {
        client_id: &connection.client_id,
        client_host: &client_host,
        new_member_uuid: &new_member_uuid,
    };
    let answer =
        context
            .groups
            .ask_with_image(&group, version, request, |coordinator, call, request| {
                coordinator.join_group(call, client, request)
            });
    Reply::Later(answer)
}
