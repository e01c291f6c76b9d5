//! Where a message is in its Protobuf schema, as the schema registry's header has it.

use super::NAME;
use crate::serde::SerdeError;

/// How deep a message may be nested in others.
const MAX_NESTING: usize = 100;

/// Appends where a message is in its Protobuf schema: the index among the top-level messages, then within each.
///
/// The number of indexes and each of them are zig-zag varints; the first message of a schema is a single 0.
pub(super) fn write(indexes: &[u32], into: &mut Vec<u8>) {
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
pub(super) fn read(bytes: &[u8]) -> Result<(Vec<u32>, &[u8]), SerdeError> {
    let broken = || {
        SerdeError::new(
            NAME,
            "the message indexes of the schema registry's header are broken",
        )
    };
    let (count, mut rest) = read_varint(bytes).ok_or_else(broken)?;
    if count == 0 {
        return Ok((vec![0], rest));
    }
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count <= MAX_NESTING)
        .ok_or_else(broken)?;
    let mut indexes = Vec::with_capacity(count);
    for _ in 0..count {
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

    /// The examples of Confluent's page on the wire format.
    #[test]
    fn message_indexes_are_written_as_confluent_documents_them() {
        let written = |indexes: &[u32]| {
            let mut bytes = Vec::new();
            write(indexes, &mut bytes);
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
            write(&indexes, &mut bytes);
            bytes.push(behind);
            prop_assert_eq!(read(&bytes).expect("its own"), (indexes, &[behind][..]));
        }

        #[test]
        fn bytes_that_anybody_may_write_are_read_or_refused(bytes in vec(any::<u8>(), 0..32)) {
            if let Ok((indexes, rest)) = read(&bytes) {
                prop_assert!(indexes.len() + rest.len() <= bytes.len());
            }
        }
    }

    #[test]
    fn more_indexes_than_a_message_can_have_are_refused() {
        let hostile = [0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0];
        assert!(read(&hostile).is_err());
        assert!(read(&[1]).is_err(), "a negative count");
        assert!(read(&[2, 1]).is_err(), "a negative index");
        assert!(read(&[4, 0]).is_err(), "one index of two");
        assert!(read(&[]).is_err());
    }
}
