//! The assignment inside a classic group's member, as the consumer protocol lays it out.
//!
//! ```text
//! version i16 | topics i32 x ( name i16+bytes | partitions i32 x i32 ) | user data
//! ```

use serde::Serialize;

/// Lists longer than this are not ours to show.
const MAX_TOPICS: usize = 1_000;

/// The partitions of one topic that a member reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct AssignedTopic {
    pub(crate) topic: String,
    pub(crate) partitions: Vec<i32>,
}

/// The assignment in `bytes`; empty when it is of another protocol or cut short.
pub(crate) fn decode(bytes: &[u8]) -> Vec<AssignedTopic> {
    read(bytes).unwrap_or_default()
}

fn read(bytes: &[u8]) -> Option<Vec<AssignedTopic>> {
    let mut rest = bytes.get(2..)?;
    let topics = take_length(&mut rest)?.min(MAX_TOPICS);
    let mut assigned = Vec::new();
    for _ in 0..topics {
        let (head, tail) = rest.split_first_chunk::<2>()?;
        let name_length = usize::try_from(i16::from_be_bytes(*head)).ok()?;
        let name = tail.get(..name_length)?;
        rest = tail.get(name_length..)?;
        let count = take_length(&mut rest)?;
        let raw = rest.get(..count.checked_mul(4)?)?;
        rest = rest.get(count * 4..)?;
        let partitions = raw
            .chunks_exact(4)
            .map(|four| i32::from_be_bytes([four[0], four[1], four[2], four[3]]));
        assigned.push(AssignedTopic {
            topic: String::from_utf8_lossy(name).into_owned(),
            partitions: partitions.collect(),
        });
    }
    Some(assigned)
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    usize::try_from(i32::from_be_bytes(*head)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0, 0, 1, 0, 3];
        bytes.extend_from_slice(b"abc");
        bytes.extend_from_slice(&[0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff]);
        bytes
    }

    #[test]
    fn reads_topics_and_partitions() {
        assert_eq!(
            decode(&sample()),
            [AssignedTopic {
                topic: "abc".into(),
                partitions: vec![4, 5]
            }]
        );
    }

    #[test]
    fn every_cut_and_hostile_length_gives_an_empty_list() {
        let bytes = sample();
        for end in 0..bytes.len() - 4 {
            assert!(decode(&bytes[..end]).is_empty(), "cut at {end}");
        }
        assert!(decode(&[0, 0, 0x7f, 0xff, 0xff, 0xff]).is_empty());
        assert!(decode(&[0, 0, 0xff, 0xff, 0xff, 0xff]).is_empty());
    }
}
