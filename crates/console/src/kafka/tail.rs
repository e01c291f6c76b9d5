//! Live tail: new records of one topic as they arrive, in bounded batches.
//!
//! A reader that is too slow, or a topic too busy to follow by eye, loses records and is told how many.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::client::{CALL_LIMIT, Kafka, Looker};
use super::decode::{DecodedRecord, Preview};
use super::offsets;
use crate::problem::Problem;

/// Records in one batch; the oldest of a fuller one are skipped.
const BATCH: usize = 50;
/// Time between batches.
const PERIOD: Duration = Duration::from_millis(250);

/// New records of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TailBatch {
    pub(crate) topic: String,
    /// In the order they arrived.
    pub(crate) records: Vec<DecodedRecord>,
    /// Records before these that were left out.
    pub(crate) skipped: u64,
}

/// Follows `topic` until the receiver is gone. Blocks.
pub(crate) fn follow(
    kafka: &Kafka,
    topic: &str,
    sender: &mpsc::Sender<TailBatch>,
    shutdown: &CancellationToken,
) -> Result<(), Problem> {
    let failed =
        |error: KafkaError| kafka.problem(&format!("topic {topic} could not be followed"), &error);
    let reader = kafka.reader().map_err(failed)?;
    assign_at_end(&reader, topic).map_err(failed)?;
    // The first batch is empty: it says that following has begun, so that nothing after it is missed.
    let mut skipped = 0;
    let mut batch = TailBatch {
        topic: topic.to_owned(),
        ..TailBatch::default()
    };
    let mut next = Instant::now();
    let mut begun = false;
    while !sender.is_closed() && !shutdown.is_cancelled() {
        match reader.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => {
                if batch.records.len() == BATCH {
                    batch.records.remove(0);
                    skipped += 1;
                }
                batch
                    .records
                    .push(DecodedRecord::of(&message, Preview::Short));
            }
            Some(Err(KafkaError::MessageConsumption(
                code @ (RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::TopicAuthorizationFailed),
            ))) => return Err(failed(KafkaError::MessageConsumption(code))),
            Some(Err(_)) | None => {}
        }
        if next <= Instant::now() && (!batch.records.is_empty() || !begun) {
            next = Instant::now() + PERIOD;
            let records = std::mem::take(&mut batch.records);
            let lost = records.len() as u64;
            match sender.try_send(TailBatch {
                topic: topic.to_owned(),
                records,
                skipped,
            }) {
                Ok(()) => (begun, skipped) = (true, 0),
                Err(_) => skipped += lost,
            }
        }
    }
    Ok(())
}

fn assign_at_end(reader: &Looker, topic: &str) -> Result<(), KafkaError> {
    let metadata = reader.fetch_metadata(Some(topic), CALL_LIMIT)?;
    let found = metadata
        .topics()
        .iter()
        .find(|found| found.name() == topic && found.error().is_none());
    let unknown = KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition);
    let partitions: Vec<_> = found
        .filter(|found| !found.partitions().is_empty())
        .ok_or(unknown)?
        .partitions()
        .iter()
        .map(|partition| (topic.to_owned(), partition.id()))
        .collect();
    // Explicit offsets: "end" would be looked up only when fetching begins, and records until then missed.
    let extents = offsets::extents(reader, &partitions)?;
    let mut list = TopicPartitionList::new();
    for ((topic, partition), extent) in extents {
        list.add_partition_offset(&topic, partition, Offset::Offset(extent.log_end_offset))?;
    }
    reader.assign(&list)
}
