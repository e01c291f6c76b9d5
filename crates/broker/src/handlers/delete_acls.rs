//! `DeleteAcls`, versions 1 to 3.
//!
//! What any filter matches is removed, all in one change. Without an authorizer each filter is
//! answered `SECURITY_DISABLED`. Version 3 knows users as a resource.

use headwater_log::Position;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::delete_acls::{
    DeleteAclsFilter, DeleteAclsFilterResult, DeleteAclsMatchingAcl, DeleteAclsRequest,
    DeleteAclsResponse,
};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::Refused;
use crate::reply::Reply;
use crate::security::{Acl, AclFilter, Operation};

pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    request: DeleteAclsRequest,
) -> Reply<DeleteAclsResponse> {
    let authorizer = &context.authorizer;
    let filters: Result<Vec<AclFilter>, Refused> =
        if !authorizer.allows_cluster(connection, Operation::Alter) {
            let code = ErrorCode::ClusterAuthorizationFailed;
            Err(Refused::new(code, "Cluster authorization failed."))
        } else if !authorizer.is_configured() {
            let code = ErrorCode::SecurityDisabled;
            Err(Refused::new(code, "No Authorizer is configured."))
        } else {
            let filters: Option<Vec<AclFilter>> = request.filters.iter().map(filter).collect();
            filters.ok_or_else(|| {
                let reason = "Filters contain UNKNOWN elements";
                Refused::new(ErrorCode::InvalidRequest, reason)
            })
        };
    let deleted = filters.and_then(|filters| context.metadata.delete_acls(&filters));
    let (filter_results, position) = match deleted {
        Ok((deleted, position)) => (deleted.iter().map(|acls| removed(acls)).collect(), position),
        Err(refused) => {
            let result = DeleteAclsFilterResult {
                error_code: refused.code.into(),
                error_message: Some(refused.message),
                ..DeleteAclsFilterResult::default()
            };
            (vec![result; request.filters.len()], Position::ZERO)
        }
    };
    let response = DeleteAclsResponse {
        filter_results,
        ..DeleteAclsResponse::default()
    };
    when_durable(context, position, version, request, response)
}

fn filter(filter: &DeleteAclsFilter) -> Option<AclFilter> {
    let numbers = AclFilter::from_wire(
        filter.resource_type_filter,
        filter.pattern_type_filter,
        filter.operation,
        filter.permission_type,
    )?;
    Some(AclFilter {
        resource_name: filter.resource_name_filter.clone(),
        principal: filter.principal_filter.clone(),
        host: filter.host_filter.clone(),
        ..numbers
    })
}

fn removed(acls: &[Acl]) -> DeleteAclsFilterResult {
    let matching_acls = acls
        .iter()
        .map(|acl| DeleteAclsMatchingAcl {
            resource_type: acl.resource_type as i8,
            resource_name: acl.resource_name.clone(),
            pattern_type: acl.pattern_type as i8,
            principal: acl.principal.clone(),
            host: acl.host.clone(),
            operation: acl.operation as i8,
            permission_type: acl.permission_type as i8,
            ..DeleteAclsMatchingAcl::default()
        })
        .collect();
    DeleteAclsFilterResult {
        matching_acls,
        ..DeleteAclsFilterResult::default()
    }
}
