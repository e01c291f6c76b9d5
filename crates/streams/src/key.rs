//! Keys: what records are partitioned, joined, grouped and stored by.
//!
//! Owns the bytes of keys, which are those of Java's standard serdes: the same key goes to the same partition
//! whichever program wrote it. Keys of other formats are read and written by a [`Serde`](crate::serde::Serde) that
//! a topic is given; stores and repartition topics always use these bytes.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::serde::SerdeError;
use crate::serde::primitive::{self, Primitive};
use crate::window::{SessionWindow, TimeWindow, Windowed};

/// A type that records can be keyed by.
///
/// A type of one's own passes on to the key inside:
///
/// ```
/// use headwater_streams::Key;
/// use headwater_streams::serde::SerdeError;
///
/// #[derive(Debug, Clone, PartialEq, Eq, Hash)]
/// struct OrderId(String);
///
/// impl Key for OrderId {
///     const NAME: &'static str = "order id";
///
///     fn write(&self, into: &mut Vec<u8>) {
///         self.0.write(into);
///     }
///
///     fn read(bytes: &[u8]) -> Result<Self, SerdeError> {
///         String::read(bytes).map(Self)
///     }
/// }
/// ```
pub trait Key: Clone + Eq + Hash + Debug + Send + Sync + 'static {
    /// What the bytes are called in errors and descriptions, as `string`.
    const NAME: &'static str;

    /// Appends the key's bytes. Equal keys have equal bytes, and only they do.
    fn write(&self, into: &mut Vec<u8>);

    /// The key of these bytes, which may be anything that a producer chose.
    fn read(bytes: &[u8]) -> Result<Self, SerdeError>;

    /// The part of the key's bytes that the partition is computed from, a prefix of them: all by default.
    fn route(bytes: &[u8]) -> &[u8] {
        bytes
    }

    /// The end of the window that this is a key in, where the bytes do not tell it.
    #[doc(hidden)]
    fn window_end(&self) -> Option<i64> {
        None
    }

    /// The key with its window's end, as [`window_end`](Self::window_end) told it before it was written.
    #[doc(hidden)]
    fn with_window_end(self, _: i64) -> Self {
        self
    }

    /// Appends the part of the key's bytes that the partition is computed from.
    fn write_route(&self, into: &mut Vec<u8>) {
        let start = into.len();
        self.write(into);
        let length = Self::route(into.get(start..).unwrap_or_default()).len();
        into.truncate(start + length);
    }
}

macro_rules! primitive_keys {
    ($($type:ty => $name:literal),* $(,)?) => {$(
        impl Key for $type {
            const NAME: &'static str = $name;

            #[inline]
            fn write(&self, into: &mut Vec<u8>) {
                self.append(into);
            }

            #[inline]
            fn read(bytes: &[u8]) -> Result<Self, SerdeError> {
                Self::parse(bytes).map_err(|reason| SerdeError::new($name, reason))
            }
        }
    )*};
}

primitive_keys! {
    String => "string",
    Arc<str> => "string",
    i64 => "long",
    u64 => "long",
    i32 => "integer",
    u32 => "integer",
    i16 => "short",
    u16 => "short",
    bool => "boolean",
    Uuid => "uuid",
    Vec<u8> => "bytes",
    Bytes => "bytes",
}

/// Appends a part of a composite key behind its length (4 bytes, big endian).
fn write_part<K: Key>(part: &K, into: &mut Vec<u8>) {
    let start = into.len();
    into.extend_from_slice(&[0; 4]);
    part.write(into);
    let length = u32::try_from(into.len() - start - 4).expect("a key is far below 4 GiB");
    if let Some(place) = into.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Splits the first part off the bytes of a composite key.
fn split_part<'a>(name: &'static str, bytes: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), SerdeError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| {
        SerdeError::new(name, format!("{} bytes end within a length", bytes.len()))
    })?;
    let length = u32::from_be_bytes(*length) as usize;
    rest.split_at_checked(length).ok_or_else(|| {
        let there = rest.len();
        SerdeError::new(
            name,
            format!("a part of {length} bytes, where {there} are left"),
        )
    })
}

