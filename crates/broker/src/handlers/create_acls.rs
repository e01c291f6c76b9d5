//! `CreateAcls`, versions 1 to 3.
//!
//! Every entry is decided on its own; one that exists already is a success. Without an authorizer
//! each is answered `SECURITY_DISABLED`. Version 3 knows users as a resource.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::create_acls::{
    AclCreation, AclCreationResult, CreateAclsRequest, CreateAclsResponse,
};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::Refused;
use crate::reply::Reply;
use crate::security::{Acl, CLUSTER_NAME, Operation, PatternType, PermissionType, ResourceType};

pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    request: CreateAclsRequest,
) -> Reply<CreateAclsResponse> {
    let authorizer = &context.authorizer;
    let refused = if !authorizer.allows_cluster(connection, Operation::Alter) {
        let code = ErrorCode::ClusterAuthorizationFailed;
        Some(Refused::new(code, "Cluster authorization failed."))
    } else if !authorizer.is_configured() {
        let code = ErrorCode::SecurityDisabled;
        Some(Refused::new(code, "No Authorizer is configured."))
    } else {
        None
    };
    if let Some(refused) = refused {
        let results = request.creations.iter().map(|_| result(Err(&refused)));
        return Reply::Now(CreateAclsResponse {
            results: results.collect(),
            ..CreateAclsResponse::default()
        });
    }
    let checked: Vec<Result<Acl, Refused>> = request.creations.iter().map(acl).collect();
    let valid: Vec<Acl> = checked.iter().flatten().cloned().collect();
    let created = context.metadata.create_acls(&valid);
    let results = checked
        .iter()
        .map(|checked| match (checked, &created) {
            (Err(refused), _) | (Ok(_), Err(refused)) => result(Err(refused)),
            (Ok(_), Ok(_)) => result(Ok(())),
        })
        .collect();
    let response = CreateAclsResponse {
        results,
        ..CreateAclsResponse::default()
    };
    let position = created.unwrap_or_default();
    when_durable(context, position, version, request, response)
}

fn acl(creation: &AclCreation) -> Result<Acl, Refused> {
    let invalid = |reason: String| Refused::new(ErrorCode::InvalidRequest, reason);
    let unknown = |what: &str, number: i8| invalid(format!("Invalid {what} {number}"));
    let resource_type = ResourceType::from_wire(creation.resource_type)
        .ok_or_else(|| unknown("resourceType", creation.resource_type))?;
    let name = &creation.resource_name;
    if resource_type == ResourceType::Cluster && name != CLUSTER_NAME {
        return Err(invalid(format!(
            "The only valid name for the CLUSTER resource is {CLUSTER_NAME}"
        )));
    }
    if name.is_empty() {
        return Err(invalid("Invalid empty resource name".to_owned()));
    }
    if !creation.principal.contains(':') {
        return Err(invalid(format!(
            "expected a string in format principalType:principalName but got {}",
            creation.principal
        )));
    }
    Ok(Acl {
        resource_type,
        pattern_type: PatternType::from_wire(creation.resource_pattern_type)
            .ok_or_else(|| unknown("patternType", creation.resource_pattern_type))?,
        resource_name: name.clone(),
        principal: creation.principal.clone(),
        host: creation.host.clone(),
        operation: Operation::from_wire(creation.operation)
            .ok_or_else(|| unknown("operation", creation.operation))?,
        permission_type: PermissionType::from_wire(creation.permission_type)
            .ok_or_else(|| unknown("permissionType", creation.permission_type))?,
    })
}

fn result(outcome: Result<(), &Refused>) -> AclCreationResult {
    match outcome {
        Ok(()) => AclCreationResult::default(),
        Err(refused) => AclCreationResult {
            error_code: refused.code.into(),
            error_message: Some(refused.message.clone()),
        },
    }
}
