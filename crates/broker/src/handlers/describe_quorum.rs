//! `DescribeQuorum`, versions 0 to 2: the quorum of `__cluster_metadata`, whose one voter and
//! leader is this node.
//!
//! Offsets are those of the metadata's own log. Version 1 adds when a voter was last heard of
//! (KIP-836), 2 directories, messages and where the voters listen (KIP-853): there is no listener
//! for controllers here, so the one that clients use is told.

use headwater_protocol::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, Listener, Node, PartitionData, ReplicaState,
    TopicData,
};
use headwater_protocol::{ErrorCode, Uuid};

use crate::clock;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::CLUSTER_METADATA;
use crate::reply::Reply;
use crate::settings::NODE_ID;

/// There is no second election.
const LEADER_EPOCH: i32 = 1;
const LISTENER: &str = "PLAINTEXT";

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature of every handler"
)]
pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    request: DescribeQuorumRequest,
) -> Reply<DescribeQuorumResponse> {
    let is_metadata = match request.topics.as_slice() {
        [topic] => {
            let partitions: Vec<i32> = topic
                .partitions
                .iter()
                .map(|partition| partition.partition_index)
                .collect();
            topic.topic_name == CLUSTER_METADATA && partitions == [0]
        }
        _ => false,
    };
    if !is_metadata {
        return Reply::Now(unknown(&request));
    }
    let offsets = context.metadata.log_offsets();
    let now_ms = clock::now_ms();
    let voter = ReplicaState {
        replica_id: NODE_ID,
        replica_directory_id: Uuid::ZERO,
        log_end_offset: offsets.end,
        last_fetch_timestamp: now_ms,
        last_caught_up_timestamp: now_ms,
    };
    let partition = PartitionData {
        leader_id: NODE_ID,
        leader_epoch: LEADER_EPOCH,
        high_watermark: offsets.high_watermark,
        current_voters: vec![voter],
        ..PartitionData::default()
    };
    let (host, port) = context.settings.advertised(connection);
    let nodes = vec![Node {
        node_id: NODE_ID,
        listeners: vec![Listener {
            name: LISTENER.to_owned(),
            host,
            port,
        }],
    }];
    Reply::Now(DescribeQuorumResponse {
        topics: vec![TopicData {
            topic_name: CLUSTER_METADATA.to_owned(),
            partitions: vec![partition],
        }],
        nodes: if version >= 2 { nodes } else { Vec::new() },
        ..DescribeQuorumResponse::default()
    })
}

/// Any other partition has no quorum.
fn unknown(request: &DescribeQuorumRequest) -> DescribeQuorumResponse {
    let topics = request
        .topics
        .iter()
        .map(|topic| TopicData {
            topic_name: topic.topic_name.clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|partition| PartitionData {
                    partition_index: partition.partition_index,
                    error_code: ErrorCode::UnknownTopicOrPartition.into(),
                    ..PartitionData::default()
                })
                .collect(),
        })
        .collect();
    DescribeQuorumResponse {
        topics,
        ..DescribeQuorumResponse::default()
    }
}
