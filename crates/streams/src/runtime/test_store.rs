//! An event store in this process, for tests of what talks to one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_broker::Broker;

use super::TopicPartition;
use super::admin::{Admin, TopicToMake};
use super::client::{ClientError, ClientSettings};
use super::consumer::{Consumer, Isolation, PartitionQueue, StartOffset};
use super::producer::Producer;
use super::raw_record::RawRecord;
use crate::collector::Outgoing;
use crate::context::SourceRecord;
use crate::record::Headers;

/// How long a test waits for what has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A running store.
pub(crate) struct TestStore {
    broker: Option<Broker>,
    runtime: tokio::runtime::Runtime,
    pub(crate) settings: ClientSettings,
}

impl TestStore {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let broker = runtime.block_on(Broker::ephemeral()).unwrap();
        let settings = ClientSettings::new(&broker.bootstrap());
        Self {
            broker: Some(broker),
            runtime,
            settings,
        }
    }

    /// The store with a topic.
    pub(crate) fn with_topic(name: &str, partitions: i32) -> Self {
        let store = Self::start();
        store.make(name, partitions, &[]);
        store
    }

    pub(crate) fn admin(&self) -> Admin {
        Admin::new(&self.settings, -1).unwrap()
    }

    pub(crate) fn make(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let topic = TopicToMake {
            name: name.into(),
            partitions,
            configs: configs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        };
        self.admin().make(&[topic]).unwrap();
    }

    /// Writes values `from..to`, as decimal text, with time 1000 + value.
    pub(crate) fn write(&self, topic: &str, partition: i32, values: std::ops::Range<i64>) {
        let mut producer = Producer::idempotent(&self.settings).unwrap();
        send(&mut producer, topic, partition, values);
        producer.flush().unwrap();
    }

    /// A reader of one partition from an offset.
    pub(crate) fn reader(
        &self,
        topic: &str,
        partition: i32,
        start: StartOffset,
        isolation: Isolation,
    ) -> (Consumer, PartitionQueue) {
        let reader = Consumer::reader(&self.settings, "test", isolation).unwrap();
        let partition = TopicPartition::new(topic, partition);
        let queue = reader.queue(&partition).unwrap();
        reader.assign(&[(partition, start)]).unwrap();
        (reader, queue)
    }

    /// All that is committed in a partition at present.
    pub(crate) fn read(&self, topic: &str, partition: i32) -> Vec<RawRecord> {
        let (_reader, mut queue) = self.reader(
            topic,
            partition,
            StartOffset::Beginning,
            Isolation::ReadCommitted,
        );
        read_to_end(&mut queue).unwrap()
    }

    /// The same as text.
    pub(crate) fn values(&self, topic: &str, partition: i32) -> Vec<String> {
        self.read(topic, partition).iter().map(value).collect()
    }
}

impl Drop for TestStore {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.abandon());
        }
    }
}

/// Sends values as decimal text.
pub(crate) fn send(
    producer: &mut Producer,
    topic: &str,
    partition: i32,
    values: std::ops::Range<i64>,
) {
    let topic: Arc<str> = topic.into();
    let headers = Headers::default();
    for value in values {
        let text = value.to_string();
        producer
            .produce(&Outgoing {
                topic: &topic,
                partition,
                key: Some(b"key"),
                value: Some(text.as_bytes()),
                timestamp: 1000 + value,
                headers: &headers,
            })
            .unwrap();
    }
}

/// Polls until the end of the partition is told.
pub(crate) fn read_to_end(queue: &mut PartitionQueue) -> Result<Vec<RawRecord>, ClientError> {
    let mut records = Vec::new();
    let until = Instant::now() + PATIENCE;
    while !queue.is_caught_up() {
        assert!(Instant::now() < until, "the end is never told");
        queue.poll(1000, &mut records)?;
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(records)
}

/// Asks until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A record's value as text.
pub(crate) fn value(record: &RawRecord) -> String {
    String::from_utf8_lossy(record.value().unwrap_or(b"null")).into_owned()
}
