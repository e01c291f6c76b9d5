//! An event store in this process, and what tests write to it and read from it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use headwater_broker::{Broker, BrokerSettings, Durability};
use headwater_streams::{App, Membership, Running, State};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{
    BaseProducer, BaseRecord, DefaultProducerContext, Producer, ThreadedProducer,
};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// How long a test waits for what has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A record as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) partition: i32,
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) timestamp: i64,
}

/// A running store.
pub(crate) struct Cluster {
    broker: Option<Broker>,
    runtime: tokio::runtime::Runtime,
    bootstrap: String,
    /// Where its data is, so that it can be started again.
    data: tempfile::TempDir,
}

impl Cluster {
    /// A store with these topics.
    pub(crate) fn with(topics: &[(&str, i32)]) -> Self {
        Self::with_overrides(topics, BTreeMap::new())
    }

    /// One that runs elsewhere.
    pub(crate) fn at(bootstrap: &str) -> Self {
        Self {
            broker: None,
            runtime: runtime(),
            bootstrap: bootstrap.to_owned(),
            data: tempfile::tempdir().unwrap(),
        }
    }

    /// The same with other settings, until it crashes.
    pub(crate) fn with_overrides(
        topics: &[(&str, i32)],
        overrides: BTreeMap<String, String>,
    ) -> Self {
        let runtime = runtime();
        let data = tempfile::tempdir().unwrap();
        let mut settings = settings(data.path(), 0);
        settings.overrides.extend(overrides);
        let broker = runtime.block_on(Broker::start(settings)).unwrap();
        let cluster = Self {
            bootstrap: broker.bootstrap(),
            broker: Some(broker),
            runtime,
            data,
        };
        for (topic, partitions) in topics {
            cluster.make(topic, *partitions);
        }
        cluster
    }

    /// Ends the store as a crash would, and starts it again on the same port and data.
    pub(crate) fn crash(&mut self) {
        self.be_away(Duration::ZERO);
    }

    /// The same with a pause between.
    pub(crate) fn be_away(&mut self, pause: Duration) {
        self.go_away();
        std::thread::sleep(pause);
        self.come_back();
    }

    /// Ends the store as a crash would.
    pub(crate) fn go_away(&mut self) {
        let broker = self.broker.take().unwrap();
        self.runtime.block_on(broker.abandon());
    }

