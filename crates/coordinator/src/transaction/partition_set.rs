//! A set of partitions, by topic.

use std::collections::{BTreeMap, BTreeSet};

/// Partitions of topics, each once, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionSet {
    /// No topic is here without a partition.
    topics: BTreeMap<String, BTreeSet<i32>>,
}

impl PartitionSet {
    pub fn insert(&mut self, topic: &str, partition: i32) {
        if let Some(partitions) = self.topics.get_mut(topic) {
            partitions.insert(partition);
        } else {
            let partitions = BTreeSet::from([partition]);
            self.topics.insert(topic.to_owned(), partitions);
        }
    }

    pub fn extend(&mut self, others: &PartitionSet) {
        for (topic, partition) in others.iter() {
            self.insert(topic, partition);
        }
    }

    pub fn contains(&self, topic: &str, partition: i32) -> bool {
        self.topics
            .get(topic)
            .is_some_and(|partitions| partitions.contains(&partition))
    }

    pub fn contains_all(&self, others: &PartitionSet) -> bool {
        others
            .iter()
            .all(|(topic, partition)| self.contains(topic, partition))
    }

    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Topics with their partitions.
    pub fn topics(&self) -> impl Iterator<Item = (&str, &BTreeSet<i32>)> {
        self.topics
            .iter()
            .map(|(topic, partitions)| (topic.as_str(), partitions))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, i32)> {
        self.topics()
            .flat_map(|(topic, partitions)| partitions.iter().map(move |&number| (topic, number)))
    }
}

impl<'a> FromIterator<(&'a str, i32)> for PartitionSet {
    fn from_iter<I: IntoIterator<Item = (&'a str, i32)>>(partitions: I) -> Self {
        let mut set = Self::default();
        for (topic, partition) in partitions {
            set.insert(topic, partition);
        }
        set
    }
}
