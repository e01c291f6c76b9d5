//! What a member of a classic consumer group is assigned: `ConsumerProtocolAssignment`.
//!
//! ```text
//! version: int16, topics: array of { topic: string, partitions: array of int32 }, user data
//! ```

/// The partitions in an assignment; what cannot be read is left out.
pub(super) fn partitions(bytes: &[u8]) -> Vec<(String, i32)> {
    let mut found = Vec::new();
    let _ = read(bytes, &mut found);
    found
}

fn read(mut bytes: &[u8], found: &mut Vec<(String, i32)>) -> Option<()> {
    let input = &mut bytes;
    take::<2>(input)?;
    for _ in 0..count(input)? {
        let length = usize::try_from(i16::from_be_bytes(take(input)?)).ok()?;
        let name = input.get(..length)?;
        let topic = std::str::from_utf8(name).ok()?.to_owned();
        *input = &input[length..];
        for _ in 0..count(input)? {
            found.push((topic.clone(), i32::from_be_bytes(take(input)?)));
        }
    }
    Some(())
}

/// The length of an array; each element takes at least a byte, which bounds it.
fn count(input: &mut &[u8]) -> Option<usize> {
    let count = usize::try_from(i32::from_be_bytes(take(input)?)).ok()?;
    (count <= input.len()).then_some(count)
}

fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_and_partitions_are_read() {
        let bytes = b"\0\x01\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\x03\0\0\0\x04\xff\xff\xff\xff";
        assert_eq!(
            partitions(bytes),
            [("t".to_owned(), 3), ("t".to_owned(), 4)]
        );
    }

    #[test]
    fn hostile_lengths_yield_nothing() {
        assert!(partitions(b"").is_empty());
        assert!(partitions(b"\0\x01\x7f\xff\xff\xff").is_empty());
        assert!(partitions(b"\0\x01\0\0\0\x01\x7f\xfft").is_empty());
        assert!(partitions(b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff").is_empty());
    }
}
