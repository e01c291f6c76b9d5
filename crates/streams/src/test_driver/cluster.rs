//! Topics in memory: partitions, one transaction at a time, committed offsets.
//!
//! It behaves as a cluster does for an application: a transaction's records have offsets at once and are seen when it
//! commits, its end takes an offset of its own, and readers stop in front of what is undecided.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::collector::{Collector, Outgoing};
use crate::context::SourceRecord;
use crate::error::StreamsError;
use crate::record::Headers;
use crate::runtime::task::Committable;

/// A record in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its offset.
    pub offset: i64,
    /// The key's bytes, or null.
    pub key: Option<Bytes>,
    /// The value's bytes, or null.
    pub value: Option<Bytes>,
    /// Milliseconds since the Unix epoch; negative if it has none.
    pub timestamp: i64,
    /// The headers.
    pub headers: Headers,
}

impl SourceRecord for StoredRecord {
    fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    fn timestamp(&self) -> i64 {
        self.timestamp
    }

    fn offset(&self) -> i64 {
        self.offset
    }

    fn headers(&self) -> Headers {
        self.headers.clone()
    }
}

/// What lies at an offset.
#[derive(Debug, Clone)]
enum Slot {
    Record(StoredRecord),
    /// Of the transaction under way.
    Open(StoredRecord),
    /// Of a transaction that was aborted.
    Aborted,
    /// The end of a transaction.
    Marker,
}

#[derive(Debug, Clone, Default)]
struct Partition {
    slots: Vec<Slot>,
    /// The first offset that is there.
    start: i64,
    /// The first record of the transaction under way.
    undecided: Option<usize>,
}

impl Partition {
    /// The offset behind the last record that a reader of committed records sees.
    fn last_stable(&self) -> i64 {
        self.undecided.unwrap_or(self.slots.len()) as i64
    }
}

/// Who may see a record of a transaction that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writes {
    /// Everybody, at once: there is no transaction.
    Plain,
    /// Nobody, until it commits.
    Transaction,
}

/// The topics, and the offsets that the application committed.
#[derive(Debug)]
pub(super) struct Cluster {
    topics: BTreeMap<Arc<str>, Vec<Partition>>,
    offsets: BTreeMap<(Arc<str>, i32), (i64, String)>,
    writes: Writes,
    /// The partitions that the transaction under way wrote to.
    touched: BTreeSet<(Arc<str>, i32)>,
    /// How many partitions a topic gets that nobody declared.
    default_partitions: i32,
    /// The topics that refuse records, as one does that is unavailable.
    pub(super) refusing: BTreeSet<String>,
}

impl Cluster {
    pub(super) fn new(writes: Writes, default_partitions: i32) -> Self {
        Self {
            topics: BTreeMap::new(),
            offsets: BTreeMap::new(),
            writes,
            touched: BTreeSet::new(),
            default_partitions,
            refusing: BTreeSet::new(),
        }
    }

    /// Makes a topic; one that exists keeps its partitions.
    pub(super) fn create(&mut self, topic: &str, partitions: i32) {
        if !self.topics.contains_key(topic) {
            let partitions = vec![Partition::default(); partitions.max(1) as usize];
            self.topics.insert(topic.into(), partitions);
        }
    }

    /// How many partitions a topic has; it is made if it is not there.
    pub(super) fn count(&mut self, topic: &str) -> i32 {
        self.create(topic, self.default_partitions);
        self.topics[topic].len() as i32
    }

    /// How many partitions a topic has, if it is there.
    pub(super) fn existing(&self, topic: &str) -> Option<i32> {
        self.topics.get(topic).map(|log| log.len() as i32)
    }

    /// The names of all topics.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Arc<str>> {
        self.topics.keys()
    }

    fn partition(&self, topic: &str, partition: i32) -> Option<&Partition> {
        self.topics.get(topic)?.get(partition as usize)
    }

    /// Adds a record of another program's: seen at once.
    pub(super) fn append(&mut self, topic: &str, partition: i32, mut record: StoredRecord) -> i64 {
        let slots =
            &mut self.topics.get_mut(topic).expect("the topic exists")[partition as usize].slots;
        record.offset = slots.len() as i64;
        slots.push(Slot::Record(record));
        slots.len() as i64 - 1
    }

    /// The offset that a reader comes to in the end: what is undecided is not read.
    pub(super) fn end(&self, topic: &str, partition: i32) -> i64 {
        self.partition(topic, partition)
            .map_or(0, Partition::last_stable)
    }

    /// The first offset and the one behind the last, undecided records among them.
    pub(super) fn offsets(&self, topic: &str, partition: i32) -> Option<Range<i64>> {
        let log = self.partition(topic, partition)?;
        Some(log.start..log.slots.len() as i64)
    }

    /// The first offset.
    pub(super) fn start(&self, topic: &str, partition: i32) -> i64 {
        self.partition(topic, partition).map_or(0, |log| log.start)
    }

    /// The records from an offset on, as a reader of committed records sees them.
    pub(super) fn read(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
    ) -> impl Iterator<Item = &StoredRecord> {
        let log = self.partition(topic, partition);
        let end = log.map_or(0, Partition::last_stable);
        let from = from.max(log.map_or(0, |log| log.start)).min(end);
        log.map_or(&[][..], |log| &log.slots[from as usize..end as usize])
            .iter()
            .filter_map(|slot| match slot {
                Slot::Record(record) => Some(record),
                Slot::Open(_) | Slot::Aborted | Slot::Marker => None,
            })
    }

    /// Deletes what lies before an offset.
    pub(super) fn delete_records(&mut self, topic: &str, partition: i32, before: i64) {
        if let Some(log) = self
            .topics
            .get_mut(topic)
            .and_then(|partitions| partitions.get_mut(partition as usize))
        {
            log.start = log.start.max(before.min(log.slots.len() as i64));
        }
    }

    /// The committed offset of an input, with its metadata.
    pub(super) fn committed(&self, topic: &Arc<str>, partition: i32) -> Option<&(i64, String)> {
        self.offsets.get(&(Arc::clone(topic), partition))
    }

    /// Ends the transaction under way, if there is one, and commits the offsets with it.
    pub(super) fn commit(&mut self, offsets: Vec<Committable>) {
        for committed in offsets {
            self.offsets.insert(
                (committed.topic, committed.partition),
                (committed.offset, committed.metadata),
            );
        }
        self.end_transaction(Slot::Record);
    }

    /// Aborts the transaction under way. Without transactions nothing is taken back.
    pub(super) fn abort(&mut self) {
        self.end_transaction(|_| Slot::Aborted);
    }

    fn end_transaction(&mut self, decide: impl Fn(StoredRecord) -> Slot) {
        for (topic, partition) in std::mem::take(&mut self.touched) {
            let log =
                &mut self.topics.get_mut(&topic).expect("it was written to")[partition as usize];
            let first = log.undecided.take().unwrap_or(log.slots.len());
            for slot in &mut log.slots[first..] {
                if let Slot::Open(_) = slot
                    && let Slot::Open(record) = std::mem::replace(slot, Slot::Aborted)
                {
                    *slot = decide(record);
                }
            }
            log.slots.push(Slot::Marker);
        }
    }
}

