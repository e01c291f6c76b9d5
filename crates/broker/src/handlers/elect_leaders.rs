//! `ElectLeaders`, versions 0 to 2: this node leads every partition, so that no election is needed.
//!
//! Asked for all partitions, topics are answered without those that need none, as in Kafka. Version
//! 1 adds the election's type and an error for the whole.

use headwater_protocol::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
    TopicPartitions,
};
use headwater_protocol::{ErrorCode, Request};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::Image;
use crate::reply::Reply;

/// 0: the preferred replica, 1: any that lives.
const ELECTION_TYPES: std::ops::RangeInclusive<i8> = 0..=1;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: ElectLeadersRequest,
) -> Reply<ElectLeadersResponse> {
    if !ELECTION_TYPES.contains(&request.election_type) {
        return Reply::Now(request.error_response(ErrorCode::InvalidRequest, version));
    }
    let image = context.metadata.image();
    let replica_election_results = match &request.topic_partitions {
        None => image
            .topics()
            .map(|topic| ReplicaElectionResult {
                topic: topic.name.clone(),
                ..ReplicaElectionResult::default()
            })
            .collect(),
        Some(topics) => topics.iter().map(|topic| elect(&image, topic)).collect(),
    };
    let response = ElectLeadersResponse {
        replica_election_results,
        ..ElectLeadersResponse::default()
    };
    when_durable(context, image.position(), version, request, response)
}

fn elect(image: &Image, wanted: &TopicPartitions) -> ReplicaElectionResult {
    let name = &wanted.topic;
    let topic = image.topic(name);
    let partition_result = wanted
        .partitions
        .iter()
        .map(|&partition_id| {
            let partition = usize::try_from(partition_id).ok();
            let refusal = match topic {
                None => Some(format!("No such topic as {name}")),
                Some(topic) if partition.is_none_or(|index| index >= topic.partitions.len()) => {
                    Some(format!("No such partition as {name}-{partition_id}"))
                }
                Some(_) => None,
            };
            let code = match refusal {
                Some(_) => ErrorCode::UnknownTopicOrPartition,
                None => ErrorCode::ElectionNotNeeded,
            };
            let message = refusal
                .unwrap_or_else(|| "Leader election not needed for topic partition.".to_owned());
            PartitionResult {
                partition_id,
                error_code: code.into(),
                error_message: Some(message),
            }
        })
        .collect();
    ReplicaElectionResult {
        topic: name.clone(),
        partition_result,
    }
}
