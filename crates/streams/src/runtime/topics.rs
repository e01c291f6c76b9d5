//! The topics of a topology at start: inputs are checked, the application's own are made or checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::admin::{Admin, TopicToMake};
use super::client::ErrorKind;
use super::config::AppConfig;
use super::topic_limits::{self, Limits};
use crate::error::StreamsError;
use crate::store::{Backend, changelog_configs};
use crate::topology::{COMPUTED, InternalTopicKind, NodeKind, PartitionCounts, Topology};

/// How long a topic that was made may take to be seen.
const VISIBLE_LIMIT: Duration = Duration::from_secs(30);
/// How long a cluster that makes topics by itself may take for it.
const MAKING_LIMIT: Duration = Duration::from_secs(3);

/// What the cluster has for a topology.
#[derive(Debug)]
pub(crate) struct Topics {
    pub(crate) counts: PartitionCounts,
    /// How long tombstones stay, in milliseconds, of each topic that stores are restored from and that is compacted.
    pub(crate) delete_retention_ms: BTreeMap<Arc<str>, i64>,
    /// The ids of the topics that stores are restored from, where the cluster has them.
    pub(crate) ids: BTreeMap<Arc<str>, [u8; 16]>,
    /// What the topics that are written to take.
    pub(crate) limits: Arc<Limits>,
}

/// Checks the inputs, and makes the internal topics that are missing.
///
/// # Errors
/// An input is missing; topics that are joined have different partition counts; an internal topic has another count
/// than its tasks, as after an input's count was changed; or the cluster cannot be asked.
pub(crate) fn prepare(
    topology: &Topology,
    config: &AppConfig,
    admin: &Admin,
) -> Result<Topics, StreamsError> {
    let existing = admin.partition_counts()?;
    let counts = PartitionCounts::resolve(topology, |topic| existing.get(topic).copied())?;
    check_stateful(topology, &counts)?;
    let outputs = outputs(topology, config);
    check_outputs(&outputs, |topic| existing.contains_key(topic), admin)?;
    let mut missing = Vec::new();
    for topic in internal(topology, config) {
        let Some(wanted) = counts.of(&topic.name) else {
            continue;
        };
        match existing.get(&*topic.name) {
            None => missing.push(TopicToMake {
                partitions: wanted,
                ..topic
            }),
            Some(found) if *found != wanted => {
                return Err(changed(topology, &topic.name, *found, wanted));
            }
            Some(_) => check_configs(&topic, admin)?,
        }
    }
    admin.make(&missing)?;
    wait_for(&missing, admin)?;
    Ok(Topics {
        delete_retention_ms: delete_retentions(topology, admin)?,
        ids: ids(topology, admin)?,
        limits: Arc::new(topic_limits::read(
            &written(topology, config, outputs),
            &config.clients,
            admin,
        )),
        counts,
    })
}

/// The topics that are written to, where no record chooses them.
fn written(topology: &Topology, config: &AppConfig, outputs: Vec<Arc<str>>) -> Vec<Arc<str>> {
    let internal = internal(topology, config).into_iter();
    let mut topics: Vec<_> = outputs
        .into_iter()
        .chain(internal.map(|topic| topic.name))
        .collect();
    topics.sort();
    topics.dedup();
    topics
}

