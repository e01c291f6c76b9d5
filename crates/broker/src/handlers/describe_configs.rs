//! `DescribeConfigs`, versions 1 to 4, of topics, of this broker and its loggers, of groups and of
//! client metrics subscriptions.
//!
//! A broker resource with an empty name is the dynamic default of all brokers. A group or a
//! subscription need not exist to have configs. Version 3 adds types and documentation. Values that
//! may be secrets are null.

use std::collections::HashSet;

use headwater_log::Position;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};

use super::durable::when_durable;
use crate::config::ConfigEntry;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::{Refused, ResourceType};
use crate::reply::Reply;

/// The type of a config whose name is not known.
const UNKNOWN_TYPE: i8 = 0;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: DescribeConfigsRequest,
) -> Reply<DescribeConfigsResponse> {
    let mut position = Position::ZERO;
    let mut results = Vec::with_capacity(request.resources.len());
    let mut answered = HashSet::new();
    for resource in &request.resources {
        // As in Kafka each resource is answered once: naming one again must not multiply the reply.
        if !answered.insert((resource.resource_type, resource.resource_name.as_str())) {
            continue;
        }
        let mut result = DescribeConfigsResult {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            ..DescribeConfigsResult::default()
        };
        match describe(context, resource) {
            Ok((entries, as_of)) => {
                position = position.max(as_of);
                // An empty list of keys means all of them, as does none at all.
                let keys = resource.configuration_keys.as_deref().unwrap_or_default();
                result.configs = entries
                    .into_iter()
                    .filter(|entry| keys.is_empty() || keys.iter().any(|key| *key == entry.name))
                    .map(|entry| config(entry, &request))
                    .collect();
            }
            Err(refused) => {
                result.error_code = refused.code.into();
                result.error_message = Some(refused.message);
            }
        }
        results.push(result);
    }
    let response = DescribeConfigsResponse {
        results,
        ..DescribeConfigsResponse::default()
    };
    when_durable(context, position, version, request, response)
}

fn describe(
    context: &Context,
    resource: &DescribeConfigsResource,
) -> Result<(Vec<ConfigEntry>, Position), Refused> {
    let (number, name) = (resource.resource_type, &resource.resource_name);
    let resource = ResourceType::from_wire(number).ok_or_else(|| {
        Refused::new(
            ErrorCode::InvalidRequest,
            format!("Unsupported resource type: {number}"),
        )
    })?;
    match resource {
        ResourceType::BrokerLogger => context
            .settings
            .log_levels
            .describe(name)
            .map(|entries| (entries, Position::ZERO)),
        resource => context.metadata.describe_configs(resource, name),
    }
}

fn config(entry: ConfigEntry, request: &DescribeConfigsRequest) -> DescribeConfigsResourceResult {
    let synonyms = if request.include_synonyms {
        entry
            .synonyms
            .into_iter()
            .map(|synonym| DescribeConfigsSynonym {
                name: synonym.name.into_owned(),
                value: synonym.value,
                source: synonym.source as i8,
            })
            .collect()
    } else {
        Vec::new()
    };
    DescribeConfigsResourceResult {
        name: entry.name.into_owned(),
        value: entry.value,
        read_only: entry.read_only,
        config_source: entry.source as i8,
        is_sensitive: entry.is_sensitive,
        synonyms,
        config_type: entry.kind.map_or(UNKNOWN_TYPE, |kind| kind as i8),
        documentation: entry
            .documentation
            .filter(|_| request.include_documentation)
            .map(str::to_owned),
    }
}
