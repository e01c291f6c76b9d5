//! `AlterClientQuotas`, versions 0 and 1: sets and removes quotas of users, client ids and addresses.
//!
//! Version 1 only changes the format. An entity is changed as a whole or not at all, whatever
//! becomes of the others. Kafka also takes host names for addresses and looks them up; here an
//! address is an address.

use headwater_protocol::Request;
use headwater_protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, EntryData, EntryResult,
};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::Change;
use crate::quotas::Alteration;
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: AlterClientQuotasRequest,
) -> Reply<AlterClientQuotasResponse> {
    let change = if request.validate_only {
        Change::Validate
    } else {
        Change::Apply
    };
    let alterations: Vec<Alteration> = request.entries.iter().map(alteration).collect();
    let (position, results) = match context.metadata.alter_client_quotas(&alterations, change) {
        Ok(altered) => altered,
        Err(refused) => return Reply::Now(request.error_response(refused.code, version)),
    };
    let entries = request.entries.iter().zip(results);
    let entries = entries
        .map(|(entry, result)| {
            let refused = result.err();
            EntryResult {
                error_code: refused.as_ref().map_or(0, |refused| refused.code.into()),
                error_message: refused.map(|refused| refused.message),
                entity: entry.entity.clone(),
            }
        })
        .collect();
    let response = AlterClientQuotasResponse {
        entries,
        ..AlterClientQuotasResponse::default()
    };
    when_durable(context, position, version, request, response)
}

fn alteration(entry: &EntryData) -> Alteration {
    Alteration {
        entity: entry
            .entity
            .iter()
            .map(|part| (part.entity_type.clone(), part.entity_name.clone()))
            .collect(),
        operations: entry
            .ops
            .iter()
            .map(|operation| {
                let value = (!operation.remove).then_some(operation.value);
                (operation.key.clone(), value)
            })
            .collect(),
    }
}
