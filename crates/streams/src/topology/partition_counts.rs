//! How many partitions each topic of a topology has or must have, and so how many tasks there are.
//!
//! Pure arithmetic over the counts of the topics that exist; the runtime and the test driver ask for those, create
//! what is missing, and come to the same tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Copartitioned, InternalTopicKind, SubTopology, Topology};
use crate::error::StreamsError;
use crate::runtime::TaskId;

/// The partition counts of a topology's topics.
///
/// A repartition topic without a count of the program's has as many partitions as the largest topic that its
/// sub-topology reads, and as many as what it is joined with; a changelog has one per task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionCounts {
    topics: BTreeMap<Arc<str>, i32>,
    /// Tasks by sub-topology.
    tasks: Vec<i32>,
}

impl PartitionCounts {
    /// Works the counts out from those of the topics that the program names; `existing` answers none for a topic
    /// that does not exist.
    ///
    /// # Errors
    /// [`StreamsError::Topics`] if an input is missing, or topics that are joined have different counts.
    pub fn resolve(
        topology: &Topology,
        mut existing: impl FnMut(&str) -> Option<i32>,
    ) -> Result<Self, StreamsError> {
        let repartition: BTreeMap<_, _> = topology
            .internal_topics()
            .iter()
            .filter(|topic| topic.kind == InternalTopicKind::Repartition)
            .map(|topic| (Arc::clone(&topic.name), topic.partitions))
            .collect();
        let mut topics = BTreeMap::new();
        let mut missing = BTreeSet::new();
        for source in topology
            .sub_topologies()
            .iter()
            .flat_map(|part| &part.sources)
        {
            if let Some(given) = repartition.get(source) {
                topics.extend(given.map(|count| (Arc::clone(source), count)));
                continue;
            }
            match existing(source) {
                Some(count) => _ = topics.insert(Arc::clone(source), count),
                None => _ = missing.insert(Arc::clone(source)),
            }
        }
        if !missing.is_empty() {
            let names: Vec<_> = missing.iter().map(|name| &**name).collect();
            return Err(StreamsError::Topics(format!(
                "these input topics do not exist: {}. Create them before the application is started",
                names.join(", ")
            )));
        }
        follow_upstream(topology, &repartition, &mut topics)?;
        for group in topology.copartitioned() {
            equalize(topology, group, &repartition, &mut topics)?;
        }
        let tasks: Vec<_> = topology
            .sub_topologies()
            .iter()
            .map(|part| largest(&part.sources, &topics).unwrap_or(0))
            .collect();
        for (part, count) in topology.sub_topologies().iter().zip(&tasks) {
            for store in &part.stores {
                let spec = &topology.stores()[store.index()];
                let name = spec.changelog_topic(topology.application());
                topics.extend(name.map(|name| (name.into(), *count)));
            }
        }
        Ok(Self { topics, tasks })
    }

    /// The partitions of a topic that the topology reads or owns.
    pub fn of(&self, topic: &str) -> Option<i32> {
        self.topics.get(topic).copied()
    }

    /// The topics and their partitions.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, i32)> {
        self.topics.iter().map(|(topic, count)| (topic, *count))
    }

    /// All tasks, in order.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.tasks
            .iter()
            .enumerate()
            .flat_map(|(sub_topology, count)| {
                (0..*count).map(move |partition| TaskId {
                    sub_topology,
                    partition,
                })
            })
    }

    /// The topics whose partition of the task's number exists: what the task reads.
    pub fn inputs(&self, part: &SubTopology, task: TaskId) -> Vec<Arc<str>> {
        part.sources
            .iter()
            .filter(|topic| self.of(topic).is_some_and(|count| task.partition < count))
            .cloned()
            .collect()
    }
}

fn largest(sources: &[Arc<str>], topics: &BTreeMap<Arc<str>, i32>) -> Option<i32> {
    sources
        .iter()
        .filter_map(|source| topics.get(source).copied())
        .max()
}

