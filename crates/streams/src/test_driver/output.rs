//! What goes into the driver's topics and comes out of them, typed.

use std::sync::Arc;

use bytes::Bytes;

use super::{StoredRecord, TestDriver};
use crate::context::Origin;
use crate::partitioner::{Partitions, partition_for};
use crate::record::{Headers, Record};
use crate::serde::{Codec, Payload};
use crate::topic::Topic;

impl TestDriver {
    /// Writes a record to an input, to the partition that its key, or the topic's partitioner, says; those without a
    /// key go to each partition in turn. Nothing is processed before [`run`](Self::run).
    ///
    /// # Panics
    /// If the key or value cannot be serialised.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a record is made to be piped: a borrow would only add a sign to every line of a test"
    )]
    pub fn pipe<K: 'static, V: 'static>(
        &mut self,
        topic: &Topic<K, V>,
        record: Record<K, V>,
    ) -> &mut Self {
        let stored = store(topic, &record);
        let count = self.cluster.count(topic.name());
        let chosen = topic.custom_partitioner().and_then(|partitioner| {
            partitioner.choose(
                topic.name(),
                record.key.as_ref(),
                Some(&record.value),
                count,
            )
        });
        let partitions = match chosen {
            Some(Partitions::One(partition)) => vec![partition],
            Some(Partitions::Many(partitions)) => partitions,
            None => vec![if let Some(key) = &stored.key {
                partition_for(topic.key_codec().route(key), count)
            } else {
                let turn = self.keyless.entry(topic.name().to_owned()).or_default();
                *turn += 1;
                ((*turn - 1) % count as usize) as i32
            }],
        };
        for partition in partitions {
            self.cluster.append(topic.name(), partition, stored.clone());
        }
        self
    }

    /// Writes a record to a partition of an input.
    ///
    /// # Panics
    /// If the key or value cannot be serialised, or there is no such partition.
    #[track_caller]
    pub fn pipe_to<K: 'static, V: 'static>(
        &mut self,
        topic: &Topic<K, V>,
        partition: i32,
        record: &Record<K, V>,
    ) -> &mut Self {
        let stored = store(topic, record);
        self.pipe_bytes(
            topic.name(),
            partition,
            stored.key.as_deref(),
            stored.value.as_deref(),
            stored.timestamp,
            stored.headers,
        )
    }

    /// Writes any bytes to a partition, with any timestamp.
    ///
    /// # Panics
    /// If there is no such partition.
    #[track_caller]
    pub fn pipe_bytes(
        &mut self,
        topic: &str,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp: i64,
        headers: Headers,
    ) -> &mut Self {
        let count = self.cluster.count(topic);
        assert!(
            (0..count).contains(&partition),
            "{topic} has {count} partitions, and none is {partition}"
        );
        let stored = StoredRecord {
            offset: 0,
            key: key.map(Bytes::copy_from_slice),
            value: value.map(Bytes::copy_from_slice),
            timestamp,
            headers,
        };
        self.cluster.append(topic, partition, stored);
        self
    }

    /// The records of a topic that were not read before, in order of their partitions, then offsets. Those of a
    /// transaction that is not committed are not seen.
    ///
    /// # Panics
    /// If they cannot be read with the topic's serdes.
    #[track_caller]
    pub fn read<K: 'static, V: 'static>(&mut self, topic: &Topic<K, V>) -> Vec<Record<K, V>> {
        let records = self.read_with_origin(topic);
        records.into_iter().map(|(_, record)| record).collect()
    }

    /// [`read`](Self::read), with partition and offset of each.
    ///
    /// # Panics
    /// If they cannot be read with the topic's serdes.
    #[track_caller]
    pub fn read_with_origin<K: 'static, V: 'static>(
        &mut self,
        topic: &Topic<K, V>,
    ) -> Vec<(Origin, Record<K, V>)> {
        let name: Arc<str> = topic.name().into();
        self.read_bytes(topic.name())
            .into_iter()
            .map(|(partition, stored)| {
                let origin = Origin {
                    topic: Arc::clone(&name),
                    partition,
                    offset: stored.offset,
                };
                (origin, load(topic, &stored))
            })
            .collect()
    }

    /// [`read`](Self::read), keys and values alone.
    ///
    /// # Panics
    /// If they cannot be read with the topic's serdes, or one has no key.
    #[track_caller]
    pub fn key_values<K: 'static, V: 'static>(&mut self, topic: &Topic<K, V>) -> Vec<(K, V)> {
        let records = self.read(topic).into_iter();
        records
            .map(|record| (record.key.expect("a record has a key"), record.value))
            .collect()
    }

    /// [`read`](Self::read), values alone.
    ///
    /// # Panics
    /// If they cannot be read with the topic's serdes.
    #[track_caller]
    pub fn values<K: 'static, V: 'static>(&mut self, topic: &Topic<K, V>) -> Vec<V> {
        let records = self.read(topic).into_iter();
        records.map(|record| record.value).collect()
    }

    /// The records of any topic, internal ones too, that were not read before, as bytes, each with its partition.
    pub fn read_bytes(&mut self, topic: &str) -> Vec<(i32, StoredRecord)> {
        let name: Arc<str> = topic.into();
        let mut records = Vec::new();
        for partition in 0..self.cluster.existing(topic).unwrap_or(0) {
            let read = self.read.entry((Arc::clone(&name), partition)).or_default();
            let new = self.cluster.read(topic, partition, *read);
            records.extend(new.map(|record| (partition, record.clone())));
            *read = self.cluster.end(topic, partition);
        }
        records
    }

    /// The offsets that are in a partition: from the first that was not deleted to before the next.
    pub fn offsets(&self, topic: &str, partition: i32) -> Option<std::ops::Range<i64>> {
        self.cluster.offsets(topic, partition)
    }

    /// The names of all topics, those of the application among them.
    pub fn topics(&self) -> Vec<String> {
        self.cluster.topics().map(ToString::to_string).collect()
    }
}

#[track_caller]
fn store<K: 'static, V: 'static>(topic: &Topic<K, V>, record: &Record<K, V>) -> StoredRecord {
    StoredRecord {
        offset: 0,
        key: record
            .key
            .as_ref()
            .and_then(|key| serialize(topic.name(), topic.key_codec(), key)),
        value: serialize(topic.name(), topic.value_codec(), &record.value),
        timestamp: record.timestamp,
        headers: record.headers.clone(),
    }
}

#[track_caller]
fn serialize<T: 'static>(topic: &str, codec: &Codec<T>, value: &T) -> Option<Bytes> {
    let mut bytes = Vec::new();
    match codec.serialize(topic, value, &mut bytes) {
        Ok(Payload::Bytes) => Some(bytes.into()),
        Ok(Payload::Null) => None,
        Err(error) => panic!("a record for {topic} cannot be written: {error}"),
    }
}

#[track_caller]
fn load<K: 'static, V: 'static>(topic: &Topic<K, V>, stored: &StoredRecord) -> Record<K, V> {
    let place = format!("the record at offset {} of {}", stored.offset, topic.name());
    let key = stored.key.as_ref().map(|key| {
        let key = topic.key_codec().deserialize(topic.name(), key);
        key.unwrap_or_else(|error| panic!("the key of {place}: {error}"))
    });
    let value = topic
        .value_codec()
        .read(topic.name(), stored.value.as_deref())
        .unwrap_or_else(|error| panic!("the value of {place}: {error}"))
        .unwrap_or_else(|| {
            panic!("{place} has no value, and its type has no null: read it as an Option")
        });
    Record {
        key,
        value,
        timestamp: stored.timestamp,
        headers: stored.headers.clone(),
    }
}
