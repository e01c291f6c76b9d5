//! `DescribeCluster`, versions 0 to 2: one node, which is broker and controller in one.
//!
//! Version 1 adds the endpoint type: only brokers can be asked for here.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

use super::authorized_operations;
use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;
use crate::settings::NODE_ID;

const BROKER_ENDPOINTS: i8 = 1;

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
    let mut response = DescribeClusterResponse {
        endpoint_type: request.endpoint_type,
        cluster_id: context.partitions.cluster_id().to_owned(),
        ..DescribeClusterResponse::default()
    };
    if request.endpoint_type != BROKER_ENDPOINTS {
        response.error_code = ErrorCode::MismatchedEndpointType.into();
        response.error_message =
            Some("This listener serves brokers, not controllers: ask for endpoint type 1.".into());
        return Reply::Now(response);
    }
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
