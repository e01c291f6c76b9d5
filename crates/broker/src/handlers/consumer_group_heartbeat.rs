//! `ConsumerGroupHeartbeat`, versions 0 and 1: all that a member of a consumer group asks and tells
//! (KIP-848).
//!
//! From version 1 on clients make their own member ids, and may subscribe by regular expression.
//! Expressions are matched at once, not in the background as in Kafka, so that the first answer may
//! already assign.

use headwater_coordinator::Client;
use headwater_protocol::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
};

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    request: ConsumerGroupHeartbeatRequest,
) -> Reply<ConsumerGroupHeartbeatResponse> {
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
                coordinator.consumer_group_heartbeat(call, client, request, &|_| true)
            });
    Reply::Later(answer)
}
