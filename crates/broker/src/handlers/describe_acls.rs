//! `DescribeAcls`, versions 1 to 3.
//!
//! Entries come grouped by resource pattern. Without an authorizer the answer is
//! `SECURITY_DISABLED`. Version 3 knows users as a resource.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::describe_acls::{
    AclDescription, DescribeAclsRequest, DescribeAclsResource, DescribeAclsResponse,
};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;
use crate::security::{Acl, AclFilter, Operation};

pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    request: DescribeAclsRequest,
) -> Reply<DescribeAclsResponse> {
    let refuse = |code: ErrorCode, message: &str| {
        Reply::Now(DescribeAclsResponse {
            error_code: code.into(),
            error_message: Some(message.to_owned()),
            ..DescribeAclsResponse::default()
        })
    };
    let authorizer = &context.authorizer;
    if !authorizer.allows_cluster(connection, Operation::Describe) {
        let code = ErrorCode::ClusterAuthorizationFailed;
        return refuse(code, "Cluster authorization failed.");
    }
    if !authorizer.is_configured() {
        let reason = "No Authorizer is configured on the broker";
        return refuse(ErrorCode::SecurityDisabled, reason);
    }
    let Some(filter) = filter(&request) else {
        let reason = "DescribeAclsRequest contains UNKNOWN elements";
        return refuse(ErrorCode::InvalidRequest, reason);
    };
    let image = context.metadata.image();
    let mut resources: Vec<DescribeAclsResource> = Vec::new();
    for (_, acl) in image.acls().matching(&filter) {
        match resources.last_mut() {
            Some(resource) if is_of(resource, acl) => resource.acls.push(description(acl)),
            _ => resources.push(DescribeAclsResource {
                resource_type: acl.resource_type as i8,
                resource_name: acl.resource_name.clone(),
                pattern_type: acl.pattern_type as i8,
                acls: vec![description(acl)],
            }),
        }
    }
    let response = DescribeAclsResponse {
        resources,
        ..DescribeAclsResponse::default()
    };
    when_durable(context, image.position(), version, request, response)
}

fn filter(request: &DescribeAclsRequest) -> Option<AclFilter> {
    let filter = AclFilter::from_wire(
        request.resource_type_filter,
        request.pattern_type_filter,
        request.operation,
        request.permission_type,
    )?;
    Some(AclFilter {
        resource_name: request.resource_name_filter.clone(),
        principal: request.principal_filter.clone(),
        host: request.host_filter.clone(),
        ..filter
    })
}

fn is_of(resource: &DescribeAclsResource, acl: &Acl) -> bool {
    resource.resource_type == acl.resource_type as i8
        && resource.pattern_type == acl.pattern_type as i8
        && resource.resource_name == acl.resource_name
}

fn description(acl: &Acl) -> AclDescription {
    AclDescription {
        principal: acl.principal.clone(),
        host: acl.host.clone(),
        operation: acl.operation as i8,
        permission_type: acl.permission_type as i8,
    }
}
