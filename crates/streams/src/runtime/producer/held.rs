//! Records that wait here while their partition has others under way.
//!
//! librdkafka sends one request at a time to a partition of an idempotent producer, and its thread spins for as long as
//! a next batch is ready and the answer is not there: with a store that syncs to disk a third of an application's
//! processor time. So a partition's records are handed over all at once, and the next ones when the answer has come.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::bindings as native;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;

use super::{FULL_POLL_MS, LazyDeadline, MAX_BLOCK, Producer, milliseconds, refusals};
use crate::collector::Outgoing;
use crate::record::Headers;
use crate::runtime::client::ClientError;

/// A larger record does not wait: what its copy costs is more than what it spares, and it is refused at once if it is
/// too large.
const LARGEST: usize = 16 * 1024;
/// Bytes that wait at most.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of memory that a partition keeps without records that wait.
const MOST_KEPT: usize = 1024 * 1024;
/// How long a flush waits for one partition before it looks at the others.
const FLUSH_SLICE: Duration = Duration::from_millis(2);

/// The records of all partitions that wait.
#[derive(Debug)]
pub(super) struct Held {
    /// By the topics' indexes and partitions; there from a partition's first record on.
    partitions: Vec<Vec<Waiting>>,
    /// Where records wait.
    waiting: Vec<(usize, usize)>,
    records: usize,
    bytes: usize,
    /// Records that wait at most.
    max_records: usize,
}

/// The records of one partition that wait, in order.
#[derive(Debug, Default)]
struct Waiting {
    /// A first record went to this partition, so it is there.
    known: bool,
    records: Vec<HeldRecord>,
    /// Keys and values.
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct HeldRecord {
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    timestamp: i64,
    headers: Headers,
}

impl Held {
    /// Nothing yet, of at most so many records.
    pub(super) fn new(max_records: usize) -> Self {
        Self {
            partitions: Vec::new(),
            waiting: Vec::new(),
            records: 0,
            bytes: 0,
            max_records,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        for (topic, partition) in self.waiting.drain(..) {
            let waiting = &mut self.partitions[topic][partition];
            waiting.records.clear();
            waiting.bytes.clear();
        }
        self.records = 0;
        self.bytes = 0;
    }

    fn is_full(&self) -> bool {
        self.records >= self.max_records || self.bytes >= MAX_BYTES
    }

    fn partition(&mut self, topic: usize, partition: usize) -> &mut Waiting {
        if self.partitions.len() <= topic {
            self.partitions.resize_with(topic + 1, Vec::new);
        }
        let partitions = &mut self.partitions[topic];
        if partitions.len() <= partition {
            partitions.resize_with(partition + 1, Waiting::default);
        }
        &mut partitions[partition]
    }

    fn add(&mut self, topic: usize, partition: usize, record: &Outgoing<'_>) {
        let waiting = self.partition(topic, partition);
        let first = waiting.records.is_empty();
        let before = waiting.bytes.len();
        waiting.add(record);
        self.bytes += self.partitions[topic][partition].bytes.len() - before;
        self.records += 1;
        if first {
            self.waiting.push((topic, partition));
        }
    }

    /// Takes the records of one partition, which are to be given back.
    fn take(&mut self, topic: usize, partition: usize) -> Waiting {
        self.waiting
            .retain(|waiting| *waiting != (topic, partition));
        let waiting = std::mem::take(self.partition(topic, partition));
        self.records -= waiting.records.len();
        self.bytes -= waiting.bytes.len();
        waiting
    }

    /// Gives back what [`take`](Self::take) took, less the first `done` records.
    fn give_back(&mut self, topic: usize, partition: usize, mut waiting: Waiting, done: usize) {
        waiting.records.drain(..done);
        if waiting.records.is_empty() {
            waiting.bytes.clear();
            waiting.bytes.shrink_to(MOST_KEPT);
        } else {
            self.records += waiting.records.len();
            self.bytes += waiting.bytes.len();
            self.waiting.push((topic, partition));
        }
        *self.partition(topic, partition) = waiting;
    }
}

impl Waiting {
    fn add(&mut self, record: &Outgoing<'_>) {
        let key = self.copy(record.key);
        let value = self.copy(record.value);
        self.records.push(HeldRecord {
            key,
            value,
            timestamp: record.timestamp,
            headers: record.headers.clone(),
        });
    }

    fn copy(&mut self, bytes: Option<&[u8]>) -> Option<Range<usize>> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes?);
        Some(start..self.bytes.len())
    }
}

impl Producer {
    /// Sends a record behind those of its partition that wait, or has it wait too.
    pub(super) fn send_in_turn(
        &mut self,
        topic: usize,
        record: &Outgoing<'_>,
    ) -> Result<(), ClientError> {
        let Ok(partition) = usize::try_from(record.partition) else {
            return self.hand_over(topic, record);
        };
        let size = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        if size <= LARGEST && self.held.partition(topic, partition).known {
            self.held.add(topic, partition, record);
            self.pending_bytes += size as u64;
            return if self.held.is_full() {
                self.make_room()
            } else {
                Ok(())
            };
        }
        self.release(topic, partition)?;
        self.hand_over(topic, record)?;
        self.held.partition(topic, partition).known = true;
        Ok(())
    }

    /// Hands over the records of the partitions that have none under way.
    pub(super) fn release_idle(&mut self) -> Result<(), ClientError> {
        let mut next = 0;
        while let Some((topic, partition)) = self.held.waiting.get(next).copied() {
            if self.deliveries.borrow().is_idle(topic, partition) {
                // It takes the partition from the list.
                self.release(topic, partition)?;
            } else {
                next += 1;
            }
        }
        Ok(())
    }

