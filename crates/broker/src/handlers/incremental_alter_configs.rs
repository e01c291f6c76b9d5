//! `IncrementalAlterConfigs`, versions 0 and 1, of topics and of this broker.
//!
//! All operations on one resource are applied together or not at all. Unlike Kafka, a broker
//! config that is not known is refused instead of kept for a plug-in, of which there are none.

use std::collections::HashMap;

use headwater_log::Position;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

use super::durable::when_durable;
use crate::config::AlterOperation;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::{Change, Refused};
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: IncrementalAlterConfigsRequest,
) -> Reply<IncrementalAlterConfigsResponse> {
    let change = if request.validate_only {
        Change::Validate
    } else {
        Change::Apply
    };
    let mut times_named = HashMap::new();
    for resource in &request.resources {
        *times_named.entry(key(resource)).or_insert(0) += 1;
    }
    let mut position = Position::ZERO;
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in &request.resources {
        let altered = if times_named[&key(resource)] > 1 {
            Err(Refused::new(
                ErrorCode::InvalidRequest,
                "Each resource must appear at most once.",
            ))
        } else {
            alter(context, resource, change)
        };
        let (error_code, error_message) = match altered {
            Ok(altered) => {
                position = position.max(altered);
                (ErrorCode::None.into(), None)
            }
            Err(refused) => (refused.code.into(), Some(refused.message)),
        };
        responses.push(AlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
        });
    }
    let response = IncrementalAlterConfigsResponse {
        responses,
        ..IncrementalAlterConfigsResponse::default()
    };
    when_durable(context, position, version, request, response)
}

fn key(resource: &AlterConfigsResource) -> (i8, &str) {
    (resource.resource_type, &resource.resource_name)
}

fn alter(
    context: &Context,
    resource: &AlterConfigsResource,
    change: Change,
) -> Result<Position, Refused> {
    let operations = resource
        .configs
        .iter()
        .map(|config| {
            let operation =
                AlterOperation::from_wire(config.config_operation).ok_or_else(|| {
                    Refused::new(
                        ErrorCode::InvalidRequest,
                        format!("Unknown config operation {}.", config.config_operation),
                    )
                })?;
            Ok((config.name.clone(), operation, config.value.clone()))
        })
        .collect::<Result<Vec<_>, Refused>>()?;
    context.metadata.alter_configs(
        resource.resource_type,
        &resource.resource_name,
        &operations,
        change,
    )
}
