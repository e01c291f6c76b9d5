//! Produce 3-13: appends record batches.
//!
//! Everything is appended in `begin`, in the order of requests; only the wait for
//! the journal overlaps, so pipelined requests share a sync. `acks=1` waits for
//! the disk like `acks=all`: there is no replica to make up for it. `acks=0` gets
//! no byte, and on an error its connection is closed, which is all that such a
//! producer can notice. Transactional batches are appended while their transaction
//! cannot end; from version 12 on they add their partitions to it (KIP-890). From
//! version 13 on topics are named by id.
//!
//! Deviation: a timeout below [`SHORTEST_TIMEOUT`] counts as that, for even a good disk
//! takes a moment.

mod transactional;

use std::mem::{Discriminant, discriminant};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use headwater_log::{AppendError, InvalidRecordDetail, LogError, Origin, Position};
use headwater_protocol::messages::produce::{
    BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceData, TopicProduceResponse,
};
use headwater_protocol::{ErrorCode, Request};
use headwater_records::{BatchHeader, Compression};
use tokio::time::timeout;
use tracing::warn;

use self::transactional::Transactional;
use crate::context::{ConnectionInfo, Context};
use crate::coordinators::InTransaction;
use crate::error::ToErrorCode;
use crate::metadata::{Image, Topic};
use crate::partitions::Partitions;
use crate::reply::Reply;
use crate::served::{Served, TopicKey};
use crate::throttle::Throttle;

/// The first version that names topics by id.
const TOPIC_IDS_SINCE: i16 = 13;
/// The first version that may carry zstd (KIP-110).
const ZSTD_SINCE: i16 = 7;
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(1);
/// A producer that tries again on a full disk must not fill it with our log.
static APPEND_FAILED: Throttle<Discriminant<LogError>> = Throttle::new();

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: ProduceRequest,
) -> Reply<ProduceResponse> {
    let acks = request.acks;
    if !(-1..=1).contains(&acks) {
        return Reply::Now(request.error_response(ErrorCode::InvalidRequiredAcks, version));
    }
    let wait =
        Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0)).max(SHORTEST_TIMEOUT);
    let image = context.metadata.image();
    let transactional = match Transactional::find(&image, version, &request) {
        Ok(transactional) => transactional,
        Err(code) if acks == 0 => {
            return Reply::Close(format!("a produce request with acks=0: {}", code.name()));
        }
        Err(code) => return Reply::Now(request.error_response(code, version)),
    };
    let mut append = Append {
        context,
        image: &image,
        version,
        position: Position::ZERO,
    };
    let topics = request.topic_data;
    let responses = match transactional {
        None => append.topics(topics, None),
        Some(transactional) => {
            let transactional_id = request.transactional_id.unwrap_or_default();
            context.transactions.write(
                transactional.producer(&transactional_id),
                transactional::client(version),
                &transactional.partitions,
                |within| append.topics(topics, Some(within)),
            )
        }
    };
    let position = append.position;
    let response = ProduceResponse {
        responses,
        ..ProduceResponse::default()
    };
    if acks == 0 {
        return match first_error(&response) {
            None => Reply::Silent,
            Some(error) => Reply::Close(format!(
                "an error in a produce request with acks=0: {error}"
            )),
        };
    }
    if position == Position::ZERO {
        return Reply::Now(response);
    }
    Reply::Later(Box::pin(acknowledge(
        Arc::clone(&context.partitions),
        position,
        wait,
        response,
    )))
}

/// Waits until what was appended is on disk.
async fn acknowledge(
    partitions: Arc<Partitions>,
    position: Position,
    wait: Duration,
    mut response: ProduceResponse,
) -> ProduceResponse {
    let (code, message) = match timeout(wait, partitions.durable(position)).await {
        Ok(Ok(())) => return response,
        Ok(Err(poisoned)) => (ErrorCode::KafkaStorageError, poisoned.to_string()),
        Err(_) => (
            ErrorCode::RequestTimedOut,
            "the disk did not confirm in time".to_owned(),
        ),
    };
    for partition in response
        .responses
        .iter_mut()
        .flat_map(|topic| &mut topic.partition_responses)
    {
        if partition.error_code == 0 {
            partition.error_code = code.into();
            partition.error_message = Some(message.clone());
        }
    }
    response
}

fn topic_key(version: i16, data: &TopicProduceData) -> TopicKey {
    if version >= TOPIC_IDS_SINCE {
        TopicKey::Id(data.topic_id)
    } else {
        TopicKey::Name(data.name.as_str().into())
    }
}

/// The appends of one request.
struct Append<'a> {
    context: &'a Context,
    image: &'a Image,
    version: i16,
    /// Of the last one: what the reply waits for.
    position: Position,
}

