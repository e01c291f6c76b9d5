//! `IncrementalAlterConfigs`, versions 0 and 1, of topics, of this broker and its loggers, of groups
//! and of client metrics subscriptions.
//!
//! All operations on one resource are applied together or not at all. A broker config that is not
//! known is kept and told as a secret, as in Kafka. Log levels last until the node ends.

use headwater_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

use super::alterations::{Resource, alter_all, operation};
use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::{Alteration, Change, Refused};
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
    let resources = request
        .resources
        .iter()
        .map(|resource| Resource {
            kind: resource.resource_type,
            name: &resource.resource_name,
            alteration: operations(resource),
        })
        .collect();
    let (position, outcomes) = alter_all(context, resources, change);
    let responses = request
        .resources
        .iter()
        .zip(outcomes)
        .map(
            |(resource, (error_code, error_message))| AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
            },
        )
        .collect();
    let response = IncrementalAlterConfigsResponse {
        responses,
        ..IncrementalAlterConfigsResponse::default()
    };
    when_durable(context, position, version, request, response)
}

fn operations(resource: &AlterConfigsResource) -> Result<Alteration, Refused> {
    resource
        .configs
        .iter()
        .map(|config| {
            let operation = operation(config.config_operation)?;
            Ok((config.name.clone(), operation, config.value.clone()))
        })
        .collect::<Result<_, Refused>>()
        .map(Alteration::Operations)
}
