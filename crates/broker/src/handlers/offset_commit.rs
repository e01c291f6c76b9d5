//! `OffsetCommit`, versions 2 to 10.
//!
//! Topics and partitions that do not exist are answered here; the group's coordinator decides on the rest. From
//! version 10 on topics are named by id, which the coordinator is given names for; before that it is given the ids,
//! so that offsets of a topic are not taken for those of one made later under the same name.

use std::collections::HashMap;

use headwater_coordinator::GroupCoordinator;
use headwater_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use headwater_protocol::{ErrorCode, Uuid};

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
    let mut refused = Refused::default();
    request
        .topics
        .retain_mut(|topic| refused.take_unknown(&image, topic));
    if request.topics.is_empty() && !refused.topics.is_empty() {
        return Reply::Now(refused.complete(OffsetCommitResponse::default()));
    }
    let group = request.group_id.clone();
    let answer = context
        .groups
        .ask(&group, version, request, GroupCoordinator::offset_commit);
    Reply::later(async move { refused.complete(answer.await) })
}

/// What a request names and this node does not have.
#[derive(Default)]
struct Refused {
    topics: Vec<OffsetCommitResponseTopic>,
    /// Ids that the request itself gave, by name: the reply repeats these and no others.
    asked_by_id: HashMap<String, Uuid>,
}

impl Refused {
    /// Completes name and id of `topic` and takes out what there is not; false if nothing remains.
    fn take_unknown(&mut self, image: &Image, topic: &mut OffsetCommitRequestTopic) -> bool {
        let asked = topic.topic_id;
        let known = if asked.is_zero() {
            image.topic(&topic.name)
        } else {
            image.topic_by_id(asked)
        };
        let Some(known) = known else {
            let code = if asked.is_zero() {
                ErrorCode::UnknownTopicOrPartition
            } else {
                ErrorCode::UnknownTopicId
            };
            self.refuse(&topic.name, asked, &topic.partitions, code);
            return false;
        };
        topic.name.clone_from(&known.name);
        topic.topic_id = known.id;
        let exists = |partition: &OffsetCommitRequestPartition| {
            usize::try_from(partition.partition_index)
                .is_ok_and(|index| index < known.partitions.len())
        };
        let (there, missing): (Vec<_>, Vec<_>) = std::mem::take(&mut topic.partitions)
            .into_iter()
            .partition(exists);
        topic.partitions = there;
        if !missing.is_empty() {
            self.refuse(
                &topic.name,
                asked,
                &missing,
                ErrorCode::UnknownTopicOrPartition,
            );
        }
        if !asked.is_zero() {
            self.asked_by_id.insert(topic.name.clone(), asked);
        }
        !topic.partitions.is_empty()
    }

    fn refuse(
        &mut self,
        name: &str,
        topic_id: Uuid,
        partitions: &[OffsetCommitRequestPartition],
        code: ErrorCode,
    ) {
        let partitions = partitions
            .iter()
            .map(|partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: code.into(),
            })
            .collect();
        self.topics.push(OffsetCommitResponseTopic {
            name: name.to_owned(),
            topic_id,
            partitions,
        });
    }

    /// What was refused here, then the coordinator's answer, a topic once: Kafka's order.
    fn complete(self, response: OffsetCommitResponse) -> OffsetCommitResponse {
        let mut topics = self.topics;
        for mut answered in response.topics {
            let asked = self.asked_by_id.get(&answered.name);
            answered.topic_id = asked.copied().unwrap_or(Uuid::ZERO);
            let same = |refused: &&mut OffsetCommitResponseTopic| {
                refused.name == answered.name && refused.topic_id == answered.topic_id
            };
            match topics.iter_mut().find(same) {
                Some(refused) => refused.partitions.extend(answered.partitions),
                None => topics.push(answered),
            }
        }
        OffsetCommitResponse { topics, ..response }
    }
}
