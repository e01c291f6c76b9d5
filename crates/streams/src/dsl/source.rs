//! Sources: from the bytes of a topic to typed records.

use std::sync::Arc;

use crate::context::{Context, DropReason};
use crate::error::{Failure, Stage};
use crate::graph::Out;
use crate::record::Record;
use crate::serde::Codec;
use crate::timestamps::{Extracted, InvalidTimestamp, TimeContext, Timestamps};
use crate::topology::NodeId;

/// Reads the topics of a task. A record is decoded when it comes to the front of its partition's queue, where its
/// timestamp decides which queue goes first; it waits there, typed, until it is its turn.
pub(crate) trait Source: Send {
    /// The topics that it reads.
    fn topics(&self) -> &[Arc<str>];

    /// A place for the first record of one more queue.
    fn open(&mut self) -> usize;

    /// Decodes `context.source` into the place, and returns its timestamp; `None` if it was dropped and takes no turn.
    fn load(
        &mut self,
        place: usize,
        context: &mut Context<'_>,
        partition_time: i64,
    ) -> Result<Option<i64>, Failure>;

    /// Hands the record in the place to the operators.
    fn process(&mut self, place: usize, context: &mut Context<'_>) -> Result<(), Failure>;
}

/// Which time a record has.
pub(crate) trait Times<V>: Send + 'static {
    fn extract(&self, value: &V, known: TimeContext) -> Result<Extracted, InvalidTimestamp>;

    /// The time of a record whose null is no value.
    fn extract_null(&self, known: TimeContext) -> Result<Extracted, InvalidTimestamp>;
}

impl<V: 'static> Times<V> for Timestamps<V> {
    fn extract(&self, value: &V, known: TimeContext) -> Result<Extracted, InvalidTimestamp> {
        Timestamps::extract(self, value, known)
    }

    fn extract_null(&self, known: TimeContext) -> Result<Extracted, InvalidTimestamp> {
        Timestamps::extract_null(self, known)
    }
}

/// The times of values that may be null; a null has no time within, so its record's own counts.
pub(crate) struct NullableTimes<V>(pub(crate) Timestamps<V>);

impl<V: 'static> Times<Option<V>> for NullableTimes<V> {
    fn extract(
        &self,
        value: &Option<V>,
        known: TimeContext,
    ) -> Result<Extracted, InvalidTimestamp> {
        match value {
            Some(value) => self.0.extract(value, known),
            None => self.0.extract_null(known),
        }
    }

    fn extract_null(&self, known: TimeContext) -> Result<Extracted, InvalidTimestamp> {
        self.0.extract_null(known)
    }
}

/// What became of a record's bytes.
enum Decoded<K, V> {
    Record(Record<K, V>),
    /// A null that is no value: dropped, but it takes its turn by its timestamp, as in Kafka Streams, where what is
    /// behind it in its partition waits until then.
    Null(i64),
    /// It could not be read, or has no timestamp.
    Nothing,
}

/// A source of records of one type.
pub(crate) struct TypedSource<K: 'static, V: 'static, T = Timestamps<V>> {
    pub(crate) node: NodeId,
    pub(crate) topics: Vec<Arc<str>>,
    pub(crate) key: Codec<K>,
    pub(crate) value: Codec<V>,
    pub(crate) timestamps: T,
    pub(crate) out: Out<K, V>,
    pub(crate) places: Vec<Option<Record<K, V>>>,
}

impl<K: Send + 'static, V: Send + 'static, T: Times<V>> TypedSource<K, V, T> {
    /// The typed record, unless it was dropped, or dealt with as the policy says.
    fn decode(
        &self,
        context: &mut Context<'_>,
        partition_time: i64,
    ) -> Result<Decoded<K, V>, Failure> {
        let source = context.source.expect("a record is loaded from its bytes");
        let topic = Arc::clone(&context.state.origin.topic);
        let known = TimeContext {
            record: source.timestamp(),
            partition: partition_time,
            wall_clock: context.wall_clock(),
        };
        let key = match source
            .key()
            .map(|bytes| self.key.deserialize(&topic, bytes))
        {
            None => None,
            Some(Ok(key)) => Some(key),
            Some(Err(error)) => {
                context.failed(self.node, Stage::Deserialization, error)?;
                return Ok(Decoded::Nothing);
            }
        };
        let value = match source.value() {
            Some(bytes) => self.value.deserialize(&topic, bytes).map(Some),
            None => Ok(self.value.deserialize_null()),
        };
        let value = match value {
            Ok(value) => value,
            Err(error) => {
                context.failed(self.node, Stage::Deserialization, error)?;
                return Ok(Decoded::Nothing);
            }
        };
        let extracted = match &value {
            Some(value) => self.timestamps.extract(value, known),
            None => self.timestamps.extract_null(known),
        };
        let timestamp = match extracted {
            Ok(Extracted::At(timestamp)) => timestamp,
            Ok(Extracted::Skip) => {
                context.dropped(self.node, DropReason::Timestamp);
                return Ok(Decoded::Nothing);
            }
            Err(error) => {
                context.failed(self.node, Stage::Deserialization, error)?;
                return Ok(Decoded::Nothing);
            }
        };
        let Some(value) = value else {
            context.dropped(self.node, DropReason::NullValue);
            return Ok(Decoded::Null(timestamp));
        };
        Ok(Decoded::Record(Record {
            key,
            value,
            timestamp,
            headers: source.headers(),
        }))
    }
}

impl<K: Send + 'static, V: Send + 'static, T: Times<V>> Source for TypedSource<K, V, T> {
    fn topics(&self) -> &[Arc<str>] {
        &self.topics
    }

    fn open(&mut self) -> usize {
        self.places.push(None);
        self.places.len() - 1
    }

    fn load(
        &mut self,
        place: usize,
        context: &mut Context<'_>,
        partition_time: i64,
    ) -> Result<Option<i64>, Failure> {
        let (record, timestamp) = match self.decode(context, partition_time)? {
            Decoded::Record(record) => {
                let timestamp = record.timestamp;
                (Some(record), Some(timestamp))
            }
            Decoded::Null(timestamp) => (None, Some(timestamp)),
            Decoded::Nothing => (None, None),
        };
        self.places[place] = record;
        Ok(timestamp)
    }

    fn process(&mut self, place: usize, context: &mut Context<'_>) -> Result<(), Failure> {
        match self.places[place].take() {
            Some(record) => context.forward(self.out, record),
            None => Ok(()),
        }
    }
}
