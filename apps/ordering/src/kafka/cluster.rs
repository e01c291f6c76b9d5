//! The cluster as all services of this process see it: its id, and the topics, created when missing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::Client;
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::context::LogContext;
use super::{admin_config, topic_name};
use crate::backoff::Backoff;
use crate::contracts::Topic;
use crate::settings::OrderingSettings;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const METADATA_ROUNDS: u32 = 200;

/// The cluster as all services of this process see it.
#[derive(Debug)]
pub(crate) struct Cluster {
    settings: Arc<OrderingSettings>,
    id: OnceCell<String>,
}

impl Cluster {
    pub(crate) fn new(settings: Arc<OrderingSettings>) -> Self {
        Self {
            settings,
            id: OnceCell::new(),
        }
    }

    /// Waits until Kafka answers and all topics exist, then gives the cluster's id; `None` at the shutdown.
    pub(crate) async fn ready(&self, shutdown: &CancellationToken) -> Option<&str> {
        let connect = self.id.get_or_init(|| async {
            let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(3));
            loop {
                match connect(&self.settings).await {
                    Ok(id) => return id,
                    Err(error) => {
                        backoff
                            .report("Kafka is not ready yet", format!("{error:#}"))
                            .await;
                    }
                }
            }
        });
        tokio::select! {
            biased;
            () = shutdown.cancelled() => None,
            id = connect => Some(id),
        }
    }
}

async fn connect(settings: &Arc<OrderingSettings>) -> Result<String> {
    let context = LogContext {
        service: "ordering",
    };
    let admin: AdminClient<LogContext> = admin_config(settings)
        .create_with_context(context)
        .context("the Kafka properties do not make a client")?;
    let admin = Arc::new(admin);
    let names = Topic::ALL.map(|topic| topic_name(settings, topic));
    let topics = names.iter().map(|name| {
        let replication = TopicReplication::Fixed(settings.topics.replication_factor);
        let mut topic = NewTopic::new(name, settings.topics.partitions, replication);
        for (key, value) in &settings.topics.configs {
            topic = topic.set(key, value);
        }
        topic
    });
    let topics: Vec<NewTopic<'_>> = topics.collect();
    let options = AdminOptions::new()
        .request_timeout(Some(REQUEST_TIMEOUT))
        .operation_timeout(Some(REQUEST_TIMEOUT));
    for outcome in admin
        .create_topics(&topics, &options)
        .await
        .context("create the topics")?
    {
        match outcome {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => bail!("create the topic {topic}: {code}"),
        }
    }
    // The client's own calls block.
    tokio::task::spawn_blocking(move || wait_for_leaders(admin.inner(), &names)).await?
}

/// Waits until every partition has a leader, and gives the cluster's id. Without this, consumers that subscribe at once
/// see unknown topics and look again only after their refresh interval.
fn wait_for_leaders(client: &Client<LogContext>, names: &[String]) -> Result<String> {
    for name in names {
        let mut rounds = 0;
        loop {
            let metadata = client.fetch_metadata(Some(name), REQUEST_TIMEOUT)?;
            let ready = metadata.topics().first().is_some_and(|topic| {
                !topic.partitions().is_empty()
                    && topic
                        .partitions()
                        .iter()
                        .all(|partition| partition.leader() >= 0)
            });
            if ready {
                break;
            }
            rounds += 1;
            if rounds == METADATA_ROUNDS {
                bail!("the topic {name} has no leaders");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    client
        .fetch_cluster_id(REQUEST_TIMEOUT)
        .context("the cluster does not tell its id")
}
