//! `OffsetFetch`, versions 1 to 10.
//!
//! Up to version 7 one group is asked for, from 8 on several, each answered by its own
//! coordinator. From 2 on all that a group committed can be asked for, 7 lets a client wait for
//! transactions to end (KIP-447), 9 names the member (KIP-848). From 10 on topics have ids and no
//! names, and an offset of a topic that is no more has no id and is left out.
//!
//! What was committed to an earlier topic of the same name is not shown at any version, which
//! Kafka does once it has deleted it.

use futures::future::join_all;
use headwater_coordinator::GroupCoordinator;
use headwater_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use headwater_protocol::{ErrorCode, Request, Uuid};

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
    mut request: OffsetFetchRequest,
) -> Reply<OffsetFetchResponse> {
    let groups = if version < SEVERAL_GROUPS {
        vec![single_group(&request)]
    } else {
        std::mem::take(&mut request.groups)
    };
    let image = context.metadata.image();
    let ask = |group| {
        let one = OffsetFetchRequest {
            groups: vec![group],
            require_stable: request.require_stable,
            ..OffsetFetchRequest::default()
        };
        ask_one(context, &image, version, one)
    };
    let answers: Vec<_> = groups.into_iter().map(ask).collect();
    Reply::later(async move {
        let mut groups = join_all(answers).await;
        if version < SEVERAL_GROUPS {
            return single_response(&request, version, groups.pop().unwrap_or_default());
        }
        OffsetFetchResponse {
            groups,
            ..OffsetFetchResponse::default()
        }
    })
}

/// Asks for the one group of `request`, which is in the form for several whatever the version.
fn ask_one(
    context: &Context,
    image: &Image,
    version: i16,
    mut request: OffsetFetchRequest,
) -> impl Future<Output = OffsetFetchResponseGroup> + Send + use<> {
    let mut not_asked = Vec::new();
    let mut group_id = String::new();
    for group in &mut request.groups {
        group_id.clone_from(&group.group_id);
        if let Some(topics) = &mut group.topics {
            topics.retain_mut(|topic| match resolve(image, version, topic) {
                Ok(()) => true,
                Err(code) => {
                    not_asked.push(without_offsets(topic, code));
                    false
                }
            });
        }
    }
    let asked_version = version.max(SEVERAL_GROUPS);
    let answer = context.groups.ask(
        &group_id,
        asked_version,
        request,
        GroupCoordinator::offset_fetch,
    );
    let metadata = context.metadata.clone();
    async move {
        let mut group = answer.await.groups.pop().unwrap_or_default();
        if group.error_code != 0 {
            return group;
        }
        group.topics = known_topics(&metadata.image(), version, group.topics);
        group.topics.extend(not_asked);
        group
    }
}

/// Fills in name and id; an error, if one is due, for a topic that there is not.
fn resolve(
    image: &Image,
    version: i16,
    topic: &mut OffsetFetchRequestTopics,
) -> Result<(), Option<ErrorCode>> {
    if version < TOPIC_IDS {
        let known = image.topic(&topic.name).ok_or(None)?;
        topic.topic_id = known.id;
    } else {
        let known = image.topic_by_id(topic.topic_id);
        let known = known.ok_or(Some(ErrorCode::UnknownTopicId))?;
        topic.name.clone_from(&known.name);
    }
    Ok(())
}

/// Leaves out what was committed to topics that are no more, and names a topic as the version does.
fn known_topics(
    image: &Image,
    version: i16,
    answered: Vec<OffsetFetchResponseTopics>,
) -> Vec<OffsetFetchResponseTopics> {
    let mut topics: Vec<OffsetFetchResponseTopics> = Vec::with_capacity(answered.len());
    for mut topic in answered {
        let Some(known) = image.topic(&topic.name) else {
            continue;
        };
        if topic.topic_id != known.id && !topic.topic_id.is_zero() {
            continue;
        }
        topic.topic_id = if version < TOPIC_IDS {
            Uuid::ZERO
        } else {
            known.id
        };
        match topics.last_mut().filter(|last| last.name == topic.name) {
            Some(last) => last.partitions.extend(topic.partitions),
            None => topics.push(topic),
        }
    }
    topics
}

fn without_offsets(
    topic: &OffsetFetchRequestTopics,
    code: Option<ErrorCode>,
) -> OffsetFetchResponseTopics {
    let partition = |index: &i32| OffsetFetchResponsePartitions {
        partition_index: *index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(String::new()),
        error_code: code.map_or(0, i16::from),
    };
    OffsetFetchResponseTopics {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic.partition_indexes.iter().map(partition).collect(),
    }
}

/// The form for several groups of a request for one.
fn single_group(request: &OffsetFetchRequest) -> OffsetFetchRequestGroup {
    let topics = request.topics.as_ref().map(|topics| {
        let batched = topics.iter().map(|topic| OffsetFetchRequestTopics {
            name: topic.name.clone(),
            partition_indexes: topic.partition_indexes.clone(),
            ..OffsetFetchRequestTopics::default()
        });
        batched.collect()
    });
    OffsetFetchRequestGroup {
        group_id: request.group_id.clone(),
        topics,
        ..OffsetFetchRequestGroup::default()
    }
}

fn single_response(
    request: &OffsetFetchRequest,
    version: i16,
    group: OffsetFetchResponseGroup,
) -> OffsetFetchResponse {
    if let Ok(code) = ErrorCode::try_from(group.error_code)
        && group.error_code != 0
    {
        return request.error_response(code, version);
    }
    let partition = |partition: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    };
    let topic = |topic: OffsetFetchResponseTopics| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    };
    OffsetFetchResponse {
        topics: group.topics.into_iter().map(topic).collect(),
        ..OffsetFetchResponse::default()
    }
}