    /// Hands over everything, whatever is under way.
    pub(super) fn release_all(&mut self) -> Result<(), ClientError> {
        while let Some((topic, partition)) = self.held.waiting.first().copied() {
            self.release(topic, partition)?;
        }
        Ok(())
    }

    /// Hands everything over, each partition in its turn, while the cluster answers; what is under way after that is
    /// not waited for.
    pub(super) fn release_in_turn(&mut self, until: Instant) -> Result<(), ClientError> {
        loop {
            self.release_idle()?;
            if self.held.is_empty() {
                return Ok(());
            }
            if self.left(until).is_zero() {
                return self.release_all();
            }
            // SAFETY: the handle is valid; reports are delivered within the call.
            unsafe { native::rd_kafka_flush(self.handle.ptr(), milliseconds(FLUSH_SLICE)) };
        }
    }

    fn make_room(&mut self) -> Result<(), ClientError> {
        let mut until = LazyDeadline::new(MAX_BLOCK);
        self.serve(0);
        self.release_idle()?;
        while self.held.is_full() {
            if until.passed() || self.ending.has_given_up() {
                // librdkafka's own limit holds, and says why there is no room.
                return self.release_all();
            }
            self.full_waits += 1;
            self.serve(FULL_POLL_MS);
            self.release_idle()?;
        }
        Ok(())
    }

    fn release(&mut self, topic: usize, partition: usize) -> Result<(), ClientError> {
        let waiting = self.held.take(topic, partition);
        let name = Arc::clone(&self.topics[topic].name);
        let mut done = 0;
        let mut result = Ok(());
        for record in &waiting.records {
            let bytes = |range: &Option<Range<usize>>| {
                let range = range.clone()?;
                Some(&waiting.bytes[range])
            };
            let record = Outgoing {
                topic: &name,
                partition: partition as i32,
                key: bytes(&record.key),
                value: bytes(&record.value),
                timestamp: record.timestamp,
                headers: &record.headers,
            };
            match self.put(topic, &record) {
                Code::RD_KAFKA_RESP_ERR_NO_ERROR => {}
                // As if the cluster had: its input has been passed.
                code if refusals::is_refusal(code) => {
                    self.deliveries
                        .borrow_mut()
                        .refuse_late(topic, &record, code);
                }
                code => {
                    let refused = self.put_failed(&record, code);
                    let refused = self.remember_missing(refused);
                    result = self.note(Err(refused));
                    break;
                }
            }
            done += 1;
        }
        self.held.give_back(topic, partition, waiting, done);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::client::ErrorKind;
    use crate::runtime::test_store::{TestStore, send};

    const TOPIC: &str = "results";

    #[test]
    fn records_wait_while_others_of_their_partition_are_under_way_and_arrive_behind_them() {
        let mut store = TestStore::with_topic(TOPIC, 2);
        // What is under way stays so until a flush.
        store.settings.set("producer.linger.ms", "60000").unwrap();
        let mut producer = Producer::idempotent(&store.settings).unwrap();
        send(&mut producer, TOPIC, 0, 0..10);
        producer.poll().unwrap();
        assert_eq!(producer.held.records, 9, "all but the first");
        send(&mut producer, TOPIC, 1, 0..1);
        producer.poll().unwrap();
        assert_eq!(
            producer.held.records, 9,
            "the other partition is another matter"
        );
        producer.flush().unwrap();
        assert!(producer.held.is_empty());
        send(&mut producer, TOPIC, 0, 10..20);
        assert_eq!(producer.held.records, 10, "until the turn is over");
        producer.poll().unwrap();
        assert!(producer.held.is_empty(), "nothing of it is under way");
        producer.flush().unwrap();
        let sent: Vec<_> = (0..20).map(|value: i32| value.to_string()).collect();
        assert_eq!(store.values(TOPIC, 0), sent);
        assert_eq!(store.values(TOPIC, 1), ["0"]);
    }

    #[test]
    fn records_wait_in_front_of_a_queue_without_a_limit_too() {
        let mut store = TestStore::with_topic(TOPIC, 1);
        store.settings.set("producer.linger.ms", "60000").unwrap();
        let key = "producer.queue.buffering.max.messages";
        store.settings.set(key, "0").unwrap();
        let mut producer = Producer::idempotent(&store.settings).unwrap();
        send(&mut producer, TOPIC, 0, 0..100);
        assert_eq!(producer.held.records, 99);
        assert_eq!(producer.full_waits(), 0);
        producer.flush().unwrap();
        assert_eq!(store.values(TOPIC, 0).len(), 100);
    }

    #[test]
    fn what_the_client_refuses_of_a_record_that_waited_is_told_at_the_flush_and_when_it_comes_again()
     {
        let mut store = TestStore::with_topic(TOPIC, 1);
        store
            .settings
            .set("producer.message.max.bytes", "1000")
            .unwrap();
        let mut producer = Producer::idempotent(&store.settings).unwrap();
        send(&mut producer, TOPIC, 0, 0..2);
        let large = |producer: &mut Producer| {
            producer.produce(&Outgoing {
                topic: &TOPIC.into(),
                partition: 0,
                key: None,
                value: Some(&[0; 5000]),
                timestamp: 1,
                headers: &Headers::default(),
            })
        };
        large(&mut producer).unwrap();
        send(&mut producer, TOPIC, 0, 2..4);
        let error = producer.flush().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        assert!(error.action.contains("results-0"), "{error}");
        producer.abort().unwrap();
        let error = large(&mut producer).unwrap_err();
        assert!(error.action.contains("results-0"), "{error}");
        send(&mut producer, TOPIC, 0, 4..5);
        producer.flush().unwrap();
        assert_eq!(store.values(TOPIC, 0), ["0", "1", "2", "3", "4"]);
    }
}
