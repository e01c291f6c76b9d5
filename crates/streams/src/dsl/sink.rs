//! Sinks: from typed records to the bytes of a topic, and to which of its partitions.

use std::sync::Arc;

use crate::collector::Outgoing;
use crate::context::Context;
use crate::error::{BoxError, Failure, Stage};
use crate::partitioner::{Partitioner, Partitions, partition_for};
use crate::record::Record;
use crate::serde::{Codec, Payload};
use crate::topology::NodeId;

/// Writes records of one type.
pub(crate) struct Sink<K: 'static, V: 'static> {
    node: NodeId,
    key: Codec<K>,
    value: Codec<V>,
    partitioner: Option<Partitioner<K, V>>,
    key_bytes: Vec<u8>,
    value_bytes: Vec<u8>,
}

impl<K: 'static, V: 'static> Sink<K, V> {
    pub(crate) fn new(
        node: NodeId,
        key: Codec<K>,
        value: Codec<V>,
        partitioner: Option<Partitioner<K, V>>,
    ) -> Self {
        Self {
            node,
            key,
            value,
            partitioner,
            key_bytes: Vec::new(),
            value_bytes: Vec::new(),
        }
    }

    /// Writes a record to `topic`; what fails is treated by the production policy.
    pub(crate) fn write(
        &mut self,
        context: &mut Context<'_>,
        topic: &Arc<str>,
        record: &Record<K, V>,
    ) -> Result<(), Failure> {
        match self.try_write(context, topic, record) {
            Ok(()) => Ok(()),
            Err(error) => context.failed(self.node, Stage::Production, error),
        }
    }

    fn try_write(
        &mut self,
        context: &mut Context<'_>,
        topic: &Arc<str>,
        record: &Record<K, V>,
    ) -> Result<(), BoxError> {
        self.key_bytes.clear();
        self.value_bytes.clear();
        let key = match &record.key {
            Some(key) => self.key.serialize(topic, key, &mut self.key_bytes)?,
            None => Payload::Null,
        };
        let value = self
            .value
            .serialize(topic, &record.value, &mut self.value_bytes)?;
        let partitions = self.choose(context, topic, record, value)?;
        let key = (key == Payload::Bytes).then_some(self.key_bytes.as_slice());
        let value = (value == Payload::Bytes).then_some(self.value_bytes.as_slice());
        let mut send = |partition| {
            context.collector.send(Outgoing {
                topic,
                partition,
                key,
                value,
                timestamp: record.timestamp,
                headers: &record.headers,
            })
        };
        match partitions {
            Partitions::One(partition) => send(partition)?,
            Partitions::Many(partitions) => partitions.into_iter().try_for_each(send)?,
        }
        Ok(())
    }

    /// The custom partitioner's, else by the key's route, else, without a key, by the input's partition: results
    /// without keys stay in the order of their input.
    fn choose(
        &self,
        context: &mut Context<'_>,
        topic: &Arc<str>,
        record: &Record<K, V>,
        value: Payload,
    ) -> Result<Partitions, BoxError> {
        let count = context.collector.partitions(topic)?;
        if let Some(partitioner) = &self.partitioner {
            let value = (value == Payload::Bytes).then_some(&record.value);
            if let Some(chosen) = partitioner.choose(topic, record.key.as_ref(), value, count) {
                let all = match &chosen {
                    Partitions::One(one) => std::slice::from_ref(one),
                    Partitions::Many(many) => many,
                };
                if let Some(wrong) = all.iter().find(|one| !(0..count).contains(*one)) {
                    return Err(format!(
                        "the partitioner chose partition {wrong} of {topic}, which has {count}"
                    )
                    .into());
                }
                return Ok(chosen);
            }
        }
        Ok(Partitions::One(match &record.key {
            Some(_) => partition_for(self.key.route(&self.key_bytes), count),
            None => context.origin().partition.rem_euclid(count),
        }))
    }
}
