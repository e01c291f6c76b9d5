//! Writes every event of all topics once, with the offsets in the same transaction.
//!
//! A fact is an event: keyed by its place in the log and by its id, so neither a record read again nor an event produced
//! twice makes a second one. Reading goes on from the database's own offsets; those of the group are for onlookers.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use headwater_console::OrderChange;
use sqlx::SqliteConnection;
use tokio::sync::broadcast;

use super::rollup::Rollup;
use super::view;
use crate::contracts::{Context, Event, Topic};
use crate::database::{Database, count};
use crate::dead_letters;
use crate::kafka::{BatchHandler, ClusterSeen, Consumed, Positions};

/// Writes every event of all topics once.
pub(super) struct Sink {
    positions: Positions,
    changes: broadcast::Sender<OrderChange>,
}

/// Where the sink stands in one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Source {
    incarnation: i64,
    next_offset: i64,
}

/// What is to be done once a batch is on disk.
pub(super) struct Written {
    sources: HashMap<(String, i32), Source>,
    changes: Vec<OrderChange>,
}

impl Sink {
    pub(super) fn new(changes: broadcast::Sender<OrderChange>) -> Self {
        Self {
            positions: Arc::default(),
            changes,
        }
    }
}

#[async_trait]
impl BatchHandler for Sink {
    type Outcome = Written;

    fn topics(&self) -> &'static [Topic] {
        &Topic::ALL
    }

    async fn prepare(&self, database: &Database, cluster: ClusterSeen) -> sqlx::Result<()> {
        let mut transaction = database.write().await?;
        if cluster == ClusterSeen::Changed {
            sqlx::query("UPDATE sources SET incarnation = incarnation + 1, next_offset = 0")
                .execute(&mut *transaction)
                .await?;
        }
        let known: Vec<(String, i32, i64)> =
            sqlx::query_as("SELECT topic, partition, next_offset FROM sources")
                .fetch_all(&mut *transaction)
                .await?;
        transaction.commit().await?;
        *self
            .positions
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = known
            .into_iter()
            .filter(|(_, _, next)| *next > 0)
            .map(|(topic, partition, next)| ((topic, partition), next))
            .collect();
        Ok(())
    }

    fn positions(&self) -> Option<Positions> {
        Some(Arc::clone(&self.positions))
    }

    async fn apply(
        &self,
        connection: &mut SqliteConnection,
        batch: &[Consumed],
    ) -> sqlx::Result<Written> {
        let mut sources: HashMap<(String, i32), Source> = HashMap::new();
        let mut rollup = Rollup::default();
        let mut changes = Vec::new();
        for record in batch {
            let key = (record.topic_name.clone(), record.partition);
            let mut source = match sources.get(&key) {
                Some(source) => *source,
                None => load_source(connection, record).await?,
            };
            let decoded = Event::decode(
                record.topic,
                record.key.as_deref(),
                record.value.as_deref(),
                &record.headers,
                record.timestamp_ms,
            );
            if record.offset < source.next_offset {
                // After a rebalance the positions may be older than what was just gathered.
                if let Ok((_, context)) = &decoded
                    && is_fact(connection, &context.id).await?
                {
                    rollup.doubled_events += 1;
                    continue;
                }
                source.incarnation += 1;
                rollup.recreated_partitions += 1;
                tracing::warn!(
                    topic = record.topic_name,
                    partition = record.partition,
                    offset = record.offset,
                    expected = source.next_offset,
                    "the partition begins anew: its topic was deleted or its broker's directory wiped. Facts go on as a new \
                     incarnation beside the old ones; give a new cluster a --data-dir of its own to keep them apart"
                );
            }
            source.next_offset = record.offset + 1;
            sources.insert(key, source);
            match decoded {
                Err(error) => dead_letters::record(connection, record, &error.to_string()).await?,
                Ok((event, context)) => {
                    if insert_fact(connection, record, source.incarnation, &event, &context).await?
                    {
                        changes
                            .extend(view::follow(connection, &event, &context, &mut rollup).await?);
                    } else {
                        rollup.doubled_events += 1;
                    }
                }
            }
        }
        rollup.write(connection).await?;
        for ((topic, partition), source) in &sources {
            store_source(connection, topic, *partition, *source).await?;
        }
        Ok(Written { sources, changes })
    }

    fn committed(&self, written: Written) {
        let mut positions = self
            .positions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (key, source) in written.sources {
            positions.insert(key, source.next_offset);
        }
        drop(positions);
        for change in written.changes {
            // Nobody looking is no error.
            let _ = self.changes.send(change);
        }
    }
}

async fn load_source(connection: &mut SqliteConnection, record: &Consumed) -> sqlx::Result<Source> {
    let known: Option<(i64, i64)> = sqlx::query_as(
        "SELECT incarnation, next_offset FROM sources WHERE topic = ? AND partition = ?",
    )
    .bind(&record.topic_name)
    .bind(record.partition)
    .fetch_optional(&mut *connection)
    .await?;
    let Some((incarnation, next_offset)) = known else {
        return Ok(Source::default());
    };
    if record.offset > next_offset && next_offset > 0 {
        // Retention took them before they were read, or they were markers of transactions.
        count(
            connection,
            "offsets_passed_over",
            record.offset - next_offset,
        )
        .await?;
    }
    Ok(Source {
        incarnation,
        next_offset,
    })
}

async fn store_source(
    connection: &mut SqliteConnection,
    topic: &str,
    partition: i32,
    source: Source,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO sources (topic, partition, incarnation, next_offset) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (topic, partition) DO UPDATE SET incarnation = ?3, next_offset = ?4",
    )
    .bind(topic)
    .bind(partition)
    .bind(source.incarnation)
    .bind(source.next_offset)
    .execute(connection)
    .await?;
    Ok(())
}

async fn is_fact(connection: &mut SqliteConnection, event_id: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM facts WHERE event_id = ?)")
        .bind(event_id)
        .fetch_one(connection)
        .await
}

/// Writes the fact unless it is there; whether it is new.
async fn insert_fact(
    connection: &mut SqliteConnection,
    record: &Consumed,
    incarnation: i64,
    event: &Event,
    context: &Context,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO facts (incarnation, topic, partition, record_offset, event_id, event_type, service, order_id, \
         timestamp_ms, causation_id, correlation_id, traceparent, payload) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(incarnation)
    .bind(&record.topic_name)
    .bind(record.partition)
    .bind(record.offset)
    .bind(&context.id)
    .bind(record.topic.event_type())
    .bind(context.service())
    .bind(event.order_id())
    .bind(context.time_ms)
    .bind(context.causation_id.as_deref())
    .bind(&context.correlation_id)
    .bind(context.traceparent.to_string())
    .bind(String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned())
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

#[cfg(test)]
mod tests;
