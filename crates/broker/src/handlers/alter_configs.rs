//! `AlterConfigs`, versions 0 to 2: the values given are all that a resource has of its own.
//!
//! The older form, which Kafka keeps for old clients: what is not named goes back to its default.
//! It knows no loggers.

use headwater_protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse,
};

use super::alterations::{Resource, alter_all};
use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::{Alteration, Change};
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: AlterConfigsRequest,
) -> Reply<AlterConfigsResponse> {
    let change = if request.validate_only {
        Change::Validate
    } else {
        Change::Apply
    };
    let resources = request
        .resources
        .iter()
        .map(|resource| {
            let values = resource
                .configs
                .iter()
                .map(|config| (config.name.clone(), config.value.clone()))
                .collect();
            Resource {
                kind: resource.resource_type,
                name: &resource.resource_name,
                alteration: Ok(Alteration::Values(values)),
            }
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
    let response = AlterConfigsResponse {
        responses,
        ..AlterConfigsResponse::default()
    };
    when_durable(context, position, version, request, response)
}
