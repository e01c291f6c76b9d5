//! Java's serdes of primitive types: one name per format, for values; keys of these types have the same bytes.

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::{Payload, Serde, SerdeError};

/// A type with a Java serde's bytes: what keys and value serdes of it share.
pub(crate) trait Primitive: Sized {
    /// Appends the bytes.
    fn append(&self, into: &mut Vec<u8>);

    /// Reads the bytes; the error is the reason alone, so that its caller says what was read.
    fn parse(bytes: &[u8]) -> Result<Self, String>;
}

/// `bytes` less the last `length`; nothing where there are fewer.
pub(crate) fn without_last(bytes: &[u8], length: usize) -> &[u8] {
    let kept = bytes.len().saturating_sub(length);
    bytes.get(..kept).unwrap_or_default()
}

/// Why bytes are not text.
fn not_text(error: impl Display) -> String {
    format!("not UTF-8: {error}")
}

macro_rules! big_endian {
    ($($type:ty),*) => {$(
        impl Primitive for $type {
            #[inline]
            fn append(&self, into: &mut Vec<u8>) {
                into.extend_from_slice(&self.to_be_bytes());
            }

            #[inline]
            fn parse(bytes: &[u8]) -> Result<Self, String> {
                bytes.try_into().map(Self::from_be_bytes).map_err(|_| {
                    format!("{} bytes, where it has {}", bytes.len(), size_of::<Self>())
                })
            }
        }
    )*};
}

big_endian!(i64, u64, i32, u32, i16, u16, f64, f32);

impl Primitive for bool {
    fn append(&self, into: &mut Vec<u8>) {
        into.push(u8::from(*self));
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        match bytes {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(format!("{other}, where it is 0 or 1")),
            _ => Err(format!("{} bytes, where it has 1", bytes.len())),
        }
    }
}

impl Primitive for String {
    #[inline]
    fn append(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self.as_bytes());
    }

    #[inline]
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        std::str::from_utf8(bytes).map(Self::from).map_err(not_text)
    }
}

impl Primitive for Arc<str> {
    fn append(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self.as_bytes());
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        std::str::from_utf8(bytes).map(Self::from).map_err(not_text)
    }
}

impl Primitive for Vec<u8> {
    fn append(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self);
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        Ok(bytes.to_vec())
    }
}

impl Primitive for Bytes {
    fn append(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self);
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        Ok(Self::copy_from_slice(bytes))
    }
}

/// 36 characters in lower case, as Java's `UUID.toString`. Upper case is read too; the other spellings of a UUID are
/// refused, since a key would not be written as it was read.
impl Primitive for Uuid {
    fn append(&self, into: &mut Vec<u8>) {
        let mut text = Self::encode_buffer();
        into.extend_from_slice(self.hyphenated().encode_lower(&mut text).as_bytes());
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() != uuid::fmt::Hyphenated::LENGTH {
            let expected = uuid::fmt::Hyphenated::LENGTH;
            return Err(format!("{} bytes, where it has {expected}", bytes.len()));
        }
        Self::try_parse_ascii(bytes).map_err(|error| error.to_string())
    }
}

macro_rules! primitive_serdes {
    ($($(#[$doc:meta])* $serde:ident = $name:literal: $($type:ty),+;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default)]
        pub struct $serde;

        $(impl Serde<$type> for $serde {
            fn serialize(&self, _: &str, value: &$type, into: &mut Vec<u8>) -> Result<Payload, SerdeError> {
                value.append(into);
                Ok(Payload::Bytes)
            }

            fn deserialize(&self, _: &str, bytes: &[u8]) -> Result<$type, SerdeError> {
                Primitive::parse(bytes).map_err(|reason| SerdeError::new($name, reason))
            }
        })+
    )*};
}

primitive_serdes! {
    /// Text in UTF-8, as Java's `StringSerde`. Bytes that are no UTF-8 are an error, where Java replaces them.
    Utf8 = "string": String, Arc<str>;
    /// 8 bytes, big endian, as Java's `LongSerde`. A `u64` above `i64::MAX` is negative to Java.
    Long = "long": i64, u64;
    /// 4 bytes, big endian, as Java's `IntegerSerde`. A `u32` above `i32::MAX` is negative to Java.
    Int = "integer": i32, u32;
    /// 2 bytes, big endian, as Java's `ShortSerde`. A `u16` above `i16::MAX` is negative to Java.
    Short = "short": i16, u16;
    /// 8 bytes, big endian, IEEE 754, as Java's `DoubleSerde`.
    Double = "double": f64;
    /// 4 bytes, big endian, IEEE 754, as Java's `FloatSerde`.
    Float = "float": f32;
    /// One byte, 0 or 1, as Java's `BooleanSerde`.
    Boolean = "boolean": bool;
    /// The bytes as they are, as Java's `ByteArraySerde` and `BytesSerde`.
    Raw = "bytes": Vec<u8>, Bytes;
    /// The text of a UUID in 36 characters, as Java's `UUIDSerde`.
    UuidString = "uuid": Uuid;
}

/// Makes a serde of `T` one of `Option<T>`, with a null payload for `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nullable<S>(pub S);

impl<T, S: Serde<T>> Serde<Option<T>> for Nullable<S> {
    fn serialize(
        &self,
        topic: &str,
        value: &Option<T>,
        into: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        match value {
            Some(value) => self.0.serialize(topic, value, into),
            None => Ok(Payload::Null),
        }
    }

    fn deserialize(&self, topic: &str, bytes: &[u8]) -> Result<Option<T>, SerdeError> {
        self.0.deserialize(topic, bytes).map(Some)
    }

    fn deserialize_null(&self) -> Option<Option<T>> {
        Some(None)
    }

    fn route<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.0.route(bytes)
    }
}

#[cfg(test)]
mod tests;
