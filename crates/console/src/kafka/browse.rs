//! The message browser: one bounded page of records of a topic, merged over its partitions by time.
//!
//! Reads by assignment, from explicit offsets to the log end seen at the start: it never waits for new records.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::Serialize;

use super::client::{CALL_LIMIT, Kafka, Looker};
use super::cursor::Cursor;
use super::decode::{self, DecodedRecord, Preview};
use super::offsets::{self, Extent, TopicPartition};
use crate::problem::Problem;

/// Records looked at for one page without a filter, over all partitions.
const SCAN: i64 = 5_000;
/// Records looked at for one page with a filter, over all partitions.
const FILTERED_SCAN: i64 = 20_000;
/// Bytes of decoded records held for one page.
const MAX_WEIGHT: usize = 16 * 1024 * 1024;
/// One page takes no longer than this.
const READ_LIMIT: Duration = Duration::from_secs(6);
/// Partitions of one topic that are read together.
const MAX_PARTITIONS: usize = 500;

/// Which records are wanted.
#[derive(Debug, Clone)]
pub(crate) struct Browse {
    pub(crate) topic: String,
    /// `None`: all partitions.
    pub(crate) partition: Option<i32>,
    pub(crate) from: From,
    pub(crate) limit: usize,
    /// Only records that hold this, in any case of letters.
    pub(crate) filter: Option<String>,
}

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// The last records, newest first.
    Newest,
    /// The first records that are still there.
    Oldest,
    /// This offset of each partition and later.
    Offset(i64),
    /// This time and later.
    Time(i64),
    /// What comes before these offsets, newest first.
    Before(Cursor),
    /// What comes from these offsets on.
    After(Cursor),
}

impl From {
    fn newest_first(&self) -> bool {
        matches!(self, Self::Newest | Self::Before(_))
    }
}

/// A page of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Page {
    pub(crate) topic: String,
    pub(crate) newest_first: bool,
    pub(crate) records: Vec<DecodedRecord>,
    /// Records looked at.
    pub(crate) scanned: usize,
    /// Goes on with older records; `None` at the log start.
    pub(crate) older: Option<String>,
    /// Goes on with newer records; `None` at the log end.
    pub(crate) newer: Option<String>,
    /// Why the page ended before all that was asked for was read.
    pub(crate) stopped: Option<&'static str>,
}

/// The offsets of one partition that this page covers: from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy)]
struct Window {
    extent: Extent,
    start: i64,
    end: i64,
}

/// Reads one page. Blocks for at most some seconds.
pub(crate) fn page(kafka: &Kafka, browse: &Browse) -> Result<Page, Problem> {
    let reader = kafka
        .reader()
        .map_err(|error| kafka.problem("no client could be made", &error))?;
    let failed = |error: KafkaError| {
        kafka.problem(&format!("topic {} could not be read", browse.topic), &error)
    };
    let partitions = partitions(kafka, &reader, browse)?;
    let windows = windows(&reader, browse, &partitions).map_err(failed)?;
    let read = read(&reader, browse, &windows).map_err(failed)?;
    let scanned = read.scanned;
    let stopped = read.stopped;
    let newest_first = browse.from.newest_first();
    let (records, mut covered) = select(read.records, &windows, browse.limit, newest_first);
    if stopped.is_some() {
        end_where_reading_stopped(&mut covered, &read.positions);
    }
    let older = covered
        .values()
        .any(|window| window.start > window.extent.log_start_offset);
    let newer = covered
        .values()
        .any(|window| window.end < window.extent.log_end_offset);
    let cursor = |edge: fn(&Window) -> i64| {
        Cursor(
            covered
                .iter()
                .map(|(partition, window)| (*partition, edge(window)))
                .collect(),
        )
        .to_string()
    };
    Ok(Page {
        topic: browse.topic.clone(),
        newest_first,
        records,
        scanned,
        older: older.then(|| cursor(|window| window.start)),
        newer: newer.then(|| cursor(|window| window.end)),
        stopped,
    })
}

