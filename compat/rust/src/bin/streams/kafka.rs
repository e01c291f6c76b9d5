//! The Kafka that the programs run on: topics made, filled and read back.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::compare::Read;
use crate::input::{Fed, PARTITIONS};

/// Reached only where something is wrong.
const LIMIT: Duration = Duration::from_mins(3);
const REQUEST: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Kafka {
    pub(crate) bootstrap: String,
    runtime: tokio::runtime::Runtime,
}

impl Kafka {
    pub(crate) fn new(bootstrap: &str) -> Result<Self> {
        Ok(Self {
            bootstrap: bootstrap.to_owned(),
            runtime: tokio::runtime::Runtime::new()?,
        })
    }

    /// Waits for a future on this thread.
    pub(crate) fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    fn consumer(&self, group: &str) -> Result<BaseConsumer> {
        let consumer = self
            .config()
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "50")
            .set("auto.offset.reset", "error")
            .create()?;
        Ok(consumer)
    }

    /// Topics that keep all records.
    pub(crate) fn create(&self, topics: &[String]) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let new: Vec<_> = topics
            .iter()
            .map(|topic| {
                NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1))
                    .set("retention.ms", "-1")
            })
            .collect();
        for created in self.wait(admin.create_topics(&new, &AdminOptions::new()))? {
            if let Err((topic, code)) = created {
                bail!("{topic}: {code}");
            }
        }
        let consumer = self.consumer("none")?;
        until("the topics have leaders", || {
            for topic in topics {
                let metadata = consumer.fetch_metadata(Some(topic), REQUEST)?;
                let partitions = metadata
                    .topics()
                    .first()
                    .map_or(&[][..], |found| found.partitions());
                let led = partitions
                    .iter()
                    .filter(|partition| partition.leader() >= 0);
                if led.count() != PARTITIONS as usize {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Writes records, each into its partition, in order.
    pub(crate) fn load(&self, topics: &[String], records: &[Fed]) -> Result<()> {
        let producer: BaseProducer = self
            .config()
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .create()?;
        for fed in records {
            let number = fed.number.to_string();
            let mut record = BaseRecord::<str, str>::to(&topics[fed.input])
                .partition(fed.partition)
                .timestamp(fed.timestamp)
                .headers(OwnedHeaders::new().insert(Header {
                    key: "n",
                    value: Some(&number),
                }));
            if let Some(key) = &fed.key {
                record = record.key(key);
            }
            if let Some(value) = &fed.value {
                record = record.payload(value);
            }
            producer.send(record).map_err(|(error, _)| error)?;
        }
        producer.flush(LIMIT)?;
        Ok(())
    }

    /// The topics whose names begin so.
    pub(crate) fn topics(&self, prefix: &str) -> Result<Vec<String>> {
        let consumer = self.consumer("none")?;
        let metadata = consumer.fetch_metadata(None, REQUEST)?;
        let names = metadata.topics().iter().map(MetadataTopic::name);
        let mut names: Vec<_> = names
            .filter(|name| name.starts_with(prefix))
            .map(str::to_owned)
            .collect();
        names.sort();
        Ok(names)
    }

    /// All that is committed in a topic.
    pub(crate) fn read(&self, topic: &str) -> Result<Vec<Read>> {
        let consumer = self.consumer("none")?;
        let count = partitions(&consumer, topic)?;
        let mut assignment = TopicPartitionList::new();
        for partition in 0..count {
            assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;
        let (mut records, mut ended) = (Vec::new(), BTreeSet::new());
        let started = Instant::now();
        while ended.len() < count as usize {
            ensure!(
                started.elapsed() < LIMIT,
                "{topic}: {} of {count} partitions ended",
                ended.len()
            );
            match consumer.poll(REQUEST) {
                None
                | Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::UnknownTopicOrPartition,
                ))) => {}
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    ended.insert(partition);
                }
                Some(Err(error)) => return Err(error).with_context(|| topic.to_owned()),
                Some(Ok(message)) => records.push(Read {
                    partition: message.partition(),
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                    timestamp: message.timestamp().to_millis().unwrap_or(-1),
                    headers: headers(&message),
                }),
            }
        }
        Ok(records)
    }

    /// Waits until a group has committed all that these topics with so many records, and those between its parts, hold;
    /// not if it has `ended`.
    pub(crate) fn caught_up(
        &self,
        application: &str,
        inputs: &[(String, usize)],
        ended: impl Fn() -> bool,
    ) -> Result<()> {
        let consumer = self.consumer(application)?;
        until(&format!("{application} has read all"), || {
            if ended() {
                return Ok(true);
            }
            let mut topics: Vec<_> = inputs.iter().map(|(topic, _)| topic.clone()).collect();
            let own = self.topics(&format!("{application}-"))?;
            topics.extend(own.into_iter().filter(|topic| is_read(topic)));
            let before = ends(&consumer, &topics)?;
            for (topic, records) in inputs {
                if end_of(&before, topic) < i64::try_from(*records)? {
                    return Ok(false);
                }
            }
            let mut asked = TopicPartitionList::new();
            for (topic, partition) in before.keys() {
                asked.add_partition(topic, *partition);
            }
            let committed = consumer.committed_offsets(asked, REQUEST)?;
            for element in committed.elements() {
                let place = (element.topic().to_owned(), element.partition());
                let end = before.get(&place).copied().unwrap_or(0);
                let read = match element.offset() {
                    Offset::Offset(offset) => offset,
                    _ => 0,
                };
                if read < end && self.has_records(&place.0, place.1, read)? {
                    return Ok(false);
                }
            }
            // A commit follows what was written because of it.
            Ok(before == ends(&consumer, &topics)?)
        })
    }

    /// Whether there are records from an offset on: what is left may be the end of a transaction, or an open one.
    fn has_records(&self, topic: &str, partition: i32, from: i64) -> Result<bool> {
        let consumer = self.consumer("none")?;
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, partition, Offset::Offset(from))?;
        consumer.assign(&assignment)?;
        match consumer.poll(REQUEST) {
            Some(Err(KafkaError::PartitionEOF(_))) => Ok(false),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(_)) | None => Ok(true),
        }
    }
}

