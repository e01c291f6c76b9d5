//! `LeaveGroup`, versions 0 to 5.
//!
//! Version 3 lets several members leave at once, by static member id too.
use headwater_coordinator::GroupCoordinator;
use headwater_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: LeaveGroupRequest,
) -> Reply<LeaveGroupResponse> {
    let group = request.group_id.clone();
    Reply::Later(context.groups.ask_with_image(
        &group,
        version,
        request,
        GroupCoordinator::leave_group,
    ))
}
