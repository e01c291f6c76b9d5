//! The outbox: what a service publishes is first written beside its state, then relayed to Kafka in order.
//!
//! Owns the table and the relay. A record is produced at least once: a kill between the delivery and the mark repeats it,
//! under the same event id, which every inbox recognises. Never drops a record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use sqlx::SqliteConnection;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::contracts::{Context, Event};
use crate::database::Database;
use crate::kafka;
use crate::kafka::OwnThread;
use crate::kafka::context::LogContext;
use crate::service::Service;
use crate::settings::OrderingSettings;

const BATCH: i64 = 256;
const SWEEP: i64 = 1000;
/// Rounds of a sweep: 64,000 records every five seconds are more than a relay sends.
const SWEEP_ROUNDS: u32 = 64;
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// An idle relay also looks by itself: a commit whose wake-up was lost with its task does not wait for the next one.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// At a shutdown, what is ready still goes out if Kafka takes it this fast; the rest goes at the next start.
const LAST_PASS: Duration = Duration::from_secs(2);

/// Adds an event, in the transaction of the state it tells about.
pub(crate) async fn enqueue(
    connection: &mut SqliteConnection,
    event: &Event,
    context: &Context,
) -> sqlx::Result<()> {
    let topic = event.topic();
    let headers = serde_json::to_string(&context.headers(topic.event_type()))
        .map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(
        "INSERT INTO outbox (topic, record_key, payload, headers, created_at_ms) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(topic.name())
    .bind(event.order_id())
    .bind(event.to_json())
    .bind(headers)
    .bind(context.time_ms)
    .execute(connection)
    .await?;
    Ok(())
}

/// How many events wait to be sent, from both ends of the queue: as exact as a bound needs it.
pub(crate) async fn backlog(connection: &mut SqliteConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "SELECT coalesce((SELECT max(seq) FROM outbox) - (SELECT min(seq) FROM outbox WHERE sent_at_ms IS NULL) + 1, 0)",
    )
    .fetch_one(connection)
    .await
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    topic: String,
    record_key: String,
    payload: String,
    headers: String,
    created_at_ms: i64,
}

/// Sends what is in the outbox, whenever it is woken, until the shutdown.
pub(crate) struct Relay {
    service: Service,
    settings: Arc<OrderingSettings>,
    database: Database,
    wake: Arc<Notify>,
    producer: OwnThread<FutureProducer<LogContext>>,
    swept_at: Instant,
}

impl Relay {
    pub(crate) fn new(
        service: Service,
        settings: Arc<OrderingSettings>,
        database: Database,
        wake: Arc<Notify>,
    ) -> Result<Self> {
        let producer = producer(service, &settings)?;
        Ok(Self {
            service,
            settings,
            database,
            wake,
            producer,
            swept_at: Instant::now(),
        })
    }

    pub(crate) async fn run(mut self, shutdown: &CancellationToken) -> Result<()> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            let pass = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                pass = self.pass() => pass,
            };
            match pass {
                Ok(0) => {
                    backoff.reset();
                    tokio::select! {
                        () = shutdown.cancelled() => break,
                        () = self.wake.notified() => {}
                        () = tokio::time::sleep(LOOK_EVERY) => {}
                    }
                }
                Ok(_) => backoff.reset(),
                Err(error) => {
                    tokio::select! {
                        () = shutdown.cancelled() => break,
                        () = backoff.report(format!("{}: the outbox waits", self.service), format!("{error:#}")) => {}
                    }
                    if self.producer.client().fatal_error().is_some() {
                        self.producer = producer(self.service, &self.settings)?;
                    }
                }
            }
        }
        if let Ok(Err(error)) = tokio::time::timeout(LAST_PASS, self.pass()).await {
            tracing::debug!(service = self.service.name(), %error, "the outbox goes on at the next start");
        }
        Ok(())
    }

    /// Sends the oldest unsent records, waits for their delivery and marks those that are stored.
    async fn pass(&mut self) -> Result<usize> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT seq, topic, record_key, payload, headers, created_at_ms FROM outbox \
             WHERE sent_at_ms IS NULL ORDER BY seq LIMIT ?",
        )
        .bind(BATCH)
        .fetch_all(self.database.relaxed())
        .await?;
        if self.swept_at.elapsed() >= SWEEP_EVERY {
            self.sweep().await?;
        }
        let Some(first) = rows.first().map(|row| row.seq) else {
            return Ok(0);
        };
        let mut deliveries = Vec::with_capacity(rows.len());
        for row in &rows {
            match self.produce(row)? {
                Some(delivery) => deliveries.push((row.seq, delivery)),
                // The client's queue is full: the rest comes with the next pass.
                None => break,
            }
        }
        // Marked in order up to the first that failed: what came after it is sent again, so that order holds.
        let mut sent = 0;
        let mut last = None;
        let mut failure = None;
        for (seq, delivery) in deliveries {
            match delivery.await {
                Ok(Ok(_)) if failure.is_none() => {
                    last = Some(seq);
                    sent += 1;
                }
                Ok(Ok(_)) => {}
                Ok(Err((error, _))) => failure = failure.or(Some(error.to_string())),
                Err(_) => failure = failure.or(Some("the producer went away".to_owned())),
            }
        }
        if let Some(last) = last {
            self.mark(first, last).await?;
        }
        match failure {
            Some(failure) => bail!("{failure}"),
            None => Ok(sent),
        }
    }

    fn produce(&self, row: &Row) -> Result<Option<DeliveryFuture>> {
        let headers: Vec<(String, String)> = serde_json::from_str(&row.headers)
            .with_context(|| format!("headers of outbox record {}", row.seq))?;
        let mut owned = OwnedHeaders::new_with_capacity(headers.len());
        for (key, value) in &headers {
            owned = owned.insert(Header {
                key,
                value: Some(value),
            });
        }
        let topic = format!("{}{}", self.settings.topic_prefix, row.topic);
        let record = FutureRecord::to(&topic)
            .key(&row.record_key)
            .payload(&row.payload)
            .timestamp(row.created_at_ms)
            .headers(owned);
        match self.producer.send_result(record) {
            Ok(delivery) => Ok(Some(delivery)),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(None),
            Err((error, _)) => Err(error.into()),
        }
    }

    async fn mark(&self, first: i64, last: i64) -> sqlx::Result<()> {
        sqlx::query(
            "UPDATE outbox SET sent_at_ms = ? WHERE seq BETWEEN ? AND ? AND sent_at_ms IS NULL",
        )
        .bind(crate::contracts::now_ms())
        .bind(first)
        .bind(last)
        .execute(self.database.relaxed())
        .await?;
        Ok(())
    }

    async fn sweep(&mut self) -> sqlx::Result<()> {
        self.swept_at = Instant::now();
        sweep(&self.database).await
    }
}