/// Outputs are the program's to make, or the cluster's if it makes what a producer asks for, as Kafka Streams' outputs
/// are. What neither has made is told at the start, and not with the first result.
fn check_outputs(
    outputs: &[Arc<str>],
    exists: impl Fn(&str) -> bool,
    admin: &Admin,
) -> Result<(), StreamsError> {
    let mut missing: Vec<_> = outputs.iter().filter(|topic| !exists(topic)).collect();
    let until = Instant::now() + MAKING_LIMIT;
    while !missing.is_empty() {
        for topic in &missing {
            admin.ask_for(topic)?;
        }
        let found = admin.partition_counts()?;
        missing.retain(|topic| match found.get(&***topic) {
            Some(partitions) => {
                tracing::warn!(%topic, partitions, "the output was missing, and the cluster made it");
                false
            }
            None => true,
        });
        if !missing.is_empty() && Instant::now() >= until {
            let names: Vec<_> = missing.iter().map(|topic| &***topic).collect();
            return Err(StreamsError::Topics(format!(
                "these output topics do not exist, and the cluster makes none by itself                  (auto.create.topics.enable): {}. Create them before the application is started",
                names.join(", ")
            )));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The topics that the program writes to, with that of its dead letters.
fn outputs(topology: &Topology, config: &AppConfig) -> Vec<Arc<str>> {
    let own = |topic: &Arc<str>| {
        let mut internal = topology.internal_topics().iter();
        internal.any(|internal| internal.name == *topic)
    };
    let sinks = topology.nodes().iter().filter_map(|node| match &node.kind {
        NodeKind::Sink { topic } if &**topic != COMPUTED && !own(topic) => Some(Arc::clone(topic)),
        _ => None,
    });
    let policies = &config.task.policies;
    let letters = policies.dead_letter.iter().cloned();
    let letters = letters.filter(|_| policies.send_dead_letters());
    let mut outputs: Vec<_> = sinks.chain(letters).collect();
    outputs.sort();
    outputs.dedup();
    outputs
}

/// Waits until the cluster shows the topics, which on several brokers comes after their creation.
fn wait_for(made: &[TopicToMake], admin: &Admin) -> Result<(), StreamsError> {
    let until = Instant::now() + VISIBLE_LIMIT;
    while !made.is_empty() {
        let found = admin.partition_counts()?;
        let missing = |topic: &&TopicToMake| found.get(&*topic.name) != Some(&topic.partitions);
        let Some(topic) = made.iter().find(missing) else {
            return Ok(());
        };
        if Instant::now() >= until {
            return Err(StreamsError::Topics(format!(
                "the topic {} was created, and the cluster does not show it",
                topic.name
            )));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Repartition and changelog topics, without their counts.
fn internal(topology: &Topology, config: &AppConfig) -> Vec<TopicToMake> {
    let repartition = topology
        .internal_topics()
        .iter()
        .filter(|topic| topic.kind == InternalTopicKind::Repartition)
        .map(|topic| (Arc::clone(&topic.name), topic.configs.clone()));
    let changelogs = topology.stores().iter().filter_map(|store| {
        let name = store.changelog_topic(topology.application())?;
        Some((
            Arc::from(name),
            changelog_configs(store).into_iter().collect(),
        ))
    });
    repartition
        .chain(changelogs)
        .map(|(name, mut configs): (Arc<str>, Vec<(String, String)>)| {
            for (key, value) in &config.topic_configs {
                configs.retain(|(own, _)| own != key);
                configs.push((key.clone(), value.clone()));
            }
            TopicToMake {
                name,
                partitions: 0,
                configs,
            }
        })
        .collect()
}

/// A task with stores needs the partitions of its number of all its topics in one place, and the group keeps only
/// topics of equal counts together.
fn check_stateful(topology: &Topology, counts: &PartitionCounts) -> Result<(), StreamsError> {
    for part in topology.sub_topologies() {
        if part.stores.is_empty() {
            continue;
        }
        let of: Vec<_> = part
            .sources
            .iter()
            .filter_map(|topic| Some((topic, counts.of(topic)?)))
            .collect();
        let most = of.iter().map(|(_, count)| *count).max().unwrap_or(0);
        if of.iter().any(|(_, count)| *count != most) {
            let list: Vec<_> = of
                .iter()
                .map(|(topic, count)| format!("{topic} has {count}"))
                .collect();
            return Err(StreamsError::Topics(format!(
                "topics that are read together into a store must have equally many partitions: {}. Send the smaller \
                 ones through `.repartition(\"name\", {most})`",
                list.join(", ")
            )));
        }
    }
    Ok(())
}

fn changed(topology: &Topology, topic: &str, found: i32, wanted: i32) -> StreamsError {
    StreamsError::Topics(format!(
        "the internal topic {topic} has {found} partitions, and the topology's inputs now ask for {wanted}: the number \
         of partitions of an input was changed. State by key would be in the wrong partitions. Either give the input \
         its old number again, or reset the application {} (its internal topics and local state) and let it process \
         its inputs anew",
        topology.application()
    ))
}

/// A changelog that is not compacted as it must be loses state without a word.
fn check_configs(topic: &TopicToMake, admin: &Admin) -> Result<(), StreamsError> {
    let key = "cleanup.policy";
    let Some((_, wanted)) = topic.configs.iter().find(|(name, _)| name == key) else {
        return Ok(());
    };
    let found = admin.topic_config(&topic.name, key)?;
    let sorted = |value: &str| {
        let mut parts: Vec<_> = value
            .split(',')
            .map(|part| part.trim().to_owned())
            .collect();
        parts.sort();
        parts
    };
    if sorted(&found) == sorted(wanted) {
        return Ok(());
    }
    Err(StreamsError::Topics(format!(
        "the internal topic {} has {key}={found}, and the topology needs {wanted}: set it with Kafka's config tool \
         (alter the topic's {key} to {wanted}), or delete the topic if it is not this application's",
        topic.name
    )))
}

fn ids(topology: &Topology, admin: &Admin) -> Result<BTreeMap<Arc<str>, [u8; 16]>, StreamsError> {
    let topics: BTreeSet<String> = restored(topology).collect();
    let names: Vec<_> = topics.iter().map(String::as_str).collect();
    Ok(admin.topic_ids(&names)?)
}

/// The topics that stores are restored from, those of global tables on disk among them.
fn restored(topology: &Topology) -> impl Iterator<Item = String> {
    let globals = topology.global_stores().iter().map(|store| store.spec());
    let globals = globals.filter(|spec| spec.backend == Backend::Disk);
    let all = topology.stores().iter().chain(globals);
    all.filter_map(|spec| spec.restore_topic(topology.application()))
}

fn delete_retentions(
    topology: &Topology,
    admin: &Admin,
) -> Result<BTreeMap<Arc<str>, i64>, StreamsError> {
    let mut retentions = BTreeMap::new();
    let topics: BTreeSet<String> = restored(topology).collect();
    for topic in topics {
        match admin.topic_config(&topic, "cleanup.policy") {
            Ok(policy) if policy.contains("compact") => {}
            Ok(_) => continue,
            // A global table's, which is told of when it is read.
            Err(error) if error.kind == ErrorKind::UnknownTopic => continue,
            Err(error) => return Err(error.into()),
        }
        if let Ok(retention) = admin.topic_config(&topic, "delete.retention.ms")?.parse() {
            retentions.insert(topic.into(), retention);
        }
    }
    Ok(retentions)
}
