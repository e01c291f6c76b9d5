//! Log start and end offsets of many partitions, in two requests per leader rather than two per partition.

use std::collections::BTreeMap;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{CALL_LIMIT, Looker};

/// A topic's partition.
pub(crate) type TopicPartition = (String, i32);

/// From where to where a partition holds records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) log_start_offset: i64,
    pub(crate) log_end_offset: i64,
}

/// The extents of `partitions`; those whose leader did not answer are missing.
pub(crate) fn extents(
    looker: &Looker,
    partitions: &[TopicPartition],
) -> Result<BTreeMap<TopicPartition, Extent>, KafkaError> {
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let starts = at(looker, partitions, Offset::Beginning)?;
    let ends = at(looker, partitions, Offset::End)?;
    Ok(ends
        .into_iter()
        .filter_map(|(partition, log_end_offset)| {
            let log_start_offset = *starts.get(&partition)?;
            // Records may have been deleted between the two questions.
            Some((
                partition,
                Extent {
                    log_start_offset: log_start_offset.min(log_end_offset),
                    log_end_offset,
                },
            ))
        })
        .collect())
}

/// The first offset at or after `timestamp_ms`, per partition; missing where there is none.
pub(crate) fn at_time(
    looker: &Looker,
    partitions: &[TopicPartition],
    timestamp_ms: i64,
) -> Result<BTreeMap<TopicPartition, i64>, KafkaError> {
    at(looker, partitions, Offset::Offset(timestamp_ms))
}

fn at(
    looker: &Looker,
    partitions: &[TopicPartition],
    time: Offset,
) -> Result<BTreeMap<TopicPartition, i64>, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        list.add_partition_offset(topic, *partition, time)?;
    }
    let answered = looker.offsets_for_times(list, CALL_LIMIT)?;
    let elements = answered.elements();
    let found = elements
        .iter()
        .filter_map(|element| match (element.error(), element.offset()) {
            (Ok(()), Offset::Offset(offset)) => {
                Some(((element.topic().to_owned(), element.partition()), offset))
            }
            _ => None,
        });
    Ok(found.collect())
}
