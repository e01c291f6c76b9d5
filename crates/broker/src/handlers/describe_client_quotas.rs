//! `DescribeClientQuotas`, versions 0 and 1: the quotas of the entities that pass a filter.
//!
//! Version 1 only changes the format. Entities come in the order user, client id, address.

use headwater_protocol::messages::describe_client_quotas::{
    DescribeClientQuotasRequest, DescribeClientQuotasResponse, EntityData, EntryData, ValueData,
};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::Refused;
use crate::quotas::{Entity, EntityType, Filter, Match};
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: DescribeClientQuotasRequest,
) -> Reply<DescribeClientQuotasResponse> {
    let filter = match filter(&request) {
        Ok(filter) => filter,
        Err(refused) => {
            return Reply::Now(DescribeClientQuotasResponse {
                error_code: refused.code.into(),
                error_message: Some(refused.message),
                entries: None,
                ..DescribeClientQuotasResponse::default()
            });
        }
    };
    let image = context.metadata.image();
    let passes = |entity: &Entity| {
        if request.strict {
            filter.matches_strictly(entity)
        } else {
            filter.matches(entity)
        }
    };
    let entries = image
        .client_quotas()
        .entities()
        .filter(|(entity, _)| passes(entity))
        .map(|(entity, values)| EntryData {
            entity: entity.parts().map(part).collect(),
            values: values
                .iter()
                .map(|(key, value)| ValueData {
                    key: key.clone(),
                    value: *value,
                })
                .collect(),
        })
        .collect();
    let response = DescribeClientQuotasResponse {
        entries: Some(entries),
        ..DescribeClientQuotasResponse::default()
    };
    when_durable(context, image.position(), version, request, response)
}

fn filter(request: &DescribeClientQuotasRequest) -> Result<Filter, Refused> {
    let mut filter = Filter::default();
    for component in &request.components {
        let wanted = Match::from_wire(component.match_type, component.r#match.as_deref());
        filter.add(&component.entity_type, wanted)?;
    }
    Ok(filter)
}

fn part((entity_type, name): (EntityType, Option<&str>)) -> EntityData {
    EntityData {
        entity_type: entity_type.name().to_owned(),
        entity_name: name.map(str::to_owned),
    }
}
