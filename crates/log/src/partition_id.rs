//! Which partition: topic id and number, and the name of its directory.

use std::fmt;

/// A partition of a topic. Topic ids are never used again, so neither is this.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// The topic's id, a UUID.
    pub topic_id: [u8; 16],
    /// Number within the topic.
    pub partition: i32,
}

impl PartitionId {
    /// Reads the name of a directory back: 32 hexadecimal digits, a dash, the number.
    pub fn from_dir_name(name: &str) -> Option<Self> {
        let (id, partition) = name.split_once('-')?;
        if id.len() != 32 || !id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let partition: i32 = partition.parse().ok().filter(|number| *number >= 0)?;
        let topic_id = u128::from_str_radix(id, 16).ok()?.to_be_bytes();
        let parsed = Self {
            topic_id,
            partition,
        };
        (parsed.to_string() == name).then_some(parsed)
    }
}

/// The name of the partition's directory. Not Kafka's base64: file systems may ignore case.
impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u128::from_be_bytes(self.topic_id);
        write!(f, "{id:032x}-{}", self.partition)
    }
}

impl fmt::Debug for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn directory_names_read_back(topic_id: [u8; 16], partition in 0..i32::MAX) {
            let id = PartitionId { topic_id, partition };
            prop_assert_eq!(PartitionId::from_dir_name(&id.to_string()), Some(id));
        }
    }

    #[test]
    fn other_names_are_no_partitions() {
        for name in [
            "",
            "lost+found",
            "00-1",
            "0123456789abcdef0123456789abcdef-01",
        ] {
            assert_eq!(PartitionId::from_dir_name(name), None, "{name}");
        }
    }
}
