//! `ListConfigResources`, versions 0 and 1: what has configs.
//!
//! Version 0 was `ListClientMetricsResources` and tells only those; 1 lists resources of the types
//! asked for, all types when none is (KIP-1142). Topics and this broker are listed whether anything
//! is set or not, groups and subscriptions only where something is.

use std::collections::BTreeSet;

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::list_config_resources::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::{Image, ResourceType};
use crate::reply::Reply;
use crate::settings::NODE_ID;

/// Every type, in the order in which Kafka lists them.
const ALL: [ResourceType; 5] = [
    ResourceType::Group,
    ResourceType::ClientMetrics,
    ResourceType::BrokerLogger,
    ResourceType::Broker,
    ResourceType::Topic,
];

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: ListConfigResourcesRequest,
) -> Reply<ListConfigResourcesResponse> {
    let wanted: BTreeSet<i8> = match request.resource_types.as_slice() {
        _ if version == 0 => BTreeSet::from([ResourceType::ClientMetrics as i8]),
        [] => ALL.iter().map(|resource| *resource as i8).collect(),
        types => types.iter().copied().collect(),
    };
    if wanted
        .iter()
        .any(|number| ResourceType::from_wire(*number).is_none())
    {
        return Reply::Now(ListConfigResourcesResponse {
            error_code: ErrorCode::UnsupportedVersion.into(),
            ..ListConfigResourcesResponse::default()
        });
    }
    let image = context.metadata.image();
    let config_resources = ALL
        .into_iter()
        .filter(|resource| wanted.contains(&(*resource as i8)))
        .flat_map(|resource| {
            names(&image, resource)
                .into_iter()
                .map(move |resource_name| ConfigResource {
                    resource_name,
                    resource_type: resource as i8,
                })
        })
        .collect();
    let response = ListConfigResourcesResponse {
        config_resources,
        ..ListConfigResourcesResponse::default()
    };
    when_durable(context, image.position(), version, request, response)
}

fn names(image: &Image, resource: ResourceType) -> Vec<String> {
    match resource {
        ResourceType::Topic => image.topics().map(|topic| topic.name.clone()).collect(),
        ResourceType::Broker | ResourceType::BrokerLogger => vec![NODE_ID.to_string()],
        ResourceType::Group | ResourceType::ClientMetrics => {
            image.configured(resource).map(str::to_owned).collect()
        }
    }
}
