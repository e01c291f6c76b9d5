//! `ConsumerGroupHeartbeat`, versions 0 and 1: all that a member of a consumer group asks and tells
//! (KIP-848).
//!
//! From version 1 on clients make their own member ids, and may subscribe by regular expression.
//! Expressions are matched at once, not in the background as in Kafka, so that the first answer may
//! already assign; topics that the client may not describe are not matched.

use headwater_coordinator::Client;
use headwater_protocol::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
};

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;
use crate::security::{Operation, ResourceType};

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
    let authorizer = &context.authorizer;
    let may_describe = |topic: &str| {
        authorizer.allows(connection, Operation::Describe, ResourceType::Topic, topic)
    };
    let answer =
        context
            .groups
            .ask_with_image(&group, version, request, |coordinator, call, request| {
                coordinator.consumer_group_heartbeat(call, client, request, &may_describe)
            });
    Reply::Later(answer)
}
