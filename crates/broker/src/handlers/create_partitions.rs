//! `CreatePartitions`, versions 0 to 3: more partitions for topics that exist.

use std::collections::HashSet;

use headwater_log::Position;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
    CreatePartitionsTopicResult,
};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::{Change, Refused};
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: CreatePartitionsRequest,
) -> Reply<CreatePartitionsResponse> {
    let change = if request.validate_only {
        Change::Validate
    } else {
        Change::Apply
    };
    let within_limit = context
        .metadata
        .check_partitions_per_request(request.topics.iter().map(|topic| topic.count));
    let mut position = Position::ZERO;
    let mut seen = HashSet::new();
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let grown = if seen.insert(&topic.name) {
            within_limit
                .clone()
                .and_then(|()| grow(context, topic, change))
        } else {
            Err(Refused::new(
                ErrorCode::InvalidRequest,
                "Duplicate topic name in the request.",
            ))
        };
        let (error_code, error_message) = match grown {
            Ok(grown) => {
                position = position.max(grown);
                (ErrorCode::None.into(), None)
            }
            Err(refused) => (refused.code.into(), Some(refused.message)),
        };
        results.push(CreatePartitionsTopicResult {
            name: topic.name.clone(),
            error_code,
            error_message,
        });
    }
    let response = CreatePartitionsResponse {
        results,
        ..CreatePartitionsResponse::default()
    };
    when_durable(context, position, version, request, response)
}

fn grow(
    context: &Context,
    topic: &CreatePartitionsTopic,
    change: Change,
) -> Result<Position, Refused> {
    let assignments: Option<Vec<Vec<i32>>> = topic.assignments.as_ref().map(|assignments| {
        assignments
            .iter()
            .map(|assignment| assignment.broker_ids.clone())
            .collect()
    });
    context
        .metadata
        .add_partitions(&topic.name, topic.count, assignments.as_deref(), change)
}
