//! `OffsetCommit`, versions 2 to 10.
//!
//! Topics that do not exist are answered here; the group's coordinator decides on the rest. From
//! version 10 on topics are named by id, which the coordinator is given names for.

use headwater_coordinator::GroupCoordinator;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestTopic, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};

use crate::context::{ConnectionInfo, Context};
use crate::metadata::Image;
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    mut request: OffsetCommitRequest,
) -> Reply<OffsetCommitResponse> {
    let image = context.metadata.image();
    let mut unknown = Vec::new();
    request.topics.retain_mut(|topic| {
        let known = resolve(&image, topic);
        if !known {
            unknown.push(refused(topic));
        }
        known
    });
    if request.topics.is_empty() && !unknown.is_empty() {
        return Reply::Now(OffsetCommitResponse {
            topics: unknown,
            ..OffsetCommitResponse::default()
        });
    }
    let group = request.group_id.clone();
    let asked = request.topics.clone();
    let answer = context
        .groups
        .ask(&group, version, request, GroupCoordinator::offset_commit);
    Reply::later(async move {
        let mut response = answer.await;
        for (answered, asked) in response.topics.iter_mut().zip(&asked) {
            answered.topic_id = asked.topic_id;
        }
        response.topics.splice(..0, unknown);
        response
    })
}

/// Fills in the topic's name where it was asked for by id; false if there is no such topic.
fn resolve(image: &Image, topic: &mut OffsetCommitRequestTopic) -> bool {
    if topic.topic_id.is_zero() {
        return image.topic(&topic.name).is_some();
    }
    match image.topic_by_id(topic.topic_id) {
        Some(known) => {
            topic.name.clone_from(&known.name);
            true
        }
        None => false,
    }
}

fn refused(topic: &OffsetCommitRequestTopic) -> OffsetCommitResponseTopic {
    let code = if topic.topic_id.is_zero() {
        ErrorCode::UnknownTopicOrPartition
    } else {
        ErrorCode::UnknownTopicId
    };
    OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: code.into(),
            })
            .collect(),
    }
}
