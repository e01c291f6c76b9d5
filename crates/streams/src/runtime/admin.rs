//! The admin client: topics made, described, emptied and deleted. Calls block the thread that makes them.

#[cfg(test)]
mod tests;
#[expect(unsafe_code, reason = "topics' ids come by librdkafka's C interface")]
mod topic_ids;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::TopicPartition;
use super::client::{ClientError, ClientRole, ClientSettings, ErrorKind};

/// How long the cluster may take for one call.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicToMake {
    pub(crate) name: Arc<str>,
    pub(crate) partitions: i32,
    pub(crate) configs: Vec<(String, String)>,
}

/// The admin client.
pub(crate) struct Admin {
    client: AdminClient<DefaultClientContext>,
    /// -1 leaves it to the cluster.
    replication_factor: i32,
    limit: Duration,
}

impl Admin {
    /// An admin client that makes topics with this replication factor; -1 for the cluster's default.
    pub(crate) fn new(
        settings: &ClientSettings,
        replication_factor: i32,
    ) -> Result<Self, ClientError> {
        let client = settings
            .config(ClientRole::Admin, &[])
            .create()
            .map_err(|error| of_kafka("making an admin client", &error))?;
        Ok(Self {
            client,
            replication_factor,
            limit: CALL_LIMIT,
        })
    }

