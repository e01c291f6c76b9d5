//! `OffsetForLeaderEpoch` 2-4: where an epoch ended, so that a client notices that its log was cut.
//!
//! An epoch never seen gets -1 and -1. The current epoch ends at the high
//! watermark: what lies beyond may still be lost.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};

use crate::context::{ConnectionInfo, Context};
use crate::metadata::Topic;
use crate::reply::Reply;
use crate::served::Served;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    _version: i16,
    request: OffsetForLeaderEpochRequest,
) -> Reply<OffsetForLeaderEpochResponse> {
    let image = context.metadata.image();
    let topics = request.topics.into_iter().map(|asked| {
        let topic = image.topic(&asked.topic);
        let partitions = asked
            .partitions
            .iter()
            .map(|partition| end_of_epoch(context, topic, partition))
            .collect();
        OffsetForLeaderTopicResult {
            topic: asked.topic,
            partitions,
        }
    });
    Reply::Now(OffsetForLeaderEpochResponse {
        topics: topics.collect(),
        ..OffsetForLeaderEpochResponse::default()
    })
}

fn end_of_epoch(
    context: &Context,
    topic: Option<&Topic>,
    asked: &OffsetForLeaderPartition,
) -> EpochEndOffset {
    let found = topic
        .ok_or(ErrorCode::UnknownTopicOrPartition)
        .and_then(|topic| Served::find(&context.partitions, topic, asked.partition))
        .and_then(|served| {
            served
                .check_epoch(asked.current_leader_epoch)
                .map(|()| served)
        });
    let mut answer = EpochEndOffset {
        partition: asked.partition,
        ..EpochEndOffset::default()
    };
    match found {
        Err(code) => answer.error_code = code.into(),
        Ok(served) => {
            if let Some((epoch, end_offset)) = served.end_of_epoch(asked.leader_epoch) {
                answer.leader_epoch = epoch;
                answer.end_offset = end_offset;
            }
        }
    }
    answer
}
