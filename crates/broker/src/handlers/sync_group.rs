//! `SyncGroup`, versions 0 to 5.
//!
//! The answer is the member's assignment, and comes when the leader has sent it.
use headwater_coordinator::GroupCoordinator;
use headwater_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: SyncGroupRequest,
) -> Reply<SyncGroupResponse> {
    let group = request.group_id.clone();
    Reply::Later(context.groups.ask_with_image(
        &group,
        version,
        request,
        GroupCoordinator::sync_group,
    ))
}
