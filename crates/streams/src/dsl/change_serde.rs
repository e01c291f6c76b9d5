//! Changes of a table on their way through a repartition topic, in Kafka Streams' format.
//!
//! ```text
//! old value                              0(1)
//! new value                              1(1)
//! length of new(zigzag varint) new old   2(1)
//! ```

use crate::record::Change;
use crate::serde::{Codec, Payload, Serde, SerdeError};

const NAME: &str = "change";

const OLD: u8 = 0;
const NEW: u8 = 1;
const BOTH: u8 = 2;

/// Writes changes whose values are written by another codec.
pub(crate) struct ChangeSerde<V: 'static>(pub(crate) Codec<V>);

impl<V: 'static> ChangeSerde<V> {
    fn append(&self, topic: &str, value: &V, into: &mut Vec<u8>) -> Result<(), SerdeError> {
        match self.0.serialize(topic, value, into)? {
            Payload::Bytes => Ok(()),
            Payload::Null => Err(SerdeError::new(NAME, "a value that is written as null")),
        }
    }
}

impl<V: 'static> Serde<Change<V>> for ChangeSerde<V> {
    fn serialize(
        &self,
        topic: &str,
        change: &Change<V>,
        into: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        match (&change.old, &change.new) {
            (Some(old), Some(new)) => {
                let start = into.len();
                self.append(topic, new, into)?;
                let length = write_varint(into.len() - start);
                into.splice(start..start, length);
                self.append(topic, old, into)?;
                into.push(BOTH);
            }
            (None, Some(new)) => {
                self.append(topic, new, into)?;
                into.push(NEW);
            }
            (Some(old), None) => {
                self.append(topic, old, into)?;
                into.push(OLD);
            }
            (None, None) => return Err(SerdeError::new(NAME, "a change of nothing")),
        }
        Ok(Payload::Bytes)
    }

    fn deserialize(&self, topic: &str, bytes: &[u8]) -> Result<Change<V>, SerdeError> {
        let (kind, bytes) = bytes
            .split_last()
            .ok_or_else(|| SerdeError::new(NAME, "no bytes"))?;
        let read = |bytes: &[u8]| self.0.deserialize(topic, bytes);
        let (old, new) = match *kind {
            OLD => (Some(read(bytes)?), None),
            NEW => (None, Some(read(bytes)?)),
            BOTH => {
                let (new, old) = read_varint(bytes)
                    .and_then(|(length, rest)| rest.split_at_checked(length))
                    .ok_or_else(|| SerdeError::new(NAME, "a length beyond the end"))?;
                (Some(read(old)?), Some(read(new)?))
            }
            other => return Err(SerdeError::new(NAME, format!("of kind {other}"))),
        };
        Ok(Change {
            old,
            new,
            latest: true,
        })
    }
}

/// Kafka's varint: seven bits a byte, low ones first, zigzag, so that a length is doubled.
fn write_varint(length: usize) -> impl Iterator<Item = u8> {
    let mut left = Some(length as u64 * 2);
    std::iter::from_fn(move || {
        let value = left?;
        left = (value >= 0x80).then_some(value >> 7);
        Some((value & 0x7f) as u8 | if left.is_some() { 0x80 } else { 0 })
    })
}

/// The length and what is behind it; none if it is cut off, longer than five bytes or negative.
fn read_varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let positive = value & 1 == 0;
            return positive.then_some(((value >> 1) as usize, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serde::Utf8;

    fn serde() -> ChangeSerde<String> {
        ChangeSerde(Codec::Static(&Utf8))
    }

    fn change(old: Option<&str>, new: Option<&str>) -> Change<String> {
        Change {
            old: old.map(str::to_owned),
            new: new.map(str::to_owned),
            latest: true,
        }
    }

    #[test]
    fn changes_are_written_as_kafka_streams_does() {
        let written = |old, new| {
            let mut bytes = Vec::new();
            serde()
                .serialize("t", &change(old, new), &mut bytes)
                .map(|_| bytes)
                .map_err(|error| error.to_string())
        };
        assert_eq!(written(Some("ab"), None), Ok(b"ab\x00".to_vec()));
        assert_eq!(written(None, Some("ab")), Ok(b"ab\x01".to_vec()));
        assert_eq!(written(Some("x"), Some("ab")), Ok(b"\x04abx\x02".to_vec()));
        assert!(written(None, None).is_err());
    }

    #[test]
    fn changes_come_back_whatever_their_length() {
        for length in [0, 1, 63, 64, 8191, 8192, 100_000] {
            let long = "n".repeat(length);
            for old in [None, Some("old")] {
                let change = change(old, Some(&long));
                let mut bytes = Vec::new();
                serde()
                    .serialize("t", &change, &mut bytes)
                    .expect("a value");
                assert_eq!(serde().deserialize("t", &bytes).ok(), Some(change));
            }
        }
    }

    #[test]
    fn bytes_of_others_are_refused() {
        for bytes in [
            &b""[..],
            b"ab\x03",
            b"\x02",
            b"\x20ab\x02",
            b"\x01a\x02",
            b"\xff\xff\xff\xff\xff\x01\x02",
        ] {
            assert!(serde().deserialize("t", bytes).is_err(), "{bytes:?}");
        }
    }
}