    /// Starts it again on the same port and data.
    pub(crate) fn come_back(&mut self) {
        let (_, port) = self.bootstrap.rsplit_once(':').unwrap();
        let settings = settings(self.data.path(), port.parse().unwrap());
        self.broker = Some(self.runtime.block_on(Broker::start(settings)).unwrap());
    }

    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().unwrap()
    }

    pub(crate) fn make(&self, topic: &str, partitions: i32) {
        self.make_with(topic, partitions, &[]);
    }

    pub(crate) fn make_with(&self, topic: &str, partitions: i32, configs: &[(&str, &str)]) {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        let new = configs
            .iter()
            .fold(new, |new, (key, value)| new.set(key, value));
        let made = self
            .runtime
            .block_on(self.admin().create_topics([&new], &AdminOptions::new()));
        assert!(made.unwrap().iter().all(Result::is_ok), "{topic}");
    }

    /// Changes one config of a topic that has no other of its own.
    pub(crate) fn alter(&self, topic: &str, key: &str, value: &str) {
        let config = AlterConfig::new(rdkafka::admin::ResourceSpecifier::Topic(topic));
        let config = config.set(key, value);
        let altered = self
            .runtime
            .block_on(self.admin().alter_configs([&config], &AdminOptions::new()));
        assert!(altered.unwrap().iter().all(Result::is_ok), "{topic}");
    }

    /// Raises the number of a topic's partitions.
    pub(crate) fn add_partitions(&self, topic: &str, partitions: usize) {
        let more = NewPartitions::new(topic, partitions);
        let added = self.runtime.block_on(
            self.admin()
                .create_partitions([&more], &AdminOptions::new()),
        );
        assert!(added.unwrap().iter().all(Result::is_ok), "{topic}");
    }

    pub(crate) fn delete(&self, topic: &str) {
        let deleted = self
            .runtime
            .block_on(self.admin().delete_topics(&[topic], &AdminOptions::new()));
        assert!(deleted.unwrap().iter().all(Result::is_ok), "{topic}");
        eventually("the topic is gone", || {
            (!self.partition_counts().contains_key(topic)).then_some(())
        });
    }

    pub(crate) fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before))
            .unwrap();
        let deleted = self
            .runtime
            .block_on(self.admin().delete_records(&list, &AdminOptions::new()));
        for element in deleted.unwrap().elements() {
            element.error().unwrap();
        }
    }

    pub(crate) fn topic_config(&self, topic: &str, key: &str) -> String {
        let resource = rdkafka::admin::ResourceSpecifier::Topic(topic);
        let described = self
            .runtime
            .block_on(
                self.admin()
                    .describe_configs([&resource], &AdminOptions::new()),
            )
            .unwrap();
        let found = described.into_iter().next().unwrap().unwrap();
        found.get(key).unwrap().value.clone().unwrap()
    }

    pub(crate) fn partition_counts(&self) -> BTreeMap<String, i32> {
        let admin = self.admin();
        let metadata = admin.inner().fetch_metadata(None, PATIENCE).unwrap();
        metadata
            .topics()
            .iter()
            .map(|topic| (topic.name().to_owned(), topic.partitions().len() as i32))
            .collect()
    }

    /// The first offset of a partition and the one behind its last.
    pub(crate) fn offsets(&self, topic: &str, partition: i32) -> (i64, i64) {
        let admin = self.admin();
        admin
            .inner()
            .fetch_watermarks(topic, partition, PATIENCE)
            .unwrap()
    }

    /// Writes records to a partition: key, value, timestamp.
    pub(crate) fn write<'a>(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = (i32, &'a str, &'a str, i64)>,
    ) {
        let producer: ThreadedProducer<DefaultProducerContext> = self.config().create().unwrap();
        for (partition, key, value, timestamp) in records {
            producer
                .send(
                    BaseRecord::to(topic)
                        .partition(partition)
                        .key(key)
                        .payload(value)
                        .timestamp(timestamp),
                )
                .unwrap();
        }
        producer.flush(PATIENCE).unwrap();
    }

    /// Writes one record, of which key and value may be null.
    pub(crate) fn write_bytes(
        &self,
        topic: &str,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp: i64,
    ) {
        let producer: ThreadedProducer<DefaultProducerContext> = self.config().create().unwrap();
        let mut record = BaseRecord::<[u8], [u8]>::to(topic)
            .partition(partition)
            .timestamp(timestamp);
        record.key = key;
        record.payload = value;
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(PATIENCE).unwrap();
    }

    /// A transaction that holds one record of the partition and is open, as a killed instance leaves it.
    pub(crate) fn open_transaction(&self, topic: &str, partition: i32) -> BaseProducer {
        let mut config = self.config();
        config.set("transactional.id", "left-open");
        let producer: BaseProducer = config.create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        let record = BaseRecord::to(topic).partition(partition);
        producer.send(record.key("salt").payload("0")).unwrap();
        producer.flush(PATIENCE).unwrap();
        producer
    }

    /// A transaction that holds an offset of the group and is open, as an instance that is killed in the middle of a
    /// commit leaves it.
    pub(crate) fn open_commit(&self, group: &str, topic: &str, partition: i32) -> BaseProducer {
        let producer = self.open_transaction(topic, partition);
        let mut config = self.config();
        let consumer: BaseConsumer = config.set("group.id", group).create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(0))
            .unwrap();
        let metadata = consumer.group_metadata().unwrap();
        producer
            .send_offsets_to_transaction(&list, &metadata, PATIENCE)
            .unwrap();
        producer
    }

    /// All committed records of a topic, partition by partition.
    pub(crate) fn read(&self, topic: &str) -> Vec<Read> {
        self.read_with(topic, "read_committed")
    }

    /// Those of open and aborted transactions too.
    pub(crate) fn read_uncommitted(&self, topic: &str) -> Vec<Read> {
        self.read_with(topic, "read_uncommitted")
    }

    fn read_with(&self, topic: &str, isolation: &str) -> Vec<Read> {
        let counts = self.partition_counts();
        let count = counts.get(topic).copied().unwrap_or(0);
        let mut config = self.config();
        config
            .set("group.id", "reader")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "10")
            .set("isolation.level", isolation)
            .set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..count {
            list.add_partition_offset(topic, partition, Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&list).unwrap();
        let mut records = Vec::new();
        let mut ended = 0;
        while ended < count {
            match consumer.poll(PATIENCE) {
                Some(Ok(message)) => records.push(Read {
                    partition: message.partition(),
                    key: text(message.key()),
                    value: text(message.payload()),
                    timestamp: message.timestamp().to_millis().unwrap_or(-1),
                }),
                Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
                Some(Err(error)) => panic!("{error}"),
                None => panic!("the end of {topic} is never told"),
            }
        }
        records.sort_by_key(|record| record.partition);
        records
    }

    /// How far a group has committed a partition.
    pub(crate) fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        let mut config = self.config();
        let consumer: BaseConsumer = config.set("group.id", group).create().unwrap();
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, partition);
        let answer = consumer.committed_offsets(asked, PATIENCE).unwrap();
        match answer.elements()[0].offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }

    /// Gets a new epoch for a transactional id: its open transaction is aborted, and whoever wrote it is fenced.
    pub(crate) fn fence(&self, transactional_id: &str) {
        let mut config = self.config();
        config.set("transactional.id", transactional_id);
        let producer: BaseProducer = config.create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
    }

    /// The latest value of each key.
    pub(crate) fn table(&self, topic: &str) -> BTreeMap<String, String> {
        let read = self.read(topic).into_iter();
        read.map(|record| (record.key, record.value)).collect()
    }

    /// An application on this store, with state in `directory`, that leaves its group at once when it stops.
    pub(crate) fn app(&self, directory: &Path) -> App {
        self.app_without_session(directory)
            .set("consumer.session.timeout.ms", "6000")
    }

    /// The same with the session's time-out left to others: that of KIP-848's groups is the cluster's.
    pub(crate) fn app_without_session(&self, directory: &Path) -> App {
        App::new("app")
            .bootstrap(&self.bootstrap)
            .state_dir(directory)
            .membership(Membership::Dynamic)
            .commit_interval(Duration::from_millis(50))
    }

    /// Stops it in order.
    pub(crate) fn stop(&self, running: Running) {
        self.runtime.block_on(running.stop()).unwrap();
    }

    /// Waits until all its tasks run.
    pub(crate) fn run(&self, running: Running) -> Running {
        let reached = self.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, running.wait_for(State::Running)).await
        });
        assert_eq!(reached.unwrap(), State::Running);
        running
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.abandon());
        }
    }
}

/// A store with its data in a directory, in this process.
pub(crate) fn store_in(directory: &Path) -> (tokio::runtime::Runtime, Broker) {
    let runtime = runtime();
    let broker = runtime.block_on(Broker::start(settings(directory, 0)));
    (runtime, broker.unwrap())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Acknowledged means on disk, or a crash of the store would lose what the application was promised.
fn settings(data: &Path, port: u16) -> BrokerSettings {
    let at_once = (
        "group.initial.rebalance.delay.ms".to_owned(),
        "0".to_owned(),
    );
    BrokerSettings {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        data_dir: Some(data.to_owned()),
        durability: Durability::Fsync,
        overrides: BTreeMap::from([at_once]),
        ..BrokerSettings::default()
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes.map_or("null".to_owned(), |bytes| {
        String::from_utf8_lossy(bytes).into_owned()
    })
}

/// Asks until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
