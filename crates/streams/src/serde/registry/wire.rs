//! The registry's wire format: which schema a payload was written with stands before it.
//!
//! ```text
//! magic (0x00) | schema id (4 bytes, big endian) | [message indexes, Protobuf only] | payload
//! ```

use crate::serde::SerdeError;

const MAGIC: u8 = 0;

/// Appends the header of a payload.
pub(crate) fn write_header(id: u32, into: &mut Vec<u8>) {
    into.push(MAGIC);
    into.extend_from_slice(&id.to_be_bytes());
}

/// The schema's id, and what follows the header.
pub(crate) fn read_header<'a>(
    serde: &'static str,
    bytes: &'a [u8],
) -> Result<(u32, &'a [u8]), SerdeError> {
    match bytes.split_first_chunk::<5>() {
        Some(([MAGIC, id @ ..], rest)) => Ok((u32::from_be_bytes(*id), rest)),
        Some(([other, ..], _)) => Err(SerdeError::new(
            serde,
            format!(
                "the payload begins with {other:#04x}, where the schema registry's format has 0x00: it was written \
                 without a registry, or in another format"
            ),
        )),
        None => Err(SerdeError::new(
            serde,
            format!(
                "{} bytes, where the schema registry's header alone has 5",
                bytes.len()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_header_is_magic_and_id() {
        let mut bytes = Vec::new();
        write_header(0x0102_0304, &mut bytes);
        assert_eq!(bytes, [0, 1, 2, 3, 4]);
        bytes.push(9);
        assert_eq!(
            read_header("avro", &bytes).expect("a header"),
            (0x0102_0304, &[9][..])
        );
    }

    #[test]
    fn a_payload_without_header_is_refused_with_the_likely_cause() {
        let error = read_header("avro", br#"{"item":"cup"}"#)
            .expect_err("JSON")
            .to_string();
        assert!(
            error.contains("begins with 0x7b") && error.contains("without a registry"),
            "{error}"
        );
        let error = read_header("avro", &[0, 1, 2])
            .expect_err("short")
            .to_string();
        assert_eq!(
            error,
            "avro: 3 bytes, where the schema registry's header alone has 5"
        );
    }

    proptest! {
        #[test]
        fn bytes_that_anybody_may_write_are_read_or_refused(bytes in vec(any::<u8>(), 0..32)) {
            if let Ok((_, rest)) = read_header("avro", &bytes) {
                prop_assert_eq!(rest.len() + 5, bytes.len());
            }
        }
    }
}
