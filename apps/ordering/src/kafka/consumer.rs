//! The loop of every consumer: a batch of records, one database transaction, then the offsets.
//!
//! Owns batching, retries and offsets. A batch is only ever left behind after its transaction is on disk; a killed
//! process reads again what was committed in the database but not yet in Kafka, which the handlers recognise.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use sqlx::SqliteConnection;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::context::{GroupContext, StartFrom};
use super::{OwnThread, Positions, consumer_config, topic_name};
use crate::backoff::Backoff;
use crate::contracts::Topic;
use crate::database::Database;
use crate::service::Service;
use crate::settings::OrderingSettings;

const MOST_RECORDS: usize = 256;
const MOST_BYTES: usize = 4 << 20;
/// How long a batch waits for company: a hop costs this much, and so many syncs per second at most.
const LINGER: Duration = Duration::from_millis(40);
const COMMIT_EVERY: Duration = Duration::from_millis(500);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A record as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Consumed {
    pub(crate) topic: Topic,
    /// The name with its prefix.
    pub(crate) topic_name: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl Consumed {
    fn size_in_bytes(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        self.key.as_ref().map_or(0, Vec::len) + self.value.as_ref().map_or(0, Vec::len) + headers
    }
}

/// Whether a service's database was last used with this cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClusterSeen {
    /// With this one, or never before.
    SameAsBefore,
    /// With another one: its offsets mean nothing here.
    Changed,
}

/// What a service does with records.
#[async_trait]
pub(crate) trait BatchHandler: Send + Sync + 'static {
    /// What is to be done once the transaction is on disk.
    type Outcome: Send;

    /// The topics it reads.
    fn topics(&self) -> &'static [Topic];

    /// Called once before the first record.
    async fn prepare(&self, _database: &Database, _cluster: ClusterSeen) -> sqlx::Result<()> {
        Ok(())
    }

    /// Its own offsets, where they are not the group's.
    fn positions(&self) -> Option<Positions> {
        None
    }

    /// Writes what follows from the batch. An error is the database's: the batch is tried again, as a whole.
    async fn apply(
        &self,
        connection: &mut SqliteConnection,
        batch: &[Consumed],
    ) -> sqlx::Result<Self::Outcome>;

    /// The transaction is on disk.
    fn committed(&self, outcome: Self::Outcome);
}

/// Reads the handler's topics as this service's group, until the shutdown.
pub(crate) async fn consume<H: BatchHandler>(
    service: Service,
    settings: &OrderingSettings,
    database: &Database,
    handler: Arc<H>,
    shutdown: &CancellationToken,
) -> Result<()> {
    let instance_id = instance_id(database).await?;
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    while !shutdown.is_cancelled() {
        let session = Session::start(
            service,
            settings,
            &instance_id,
            database,
            Arc::clone(&handler),
        )?;
        if let Err(error) = session.run(shutdown).await {
            let what = format!("{service}: the consumer has to be made anew");
            backoff.report(what, format!("{error:#}")).await;
        }
    }
    Ok(())
}

/// What this database's member of the group is called, the same ever after.
async fn instance_id(database: &Database) -> Result<String> {
    let mut transaction = database.write().await?;
    sqlx::query("INSERT INTO meta (key, value) VALUES ('instance_id', ?) ON CONFLICT DO NOTHING")
        .bind(Uuid::now_v7().to_string())
        .execute(&mut *transaction)
        .await?;
    let id = sqlx::query_scalar("SELECT value FROM meta WHERE key = 'instance_id'")
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(id)
}

struct Session<'d, H> {
    service: Service,
    consumer: OwnThread<StreamConsumer<GroupContext>>,
    prefix: String,
    database: &'d Database,
    handler: Arc<H>,
    stored: bool,
    committed_at: Instant,
}

impl<'d, H: BatchHandler> Session<'d, H> {
    fn start(
        service: Service,
        settings: &OrderingSettings,
        instance_id: &str,
        database: &'d Database,
        handler: Arc<H>,
    ) -> Result<Self> {
        let start_from = handler
            .positions()
            .map_or(StartFrom::Committed, StartFrom::Own);
        let consumer: StreamConsumer<GroupContext> =
            consumer_config(settings, service, instance_id)
                .create_with_context(GroupContext {
                    service: service.name(),
                    start_from,
                })
                .context("the Kafka properties do not make a consumer")?;
        let names: Vec<String> = handler
            .topics()
            .iter()
            .map(|topic| topic_name(settings, *topic))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        consumer.subscribe(&names)?;
        let prefix = settings.topic_prefix.clone();
        Ok(Self {
            service,
            consumer: OwnThread::new(consumer),
            prefix,
            database,
            handler,
            stored: false,
            committed_at: Instant::now(),
        })
    }

    async fn run(mut self, shutdown: &CancellationToken) -> Result<()> {
        let outcome = self.poll(shutdown).await;
        self.commit(CommitMode::Async);
        // Leaving the group waits for the broker; a broker that is gone is not waited for long.
        let consumer = self.consumer.into_inner();
        let closing = tokio::task::spawn_blocking(move || drop(consumer));
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
        outcome
    }