impl Append<'_> {
    fn topics(
        &mut self,
        topics: Vec<TopicProduceData>,
        within: Option<&InTransaction<'_>>,
    ) -> Vec<TopicProduceResponse> {
        topics
            .into_iter()
            .map(|topic| self.topic(topic, within))
            .collect()
    }

    fn topic(
        &mut self,
        data: TopicProduceData,
        within: Option<&InTransaction<'_>>,
    ) -> TopicProduceResponse {
        let key = topic_key(self.version, &data);
        let topic = key.topic(self.image).ok_or(key.unknown());
        let append = |partition: PartitionProduceData| {
            let index = partition.index;
            let appended = match topic {
                Ok(topic) => self.partition(topic, partition, within),
                Err(code) => Err(Refused::plain(code)),
            };
            appended.unwrap_or_else(|refused| refused.response(index))
        };
        let partition_responses = data.partition_data.into_iter().map(append).collect();
        TopicProduceResponse {
            name: data.name,
            topic_id: data.topic_id,
            partition_responses,
        }
    }

    fn partition(
        &mut self,
        topic: &Topic,
        data: PartitionProduceData,
        within: Option<&InTransaction<'_>>,
    ) -> Result<PartitionProduceResponse, Refused> {
        if topic.internal {
            let message = format!("Cannot append to internal topic {}", topic.name);
            return Err(Refused {
                message: Some(message),
                ..Refused::plain(ErrorCode::InvalidTopicException)
            });
        }
        let partitions = &self.context.partitions;
        let served = Served::find(partitions, topic, data.index).map_err(Refused::plain)?;
        if let Some(within) = within {
            transactional::check(within, &topic.name, &data)?;
            transactional::check_first(self.version, &served, &data)?;
        }
        let batches = check_version(data.records, self.version)?;
        let appended = partitions
            .append(
                &served.partition,
                batches,
                Origin::Client,
                served.leader_epoch,
            )
            .map_err(|error| Refused::by_log(&topic.name, data.index, &error))?;
        self.position = self.position.max(appended.position);
        Ok(PartitionProduceResponse {
            index: data.index,
            base_offset: appended.base_offset,
            log_append_time_ms: appended.log_append_time_ms,
            log_start_offset: appended.log_start_offset,
            ..PartitionProduceResponse::default()
        })
    }
}

/// What the request's version allows; the rest is the log's to check.
fn check_version(records: Option<Bytes>, version: i16) -> Result<Bytes, Refused> {
    let batches = records
        .filter(|records| !records.is_empty())
        .ok_or_else(|| Refused {
            message: Some(
                "a produce request must have a record batch for each partition".to_owned(),
            ),
            ..Refused::plain(ErrorCode::InvalidRecord)
        })?;
    let is_zstd = || {
        BatchHeader::parse(&batches)
            .is_ok_and(|header| matches!(header.attributes.compression(), Ok(Compression::Zstd)))
    };
    if version < ZSTD_SINCE && is_zstd() {
        return Err(Refused {
            message: Some(format!(
                "produce version {version} must not carry zstd: {ZSTD_SINCE} and up may"
            )),
            ..Refused::plain(ErrorCode::UnsupportedCompressionType)
        });
    }
    Ok(batches)
}

fn first_error(response: &ProduceResponse) -> Option<String> {
    let mut partitions = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses);
    let refused = partitions.find(|partition| partition.error_code != 0)?;
    let name = ErrorCode::try_from(refused.error_code).map_or("an unknown error", ErrorCode::name);
    Some(format!(
        "{name} {}",
        refused.error_message.as_deref().unwrap_or_default()
    ))
}

/// Why nothing was appended to a partition.
struct Refused {
    code: ErrorCode,
    message: Option<String>,
    record_errors: Vec<BatchIndexAndErrorMessage>,
}

impl Refused {
    fn plain(code: ErrorCode) -> Refused {
        Refused {
            code,
            message: None,
            record_errors: Vec::new(),
        }
    }

    fn by_log(topic: &str, partition: i32, error: &AppendError) -> Refused {
        if let AppendError::Storage(fault) = error
            && let Some(held_back) = APPEND_FAILED.pass(discriminant(fault))
        {
            warn!(topic, partition, held_back, "append failed: {fault}");
        }
        let record_errors = match error {
            AppendError::InvalidRecord { record_errors, .. }
            | AppendError::InvalidTimestamp { record_errors, .. } => {
                record_errors.iter().map(record_error).collect()
            }
            _ => Vec::new(),
        };
        Refused {
            code: error.to_error_code(),
            message: Some(error.to_string()),
            record_errors,
        }
    }

    fn response(self, index: i32) -> PartitionProduceResponse {
        PartitionProduceResponse {
            index,
            error_code: self.code.into(),
            base_offset: -1,
            record_errors: self.record_errors,
            error_message: self.message,
            ..PartitionProduceResponse::default()
        }
    }
}

fn record_error(detail: &InvalidRecordDetail) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage {
        batch_index: detail.batch_index,
        batch_index_error_message: Some(detail.message.clone()),
    }
}
