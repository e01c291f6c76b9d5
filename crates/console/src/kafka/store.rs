//! The store as the page shows it: topics with partitions and rates, and groups, as of one look.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::Consumer;
use serde::Serialize;

use super::client::{CALL_LIMIT, Kafka, Looker};
use super::groups::{Group, GroupReader};
use super::offsets::{self, Extent, TopicPartition};
use crate::insight::StoreSnapshot;
use crate::problem::Problem;

/// Topics shown at most.
const MAX_TOPICS: usize = 500;
/// Partitions looked at, at most.
const MAX_PARTITIONS: usize = 2_000;
/// Rates are taken over this many looks.
const SAMPLES: usize = 6;
/// A pause longer than this starts the rates anew.
const SAMPLE_GAP: Duration = Duration::from_secs(10);

/// Everything the store page shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StoreView {
    pub(crate) at_ms: u64,
    pub(crate) bootstrap: String,
    pub(crate) cluster_id: Option<String>,
    pub(crate) brokers: Vec<BrokerView>,
    pub(crate) topics: Vec<TopicView>,
    /// Topics beyond the limit, not shown.
    pub(crate) topics_omitted: usize,
    pub(crate) groups: Vec<Group>,
    pub(crate) groups_problem: Option<Problem>,
    /// `None`: not Headwater's own store.
    pub(crate) insight: Option<StoreSnapshot>,
}

/// A broker of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct BrokerView {
    pub(crate) id: i32,
    pub(crate) host: String,
    pub(crate) port: i32,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TopicView {
    pub(crate) name: String,
    pub(crate) internal: bool,
    pub(crate) records: i64,
    pub(crate) records_per_second: Option<f64>,
    pub(crate) size_bytes: Option<u64>,
    pub(crate) replication_factor: usize,
    pub(crate) partitions: Vec<PartitionView>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PartitionView {
    pub(crate) partition: i32,
    pub(crate) leader: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) in_sync: Vec<i32>,
    pub(crate) log_start_offset: Option<i64>,
    pub(crate) log_end_offset: Option<i64>,
    pub(crate) records_per_second: Option<f64>,
    pub(crate) size_bytes: Option<u64>,
}

/// Looks at the store; keeps the client and the last offsets so that the next look gives rates.
pub(crate) struct StoreReader {
    kafka: Kafka,
    looker: Option<Looker>,
    cluster_id: Option<String>,
    groups: GroupReader,
    samples: VecDeque<(Instant, BTreeMap<TopicPartition, Extent>)>,
}

impl StoreReader {
    pub(crate) fn new(kafka: Kafka) -> Self {
        Self {
            kafka,
            looker: None,
            cluster_id: None,
            groups: GroupReader::default(),
            samples: VecDeque::new(),
        }
    }

    /// One look. Blocks.
    pub(crate) fn read(&mut self, insight: Option<StoreSnapshot>) -> Result<StoreView, Problem> {
        let looker = match self.looker.take() {
            Some(looker) => looker,
            None => self
                .kafka
                .reader()
                .map_err(|error| self.kafka.problem("no client could be made", &error))?,
        };
        let view = self.look(&looker, insight);
        self.looker = Some(looker);
        view
    }

