//! `DeleteRecords`, versions 0 to 2: records before an offset go.
//!
//! The offset -1 means the high watermark. The answer is the new log start, told when it is durable.
//! Internal topics are refused, as are topics that are only compacted, and in Kafka's order: what is
//! unknown first. `timeout_ms` has no use here: there are no replicas to wait for.

use headwater_log::{Position, ReadError};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteRecordsTopic, DeleteRecordsTopicResult,
};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::error::ToErrorCode;
use crate::metadata::{Image, Topic};
use crate::reply::Reply;
use crate::served::Served;

const NO_LOW_WATERMARK: i64 = -1;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: DeleteRecordsRequest,
) -> Reply<DeleteRecordsResponse> {
    let image = context.metadata.image();
    let mut position = Position::ZERO;
    let topics = request
        .topics
        .iter()
        .map(|topic| delete(context, &image, topic, &mut position))
        .collect();
    let response = DeleteRecordsResponse {
        topics,
        ..DeleteRecordsResponse::default()
    };
    when_durable(context, position, version, request, response)
}

fn delete(
    context: &Context,
    image: &Image,
    wanted: &DeleteRecordsTopic,
    position: &mut Position,
) -> DeleteRecordsTopicResult {
    let topic = image.topic(&wanted.name);
    let partitions = wanted
        .partitions
        .iter()
        .map(|partition| {
            let deleted = topic
                .ok_or(ErrorCode::UnknownTopicOrPartition)
                .and_then(|topic| delete_before(context, topic, partition, position));
            DeleteRecordsPartitionResult {
                partition_index: partition.partition_index,
                low_watermark: deleted.unwrap_or(NO_LOW_WATERMARK),
                error_code: deleted.err().unwrap_or(ErrorCode::None).into(),
            }
        })
        .collect();
    DeleteRecordsTopicResult {
        name: wanted.name.clone(),
        partitions,
    }
}

/// The partition's new log start.
fn delete_before(
    context: &Context,
    topic: &Topic,
    wanted: &DeleteRecordsPartition,
    position: &mut Position,
) -> Result<i64, ErrorCode> {
    let served = Served::find(&context.partitions, topic, wanted.partition_index)?;
    if topic.internal {
        return Err(ErrorCode::InvalidTopicException);
    }
    if !served.partition.log().config().cleanup_policy.deletes() {
        return Err(ErrorCode::PolicyViolation);
    }
    let deleted = context
        .partitions
        .delete_records(&served.partition, wanted.offset)
        .map_err(|error: ReadError| error.to_error_code())?;
    *position = (*position).max(deleted.position);
    Ok(deleted.low_watermark)
}
