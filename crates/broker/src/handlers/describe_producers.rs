//! `DescribeProducers` 0: the producers that a partition knows, with the transactions they have open (KIP-664).
//!
//! A producer is known from its first batch or marker until it has been silent
//! for `producer.id.expiration.ms`; one with an open transaction is never forgotten.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState,
    TopicResponse,
};

use crate::context::{ConnectionInfo, Context};
use crate::metadata::{Topic, validate_topic_name};
use crate::reply::Reply;
use crate::served::Served;

/// No transaction is open.
const NO_OFFSET: i64 = -1;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    _version: i16,
    request: DescribeProducersRequest,
) -> Reply<DescribeProducersResponse> {
    let image = context.metadata.image();
    let topics = request.topics.into_iter().map(|asked| {
        let topic = find_topic(&asked.name, image.topic(&asked.name));
        let partitions = asked.partition_indexes.iter().map(|index| match &topic {
            Ok(topic) => producers(context, topic, *index),
            Err(refusal) => refused(*index, refusal.clone()),
        });
        TopicResponse {
            partitions: partitions.collect(),
            name: asked.name,
        }
    });
    Reply::Now(DescribeProducersResponse {
        topics: topics.collect(),
        ..DescribeProducersResponse::default()
    })
}

/// A code and what is said to it.
type Refusal = (ErrorCode, Option<String>);

fn find_topic<'a>(name: &str, topic: Option<&'a Topic>) -> Result<&'a Topic, Refusal> {
    validate_topic_name(name).map_err(|reason| (ErrorCode::InvalidTopicException, Some(reason)))?;
    topic.ok_or_else(|| {
        let message = format!("This server does not host the topic {name}.");
        (ErrorCode::UnknownTopicOrPartition, Some(message))
    })
}

fn producers(context: &Context, topic: &Topic, index: i32) -> PartitionResponse {
    let served = match Served::find(&context.partitions, topic, index) {
        Ok(served) => served,
        Err(code) => return refused(index, (code, None)),
    };
    let active = served.partition.log().active_producers().into_iter();
    let active_producers = active.map(|producer| ProducerState {
        producer_id: producer.producer_id,
        producer_epoch: i32::from(producer.producer_epoch),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp_ms,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.transaction_start_offset.unwrap_or(NO_OFFSET),
    });
    PartitionResponse {
        partition_index: index,
        active_producers: active_producers.collect(),
        ..PartitionResponse::default()
    }
}

fn refused(partition_index: i32, (code, error_message): Refusal) -> PartitionResponse {
    PartitionResponse {
        partition_index,
        error_code: code.into(),
        error_message,
        ..PartitionResponse::default()
    }
}