    async fn poll(&mut self, shutdown: &CancellationToken) -> Result<()> {
        // The client reconnects by itself and reports each attempt through the same queue as records: a long pause here
        // would only let reports pile up before the first record after an outage.
        let mut errors = Backoff::new(Duration::from_millis(2), Duration::from_millis(10));
        loop {
            let next_commit = tokio::time::Instant::from_std(self.committed_at + COMMIT_EVERY);
            let received = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                received = self.consumer.recv() => received.map(|record| self.take(&record)),
                () = tokio::time::sleep_until(next_commit), if self.stored => {
                    self.commit(CommitMode::Async);
                    continue;
                }
            };
            match received {
                Ok(first) => {
                    errors.reset();
                    let batch = self.gather(first?).await?;
                    if !self.write(&batch, shutdown).await {
                        return Ok(());
                    }
                    self.store(&batch)?;
                    // Told only once, and maybe to `gather`: the next `recv` would wait for ever.
                    self.check_fatal()?;
                }
                Err(error) => {
                    self.check_fatal()?;
                    tokio::select! {
                        () = shutdown.cancelled() => return Ok(()),
                        () = errors.report(format!("{}: Kafka does not answer as it should", self.service), error) => {}
                    }
                }
            }
        }
    }

    /// An error after which this client never goes on.
    fn check_fatal(&self) -> Result<()> {
        match self.consumer.client().fatal_error() {
            Some((code, reason)) => bail!("{code}: {reason}"),
            None => Ok(()),
        }
    }

    /// What else arrives within the linger joins the batch.
    async fn gather(&self, first: Consumed) -> Result<Vec<Consumed>> {
        let deadline = tokio::time::Instant::now() + LINGER;
        let mut bytes = first.size_in_bytes();
        let mut batch = vec![first];
        while batch.len() < MOST_RECORDS && bytes < MOST_BYTES {
            match tokio::time::timeout_at(deadline, self.consumer.recv()).await {
                Ok(Ok(record)) => {
                    let record = self.take(&record)?;
                    bytes += record.size_in_bytes();
                    batch.push(record);
                }
                // An error that lasts comes again with the next poll; one that is fatal is looked for after the batch.
                Ok(Err(_)) | Err(_) => break,
            }
        }
        Ok(batch)
    }

    /// One transaction, tried until it is on disk; false at the shutdown.
    async fn write(&self, batch: &[Consumed], shutdown: &CancellationToken) -> bool {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        loop {
            match self.write_once(batch).await {
                Ok(outcome) => {
                    backoff.reset();
                    self.handler.committed(outcome);
                    return true;
                }
                Err(error) => {
                    let what = format!("{}: the database takes no batch", self.service);
                    tokio::select! {
                        () = shutdown.cancelled() => return false,
                        () = backoff.report(what, error) => {}
                    }
                }
            }
        }
    }

    async fn write_once(&self, batch: &[Consumed]) -> sqlx::Result<H::Outcome> {
        let mut transaction = self.database.write().await?;
        let outcome = self.handler.apply(&mut transaction, batch).await?;
        transaction.commit().await?;
        Ok(outcome)
    }

    fn store(&mut self, batch: &[Consumed]) -> Result<()> {
        let mut offsets = TopicPartitionList::new();
        for record in batch {
            let next = Offset::Offset(record.offset + 1);
            if offsets
                .set_partition_offset(&record.topic_name, record.partition, next)
                .is_err()
            {
                offsets.add_partition_offset(&record.topic_name, record.partition, next)?;
            }
        }
        // Partitions that were revoked meanwhile refuse: whoever has them now reads again and recognises the records.
        if let Err(error) = self.consumer.store_offsets(&offsets) {
            tracing::debug!(service = self.service.name(), %error, "offsets not stored");
        }
        self.stored = true;
        if self.committed_at.elapsed() >= COMMIT_EVERY {
            self.commit(CommitMode::Async);
        }
        Ok(())
    }

    fn commit(&mut self, mode: CommitMode) {
        if !self.stored {
            return;
        }
        match self.consumer.commit_consumer_state(mode) {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            Err(error) => {
                tracing::debug!(service = self.service.name(), %error, "offsets not committed");
            }
        }
        self.stored = false;
        self.committed_at = Instant::now();
    }

    fn take(&self, record: &BorrowedMessage<'_>) -> Result<Consumed> {
        let topic = record
            .topic()
            .strip_prefix(self.prefix.as_str())
            .and_then(Topic::named)
            .with_context(|| {
                format!("a record of {:?}, which was not subscribed", record.topic())
            })?;
        let headers = record.headers().map_or_else(Vec::new, |headers| {
            headers
                .iter()
                .map(|header| {
                    (
                        header.key.to_owned(),
                        header.value.unwrap_or_default().to_vec(),
                    )
                })
                .collect()
        });
        Ok(Consumed {
            topic,
            topic_name: record.topic().to_owned(),
            partition: record.partition(),
            offset: record.offset(),
            timestamp_ms: record.timestamp().to_millis().unwrap_or(0),
            key: record.key().map(<[u8]>::to_vec),
            value: record.payload().map(<[u8]>::to_vec),
            headers,
        })
    }
}
