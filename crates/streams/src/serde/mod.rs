//! Serdes: how keys and values become bytes and come back.

use std::fmt;
use std::sync::Arc;

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
}

impl SerdeError {
    /// An error of the serde `serde`.
    pub fn new(serde: &'static str, reason: impl fmt::Display) -> Self {
        Self {
            serde,
            reason: reason.to_string(),
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
}

/// A serde as topics and stores hold it: a constant, or one made at start (with a schema registry, say).
pub enum Codec<T: 'static> {
    /// A serde without state.
    Static(&'static dyn Serde<T>),
    /// A serde made at run time.
    Shared(Arc<dyn Serde<T>>),
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
