//! Heartbeat, versions 0 to 4.
//!
//! The answer tells a member when it has to join again.
use headwater_coordinator::GroupCoordinator;
use headwater_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: HeartbeatRequest,
) -> Reply<HeartbeatResponse> {
    let group = request.group_id.clone();
    Reply::Later(context.groups.ask_with_image(
        &group,
        version,
        request,
        GroupCoordinator::heartbeat,
    ))
}
