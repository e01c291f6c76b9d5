//! `ListOffsets` 1-11: the first and last offset of a partition, or the first at or after a time.
//!
//! Negative timestamps are questions of their own, each since some version:
//! -1 the end, -2 the log start, -3 the record with the greatest
//! timestamp (7), -4 the log start on this disk (8), -5 and -6 what tiered
//! storage holds (9 and 11), which is nothing here: offset -1. No match by time
//! is offset -1 without an error. The end is the high watermark, or the last stable
//! offset for a read-committed consumer, to whom a record at or beyond it is no
//! match (2).

use std::collections::HashSet;

use headwater_log::{ReadError, TimestampOffset};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic, ListOffsetsTopicResponse,
};
use tokio::task;

use crate::context::{ConnectionInfo, Context};
use crate::error::ToErrorCode;
use crate::metadata::Topic;
use crate::reply::Reply;
use crate::served::Served;

/// The first version whose answers carry the leader epoch.
const LEADER_EPOCH_SINCE: i16 = 4;

/// Isolation level of clients that must not see open transactions.
const READ_COMMITTED: i8 = 1;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// A question about one partition that has to look into the log's files.
struct Search {
    topic: usize,
    partition: usize,
    served: Served,
    timestamp: i64,
    isolation_level: i8,
}

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: ListOffsetsRequest,
) -> Reply<ListOffsetsResponse> {
    let image = context.metadata.image();
    let isolation_level = request.isolation_level;
    let wanted = request.topics;
    let repeated = repeated(&wanted);
    let mut searches = Vec::new();
    let mut topics = Vec::with_capacity(wanted.len());
    for asked in &wanted {
        let known = image.topic(&asked.name);
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let is_repeated = repeated.contains(&(asked.name.as_str(), partition.partition_index));
            let served = match known {
                _ if is_repeated => Err(ErrorCode::InvalidRequest),
                _ if !is_served(partition.timestamp, version) => Err(ErrorCode::UnsupportedVersion),
                None => Err(ErrorCode::UnknownTopicOrPartition),
                Some(topic) => find(context, topic, partition),
            };
            let answer =
                served.map(|served| at_once(&served, partition, isolation_level).ok_or(served));
            partitions.push(match answer {
                Err(code) => refused(partition, code),
                Ok(Ok(answer)) => answer,
                Ok(Err(served)) => {
                    searches.push(Search {
                        topic: topics.len(),
                        partition: partitions.len(),
                        served,
                        timestamp: partition.timestamp,
                        isolation_level,
                    });
                    blank(partition)
                }
            });
        }
        topics.push(ListOffsetsTopicResponse {
            name: asked.name.clone(),
            partitions,
        });
    }
    let response = ListOffsetsResponse {
        topics,
        ..ListOffsetsResponse::default()
    };
    if searches.is_empty() {
        return Reply::Now(for_version(response, version));
    }
    Reply::later(async move { for_version(search_all(searches, response).await, version) })
}

fn find(
    context: &Context,
    topic: &Topic,
    asked: &ListOffsetsPartition,
) -> Result<Served, ErrorCode> {
    let served = Served::find(&context.partitions, topic, asked.partition_index)?;
    served.check_epoch(asked.current_leader_epoch)?;
    Ok(served)
}