    fn look(
        &mut self,
        looker: &Looker,
        insight: Option<StoreSnapshot>,
    ) -> Result<StoreView, Problem> {
        // Serves librdkafka's events, which would queue up otherwise.
        drop(looker.poll(Duration::ZERO));
        let metadata = looker.fetch_metadata(None, CALL_LIMIT).map_err(|error| {
            self.kafka
                .problem("the list of topics could not be read", &error)
        })?;
        let mut topics = topics(&metadata, insight.as_ref());
        let topics_omitted = topics.len().saturating_sub(MAX_TOPICS);
        topics.truncate(MAX_TOPICS);
        let partitions: Vec<TopicPartition> = topics
            .iter()
            .flat_map(|topic| {
                topic
                    .partitions
                    .iter()
                    .map(|partition| (topic.name.clone(), partition.partition))
            })
            .take(MAX_PARTITIONS)
            .collect();
        let extents = offsets::extents(looker, &partitions)
            .map_err(|error| self.kafka.problem("the offsets could not be read", &error))?;
        self.sample(extents.clone());
        for topic in &mut topics {
            self.fill(topic, &extents);
        }
        let (groups, groups_problem) = match self.groups(looker, extents) {
            Ok(groups) => (groups, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        if self.cluster_id.is_none() {
            self.cluster_id = looker.client().fetch_cluster_id(CALL_LIMIT);
        }
        let brokers = metadata.brokers().iter();
        Ok(StoreView {
            at_ms: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_millis() as u64),
            bootstrap: self.kafka.bootstrap().to_owned(),
            cluster_id: self.cluster_id.clone(),
            brokers: brokers
                .map(|broker| BrokerView {
                    id: broker.id(),
                    host: broker.host().to_owned(),
                    port: broker.port(),
                })
                .collect(),
            topics,
            topics_omitted,
            groups,
            groups_problem,
            insight: insight.map(|snapshot| StoreSnapshot {
                partitions: Vec::new(),
                ..snapshot
            }),
        })
    }

    /// The groups, with their lag on the topics of users.
    fn groups(
        &mut self,
        looker: &Looker,
        mut extents: BTreeMap<TopicPartition, Extent>,
    ) -> Result<Vec<Group>, Problem> {
        extents.retain(|(topic, _), _| !is_internal(topic));
        self.groups
            .read(&self.kafka, looker, &extents)
            .map_err(|error| {
                self.kafka
                    .problem("the consumer groups could not be read", &error)
            })
    }

    fn sample(&mut self, extents: BTreeMap<TopicPartition, Extent>) {
        let now = Instant::now();
        if self
            .samples
            .back()
            .is_some_and(|(at, _)| now.duration_since(*at) > SAMPLE_GAP)
        {
            self.samples.clear();
        }
        self.samples.push_back((now, extents));
        while self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
    }

    fn rate(&self, key: &TopicPartition) -> Option<f64> {
        let (first_at, first) = self.samples.front()?;
        let (last_at, last) = self.samples.back()?;
        let seconds = last_at.duration_since(*first_at).as_secs_f64();
        let grown = last.get(key)?.log_end_offset - first.get(key)?.log_end_offset;
        (seconds > 0.0).then(|| grown.max(0) as f64 / seconds)
    }

    fn fill(&self, topic: &mut TopicView, extents: &BTreeMap<TopicPartition, Extent>) {
        let mut rates = Vec::new();
        for partition in &mut topic.partitions {
            let key = (topic.name.clone(), partition.partition);
            let Some(extent) = extents.get(&key) else {
                continue;
            };
            partition.log_start_offset = Some(extent.log_start_offset);
            partition.log_end_offset = Some(extent.log_end_offset);
            partition.records_per_second = self.rate(&key);
            rates.extend(partition.records_per_second);
            topic.records += extent.log_end_offset - extent.log_start_offset;
        }
        topic.records_per_second = (!rates.is_empty()).then(|| rates.iter().sum());
    }
}

impl TopicView {
    fn of(topic: &rdkafka::metadata::MetadataTopic, sizes: &BTreeMap<(&str, i32), u64>) -> Self {
        let mut partitions: Vec<PartitionView> = topic
            .partitions()
            .iter()
            .map(|partition| PartitionView {
                partition: partition.id(),
                leader: partition.leader(),
                replicas: partition.replicas().to_vec(),
                in_sync: partition.isr().to_vec(),
                log_start_offset: None,
                log_end_offset: None,
                records_per_second: None,
                size_bytes: sizes.get(&(topic.name(), partition.id())).copied(),
            })
            .collect();
        partitions.sort_by_key(|partition| partition.partition);
        let known: Vec<u64> = partitions
            .iter()
            .filter_map(|partition| partition.size_bytes)
            .collect();
        Self {
            name: topic.name().to_owned(),
            internal: is_internal(topic.name()),
            records: 0,
            records_per_second: None,
            size_bytes: (!known.is_empty()).then(|| known.iter().sum()),
            replication_factor: partitions
                .first()
                .map_or(0, |partition| partition.replicas.len()),
            partitions,
        }
    }
}

/// The topics that can be described, those of users first.
fn topics(
    metadata: &rdkafka::metadata::Metadata,
    insight: Option<&StoreSnapshot>,
) -> Vec<TopicView> {
    let sizes = sizes(insight);
    let mut topics: Vec<TopicView> = metadata
        .topics()
        .iter()
        .filter(|topic| topic.error().is_none())
        .map(|topic| TopicView::of(topic, &sizes))
        .collect();
    topics.sort_by(|a, b| (a.internal, &a.name).cmp(&(b.internal, &b.name)));
    topics
}

fn sizes(insight: Option<&StoreSnapshot>) -> BTreeMap<(&str, i32), u64> {
    let partitions = insight
        .map(|snapshot| snapshot.partitions.as_slice())
        .unwrap_or_default();
    partitions
        .iter()
        .map(|size| ((size.topic.as_str(), size.partition), size.size_bytes))
        .collect()
}

/// Kafka's own topics begin with two underscores.
fn is_internal(topic: &str) -> bool {
    topic.starts_with("__")
}
