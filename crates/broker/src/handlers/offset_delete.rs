//! `OffsetDelete`, version 0: deletes what a group committed for some partitions (KIP-496).
//!
//! Topics and partitions that do not exist are answered here; the group's coordinator decides on
//! the rest. An error of the group as a whole leaves no answers for partitions, as in Kafka.

use headwater_coordinator::GroupCoordinator;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

use crate::context::{ConnectionInfo, Context};
use crate::metadata::Image;
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    mut request: OffsetDeleteRequest,
) -> Reply<OffsetDeleteResponse> {
    let image = context.metadata.image();
    let mut refused = Vec::new();
    request
        .topics
        .retain_mut(|topic| take_unknown(&image, topic, &mut refused));
    let group = request.group_id.clone();
    let answer = context
        .groups
        .ask(&group, version, request, GroupCoordinator::offset_delete);
    Reply::later(async move { complete(answer.await, refused) })
}

/// Moves the partitions that there are not to `refused`; false if nothing remains.
fn take_unknown(
    image: &Image,
    topic: &mut OffsetDeleteRequestTopic,
    refused: &mut Vec<OffsetDeleteResponseTopic>,
) -> bool {
    let known = image
        .topic(&topic.name)
        .map_or(0, |known| known.partitions.len());
    let exists = |partition: &OffsetDeleteRequestPartition| {
        usize::try_from(partition.partition_index).is_ok_and(|index| index < known)
    };
    let (there, missing): (Vec<_>, Vec<_>) = std::mem::take(&mut topic.partitions)
        .into_iter()
        .partition(exists);
    topic.partitions = there;
    if !missing.is_empty() {
        let unknown = |partition: OffsetDeleteRequestPartition| OffsetDeleteResponsePartition {
            partition_index: partition.partition_index,
            error_code: ErrorCode::UnknownTopicOrPartition.into(),
        };
        refused.push(OffsetDeleteResponseTopic {
            name: topic.name.clone(),
            partitions: missing.into_iter().map(unknown).collect(),
        });
    }
    !topic.partitions.is_empty()
}

/// What was refused here, then the coordinator's answer, a topic once.
fn complete(
    response: OffsetDeleteResponse,
    refused: Vec<OffsetDeleteResponseTopic>,
) -> OffsetDeleteResponse {
    if response.error_code != 0 {
        return OffsetDeleteResponse {
            topics: Vec::new(),
            ..response
        };
    }
    let mut topics = refused;
    for answered in response.topics {
        match topics.iter_mut().find(|topic| topic.name == answered.name) {
            Some(topic) => topic.partitions.extend(answered.partitions),
            None => topics.push(answered),
        }
    }
    OffsetDeleteResponse { topics, ..response }
}
