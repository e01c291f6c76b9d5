//! Positions: which records of the inputs a state reflects, as a token to be handed around (KIP-796).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::QueryError;
use crate::runtime::TopicPartition;

/// How many partitions a token may name.
const LONGEST: usize = 10_000;

/// For partitions of inputs, the offset of the last record that counts.
///
/// Of a record that a producer delivered: "I want to read what follows from it". Of an answer: what it reflects. As
/// text it is `topic:partition:offset`, several separated by commas, and reads back.
///
/// ```
/// use headwater_streams::query::Position;
///
/// let mine = Position::new().with("orders", 3, 17);
/// assert_eq!(mine.to_string(), "orders:3:17");
/// assert_eq!("orders:3:17".parse::<Position>().unwrap(), mine);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    offsets: BTreeMap<TopicPartition, i64>,
}

impl Position {
    /// One that everything reflects.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, and the record at this offset: topic, partition and offset as a producer's delivery tells them.
    pub fn with(mut self, topic: impl Into<Arc<str>>, partition: i32, offset: i64) -> Self {
        self.add(TopicPartition::new(topic, partition), offset);
        self
    }

    /// Adds a record; of two of one partition the later one counts.
    pub fn add(&mut self, partition: TopicPartition, offset: i64) {
        let kept = self.offsets.entry(partition).or_insert(offset);
        *kept = (*kept).max(offset);
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        for (partition, offset) in &other.offsets {
            self.add(partition.clone(), *offset);
        }
    }

    /// The offset for a partition.
    pub fn offset(&self, topic: &str, partition: i32) -> Option<i64> {
        self.iter()
            .find(|(named, _)| &*named.topic == topic && named.partition == partition)
            .map(|(_, offset)| offset)
    }

    /// All partitions with their offsets.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicPartition, i64)> {
        self.offsets.iter().map(|(at, offset)| (at, *offset))
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (at, offset)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}:{}:{offset}", at.topic, at.partition)?;
        }
        Ok(())
    }
}

impl FromStr for Position {
    type Err = QueryError;

    fn from_str(token: &str) -> Result<Self, QueryError> {
        let malformed = || QueryError::Position {
            token: token.chars().take(200).collect(),
        };
        let mut position = Self::new();
        if token.is_empty() {
            return Ok(position);
        }
        for (index, part) in token.split(',').enumerate() {
            let mut fields = part.rsplitn(3, ':');
            let offset = fields.next().and_then(|field| field.parse().ok());
            let partition = fields.next().and_then(|field| field.parse().ok());
            let topic = fields.next().filter(|topic| legal(topic));
            let (Some(topic), Some(partition), Some(offset)) = (topic, partition, offset) else {
                return Err(malformed());
            };
            if index >= LONGEST || partition < 0 || offset < 0 || offset == i64::MAX {
                return Err(malformed());
            }
            position.add(TopicPartition::new(topic, partition), offset);
        }
        Ok(position)
    }
}

/// What Kafka takes as a topic's name.
fn legal(topic: &str) -> bool {
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=249).contains(&topic.len()) && topic.chars().all(of_a_name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_two_records_of_a_partition_the_later_one_counts() {
        let mut position = Position::new().with("a", 0, 7).with("a", 0, 3);
        position.merge(&Position::new().with("a", 0, 9).with("b", 1, 1));
        assert_eq!(position.to_string(), "a:0:9,b:1:1");
        assert_eq!(position.offset("a", 0), Some(9));
        assert_eq!(position.offset("a", 1), None);
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for token in [
            "a", "a:1", "a:1:x", ":1:1", "a:-1:1", "a:1:-1", "a:1:1,", "a b:1:1",
        ] {
            let refused = token.parse::<Position>().expect_err(token);
            assert!(refused.to_string().contains("topic:partition:offset"));
        }
        assert!("".parse::<Position>().expect("empty").is_empty());
    }

    proptest! {
        #[test]
        fn every_position_reads_back_from_its_text(
            parts in prop::collection::vec(("[a-zA-Z0-9._-]{1,20}", 0..i32::MAX, 0..i64::MAX), 0..8),
        ) {
            let mut position = Position::new();
            for (topic, partition, offset) in parts {
                position.add(TopicPartition::new(topic, partition), offset);
            }
            let read: Position = position.to_string().parse().expect("it was printed");
            prop_assert_eq!(read, position);
        }

        #[test]
        fn any_text_is_read_or_refused(token in ".{0,60}") {
            let _ = token.parse::<Position>();
        }
    }
}
