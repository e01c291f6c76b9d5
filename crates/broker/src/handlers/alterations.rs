//! What `AlterConfigs` and `IncrementalAlterConfigs` have in common: each resource is changed
//! whole or not at all, and none is named twice.

use std::collections::HashMap;

use headwater_log::Position;
use headwater_protocol::ErrorCode;

use crate::config::AlterOperation;
use crate::context::Context;
use crate::metadata::{Alteration, Change, Refused, ResourceType};

/// One resource to change.
pub(super) struct Resource<'a> {
    /// The number of its type.
    pub(super) kind: i8,
    pub(super) name: &'a str,
    pub(super) alteration: Result<Alteration, Refused>,
}

/// Changes the resources; error code and message of each, in their order, and the position to wait for.
pub(super) fn alter_all(
    context: &Context,
    resources: Vec<Resource<'_>>,
    change: Change,
) -> (Position, Vec<(i16, Option<String>)>) {
    let mut times_named = HashMap::new();
    for resource in &resources {
        let key = (resource.kind, resource.name);
        *times_named.entry(key).or_insert(0) += 1;
    }
    let mut position = Position::ZERO;
    let outcomes = resources
        .into_iter()
        .map(|resource| {
            let altered = match times_named[&(resource.kind, resource.name)] {
                1 => alter(context, resource, change),
                _ => Err(Refused::new(
                    ErrorCode::InvalidRequest,
                    "Each resource must appear at most once.",
                )),
            };
            match altered {
                Ok(altered) => {
                    position = position.max(altered);
                    (ErrorCode::None.into(), None)
                }
                Err(refused) => (refused.code.into(), Some(refused.message)),
            }
        })
        .collect();
    (position, outcomes)
}

fn alter(context: &Context, resource: Resource<'_>, change: Change) -> Result<Position, Refused> {
    let unknown = || {
        Refused::new(
            ErrorCode::InvalidRequest,
            format!("Unknown resource type {}", resource.kind),
        )
    };
    let kind = ResourceType::from_wire(resource.kind).ok_or_else(unknown)?;
    let alteration = resource.alteration?;
    match (kind, &alteration) {
        (ResourceType::BrokerLogger, Alteration::Operations(operations)) => context
            .settings
            .log_levels
            .alter(resource.name, operations, change)
            .map(|()| Position::ZERO),
        _ => context
            .metadata
            .alter_configs(kind, resource.name, &alteration, change),
    }
}

/// The operation of that number on a config.
pub(super) fn operation(number: i8) -> Result<AlterOperation, Refused> {
    AlterOperation::from_wire(number).ok_or_else(|| {
        Refused::new(
            ErrorCode::InvalidRequest,
            format!("Unknown operations type {number}"),
        )
    })
}
