//! `DescribeConfigs`, versions 1 to 4, of topics and of this broker.
//!
//! A broker resource with an empty name is the dynamic default of all brokers. Version 3 adds
//! types and documentation. Client metrics, groups and loggers have no configs here.

use std::collections::HashSet;

use headwater_log::Position;
use headwater_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};

use super::durable::when_durable;
use crate::config::ConfigEntry;
use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;

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
        let described = context
            .metadata
            .describe_configs(resource.resource_type, &resource.resource_name);
        let mut result = DescribeConfigsResult {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            ..DescribeConfigsResult::default()
        };
        match described {
            Ok((entries, as_of)) => {
                position = position.max(as_of);
                // An empty list of keys means all of them, as does none at all.
                let keys = resource.configuration_keys.as_deref().unwrap_or_default();
                result.configs = entries
                    .into_iter()
                    .filter(|entry| {
                        keys.is_empty() || keys.iter().any(|key| key == entry.definition.name)
                    })
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

fn config(entry: ConfigEntry, request: &DescribeConfigsRequest) -> DescribeConfigsResourceResult {
    let synonyms = if request.include_synonyms {
        entry
            .synonyms
            .into_iter()
            .map(|synonym| DescribeConfigsSynonym {
                name: synonym.name.to_owned(),
                value: Some(synonym.value),
                source: synonym.source as i8,
            })
            .collect()
    } else {
        Vec::new()
    };
    DescribeConfigsResourceResult {
        name: entry.definition.name.to_owned(),
        value: entry.value,
        read_only: entry.read_only,
        config_source: entry.source as i8,
        is_sensitive: false,
        synonyms,
        config_type: entry.definition.kind as i8,
        documentation: request
            .include_documentation
            .then(|| entry.definition.documentation.to_owned()),
    }
}
