//! `DeleteTopics`, versions 1 to 6: by name, from version 6 on also by topic id.
//!
//! Offsets committed for a topic go with it, and the reply waits for that too. From version 5 on a
//! client above its quota is refused, before that it waits (KIP-599). A topic that is named twice is
//! answered once, and stays.

use std::collections::HashMap;

use headwater_coordinator::DeletedTopic;
use headwater_log::Position;
use headwater_protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse,
};
use headwater_protocol::{ErrorCode, Uuid};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::Refused;
use crate::quotas::{Mutations, Strictness};
use crate::reply::Reply;

/// From here on clients know `THROTTLING_QUOTA_EXCEEDED`.
const REFUSED_BY_QUOTA: i16 = 5;

/// A topic as a request tells it: by name, or by id where there is one.
type Wanted<'a> = (Option<&'a str>, Uuid);

/// Neither: each of these is refused on its own.
const NOTHING: Wanted<'_> = (None, Uuid::ZERO);

pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    request: DeleteTopicsRequest,
) -> Reply<DeleteTopicsResponse> {
    let mut mutations = context
        .quotas
        .mutations(connection, Strictness::since(REFUSED_BY_QUOTA, version));
    let mut position = Position::ZERO;
    let mut responses = Vec::new();
    for (topic, times) in counted(&request) {
        if times > 1 && topic != NOTHING {
            responses.push(refused(topic, duplicate(topic)));
            continue;
        }
        for _ in 0..times {
            let (deleted, result) = delete(context, &mut mutations, version, topic);
            position = position.max(deleted);
            responses.push(result);
        }
    }
    let deleted: Vec<DeletedTopic> = responses
        .iter()
        .filter(|result| result.error_code == 0)
        .map(|result| DeletedTopic {
            name: result.name.clone().unwrap_or_default(),
            id: result.topic_id,
        })
        .collect();
    if !deleted.is_empty() {
        position = position.max(context.groups.topics_deleted(&deleted));
    }
    let response = DeleteTopicsResponse {
        throttle_time_ms: mutations.throttle_time_ms(),
        responses,
    };
    when_durable(context, position, version, request, response)
}

/// The topics asked for, in their order, with how often each was.
fn counted(request: &DeleteTopicsRequest) -> Vec<(Wanted<'_>, usize)> {
    let by_name = request.topic_names.iter();
    let by_name = by_name.map(|name| (Some(name.as_str()), Uuid::ZERO));
    let topics = request.topics.iter();
    let topics = topics.map(|topic| (topic.name.as_deref(), topic.topic_id));
    let mut places = HashMap::new();
    let mut counted: Vec<(Wanted<'_>, usize)> = Vec::new();
    for topic in by_name.chain(topics) {
        let place = *places.entry(topic).or_insert(counted.len());
        match counted.get_mut(place) {
            Some((_, times)) => *times += 1,
            None => counted.push((topic, 1)),
        }
    }
    counted
}

fn duplicate((name, _): Wanted<'_>) -> Refused {
    let reason = match name {
        Some(_) => "Duplicate topic name.",
        None => "Duplicate topic id.",
    };
    Refused::new(ErrorCode::InvalidRequest, reason)
}

fn refused((name, topic_id): Wanted<'_>, refused: Refused) -> DeletableTopicResult {
    DeletableTopicResult {
        name: name.map(str::to_owned),
        topic_id,
        error_code: refused.code.into(),
        error_message: Some(refused.message),
    }
}

fn delete(
    context: &Context,
    mutations: &mut Mutations,
    version: i16,
    topic: Wanted<'_>,
) -> (Position, DeletableTopicResult) {
    let outcome = resolve(context, version, topic).and_then(|id| {
        mutations.allow(|| {
            let image = context.metadata.image();
            Ok(image
                .topic_by_id(id)
                .map_or(0, |topic| topic.partitions.len()))
        })?;
        context.metadata.delete_topic(id)
    });
    match outcome {
        Ok(deleted) => (
            deleted.position,
            DeletableTopicResult {
                name: Some(deleted.name),
                topic_id: deleted.id,
                ..DeletableTopicResult::default()
            },
        ),
        Err(reason) => (Position::ZERO, refused(topic, reason)),
    }
}

fn resolve(context: &Context, version: i16, (name, topic_id): Wanted<'_>) -> Result<Uuid, Refused> {
    if !context.metadata.is_enabled("delete.topic.enable") {
        let code = if version < 3 {
            ErrorCode::InvalidRequest
        } else {
            ErrorCode::TopicDeletionDisabled
        };
        return Err(Refused::new(code, "Topic deletion is disabled."));
    }
    let image = context.metadata.image();
    match (name, topic_id.is_zero()) {
        (Some(_), false) => Err(Refused::new(
            ErrorCode::InvalidRequest,
            "Topic name and topic id can not both be specified.",
        )),
        (None, true) => Err(Refused::new(
            ErrorCode::InvalidRequest,
            "Neither topic name nor id were specified.",
        )),
        (Some(name), true) => image
            .topic(name)
            .map(|topic| topic.id)
            .ok_or_else(Refused::unknown_topic),
        (None, false) => image
            .topic_by_id(topic_id)
            .map(|topic| topic.id)
            .ok_or_else(|| {
                Refused::new(
                    ErrorCode::UnknownTopicId,
                    "This server does not host this topic ID.",
                )
            }),
    }
}
