//! `OffsetFetch`, versions 1 to 10.
//!
//! Up to version 7 one group is asked for, from 8 on several, each answered by its own
//! coordinator. From version 10 on topics are named by id, which the coordinator is given names
//! for; an offset of a topic that is no more has no id and is left out.

use futures::future::join_all;
use headwater_coordinator::GroupCoordinator;
use headwater_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use headwater_protocol::{ErrorCode, Uuid};

use crate::context::{ConnectionInfo, Context};
use crate::metadata::Image;
use crate::reply::Reply;

/// From here on several groups are asked for.
const SEVERAL_GROUPS: i16 = 8;
/// From here on topics have ids and no names.
const TOPIC_IDS: i16 = 10;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: OffsetFetchRequest,
) -> Reply<OffsetFetchResponse> {
    if version < SEVERAL_GROUPS {
        let group = request.group_id.clone();
        return Reply::Later(context.groups.ask(
            &group,
            version,
            request,
            GroupCoordinator::offset_fetch,
        ));
    }
    let image = context.metadata.image();
    let answers: Vec<_> = request
        .groups
        .into_iter()
        .map(|group| ask_one(context, &image, version, group, request.require_stable))
        .collect();
    Reply::later(async move {
        OffsetFetchResponse {
            groups: join_all(answers).await,
            ..OffsetFetchResponse::default()
        }
    })
}

fn ask_one(
    context: &Context,
    image: &Image,
    version: i16,
    mut group: OffsetFetchRequestGroup,
    require_stable: bool,
) -> impl Future<Output = OffsetFetchResponseGroup> + Send + use<> {
    let mut unknown = Vec::new();
    if let Some(topics) = &mut group.topics {
        topics.retain_mut(|topic| {
            if version < TOPIC_IDS {
                // With the id the coordinator can tell offsets of an older topic of that name.
                topic.topic_id = image
                    .topic(&topic.name)
                    .map_or(Uuid::ZERO, |known| known.id);
                return true;
            }
            let known = image.topic_by_id(topic.topic_id);
            match known {
                Some(known) => topic.name.clone_from(&known.name),
                None => unknown.push(refused(topic)),
            }
            known.is_some()
        });
    }
    let group_id = group.group_id.clone();
    let one = OffsetFetchRequest {
        groups: vec![group],
        require_stable,
        ..OffsetFetchRequest::default()
    };
    let answer = context
        .groups
        .ask(&group_id, version, one, GroupCoordinator::offset_fetch);
    let metadata = context.metadata.clone();
    async move {
        let mut answered = answer.await.groups.pop().unwrap_or_default();
        if version >= TOPIC_IDS {
            let image = metadata.image();
            answered.topics.retain_mut(|topic| {
                image.topic(&topic.name).is_some_and(|known| {
                    topic.topic_id = known.id;
                    true
                })
            });
        } else {
            for topic in &mut answered.topics {
                topic.topic_id = Uuid::ZERO;
            }
        }
        answered.topics.extend(unknown);
        answered
    }
}

fn refused(topic: &OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
    OffsetFetchResponseTopics {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic
            .partition_indexes
            .iter()
            .map(|index| OffsetFetchResponsePartitions {
                partition_index: *index,
                committed_offset: -1,
                committed_leader_epoch: -1,
                metadata: Some(String::new()),
                error_code: ErrorCode::UnknownTopicId.into(),
            })
            .collect(),
    }
}