/// Deletes what is stored in Kafka, a bounded number of records at a time, so that writers come between.
async fn sweep(database: &Database) -> sqlx::Result<()> {
    for _ in 0..SWEEP_ROUNDS {
        let done = sqlx::query(
            "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE sent_at_ms IS NOT NULL ORDER BY seq LIMIT ?)",
        )
        .bind(SWEEP)
        .execute(database.relaxed())
        .await?;
        if (done.rows_affected() as i64) < SWEEP {
            break;
        }
    }
    Ok(())
}

fn producer(
    service: Service,
    settings: &OrderingSettings,
) -> Result<OwnThread<FutureProducer<LogContext>>> {
    kafka::producer_config(settings, service)
        .create_with_context(LogContext {
            service: service.name(),
        })
        .map(OwnThread::new)
        .context("the Kafka properties do not make a producer")
}

#[cfg(test)]
mod tests {
    use super::{SWEEP, backlog, enqueue, sweep};
    use crate::contracts::{Context, Event, OrderProcessed};
    use crate::database::tests::temporary;
    use crate::service::Service;

    #[tokio::test]
    async fn only_what_was_sent_is_swept() {
        let (_directory, database) = temporary(&[]).await;
        let mut tx = database.write().await.unwrap();
        assert_eq!(backlog(&mut tx).await.unwrap(), 0);
        for n in 0..5 {
            let event = Event::OrderProcessed(OrderProcessed {
                order_id: format!("o-{n}"),
                customer_id: "c".into(),
                message_id: "m".into(),
            });
            let context = Context::start(Service::Emails, event.order_id());
            enqueue(&mut tx, &event, &context).await.unwrap();
        }
        sqlx::query("UPDATE outbox SET sent_at_ms = 1 WHERE seq <= 3")
            .execute(&mut *tx)
            .await
            .unwrap();
        assert_eq!(backlog(&mut tx).await.unwrap(), 2);
        tx.commit().await.unwrap();
        sweep(&database).await.unwrap();
        let left: Vec<i64> = sqlx::query_scalar("SELECT seq FROM outbox ORDER BY seq")
            .fetch_all(database.read())
            .await
            .unwrap();
        assert_eq!(left, [4, 5]);
    }

    #[tokio::test]
    async fn a_sweep_goes_on_until_nothing_sent_is_left() {
        let (_directory, database) = temporary(&[]).await;
        sqlx::query(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) \
             INSERT INTO outbox (topic, record_key, payload, headers, created_at_ms, sent_at_ms) \
             SELECT 't', 'k', '{}', '[]', 1, 1 FROM n",
        )
        .bind(3 * SWEEP + 1)
        .execute(database.relaxed())
        .await
        .unwrap();
        sweep(&database).await.unwrap();
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
            .fetch_one(database.read())
            .await
            .unwrap();
        assert_eq!(left, 0);
    }

    #[tokio::test]
    async fn numbers_do_not_come_again_after_a_sweep() {
        let (_directory, database) = temporary(&[]).await;
        for expected in 1..=3_i64 {
            let event = Event::OrderProcessed(OrderProcessed {
                order_id: "o".into(),
                customer_id: "c".into(),
                message_id: "m".into(),
            });
            let mut tx = database.write().await.unwrap();
            enqueue(&mut tx, &event, &Context::start(Service::Emails, "o"))
                .await
                .unwrap();
            sqlx::query("UPDATE outbox SET sent_at_ms = 1")
                .execute(&mut *tx)
                .await
                .unwrap();
            let seq: i64 = sqlx::query_scalar("SELECT max(seq) FROM outbox")
                .fetch_one(&mut *tx)
                .await
                .unwrap();
            assert_eq!(seq, expected);
            tx.commit().await.unwrap();
            sweep(&database).await.unwrap();
        }
    }
}
