//! `WriteTxnMarkers` 1-2: ends transactions on partitions, whatever their coordinator knows.
//!
//! Between brokers it is how a coordinator ends transactions; here only tools send it, to end one that
//! hangs (`kafka-transactions.sh abort`). Version 2 says under which `transaction.version` it ends.

use headwater_log::{EndMarker, Position, TransactionOutcome};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult,
    WritableTxnMarkerTopic, WritableTxnMarkerTopicResult, WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::coordinators::MarkerError;
use crate::error::ToErrorCode;
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: WriteTxnMarkersRequest,
) -> Reply<WriteTxnMarkersResponse> {
    let mut position = Position::ZERO;
    let markers = request
        .markers
        .iter()
        .map(|marker| write(context, marker, &mut position))
        .collect();
    let response = WriteTxnMarkersResponse { markers };
    when_durable(context, position, version, request, response)
}

fn write(
    context: &Context,
    marker: &WritableTxnMarker,
    position: &mut Position,
) -> WritableTxnMarkerResult {
    let ours = EndMarker {
        producer_id: marker.producer_id,
        producer_epoch: marker.producer_epoch,
        coordinator_epoch: marker.coordinator_epoch,
        outcome: if marker.transaction_result {
            TransactionOutcome::Commit
        } else {
            TransactionOutcome::Abort
        },
        transaction_version: i16::from(marker.transaction_version),
    };
    let mut topic_result = |topic: &WritableTxnMarkerTopic| {
        let partitions = topic.partition_indexes.iter();
        let partitions = partitions.map(|&partition_index| {
            let written = context
                .transactions
                .write_marker(&topic.name, partition_index, ours);
            let error_code = match written {
                Ok(written) => {
                    *position = (*position).max(written);
                    0
                }
                Err(error) => error_code(&error).into(),
            };
            WritableTxnMarkerPartitionResult {
                partition_index,
                error_code,
            }
        });
        WritableTxnMarkerTopicResult {
            name: topic.name.clone(),
            partitions: partitions.collect(),
        }
    };
    WritableTxnMarkerResult {
        producer_id: marker.producer_id,
        topics: marker.topics.iter().map(&mut topic_result).collect(),
    }
}

fn error_code(error: &MarkerError) -> ErrorCode {
    match error {
        MarkerError::Unknown => ErrorCode::UnknownTopicOrPartition,
        MarkerError::NotLoaded => ErrorCode::NotLeaderOrFollower,
        MarkerError::Append(error) => error.to_error_code(),
    }
}