/// One record in full. Blocks.
pub(crate) fn record(
    kafka: &Kafka,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<DecodedRecord, Problem> {
    let reader = kafka
        .reader()
        .map_err(|error| kafka.problem("no client could be made", &error))?;
    let failed =
        |error: KafkaError| kafka.problem(&format!("topic {topic} could not be read"), &error);
    let key = (topic.to_owned(), partition);
    let extent = offsets::extents(&reader, std::slice::from_ref(&key))
        .map_err(failed)?
        .get(&key)
        .copied();
    let gone = |detail: String| {
        let title = "There is no such record";
        Problem::new(
            StatusCode::NOT_FOUND,
            title,
            detail,
            "Go back to the topic and choose one that is still there",
        )
    };
    let Some(extent) = extent else {
        return Err(gone(format!(
            "partition {partition} of topic {topic} is not there"
        )));
    };
    if offset < extent.log_start_offset || offset >= extent.log_end_offset {
        let Extent {
            log_start_offset,
            log_end_offset,
        } = extent;
        return Err(gone(format!(
            "{topic}-{partition} holds offsets {log_start_offset} to {}",
            log_end_offset - 1
        )));
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset))
        .map_err(failed)?;
    reader.assign(&list).map_err(failed)?;
    let deadline = Instant::now() + READ_LIMIT;
    while Instant::now() < deadline {
        match reader.poll(Duration::from_millis(100)) {
            Some(Ok(message)) if message.offset() == offset => {
                return Ok(DecodedRecord::of(&message, Preview::Long));
            }
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => {
                return Err(gone(format!(
                    "offset {offset} of {topic}-{partition} was compacted away"
                )));
            }
            Some(Err(error)) if is_fatal(&error) => return Err(failed(error)),
            Some(Err(_)) | None => {}
        }
    }
    Err(failed(KafkaError::MessageConsumption(
        RDKafkaErrorCode::OperationTimedOut,
    )))
}

/// The partitions to read: all of the topic, or the one asked for.
fn partitions(
    kafka: &Kafka,
    reader: &Looker,
    browse: &Browse,
) -> Result<Vec<TopicPartition>, Problem> {
    let topic = &browse.topic;
    let failed =
        |error: KafkaError| kafka.problem(&format!("topic {topic} could not be read"), &error);
    let metadata = reader
        .fetch_metadata(Some(topic), CALL_LIMIT)
        .map_err(failed)?;
    let found = metadata
        .topics()
        .iter()
        .find(|found| found.name() == topic && found.error().is_none());
    let all: Vec<i32> = found.map_or_else(Vec::new, |found| {
        found
            .partitions()
            .iter()
            .map(rdkafka::metadata::MetadataPartition::id)
            .collect()
    });
    let wanted: Vec<i32> = all
        .into_iter()
        .filter(|id| browse.partition.is_none_or(|only| only == *id))
        .collect();
    if wanted.is_empty() {
        return Err(failed(KafkaError::MetadataFetch(
            RDKafkaErrorCode::UnknownTopicOrPartition,
        )));
    }
    if wanted.len() > MAX_PARTITIONS {
        return Err(Problem::bad_request(
            format!(
                "topic {topic} has {} partitions, more than {MAX_PARTITIONS} read together",
                wanted.len()
            ),
            "Choose one partition",
        ));
    }
    Ok(wanted
        .into_iter()
        .map(|partition| (topic.clone(), partition))
        .collect())
}