impl Collector for Cluster {
    fn partitions(&mut self, topic: &Arc<str>) -> Result<i32, StreamsError> {
        Ok(self.count(topic))
    }

    fn send(&mut self, record: Outgoing<'_>) -> Result<(), StreamsError> {
        if self.refusing.contains(&**record.topic) {
            return Err(StreamsError::Client {
                action: format!("writing to {}-{}", record.topic, record.partition),
                reason: "the topic refuses records, as the test says".to_owned(),
                retriable: false,
            });
        }
        let count = self.count(record.topic);
        assert!(
            (0..count).contains(&record.partition),
            "partition {} of {}, which has {count}",
            record.partition,
            record.topic
        );
        let log = self.topics.get_mut(record.topic).expect("it was made");
        let log = &mut log[record.partition as usize];
        let stored = StoredRecord {
            offset: log.slots.len() as i64,
            key: record.key.map(Bytes::copy_from_slice),
            value: record.value.map(Bytes::copy_from_slice),
            timestamp: record.timestamp,
            headers: record.headers.clone(),
        };
        match self.writes {
            Writes::Plain => log.slots.push(Slot::Record(stored)),
            Writes::Transaction => {
                log.undecided.get_or_insert(log.slots.len());
                log.slots.push(Slot::Open(stored));
                self.touched
                    .insert((Arc::clone(record.topic), record.partition));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> Cluster {
        let mut cluster = Cluster::new(Writes::Transaction, 1);
        cluster.create("t", 2);
        cluster
    }

    fn send(cluster: &mut Cluster, partition: i32, value: &[u8]) {
        let sent = cluster.send(Outgoing {
            topic: &"t".into(),
            partition,
            key: None,
            value: Some(value),
            timestamp: 1,
            headers: &Headers::default(),
        });
        assert!(sent.is_ok());
    }

    fn append(cluster: &mut Cluster, value: &'static [u8]) -> i64 {
        let record = StoredRecord {
            offset: 0,
            key: None,
            value: Some(Bytes::from_static(value)),
            timestamp: 1,
            headers: Headers::default(),
        };
        cluster.append("t", 0, record)
    }

    fn read(cluster: &Cluster, partition: i32) -> Vec<(i64, Bytes)> {
        let records = cluster.read("t", partition, 0);
        let with_value = records.filter_map(|record| Some((record.offset, record.value.clone()?)));
        with_value.collect()
    }

    #[test]
    fn an_undecided_record_holds_back_what_is_behind_it() {
        let mut cluster = cluster();
        append(&mut cluster, b"before");
        send(&mut cluster, 0, b"open");
        assert_eq!(append(&mut cluster, b"behind"), 2);
        assert_eq!(read(&cluster, 0), [(0, Bytes::from_static(b"before"))]);
        assert_eq!(cluster.end("t", 0), 1);
        cluster.commit(Vec::new());
        let offsets: Vec<_> = read(&cluster, 0)
            .iter()
            .map(|(offset, _)| *offset)
            .collect();
        assert_eq!(offsets, [0, 1, 2]);
        assert_eq!(cluster.end("t", 0), 4, "the marker has an offset too");
    }

    #[test]
    fn an_aborted_record_is_never_read_and_keeps_its_offset() {
        let mut cluster = cluster();
        send(&mut cluster, 1, b"aborted");
        cluster.abort();
        send(&mut cluster, 1, b"committed");
        cluster.commit(Vec::new());
        assert_eq!(read(&cluster, 1), [(2, Bytes::from_static(b"committed"))]);
        assert_eq!(
            cluster.end("t", 0),
            0,
            "a marker goes only where something was written"
        );
    }

    #[test]
    fn deleted_records_are_not_read_and_offsets_stay() {
        let mut cluster = cluster();
        append(&mut cluster, b"0");
        append(&mut cluster, b"1");
        cluster.delete_records("t", 0, 1);
        assert_eq!(read(&cluster, 0), [(1, Bytes::from_static(b"1"))]);
        assert_eq!(cluster.offsets("t", 0), Some(1..2));
        cluster.delete_records("t", 0, 9);
        assert_eq!(cluster.offsets("t", 0), Some(2..2));
    }
}