/// Fills in what has to be looked up: old segments' indexes and batches may have to come from the disk.
async fn search_all(
    searches: Vec<Search>,
    mut response: ListOffsetsResponse,
) -> ListOffsetsResponse {
    let work = move || searches.iter().map(search).collect::<Vec<_>>();
    let found = match task::spawn_blocking(work).await {
        Ok(found) => found,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    for (topic, partition, answer) in found {
        let place = &mut response.topics[topic].partitions[partition];
        match answer {
            Ok(Some(found)) => {
                place.offset = found.offset;
                place.timestamp = found.timestamp;
                place.leader_epoch = found.leader_epoch;
            }
            Ok(None) => {}
            Err(error) => place.error_code = error.to_error_code().into(),
        }
    }
    response
}

/// Leaves out what older clients cannot read.
fn for_version(mut response: ListOffsetsResponse, version: i16) -> ListOffsetsResponse {
    if version < LEADER_EPOCH_SINCE {
        let partitions = response
            .topics
            .iter_mut()
            .flat_map(|topic| &mut topic.partitions);
        partitions.for_each(|partition| partition.leader_epoch = -1);
    }
    response
}

fn search(search: &Search) -> (usize, usize, Result<Option<TimestampOffset>, ReadError>) {
    let log = search.served.partition.log();
    let answer = match search.timestamp {
        MAX_TIMESTAMP => log.max_timestamp(),
        timestamp => log.offset_for_timestamp(timestamp),
    };
    let end = end_offset(&search.served, search.isolation_level);
    let answer = answer.map(|found| found.filter(|found| found.offset < end));
    (search.topic, search.partition, answer)
}

/// How far a consumer of this isolation level can read.
fn end_offset(served: &Served, isolation_level: i8) -> i64 {
    let log = served.partition.log();
    match isolation_level {
        READ_COMMITTED => log.last_stable_offset(),
        _ => log.high_watermark(),
    }
}

/// The answer to a question that needs no search.
fn at_once(
    served: &Served,
    asked: &ListOffsetsPartition,
    isolation_level: i8,
) -> Option<ListOffsetsPartitionResponse> {
    let log = served.partition.log();
    let offset = match asked.timestamp {
        LATEST => end_offset(served, isolation_level),
        EARLIEST | EARLIEST_LOCAL => log.log_start_offset(),
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => return Some(blank(asked)),
        _ => return None,
    };
    Some(ListOffsetsPartitionResponse {
        offset,
        leader_epoch: served.leader_epoch,
        ..blank(asked)
    })
}

fn is_served(timestamp: i64, version: i16) -> bool {
    match timestamp {
        0.. | LATEST | EARLIEST => true,
        MAX_TIMESTAMP => version >= 7,
        EARLIEST_LOCAL => version >= 8,
        LATEST_TIERED => version >= 9,
        EARLIEST_PENDING_UPLOAD => version >= 11,
        _ => false,
    }
}

/// Partitions asked for more than once, which Kafka refuses.
fn repeated(topics: &[ListOffsetsTopic]) -> HashSet<(&str, i32)> {
    let mut seen = HashSet::new();
    let mut repeated = HashSet::new();
    for topic in topics {
        for partition in &topic.partitions {
            let named = (topic.name.as_str(), partition.partition_index);
            if !seen.insert(named) {
                repeated.insert(named);
            }
        }
    }
    repeated
}

fn refused(asked: &ListOffsetsPartition, code: ErrorCode) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        error_code: code.into(),
        ..blank(asked)
    }
}

/// No offset, no timestamp, no error.
fn blank(asked: &ListOffsetsPartition) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        partition_index: asked.partition_index,
        timestamp: -1,
        offset: -1,
        leader_epoch: -1,
        ..ListOffsetsPartitionResponse::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_negative_timestamp_is_a_question_since_its_version() {
        for (timestamp, since) in [(-1, 1), (-2, 1), (-3, 7), (-4, 8), (-5, 9), (-6, 11)] {
            assert!(is_served(timestamp, since), "{timestamp}");
            assert!(
                since == 1 || !is_served(timestamp, since - 1),
                "{timestamp}"
            );
        }
        assert!(!is_served(-7, 11));
        assert!(is_served(0, 1));
    }

    #[test]
    fn a_partition_asked_for_twice_is_found() {
        let topic = |name: &str, partitions: &[i32]| ListOffsetsTopic {
            name: name.to_owned(),
            partitions: partitions
                .iter()
                .map(|index| ListOffsetsPartition {
                    partition_index: *index,
                    ..ListOffsetsPartition::default()
                })
                .collect(),
        };
        let topics = [topic("a", &[0, 1]), topic("b", &[0]), topic("a", &[1])];
        assert_eq!(repeated(&topics), HashSet::from([("a", 1)]));
    }
}