/// Gives each repartition topic without a count that of the largest topic upstream, as far down as they follow one
/// another.
fn follow_upstream(
    topology: &Topology,
    repartition: &BTreeMap<Arc<str>, Option<i32>>,
    topics: &mut BTreeMap<Arc<str>, i32>,
) -> Result<(), StreamsError> {
    loop {
        let open: Vec<_> = repartition
            .keys()
            .filter(|name| !topics.contains_key(*name))
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        let feeds = |name: &Arc<str>| {
            let parts = topology.sub_topologies().iter();
            let feeds = parts.filter(|part| part.sinks.contains(name));
            feeds.collect::<Vec<_>>()
        };
        // All that it follows has to be known: what is still open may be the largest. Only where topics follow one
        // another in a circle, what is known has to do.
        let is_settled = |name: &&&Arc<str>| {
            let mut above = feeds(name).into_iter().flat_map(|part| &part.sources);
            above.all(|source| topics.contains_key(source))
        };
        let upstream = |name: &&Arc<str>| {
            let counts = feeds(name).into_iter();
            let count = counts
                .filter_map(|part| largest(&part.sources, topics))
                .max()?;
            Some((Arc::clone(name), count))
        };
        let mut found: Vec<_> = open
            .iter()
            .filter(is_settled)
            .filter_map(upstream)
            .collect();
        if found.is_empty() {
            found = open.iter().find_map(upstream).into_iter().collect();
        }
        let moved = !found.is_empty();
        topics.extend(found);
        if !moved {
            return Err(StreamsError::Topics(format!(
                "the repartition topic {} is fed by nothing but itself, so it follows no input's partitions; give \
                 it a number",
                open[0]
            )));
        }
    }
}

/// Makes the topics of a join equal: repartition topics without a count of the program's follow the others.
fn equalize(
    topology: &Topology,
    group: &Copartitioned,
    repartition: &BTreeMap<Arc<str>, Option<i32>>,
    topics: &mut BTreeMap<Arc<str>, i32>,
) -> Result<(), StreamsError> {
    let fixed: Vec<_> = group
        .topics
        .iter()
        .filter(|topic| !matches!(repartition.get(*topic), Some(None)))
        .collect();
    let count = match fixed.first() {
        Some(first) => topics.get(*first).copied(),
        None => largest(&group.topics, topics),
    };
    let Some(count) = count else {
        return Ok(());
    };
    if fixed.iter().any(|topic| topics.get(*topic) != Some(&count)) {
        return Err(differ(topology, group, &fixed, topics));
    }
    for topic in &group.topics {
        topics.insert(Arc::clone(topic), count);
    }
    Ok(())
}