    /// The same with another limit on each call.
    #[cfg(test)]
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new()
            .request_timeout(Some(self.limit))
            .operation_timeout(Some(self.limit))
    }

    /// Makes topics and waits till the cluster has them. One that is there already is left as it is.
    pub(crate) fn make(&self, topics: &[TopicToMake]) -> Result<(), ClientError> {
        if topics.is_empty() {
            return Ok(());
        }
        let new: Vec<_> = topics
            .iter()
            .map(|topic| {
                let replication = TopicReplication::Fixed(self.replication_factor);
                let new = NewTopic::new(&topic.name, topic.partitions, replication);
                topic
                    .configs
                    .iter()
                    .fold(new, |new, (key, value)| new.set(key, value))
            })
            .collect();
        let results = wait(self.client.create_topics(&new, &self.options()))
            .map_err(|error| of_kafka("creating topics", &error))?;
        for result in results {
            match result {
                Ok(name) => tracing::info!(topic = name, "topic created"),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(of_code(format!("creating topic {name}"), code)),
            }
        }
        Ok(())
    }

    /// Deletes topics; one that is not there is no error.
    pub(crate) fn delete(&self, topics: &[&str]) -> Result<(), ClientError> {
        if topics.is_empty() {
            return Ok(());
        }
        let results = wait(self.client.delete_topics(topics, &self.options()))
            .map_err(|error| of_kafka("deleting topics", &error))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((name, code)) => return Err(of_code(format!("deleting topic {name}"), code)),
            }
        }
        Ok(())
    }

    /// Deletes a group with its committed offsets; one that is not there is no error.
    ///
    /// # Errors
    /// It has members, or the cluster cannot be asked.
    pub(crate) fn delete_group(&self, group: &str) -> Result<(), ClientError> {
        let action = || format!("deleting the group {group}");
        let results = wait(self.client.delete_groups(&[group], &self.options()))
            .map_err(|error| of_kafka(&action(), &error))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::GroupIdNotFound)) => {}
                Err((_, code)) => return Err(of_code(action(), code)),
            }
        }
        Ok(())
    }

    /// The partition counts of all topics of the cluster.
    pub(crate) fn partition_counts(&self) -> Result<BTreeMap<String, i32>, ClientError> {
        let metadata = self
            .client
            .inner()
            .fetch_metadata(None, self.limit)
            .map_err(|error| of_kafka("listing topics", &error))?;
        Ok(metadata
            .topics()
            .iter()
            .filter(|topic| topic.error().is_none())
            .map(|topic| (topic.name().to_owned(), topic.partitions().len() as i32))
            .collect())
    }

    /// All topics of the cluster, with their partition counts where these can be told at present.
    pub(crate) fn present_topics(&self) -> Result<BTreeMap<String, Option<i32>>, ClientError> {
        let metadata = self
            .client
            .inner()
            .fetch_metadata(None, self.limit)
            .map_err(|error| of_kafka("listing topics", &error))?;
        let present = metadata.topics().iter().filter_map(|topic| {
            let error = topic.error().map(RDKafkaErrorCode::from);
            let count = match error {
                None => Some(topic.partitions().len() as i32),
                Some(RDKafkaErrorCode::UnknownTopicOrPartition) => return None,
                Some(_) => None,
            };
            Some((topic.name().to_owned(), count))
        });
        Ok(present.collect())
    }

    /// Asks for a topic as a producer does, which makes it if the cluster makes topics that are asked for
    /// (`auto.create.topics.enable`).
    pub(crate) fn ask_for(&self, topic: &str) -> Result<(), ClientError> {
        let asked = self.client.inner().fetch_metadata(Some(topic), self.limit);
        asked
            .map(drop)
            .map_err(|error| of_kafka(&format!("asking for topic {topic}"), &error))
    }

    /// The ids of those of the topics that exist, from clusters that have them.
    pub(crate) fn topic_ids(
        &self,
        topics: &[&str],
    ) -> Result<BTreeMap<Arc<str>, [u8; 16]>, ClientError> {
        topic_ids::topic_ids(self.client.inner().native_ptr(), topics, self.limit)
    }

    /// The value of a topic's config.
    pub(crate) fn topic_config(&self, topic: &str, key: &str) -> Result<String, ClientError> {
        let action = || format!("describing topic {topic}");
        let resource = ResourceSpecifier::Topic(topic);
        let described = wait(self.client.describe_configs([&resource], &self.options()))
            .map_err(|error| of_kafka(&action(), &error))?;
        let found = described
            .into_iter()
            .next()
            .ok_or_else(|| ClientError::own(ErrorKind::Fatal, action(), "no answer"))?
            .map_err(|code| of_code(action(), code))?;
        if found.entries.is_empty() {
            // What becomes of the answer for a topic that is not there.
            return Err(of_code(action(), RDKafkaErrorCode::UnknownTopicOrPartition));
        }
        let value = found.get(key).and_then(|entry| entry.value.clone());
        value
            .ok_or_else(|| ClientError::own(ErrorKind::Fatal, action(), format!("no config {key}")))
    }

    /// Values of some configs of those of the topics that exist, in the order of `keys`.
    pub(crate) fn topic_configs(
        &self,
        topics: &[&str],
        keys: &[&str],
    ) -> Result<BTreeMap<String, Vec<Option<String>>>, ClientError> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let resources: Vec<_> = topics
            .iter()
            .map(|topic| ResourceSpecifier::Topic(topic))
            .collect();
        let described = wait(self.client.describe_configs(&resources, &self.options()))
            .map_err(|error| of_kafka("describing topics", &error))?;
        let mut configs = BTreeMap::new();
        for found in described {
            let found = found.map_err(|code| of_code("describing topics".to_owned(), code))?;
            let OwnedResourceSpecifier::Topic(topic) = &found.specifier else {
                continue;
            };
            let value = |key: &&str| found.get(key).and_then(|entry| entry.value.clone());
            configs.insert(topic.clone(), keys.iter().map(value).collect());
        }
        Ok(configs)
    }

    /// Deletes the records below these offsets.
    pub(crate) fn delete_records(
        &self,
        before: &[(TopicPartition, i64)],
    ) -> Result<(), ClientError> {
        if before.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for (partition, offset) in before {
            list.add_partition_offset(
                &partition.topic,
                partition.partition,
                Offset::Offset(*offset),
            )
            .map_err(|error| of_kafka("deleting records", &error))?;
        }
        let done = wait(self.client.delete_records(&list, &self.options()))
            .map_err(|error| of_kafka("deleting records", &error))?;
        for element in done.elements() {
            let action = format!(
                "deleting records of {}-{}",
                element.topic(),
                element.partition()
            );
            element.error().map_err(|error| of_kafka(&action, &error))?;
        }
        Ok(())
    }
}

fn of_code(action: String, code: RDKafkaErrorCode) -> ClientError {
    let kind = match code {
        RDKafkaErrorCode::UnknownTopicOrPartition
        | RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownPartition => ErrorKind::UnknownTopic,
        RDKafkaErrorCode::BrokerTransportFailure
        | RDKafkaErrorCode::AllBrokersDown
        | RDKafkaErrorCode::OperationTimedOut
        | RDKafkaErrorCode::RequestTimedOut
        | RDKafkaErrorCode::NotController
        | RDKafkaErrorCode::LeaderNotAvailable
        | RDKafkaErrorCode::NotLeaderForPartition
        | RDKafkaErrorCode::NotCoordinator => ErrorKind::Retriable,
        _ => ErrorKind::Fatal,
    };
    let mut error = ClientError::own(kind, action, code.to_string());
    error.code = format!("{code:?}");
    error
}

fn of_kafka(action: &str, error: &KafkaError) -> ClientError {
    let code = match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    };
    match code {
        Some(code) => of_code(action.to_owned(), code),
        None => ClientError::own(ErrorKind::Fatal, action, error.to_string()),
    }
}

/// Waits for an answer on this thread: the admin client's own thread brings it.
fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => std::thread::park(),
        }
    }
}
