//! Serdes of keys.

use std::time::Duration;

use super::{Payload, Serde, SerdeError};
use crate::key::Key;
use crate::window::{TimeWindow, Windowed};

/// The serde of every [`Key`]: Java's bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeySerde;

impl<K: Key> Serde<K> for KeySerde {
    fn serialize(&self, _: &str, key: &K, into: &mut Vec<u8>) -> Result<Payload, SerdeError> {
        key.write(into);
        Ok(Payload::Bytes)
    }

    fn deserialize(&self, _: &str, bytes: &[u8]) -> Result<K, SerdeError> {
        K::read(bytes)
    }

    fn writes_key_bytes(&self) -> bool {
        true
    }

    fn route<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        K::route(bytes)
    }
}

/// The serde of keys in time windows whose size is known, and so their end.
///
/// Java's `TimeWindowedSerde` with a window size. The bytes are those of [`KeySerde`].
#[derive(Debug, Clone, Copy)]
pub struct WindowedSerde {
    size_ms: i64,
}

impl WindowedSerde {
    /// A serde for windows of this size, in whole milliseconds.
    pub const fn new(size: Duration) -> Self {
        let size_ms = size.as_millis();
        let size_ms = if size_ms > i64::MAX as u128 {
            i64::MAX
        } else {
            size_ms as i64
        };
        Self { size_ms }
    }
}

impl<K: Key> Serde<Windowed<K>> for WindowedSerde {
    fn serialize(
        &self,
        _: &str,
        key: &Windowed<K>,
        into: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        key.write(into);
        Ok(Payload::Bytes)
    }

    fn deserialize(&self, _: &str, bytes: &[u8]) -> Result<Windowed<K>, SerdeError> {
        let read = Windowed::<K>::read(bytes)?;
        let window = TimeWindow::of_size(read.window.start, self.size_ms);
        Ok(Windowed::new(read.key, window))
    }

    fn writes_key_bytes(&self) -> bool {
        true
    }

    fn route<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        Windowed::<K>::route(bytes)
    }
}
