//! `DescribeCluster`, versions 0 to 2: one node, which is broker and controller in one.
//!
//! Version 1 adds the endpoint type (KIP-919): only brokers can be asked for here. Version 2 may ask
//! for fenced brokers too (KIP-1073), and there are none.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

use super::authorized_operations;
use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;
use crate::settings::NODE_ID;

const BROKER_ENDPOINTS: i8 = 1;
const CONTROLLER_ENDPOINTS: i8 = 2;

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature of every handler"
)]
pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    _version: i16,
    request: DescribeClusterRequest,
) -> Reply<DescribeClusterResponse> {
    let refusal = match request.endpoint_type {
        BROKER_ENDPOINTS => None,
        CONTROLLER_ENDPOINTS => Some((
            ErrorCode::MismatchedEndpointType,
            "This listener serves brokers, not controllers: ask for endpoint type 1.".to_owned(),
        )),
        other => Some((
            ErrorCode::UnsupportedEndpointType,
            format!("Unsupported endpoint type {other}"),
        )),
    };
    if let Some((code, message)) = refusal {
        return Reply::Now(DescribeClusterResponse {
            error_code: code.into(),
            error_message: Some(message),
            ..DescribeClusterResponse::default()
        });
    }
    let mut response = DescribeClusterResponse {
        cluster_id: context.partitions.cluster_id().to_owned(),
        ..DescribeClusterResponse::default()
    };
    let (host, port) = context.settings.advertised(connection);
    response.controller_id = NODE_ID;
    response.brokers = vec![DescribeClusterBroker {
        broker_id: NODE_ID,
        host,
        port: i32::from(port),
        rack: None,
        is_fenced: false,
    }];
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = authorized_operations::CLUSTER;
    }
    Reply::Now(response)
}
