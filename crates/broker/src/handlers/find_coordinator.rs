//! `FindCoordinator`, versions 0 to 6: this node coordinates every group and every transaction.
//!
//! From version 1 on transactional ids can be asked for, from version 4 on several keys at once. There
//! are no share groups here: they are refused as unsupported.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::Refused;
use crate::reply::Reply;
use crate::settings::NODE_ID;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    request: FindCoordinatorRequest,
) -> Reply<FindCoordinatorResponse> {
    let found = match request.key_type {
        GROUP => context.groups.ensure_topic(),
        TRANSACTION => context.transactions.ensure_topic(),
        SHARE => Err(Refused::new(
            ErrorCode::UnsupportedVersion,
            "There are no share groups on this event store yet.",
        )),
        other => Err(Refused::new(
            ErrorCode::InvalidRequest,
            format!("Unknown coordinator type {other}."),
        )),
    };
    let (host, port) = context.settings.advertised(connection);
    let coordinator = |key: &str| match &found {
        Ok(_) => Coordinator {
            key: key.to_owned(),
            node_id: NODE_ID,
            host: host.clone(),
            port: i32::from(port),
            ..Coordinator::default()
        },
        Err(refused) => Coordinator {
            key: key.to_owned(),
            node_id: -1,
            host: String::new(),
            port: -1,
            error_code: refused.code.into(),
            error_message: Some(refused.message.clone()),
        },
    };
    let response = if version < 4 {
        let coordinator = coordinator(&request.key);
        FindCoordinatorResponse {
            error_code: coordinator.error_code,
            error_message: coordinator.error_message,
            node_id: coordinator.node_id,
            host: coordinator.host,
            port: coordinator.port,
            ..FindCoordinatorResponse::default()
        }
    } else {
        FindCoordinatorResponse {
            coordinators: request
                .coordinator_keys
                .iter()
                .map(|key| coordinator(key))
                .collect(),
            ..FindCoordinatorResponse::default()
        }
    };
    let position = found.unwrap_or_default();
    when_durable(context, position, version, request, response)
}