/// Of an application's own topics, those between its parts; the others are changelogs.
fn is_read(topic: &str) -> bool {
    topic.ends_with("-repartition") || topic.ends_with("-topic")
}

fn headers(message: &impl Message) -> Vec<(String, Option<Vec<u8>>)> {
    let Some(headers) = message.headers() else {
        return Vec::new();
    };
    headers
        .iter()
        .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
        .collect()
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<i32> {
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST)?;
    let found = metadata
        .topics()
        .first()
        .map_or(0, |found| found.partitions().len());
    ensure!(found > 0, "there is no topic {topic}");
    Ok(i32::try_from(found)?)
}

type Ends = BTreeMap<(String, i32), i64>;

fn end_of(ends: &Ends, topic: &str) -> i64 {
    let of = ends.iter().filter(|((name, _), _)| name == topic);
    of.map(|(_, end)| end).sum()
}

/// Where the partitions of topics end, markers of transactions and open ones included.
fn ends(consumer: &BaseConsumer, topics: &[String]) -> Result<Ends> {
    let mut ends = BTreeMap::new();
    for topic in topics {
        for partition in 0..partitions(consumer, topic)? {
            let (_, end) = consumer.fetch_watermarks(topic, partition, REQUEST)?;
            ends.insert((topic.clone(), partition), end);
        }
    }
    Ok(ends)
}

/// Waits until `holds` says so; what fails before that means not yet.
fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    loop {
        let held = holds();
        if matches!(held, Ok(true)) {
            return Ok(());
        }
        if started.elapsed() > LIMIT {
            held?;
            bail!("not within {LIMIT:?}: {what}");
        }
        std::thread::sleep(PAUSE);
    }
}
