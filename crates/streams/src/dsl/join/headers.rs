//! The bytes of a value that waits together with its record's headers.

use bytes::Bytes;

use crate::record::{Header, Headers};
use crate::serde::{Codec, Payload, Serde, SerdeError};

const NAME: &str = "value with headers";

/// A value and headers in one.
///
/// ```text
/// count(4) { length(4) name  length(4) value | ff(4) }*  value
/// ```
pub(super) struct WithHeaders<V: 'static>(Codec<V>);

impl<V: 'static> WithHeaders<V> {
    pub(super) fn codec(value: Codec<V>) -> Codec<(V, Headers)> {
        Codec::shared(Self(value))
    }
}

impl<V: 'static> Serde<(V, Headers)> for WithHeaders<V> {
    fn serialize(
        &self,
        topic: &str,
        (value, headers): &(V, Headers),
        into: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        write_length(headers.iter().len(), into)?;
        for header in headers {
            write_length(header.key.len(), into)?;
            into.extend_from_slice(header.key.as_bytes());
            match &header.value {
                Some(value) => {
                    write_length(value.len(), into)?;
                    into.extend_from_slice(value);
                }
                None => into.extend_from_slice(&u32::MAX.to_be_bytes()),
            }
        }
        self.0.serialize(topic, value, into)
    }

    fn deserialize(&self, topic: &str, bytes: &[u8]) -> Result<(V, Headers), SerdeError> {
        let (headers, value) = read_headers(bytes)
            .ok_or_else(|| SerdeError::new(NAME, "the bytes end within the headers"))?;
        Ok((self.0.deserialize(topic, value)?, headers))
    }
}

fn write_length(length: usize, into: &mut Vec<u8>) -> Result<(), SerdeError> {
    match u32::try_from(length) {
        Ok(length) if length < u32::MAX => {
            into.extend_from_slice(&length.to_be_bytes());
            Ok(())
        }
        _ => Err(SerdeError::new(NAME, "a header of 4 GiB")),
    }
}

fn read_headers(bytes: &[u8]) -> Option<(Headers, &[u8])> {
    let (count, mut rest) = read_u32(bytes)?;
    let mut headers = Vec::new();
    for _ in 0..count {
        let (length, behind) = read_u32(rest)?;
        let (key, behind) = behind.split_at_checked(length as usize)?;
        let (length, behind) = read_u32(behind)?;
        let (value, behind) = match length {
            u32::MAX => (None, behind),
            length => {
                let (value, behind) = behind.split_at_checked(length as usize)?;
                (Some(Bytes::copy_from_slice(value)), behind)
            }
        };
        let key = String::from_utf8(key.to_vec()).ok()?;
        headers.push(Header { key, value });
        rest = behind;
    }
    Some((headers.into_iter().collect(), rest))
}

fn read_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serde::Value;

    #[test]
    fn a_value_comes_back_with_its_headers() {
        let codec = WithHeaders::codec(String::codec());
        let mut headers = Headers::default();
        headers.push("trace", Bytes::from_static(b"7"));
        headers.push("trace", None);
        headers.push("", Bytes::new());
        for headers in [Headers::default(), headers] {
            let value = ("cup".to_owned(), headers);
            let mut bytes = Vec::new();
            assert_eq!(
                codec.serialize("", &value, &mut bytes).ok(),
                Some(Payload::Bytes)
            );
            assert_eq!(codec.deserialize("", &bytes).ok(), Some(value));
        }
    }

    #[test]
    fn bytes_that_end_early_are_an_error() {
        let codec = WithHeaders::codec(String::codec());
        for bytes in [&[][..], &[0, 0, 0, 1], &[0, 0, 0, 1, 0, 0, 0, 9, b'x']] {
            assert!(codec.deserialize("", bytes).is_err(), "{bytes:?}");
        }
    }
}