/// Two keys in one: `length(first) first second`, the length in 4 bytes, big endian.
///
/// This is how Kafka Streams lays out the combined keys of foreign-key joins. All keys of one first part are
/// neighbours in a store, ordered by the second.
impl<A: Key, B: Key> Key for (A, B) {
    const NAME: &'static str = "pair";

    fn write(&self, into: &mut Vec<u8>) {
        write_part(&self.0, into);
        self.1.write(into);
    }

    fn read(bytes: &[u8]) -> Result<Self, SerdeError> {
        let (first, second) = split_part(Self::NAME, bytes)?;
        Ok((A::read(first)?, B::read(second)?))
    }
}

/// Three keys in one: `length(first) first length(second) second third`, lengths in 4 bytes, big endian.
impl<A: Key, B: Key, C: Key> Key for (A, B, C) {
    const NAME: &'static str = "triple";

    fn write(&self, into: &mut Vec<u8>) {
        write_part(&self.0, into);
        write_part(&self.1, into);
        self.2.write(into);
    }

    fn read(bytes: &[u8]) -> Result<Self, SerdeError> {
        let (first, rest) = split_part(Self::NAME, bytes)?;
        let (second, third) = split_part(Self::NAME, rest)?;
        Ok((A::read(first)?, B::read(second)?, C::read(third)?))
    }
}

/// Splits a window's time off the end of a key's bytes.
fn split_time<'a>(name: &'static str, bytes: &'a [u8]) -> Result<(&'a [u8], i64), SerdeError> {
    let (rest, time) = bytes
        .split_last_chunk::<8>()
        .ok_or_else(|| SerdeError::new(name, format!("{} bytes end within a time", bytes.len())))?;
    match i64::from_be_bytes(*time) {
        time @ 0.. => Ok((rest, time)),
        time => Err(SerdeError::new(
            name,
            format!("a window's bound of {time} is negative"),
        )),
    }
}

/// `key start(8)`, big endian, as Java's `TimeWindowedSerializer` writes; routed by the key alone.
///
/// The end is not in the bytes: it reads as `i64::MAX`, as in Java where the size is not told.
impl<K: Key> Key for Windowed<K, TimeWindow> {
    const NAME: &'static str = "time-windowed";

    fn write(&self, into: &mut Vec<u8>) {
        self.key.write(into);
        self.window.start.append(into);
    }

    fn read(bytes: &[u8]) -> Result<Self, SerdeError> {
        let (key, start) = split_time(Self::NAME, bytes)?;
        let window = TimeWindow {
            start,
            end: i64::MAX,
        };
        Ok(Self::new(K::read(key)?, window))
    }

    fn route(bytes: &[u8]) -> &[u8] {
        K::route(primitive::without_last(bytes, 8))
    }

    fn window_end(&self) -> Option<i64> {
        Some(self.window.end)
    }

    fn with_window_end(mut self, end: i64) -> Self {
        self.window.end = end;
        self
    }
}

/// `key end(8) start(8)`, big endian, as Java's `SessionWindowedSerializer` writes; routed by the key alone.
impl<K: Key> Key for Windowed<K, SessionWindow> {
    const NAME: &'static str = "session-windowed";

    fn write(&self, into: &mut Vec<u8>) {
        self.key.write(into);
        self.window.end.append(into);
        self.window.start.append(into);
    }

    fn read(bytes: &[u8]) -> Result<Self, SerdeError> {
        let (rest, start) = split_time(Self::NAME, bytes)?;
        let (key, end) = split_time(Self::NAME, rest)?;
        if end < start {
            let reason = format!("a session that ends at {end} and starts at {start}");
            return Err(SerdeError::new(Self::NAME, reason));
        }
        Ok(Self::new(K::read(key)?, SessionWindow { start, end }))
    }

    fn route(bytes: &[u8]) -> &[u8] {
        K::route(primitive::without_last(bytes, 16))
    }
}

#[cfg(test)]
mod tests;