fn differ(
    topology: &Topology,
    group: &Copartitioned,
    fixed: &[&Arc<str>],
    topics: &BTreeMap<Arc<str>, i32>,
) -> StreamsError {
    let node = &topology.nodes()[group.node.index()];
    let counts: Vec<_> = fixed
        .iter()
        .map(|topic| format!("{topic} has {}", topics.get(*topic).copied().unwrap_or(0)))
        .collect();
    let most = fixed
        .iter()
        .filter_map(|topic| topics.get(*topic).copied())
        .max()
        .unwrap_or(1);
    StreamsError::Topics(format!(
        "\"{}\" ({}) joins topics that must have equally many partitions: {}. Send the smaller ones through \
         `.repartition(\"name\", {most})`, or write them anew to topics of {most} partitions",
        node.name,
        node.location,
        counts.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsl::within;
    use crate::topic::Topic;
    use crate::topology::Builder;
    use crate::windows::mins;

    const LEFT: Topic<String, u64> = Topic::json("left");
    const RIGHT: Topic<String, u64> = Topic::json("right");

    fn resolve(
        topology: impl Fn(&Builder) + Send + Sync + 'static,
        existing: &[(&str, i32)],
    ) -> Result<PartitionCounts, String> {
        let topology = Topology::build("app", topology).expect("the topology is sound");
        let of = |topic: &str| {
            let found = existing.iter().find(|(name, _)| *name == topic);
            found.map(|(_, count)| *count)
        };
        PartitionCounts::resolve(&topology, of).map_err(|error| error.to_string())
    }

    #[test]
    fn a_missing_input_is_named() {
        let error = resolve(
            |b| b.stream(LEFT).merge(b.stream(RIGHT)).to(LEFT),
            &[("left", 1)],
        );
        let error = error.expect_err("an input is missing");
        assert!(error.contains("do not exist: right."), "{error}");
    }

    #[test]
    fn counts_go_down_a_chain_of_repartition_topics() {
        let topology = |b: &Builder| {
            b.stream(LEFT)
                .key_by("first", |n: &u64| *n)
                .key_by("second", |n: &u64| n.to_string())
                .count("counts")
                .to_stream()
                .map(Option::unwrap_or_default)
                .to(RIGHT);
        };
        let counts = resolve(topology, &[("left", 6)]).expect("all is there");
        for topic in [
            "app-first-repartition",
            "app-second-repartition",
            "app-counts-changelog",
        ] {
            assert_eq!(counts.of(topic), Some(6), "{topic}");
        }
        assert_eq!(counts.tasks().count(), 18);
    }

    #[test]
    fn a_repartition_topic_follows_what_it_is_joined_with() {
        let topology = |b: &Builder| {
            b.stream(LEFT)
                .key_by("moved", u64::to_string)
                .join("joined", b.stream(RIGHT), within(mins(1)))
                .map(|(left, _)| left)
                .to(LEFT);
        };
        for (left, right) in [(6, 2), (2, 6)] {
            let counts = resolve(topology, &[("left", left), ("right", right)]);
            let counts = counts.expect("repartitioning makes them equal");
            assert_eq!(counts.of("app-moved-repartition"), Some(right));
        }
    }

    #[test]
    fn two_repartition_topics_that_are_joined_both_get_the_larger_count() {
        let topology = |b: &Builder| {
            let right = b.stream(RIGHT).key_by("right-moved", u64::to_string);
            b.stream(LEFT)
                .key_by("left-moved", u64::to_string)
                .join("joined", right, within(mins(1)))
                .map(|(left, _)| left)
                .to(LEFT);
        };
        let counts = resolve(topology, &[("left", 6), ("right", 2)]).expect("they are equal");
        assert_eq!(counts.of("app-left-moved-repartition"), Some(6));
        assert_eq!(counts.of("app-right-moved-repartition"), Some(6));
    }

    #[test]
    fn topics_that_one_join_after_another_brings_together_all_get_the_largest_count() {
        const THIRD: Topic<String, u64> = Topic::json("third");
        let by = |value: &u64| value.to_string();
        let counts = resolve(
            move |b| {
                let right = b.stream(RIGHT).key_by("by-right", by);
                let third = b.stream(THIRD).key_by("by-third", by);
                b.stream(LEFT)
                    .key_by("by-left", by)
                    .join("first", right, within(mins(1)))
                    .map(|(left, right)| left + right)
                    .join("second", third, within(mins(1)))
                    .map(|(both, third)| both + third)
                    .key_by("by-sum", by)
                    .count("sums")
                    .to(LEFT);
            },
            &[("left", 2), ("right", 4), ("third", 8)],
        )
        .expect("they can be joined");
        for name in ["by-left", "by-right", "by-third", "by-sum"] {
            let topic = format!("app-{name}-repartition");
            assert_eq!(counts.of(&topic), Some(8), "{topic}");
        }
        for store in [
            "first-left",
            "first-right",
            "second-left",
            "second-right",
            "sums",
        ] {
            let changelog = format!("app-{store}-changelog");
            assert!(
                counts.of(&changelog).is_none_or(|count| count == 8),
                "{changelog}"
            );
        }
    }

    #[test]
    fn a_number_of_the_programs_is_kept_and_must_fit_what_it_is_joined_with() {
        let topology = |b: &Builder| {
            b.stream(LEFT)
                .repartition("moved", 4)
                .join("joined", b.stream(RIGHT), within(mins(1)))
                .map(|(left, _)| left)
                .to(LEFT);
        };
        let counts = resolve(topology, &[("left", 9), ("right", 4)]).expect("they are equal");
        assert_eq!(counts.of("app-moved-repartition"), Some(4));
        let error = resolve(topology, &[("left", 9), ("right", 5)]).expect_err("they differ");
        assert!(
            error.contains("app-moved-repartition has 4, right has 5"),
            "{error}"
        );
    }
}