fn windows(
    reader: &Looker,
    browse: &Browse,
    partitions: &[TopicPartition],
) -> Result<BTreeMap<i32, Window>, KafkaError> {
    let extents = offsets::extents(reader, partitions)?;
    let times = match browse.from {
        From::Time(timestamp_ms) => offsets::at_time(reader, partitions, timestamp_ms)?,
        _ => BTreeMap::new(),
    };
    let size = match browse.filter {
        Some(_) => FILTERED_SCAN / partitions.len() as i64,
        None => (browse.limit as i64).min(SCAN / partitions.len() as i64),
    };
    let windows = extents.into_iter().map(|(key, extent)| {
        let Extent {
            log_start_offset: low,
            log_end_offset: high,
        } = extent;
        let start_at = |offset: i64| {
            let start = offset.clamp(low, high);
            Window {
                extent,
                start,
                end: start.saturating_add(size).min(high),
            }
        };
        let end_at = |offset: i64| {
            let end = offset.clamp(low, high);
            Window {
                extent,
                start: end.saturating_sub(size).max(low),
                end,
            }
        };
        let window = match &browse.from {
            From::Newest => end_at(high),
            From::Before(cursor) => end_at(cursor.0.get(&key.1).copied().unwrap_or(high)),
            From::Oldest => start_at(low),
            From::Offset(offset) => start_at(*offset),
            From::Time(_) => start_at(times.get(&key).copied().unwrap_or(high)),
            From::After(cursor) => start_at(cursor.0.get(&key.1).copied().unwrap_or(low)),
        };
        (key.1, window)
    });
    Ok(windows.collect())
}

/// What was read of the windows.
struct Read {
    /// Per partition in offset order.
    records: BTreeMap<i32, Vec<DecodedRecord>>,
    /// The offset to go on at, per partition.
    positions: BTreeMap<i32, i64>,
    scanned: usize,
    stopped: Option<&'static str>,
}

fn read(
    reader: &Looker,
    browse: &Browse,
    windows: &BTreeMap<i32, Window>,
) -> Result<Read, KafkaError> {
    let mut open: BTreeMap<i32, i64> = BTreeMap::new();
    let mut list = TopicPartitionList::new();
    for (partition, window) in windows
        .iter()
        .filter(|(_, window)| window.start < window.end)
    {
        open.insert(*partition, window.end);
        list.add_partition_offset(&browse.topic, *partition, Offset::Offset(window.start))?;
    }
    let mut read = Read {
        records: BTreeMap::new(),
        positions: BTreeMap::new(),
        scanned: 0,
        stopped: None,
    };
    if open.is_empty() {
        return Ok(read);
    }
    reader.assign(&list)?;
    let needle = browse.filter.as_ref().map(|filter| filter.to_lowercase());
    let deadline = Instant::now() + READ_LIMIT;
    let mut weight = 0;
    while !open.is_empty() {
        if Instant::now() > deadline {
            read.stopped = Some("time");
            break;
        }
        if weight > MAX_WEIGHT {
            read.stopped = Some("size");
            break;
        }
        match reader.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let (partition, offset) = (message.partition(), message.offset());
                let Some(end) = open.get(&partition).copied() else {
                    continue;
                };
                if offset < end {
                    read.scanned += 1;
                    read.positions.insert(partition, offset + 1);
                    if needle
                        .as_ref()
                        .is_none_or(|needle| decode::holds(&message, needle))
                    {
                        let record = DecodedRecord::of(&message, Preview::Short);
                        weight += record.weight();
                        read.records.entry(partition).or_default().push(record);
                    }
                }
                if offset + 1 >= end {
                    open.remove(&partition);
                }
            }
            // The end of the log before the end of the window: the last offsets were control records or compacted.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error)) if is_fatal(&error) => return Err(error),
            Some(Err(_)) | None => {}
        }
    }
    Ok(read)
}

/// Errors that waiting does not mend.
fn is_fatal(error: &KafkaError) -> bool {
    !matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::OperationTimedOut)
    )
}

/// Windows are read from their start, whichever end is wanted: a read that stopped early saw nothing from its
/// positions on, and the cursor to newer records begins there.
fn end_where_reading_stopped(covered: &mut BTreeMap<i32, Window>, positions: &BTreeMap<i32, i64>) {
    for (partition, window) in covered {
        let reached = positions.get(partition).copied().unwrap_or(window.start);
        window.end = window.end.min(reached).max(window.start);
    }
}

