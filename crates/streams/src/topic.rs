//! Topics as a topology names them: a name with the types of its keys and values and how they become bytes.
//!
//! A topic here is a description. Nothing is created or asked for when one is made.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::key::Key;
use crate::partitioner::{Partitioner, Partitions};
use crate::serde::{Codec, Json, KeySerde, Raw, Serde, Utf8};
use crate::timestamps::Timestamps;

/// Where an input begins in a partition for which no offset is committed. Kafka's `auto.offset.reset`; but where the
/// records behind a committed offset are gone, the first that is there comes next, whatever is said here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the first record that is there.
    #[default]
    Earliest,
    /// Behind the last record: only what comes from now on.
    Latest,
    /// Nowhere: the application fails.
    None,
}

/// A topic: its name, the types of its keys and values, and how they are read and written.
///
/// ```
/// use headwater_streams::{Timestamps, Topic};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Order {
///     item: String,
///     placed_at: i64,
/// }
///
/// const ORDERS: Topic<String, Order> =
///     Topic::json("orders").timestamps(Timestamps::of_value(|order: &Order| order.placed_at));
///
/// assert_eq!(ORDERS.name(), "orders");
/// ```
pub struct Topic<K: 'static, V: 'static> {
    name: Cow<'static, str>,
    key: Codec<K>,
    value: Codec<V>,
    timestamps: Timestamps<V>,
    reset: OffsetReset,
    partitioner: Option<Partitioner<K, V>>,
}

impl<K: 'static, V: 'static> Topic<K, V> {
    /// A topic of these serdes.
    pub const fn new(
        name: &'static str,
        key: &'static dyn Serde<K>,
        value: &'static dyn Serde<V>,
    ) -> Self {
        Self::with(
            Cow::Borrowed(name),
            Codec::Static(key),
            Codec::Static(value),
        )
    }

    /// A topic whose name or serdes are known at run time only.
    pub fn named(name: impl Into<String>, key: Codec<K>, value: Codec<V>) -> Self {
        Self::with(Cow::Owned(name.into()), key, value)
    }

    const fn with(name: Cow<'static, str>, key: Codec<K>, value: Codec<V>) -> Self {
        Self {
            name,
            key,
            value,
            timestamps: Timestamps::of_record(),
            reset: OffsetReset::Earliest,
            partitioner: None,
        }
    }

    /// The same topic, with keys of this serde.
    ///
    /// Where the serde's bytes are not those of [`Key`], records are partitioned by the bytes it writes, on this
    /// topic only.
    pub fn with_key(mut self, serde: impl Serde<K>) -> Self {
        self.key = Codec::shared(serde);
        self
    }

    /// The same topic, with values of this serde.
    pub fn with_value(mut self, serde: impl Serde<V>) -> Self {
        self.value = Codec::shared(serde);
        self
    }

    /// The same topic, read from elsewhere where no offset is committed.
    pub const fn reset(mut self, reset: OffsetReset) -> Self {
        self.reset = reset;
        self
    }

    /// The same topic, with another time for its records when they are read.
    pub const fn timestamps(mut self, timestamps: Timestamps<V>) -> Self {
        self.timestamps = timestamps;
        self
    }

    /// The same topic, with partitions chosen by `choose` when records are written: see [`Partitioner::new`].
    pub fn partitioner(
        mut self,
        choose: impl Fn(&str, Option<&K>, Option<&V>, i32) -> Option<Partitions> + Send + Sync + 'static,
    ) -> Self {
        self.partitioner = Some(Partitioner::new(choose));
        self
    }

    /// The topic's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How keys are read and written.
    pub fn key_codec(&self) -> &Codec<K> {
        &self.key
    }

    /// How values are read and written.
    pub fn value_codec(&self) -> &Codec<V> {
        &self.value
    }

    /// Which time its records have when they are read.
    pub fn timestamp_extractor(&self) -> Timestamps<V> {
        self.timestamps
    }

    /// Where to begin where no offset is committed.
    pub fn offset_reset(&self) -> OffsetReset {
        self.reset
    }

    /// What chooses partitions when records are written, if it is not the key.
    pub fn custom_partitioner(&self) -> Option<&Partitioner<K, V>> {
        self.partitioner.as_ref()
    }
}

impl<K: Key, V: Serialize + DeserializeOwned + 'static> Topic<K, V> {
    /// A topic of JSON values.
    pub const fn json(name: &'static str) -> Self {
        Self::new(name, &KeySerde, &Json)
    }
}

impl<K: Key> Topic<K, String> {
    /// A topic of text, as Java's `StringSerde` writes it.
    pub const fn string(name: &'static str) -> Self {
        Self::new(name, &KeySerde, &Utf8)
    }
}

impl<K: Key> Topic<K, Bytes> {
    /// A topic whose values are passed on as they are.
    pub const fn bytes(name: &'static str) -> Self {
        Self::new(name, &KeySerde, &Raw)
    }
}

impl<K: 'static, V: 'static> Clone for Topic<K, V> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            key: self.key.clone(),
            value: self.value.clone(),
            timestamps: self.timestamps,
            reset: self.reset,
            partitioner: self.partitioner.clone(),
        }
    }
}

impl<K: 'static, V: 'static> fmt::Debug for Topic<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic")
            .field("name", &self.name)
            .field("timestamps", &self.timestamps)
            .field("reset", &self.reset)
            .field("partitioner", &self.partitioner)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
