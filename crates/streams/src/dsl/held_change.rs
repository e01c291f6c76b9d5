//! A change that waits in the buffer of `suppress`, and its bytes there.

use crate::record::{Header, Headers};
use crate::serde::{Codec, Payload, Serde, SerdeError};

/// A change that waits.
pub(crate) struct Held<V> {
    /// The value that was handed on last.
    pub(crate) prior: Option<V>,
    pub(crate) new: Option<V>,
    /// The end of the key's window, which the key's bytes do not tell.
    pub(crate) window_end: Option<i64>,
    pub(crate) headers: Headers,
}

/// A held change in the buffer, all lengths in 4 bytes, big endian:
///
/// ```text
/// which (1)    bit 0 the prior value, bit 1 the new one, bit 2 the end of the key's window
/// per value    length, bytes
/// end          milliseconds (8)
/// headers      count, per header: length of name, name, 1 and length and value, or 0
/// ```
pub(crate) struct HeldSerde<V: 'static>(pub(crate) Codec<V>);

const HELD: &str = "suppressed change";
const PRIOR: u8 = 1;
const NEW: u8 = 2;
const WINDOW_END: u8 = 4;

impl<V: 'static> Serde<Held<V>> for HeldSerde<V> {
    fn serialize(
        &self,
        topic: &str,
        held: &Held<V>,
        into: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        let flags = into.len();
        into.push(0);
        for (flag, value) in [(PRIOR, &held.prior), (NEW, &held.new)] {
            let Some(value) = value else {
                continue;
            };
            let start = into.len();
            into.extend_from_slice(&[0; 4]);
            if self.0.serialize(topic, value, into)? == Payload::Null {
                into.truncate(start);
                continue;
            }
            let length = length_of(into.len() - start - 4)?;
            into[start..start + 4].copy_from_slice(&length);
            into[flags] |= flag;
        }
        if let Some(end) = held.window_end {
            into[flags] |= WINDOW_END;
            into.extend_from_slice(&end.to_be_bytes());
        }
        into.extend_from_slice(&length_of(held.headers.iter().count())?);
        for header in &held.headers {
            into.extend_from_slice(&length_of(header.key.len())?);
            into.extend_from_slice(header.key.as_bytes());
            match &header.value {
                Some(value) => {
                    into.push(1);
                    into.extend_from_slice(&length_of(value.len())?);
                    into.extend_from_slice(value);
                }
                None => into.push(0),
            }
        }
        Ok(Payload::Bytes)
    }

    fn deserialize(&self, topic: &str, mut bytes: &[u8]) -> Result<Held<V>, SerdeError> {
        let flags = take(&mut bytes, 1)?[0];
        let mut value = |flag| {
            if flags & flag == 0 {
                return Ok(None);
            }
            let value = take_part(&mut bytes)?;
            self.0.deserialize(topic, value).map(Some)
        };
        let (prior, new) = (value(PRIOR)?, value(NEW)?);
        let mut window_end = None;
        if flags & WINDOW_END != 0 {
            let (end, rest) = bytes
                .split_first_chunk::<8>()
                .ok_or_else(|| SerdeError::new(HELD, "bytes are missing"))?;
            bytes = rest;
            window_end = Some(i64::from_be_bytes(*end));
        }
        let count = take_length(&mut bytes)?;
        let mut headers = Headers::default();
        for _ in 0..count {
            let Header { key, value } = take_header(&mut bytes)?;
            headers.push(key, value);
        }
        Ok(Held {
            prior,
            new,
            window_end,
            headers,
        })
    }
}

fn length_of(length: usize) -> Result<[u8; 4], SerdeError> {
    u32::try_from(length)
        .map(u32::to_be_bytes)
        .map_err(|_| SerdeError::new(HELD, "4 GiB or more"))
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], SerdeError> {
    let (taken, rest) = bytes
        .split_at_checked(length)
        .ok_or_else(|| SerdeError::new(HELD, "bytes are missing"))?;
    *bytes = rest;
    Ok(taken)
}

fn take_length(bytes: &mut &[u8]) -> Result<usize, SerdeError> {
    let length = take(bytes, 4)?;
    Ok(length
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte)))
}

fn take_part<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], SerdeError> {
    let length = take_length(bytes)?;
    take(bytes, length)
}

fn take_header(bytes: &mut &[u8]) -> Result<Header, SerdeError> {
    let key = String::from_utf8(take_part(bytes)?.to_vec())
        .map_err(|error| SerdeError::new(HELD, error))?;
    let value = match take(bytes, 1)?[0] {
        0 => None,
        _ => Some(take_part(bytes)?.to_vec().into()),
    };
    Ok(Header { key, value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::serde::Json;

    fn serde() -> HeldSerde<Option<String>> {
        HeldSerde(Codec::Static(&Json))
    }

    proptest! {
        #[test]
        fn held_changes_come_back(
            prior in any::<Option<String>>(),
            new in any::<Option<String>>(),
            window_end in any::<Option<i64>>(),
            headers in prop::collection::vec((any::<String>(), any::<Option<Vec<u8>>>()), 0..3),
        ) {
            let mut all = Headers::default();
            for (key, value) in headers {
                all.push(key, value.map(bytes::Bytes::from));
            }
            // A value that is written as null is no value, in a store as in a topic.
            let held = Held {
                prior: prior.clone().map(Some),
                new: Some(new.clone()),
                window_end,
                headers: all.clone(),
            };
            let mut bytes = Vec::new();
            serde().serialize("t", &held, &mut bytes).expect("values that JSON knows");
            let read = serde().deserialize("t", &bytes).expect("its own bytes");
            prop_assert_eq!(read.prior, prior.map(Some));
            prop_assert_eq!(read.new, new.map(Some));
            prop_assert_eq!(read.window_end, window_end);
            prop_assert_eq!(read.headers, all);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = serde().deserialize("t", &bytes);
        }
    }
}