/// The `limit` records at the window's wanted end over all partitions, and the windows shrunk to what they cover.
///
/// Merged by time without ever reordering a partition: a record counts as no earlier than the one before it.
fn select(
    records: BTreeMap<i32, Vec<DecodedRecord>>,
    windows: &BTreeMap<i32, Window>,
    limit: usize,
    newest_first: bool,
) -> (Vec<DecodedRecord>, BTreeMap<i32, Window>) {
    let mut merged: Vec<(i64, DecodedRecord)> = Vec::new();
    for (_, of_partition) in records {
        let mut latest = i64::MIN;
        for record in of_partition {
            latest = latest.max(record.timestamp_ms.unwrap_or(0));
            merged.push((latest, record));
        }
    }
    merged.sort_by_key(|(at, record)| (*at, record.partition, record.offset));
    if newest_first {
        merged.reverse();
    }
    let mut covered = windows.clone();
    for (_, dropped) in merged.iter().skip(limit) {
        let Some(window) = covered.get_mut(&dropped.partition) else {
            continue;
        };
        if newest_first {
            window.start = window.start.max(dropped.offset + 1);
        } else {
            window.end = window.end.min(dropped.offset);
        }
    }
    merged.truncate(limit);
    (
        merged.into_iter().map(|(_, record)| record).collect(),
        covered,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(partition: i32, offset: i64, timestamp_ms: i64) -> DecodedRecord {
        let timestamp_ms = Some(timestamp_ms);
        DecodedRecord {
            partition,
            offset,
            timestamp_ms,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    fn window(start: i64, end: i64) -> Window {
        Window {
            extent: Extent {
                log_start_offset: 0,
                log_end_offset: 10,
            },
            start,
            end,
        }
    }

    #[test]
    fn newest_pages_go_on_without_a_gap_or_a_repeat() {
        let records = BTreeMap::from([
            (
                0,
                vec![record(0, 7, 10), record(0, 8, 30), record(0, 9, 50)],
            ),
            (
                1,
                vec![record(1, 7, 20), record(1, 8, 40), record(1, 9, 60)],
            ),
        ]);
        let windows = BTreeMap::from([(0, window(7, 10)), (1, window(7, 10))]);
        let (page, covered) = select(records, &windows, 3, true);
        let seen: Vec<_> = page
            .iter()
            .map(|record| (record.partition, record.offset))
            .collect();
        assert_eq!(seen, [(1, 9), (0, 9), (1, 8)]);
        assert_eq!((covered[&0].start, covered[&1].start), (9, 8));
    }

    #[test]
    fn newer_records_begin_where_a_read_stopped_early() {
        let windows = BTreeMap::from([(0, window(2, 10)), (1, window(3, 10)), (2, window(4, 10))]);
        let records = BTreeMap::from([
            (0, vec![record(0, 2, 10), record(0, 3, 20)]),
            (1, vec![record(1, 9, 5)]),
        ]);
        let (_, mut covered) = select(records, &windows, 10, true);
        end_where_reading_stopped(&mut covered, &BTreeMap::from([(0, 4), (1, 10)]));
        let ends: Vec<_> = covered.values().map(|window| window.end).collect();
        assert_eq!(ends, [4, 10, 4], "partition 2 was not read at all");
    }

    #[test]
    fn a_record_older_than_its_predecessor_keeps_its_place() {
        let records = BTreeMap::from([(
            0,
            vec![record(0, 0, 100), record(0, 1, 5), record(0, 2, 200)],
        )]);
        let windows = BTreeMap::from([(0, window(0, 3))]);
        let (page, covered) = select(records, &windows, 2, false);
        assert_eq!(
            page.iter().map(|record| record.offset).collect::<Vec<_>>(),
            [0, 1]
        );
        assert_eq!(covered[&0].end, 2);
    }
}
