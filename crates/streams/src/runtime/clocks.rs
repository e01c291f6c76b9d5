//! The clocks of a task as they travel in an offset commit's metadata: exactly as durable as the offsets.
//!
//! ```text
//! base64 of: version (1 byte, 1) | partition time (8 bytes, big endian)
//!            then per clock: hash of its name (8 bytes) | time (8 bytes)
//! ```
//! Kafka limits the metadata of an offset to 4,096 bytes (`offset.metadata.max.bytes`), hence the limit on clocks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

const VERSION: u8 = 1;

/// How many clocks one task can have.
pub(crate) const MAX_CLOCKS: usize = 180;

/// The metadata to commit with an offset of a partition.
pub(crate) fn encode(partition_time: i64, clocks: &[(u64, i64)]) -> String {
    assert!(clocks.len() <= MAX_CLOCKS, "the topology limits its clocks");
    let mut bytes = Vec::with_capacity(9 + 16 * clocks.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&partition_time.to_be_bytes());
    for (name, time) in clocks {
        bytes.extend_from_slice(&name.to_be_bytes());
        bytes.extend_from_slice(&time.to_be_bytes());
    }
    STANDARD_NO_PAD.encode(bytes)
}

/// The partition time and the clocks of committed metadata; `None` if it is not ours, as after another tool's commit.
pub(crate) fn decode(metadata: &str) -> Option<(i64, Vec<(u64, i64)>)> {
    let bytes = STANDARD_NO_PAD.decode(metadata).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (partition_time, rest) = rest.split_first_chunk::<8>()?;
    let (clocks, []) = rest.as_chunks::<16>() else {
        return None;
    };
    if *version != VERSION {
        return None;
    }
    let clocks = clocks
        .iter()
        .map(|clock| {
            let both = u128::from_be_bytes(*clock);
            ((both >> 64) as u64, both as u64 as i64)
        })
        .collect();
    Some((i64::from_be_bytes(*partition_time), clocks))
}

/// The name of a clock in the metadata: clocks are found again by name when the topology was edited (FNV-1a).
pub(crate) fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_come_back_from_their_metadata() {
        let clocks: Vec<_> = (0..MAX_CLOCKS as i64)
            .map(|n| (hash(&n.to_string()), n - 1))
            .collect();
        let metadata = encode(i64::MAX, &clocks);
        assert!(metadata.len() <= 4096, "{}", metadata.len());
        assert_eq!(decode(&metadata), Some((i64::MAX, clocks)));
    }

    #[test]
    fn metadata_of_others_is_no_clock() {
        for metadata in ["", "AQ", "hello", "AgAAAAAAAAAAAA", "%%%"] {
            assert_eq!(decode(metadata), None, "{metadata}");
        }
    }
}
