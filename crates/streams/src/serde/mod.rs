//! Serdes: how keys and values become bytes and come back.

#[cfg(feature = "avro")]
mod avro;
mod json;
#[cfg(feature = "registry")]
mod json_schema;
mod key;
pub(crate) mod primitive;
#[cfg(feature = "protobuf")]
mod protobuf;
#[cfg(feature = "registry")]
pub mod registry;
mod value;

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "avro")]
pub use avro::{Avro, BareAvro};
pub use json::Json;
#[cfg(feature = "registry")]
pub use json_schema::JsonSchema;
pub use key::{KeySerde, WindowedSerde};
pub use primitive::{Boolean, Double, Float, Int, Long, Nullable, Raw, Short, Utf8, UuidString};
#[cfg(feature = "protobuf")]
pub use protobuf::{BareProtobuf, Protobuf};
pub use value::Value;

/// What a payload became: bytes, written to the buffer, or a null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// The bytes that were appended to the buffer.
    Bytes,
    /// A null payload: a tombstone. Nothing was appended.
    Null,
}

/// A value that could not be serialised, or bytes that could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{serde}: {reason}")]
pub struct SerdeError {
    /// The serde's name, as `json` or `avro`.
    pub serde: &'static str,
    /// What was wrong, and where.
    pub reason: String,
    /// What it lies with.
    pub cause: SerdeCause,
}

/// What an error of a serde lies with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SerdeCause {
    /// The bytes or the value: they will never do.
    Record,
    /// Somebody whom the serde has to ask, as a schema registry that is away: nothing is wrong with the record, so no
    /// policy drops it.
    Surroundings,
}

impl SerdeError {
    /// An error of the serde `serde` that lies with the record.
    pub fn new(serde: &'static str, reason: impl fmt::Display) -> Self {
        Self {
            serde,
            reason: reason.to_string(),
            cause: SerdeCause::Record,
        }
    }

    /// An error of the serde `serde` that has nothing to do with the record.
    pub fn of_surroundings(serde: &'static str, reason: impl fmt::Display) -> Self {
        Self {
            cause: SerdeCause::Surroundings,
            ..Self::new(serde, reason)
        }
    }
}

/// Writes and reads values of one type. Kafka Streams' `Serde`.
///
/// Bytes come from the network: reading never panics and never allocates what a length in them claims unchecked.
pub trait Serde<T>: Send + Sync + 'static {
    /// Appends the value's bytes for a record of `topic` to `into`.
    fn serialize(&self, topic: &str, value: &T, into: &mut Vec<u8>) -> Result<Payload, SerdeError>;

    /// The value that the bytes of a record of `topic` stand for.
    fn deserialize(&self, topic: &str, bytes: &[u8]) -> Result<T, SerdeError>;

    /// The value that a null payload stands for; `None` where null is no value of this type (the default).
    fn deserialize_null(&self) -> Option<T> {
        None
    }

    /// Whether the bytes of keys are those that [`Key`](crate::Key) writes: then stores can be restored from the
    /// topic itself.
    fn writes_key_bytes(&self) -> bool {
        false
    }

    /// Of a key's bytes, the part that the partition is computed from: all by default.
    fn route<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes
    }
}

/// A serde as topics and stores hold it: a constant, or one made at start (with a schema registry, say).
pub enum Codec<T: 'static> {
    /// A serde without state.
    Static(&'static dyn Serde<T>),
    /// A serde made at run time.
    Shared(Arc<dyn Serde<T>>),
}

impl<T> Codec<T> {
    /// A codec of a serde that was made at run time.
    pub fn shared(serde: impl Serde<T>) -> Self {
        Self::Shared(Arc::new(serde))
    }

    /// The value of a record's payload; none for a null payload that is no value of this type.
    pub fn read(&self, topic: &str, payload: Option<&[u8]>) -> Result<Option<T>, SerdeError> {
        match payload {
            Some(bytes) => self.deserialize(topic, bytes).map(Some),
            None => Ok(self.deserialize_null()),
        }
    }
}

impl<T> Clone for Codec<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Static(serde) => Self::Static(*serde),
            Self::Shared(serde) => Self::Shared(Arc::clone(serde)),
        }
    }
}

impl<T> std::ops::Deref for Codec<T> {
    type Target = dyn Serde<T>;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Static(serde) => *serde,
            Self::Shared(serde) => serde.as_ref(),
        }
    }
}

impl<T> fmt::Debug for Codec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codec")
    }
}
