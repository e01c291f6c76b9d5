//! `CreatePartitions`, versions 0 to 3: more partitions for topics that exist.
//!
//! From version 3 on a client above its quota is refused, before that it waits (KIP-599).

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
use crate::quotas::{Mutations, Strictness};
use crate::reply::Reply;

/// From here on clients know `THROTTLING_QUOTA_EXCEEDED`.
const REFUSED_BY_QUOTA: i16 = 3;

pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
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
    let mut mutations = context
        .quotas
        .mutations(connection, Strictness::since(REFUSED_BY_QUOTA, version));
    let mut position = Position::ZERO;
    let mut seen = HashSet::new();
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let grown = if seen.insert(&topic.name) {
            within_limit
                .clone()
                .and_then(|()| grow(context, &mut mutations, topic, change))
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
        throttle_time_ms: mutations.throttle_time_ms(),
        results,
    };
    when_durable(context, position, version, request, response)
}

fn grow(
    context: &Context,
    mutations: &mut Mutations,
    topic: &CreatePartitionsTopic,
    change: Change,
) -> Result<Position, Refused> {
    let assignments: Option<Vec<Vec<i32>>> = topic.assignments.as_ref().map(|assignments| {
        assignments
            .iter()
            .map(|assignment| assignment.broker_ids.clone())
            .collect()
    });
    let metadata = &context.metadata;
    let add =
        |change| metadata.add_partitions(&topic.name, topic.count, assignments.as_deref(), change);
    mutations.allow(|| {
        let image = metadata.image();
        let before = image
            .topic(&topic.name)
            .map_or(0, |topic| topic.partitions.len());
        add(Change::Validate)?;
        Ok(usize::try_from(topic.count)
            .unwrap_or(0)
            .saturating_sub(before))
    })?;
    add(change)
}
