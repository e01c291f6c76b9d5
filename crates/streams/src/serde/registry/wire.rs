//! The registry's wire format: which schema a payload was written with stands before it.
//!
//! ```text
//! magic (0x00) | schema id (4 bytes, big endian) | [message indexes, Protobuf only] | payload
//! ```

use crate::serde::SerdeError;

const MAGIC: u8 = 0;

/// How deep a Protobuf message may be nested in others.
const MAX_NESTING: usize = 100;

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

/// Appends where a message is in its Protobuf schema: the index among the top-level messages, then within each.
///
/// The number of indexes and each of them are zig-zag varints; the first message of a schema is a single 0.
pub(crate) fn write_message_indexes(indexes: &[u32], into: &mut Vec<u8>) {
    if indexes == [0] {
        into.push(0);
        return;
    }
    write_varint(indexes.len() as u64, into);
    for index in indexes {
        write_varint(u64::from(*index), into);
    }
}

/// Where the message is in its Protobuf schema, and what follows.
pub(crate) fn read_message_indexes<'a>(
    serde: &'static str,
    bytes: &'a [u8],
) -> Result<(Vec<u32>, &'a [u8]), SerdeError> {
    let broken = || {
        SerdeError::new(
            serde,
            "the message indexes of the schema registry's header are broken",
        )
    };
    let (count, mut rest) = read_varint(bytes).ok_or_else(broken)?;
    if count == 0 {
        return Ok((vec![0], rest));
    }
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count <= MAX_NESTING);
    let mut indexes = Vec::with_capacity(count.ok_or_else(broken)?);
    for _ in 0..indexes.capacity() {
        let (index, behind) = read_varint(rest).ok_or_else(broken)?;
        indexes.push(u32::try_from(index).map_err(|_| broken())?);
        rest = behind;
    }
    Ok((indexes, rest))
}

/// Appends a number that is not negative as a zig-zag varint, which doubles it.
fn write_varint(number: u64, into: &mut Vec<u8>) {
    let mut left = number << 1;
    while left >= 0x80 {
        into.push(left as u8 | 0x80);
        left >>= 7;
    }
    into.push(left as u8);
}

/// A zig-zag varint of at most five bytes, as of a 32-bit number.
fn read_varint(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut number = 0_u64;
    for (place, byte) in bytes.iter().take(5).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let decoded = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
            return bytes.get(place + 1..).map(|rest| (decoded, rest));
        }
    }
    None
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

    /// The examples of Confluent's page on the wire format.
    #[test]
    fn message_indexes_are_written_as_confluent_documents_them() {
        let written = |indexes: &[u32]| {
            let mut bytes = Vec::new();
            write_message_indexes(indexes, &mut bytes);
            bytes
        };
        assert_eq!(written(&[0]), [0], "the first message has one byte");
        assert_eq!(
            written(&[1, 0]),
            [4, 2, 0],
            "the first one nested in the second"
        );
        assert_eq!(written(&[1]), [2, 2]);
        assert_eq!(written(&[64]), [2, 0x80, 1]);
    }

    proptest! {
        #[test]
        fn message_indexes_read_as_they_were_written(indexes in vec(0_u32..i32::MAX as u32, 1..8), behind: u8) {
            let mut bytes = Vec::new();
            write_message_indexes(&indexes, &mut bytes);
            bytes.push(behind);
            prop_assert_eq!(read_message_indexes("protobuf", &bytes).expect("its own"), (indexes, &[behind][..]));
        }

        #[test]
        fn bytes_that_anybody_may_write_are_read_or_refused(bytes in vec(any::<u8>(), 0..32)) {
            let _ = read_header("avro", &bytes);
            if let Ok((indexes, rest)) = read_message_indexes("protobuf", &bytes) {
                prop_assert!(indexes.len() + rest.len() <= bytes.len());
            }
        }
    }

    #[test]
    fn more_indexes_than_a_message_can_have_are_refused() {
        let hostile = [0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0];
        assert!(read_message_indexes("protobuf", &hostile).is_err());
        assert!(
            read_message_indexes("protobuf", &[1]).is_err(),
            "a negative count"
        );
        assert!(
            read_message_indexes("protobuf", &[2, 1]).is_err(),
            "a negative index"
        );
        assert!(
            read_message_indexes("protobuf", &[4, 0]).is_err(),
            "one index of two"
        );
        assert!(read_message_indexes("protobuf", &[]).is_err());
    }
}
