//! Sends queued mails, in order within each lane.
//!
//! A lane holds the mails of one partition: they go one after the other, so their order is kept; lanes go side by side.
//! A server that is down, says "later" (4xx) or does not let us in stops its lane, and the mails wait. One that refuses
//! a mail for good (5xx) is believed: the mail is kept with the answer, and the order goes on without it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use sqlx::SqliteConnection;
use tokio::sync::Notify;

use super::mail::Mail;
use super::smtp::{self, Answer, Transport};
use crate::backoff::Backoff;
use crate::contracts::{Context, Event, OrderProcessed, Topic, now_ms};
use crate::database::Database;
use crate::host::Host;
use crate::outbox;
use crate::service::Service;

const BATCH: i64 = 64;
const LANES: i64 = 8;
const PRUNE: i64 = 1000;
/// Passes between two prunings, each of at most `BATCH` mails: fewer than the rounds of one pruning forget.
const PRUNE_EVERY: u32 = 100;
const PRUNE_ROUNDS: u32 = 64;

/// Sends queued mails.
pub(super) struct Mailer {
    host: Host,
    transport: Transport,
    queued: Arc<Notify>,
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    message_id: String,
    order_id: String,
    customer_id: String,
    kind: String,
    recipient: String,
    subject: String,
    body: String,
    lane: i64,
    context: String,
}

/// What became of the mails of one lane.
#[derive(Default)]
struct Sent {
    answered: Vec<(Row, Answer)>,
    /// Why the lane stopped early.
    stopped: Option<String>,
}

impl Mailer {
    pub(super) fn new(host: &Host, transport: Transport, queued: Arc<Notify>) -> Self {
        Self {
            host: host.clone(),
            transport,
            queued,
        }
    }

    /// Sends whatever is queued, until the shutdown.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        let mut passes = 0_u32;
        loop {
            let wait = match self.pass().await {
                Ok(Pass::Empty) => {
                    backoff.reset();
                    None
                }
                Ok(Pass::All) => {
                    backoff.reset();
                    passes = passes.wrapping_add(1);
                    if passes.is_multiple_of(PRUNE_EVERY) {
                        let keep = self.host.settings.retention.inbox;
                        if let Err(error) = prune(&self.host.database, keep).await {
                            tracing::warn!(%error, "old mails were not pruned");
                        }
                    }
                    if self.host.shutdown.is_cancelled() {
                        return;
                    }
                    continue;
                }
                Ok(Pass::Stopped(reason)) => Some(("mails wait for the SMTP server", reason)),
                Err(error) => Some(("mails wait for the database", error.to_string())),
            };
            let pause = async {
                match wait {
                    None => self.queued.notified().await,
                    Some((what, reason)) => backoff.report(what, reason).await,
                }
            };
            tokio::select! {
                biased;
                () = self.host.shutdown.cancelled() => return,
                () = pause => {}
            }
        }
    }

    async fn pass(&self) -> sqlx::Result<Pass> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT seq, message_id, order_id, customer_id, kind, recipient, subject, body, lane, context \
             FROM mails WHERE status = 'queued' ORDER BY seq LIMIT ?",
        )
        .bind(BATCH)
        .fetch_all(self.host.database.read())
        .await?;
        if rows.is_empty() {
            return Ok(Pass::Empty);
        }
        let mut lanes: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
        for row in rows {
            lanes
                .entry(row.lane.rem_euclid(LANES))
                .or_default()
                .push(row);
        }
        let sent = join_all(lanes.into_values().map(|lane| self.send(lane))).await;
        let stopped = sent.iter().find_map(|sent| sent.stopped.clone());
        let answered: Vec<_> = sent.into_iter().flat_map(|sent| sent.answered).collect();
        if !answered.is_empty() {
            let mut transaction = self.host.database.write().await?;
            for (row, answer) in &answered {
                finish(&mut transaction, row, answer).await?;
            }
            transaction.commit().await?;
            self.host.outbox.notify_one();
        }
        Ok(stopped.map_or(Pass::All, Pass::Stopped))
    }

    async fn send(&self, lane: Vec<Row>) -> Sent {
        let mut sent = Sent::default();
        for row in lane {
            let mail = Mail {
                message_id: row.message_id.clone(),
                recipient: row.recipient.clone(),
                subject: row.subject.clone(),
                body: row.body.clone(),
            };
            let message = match smtp::message(&mail) {
                Ok(message) => message,
                Err(error) => {
                    sent.answered
                        .push((row, Answer::Refused(format!("{error:#}"))));
                    continue;
                }
            };
            match smtp::deliver(&self.transport, message).await {
                Ok(answer) => {
                    if let Answer::Refused(reason) = &answer {
                        tracing::warn!(
                            message_id = row.message_id,
                            reason,
                            "the SMTP server refused a mail for good"
                        );
                    }
                    sent.answered.push((row, answer));
                }
                Err(error) => {
                    sent.stopped = Some(format!("{:#}", anyhow::Error::new(error)));
                    break;
                }
            }
        }
        sent
    }
}

/// Forgets the mails, sent or refused, whose events cannot be redelivered any more; some at a time.
async fn prune(database: &Database, keep: Duration) -> sqlx::Result<()> {
    let before = now_ms() - i64::try_from(keep.as_millis()).unwrap_or(i64::MAX / 2);
    for _ in 0..PRUNE_ROUNDS {
        let done = sqlx::query(
            "DELETE FROM mails WHERE seq IN (SELECT seq FROM mails WHERE done_at_ms < ? LIMIT ?)",
        )
        .bind(before)
        .bind(PRUNE)
        .execute(database.relaxed())
        .await?;
        if (done.rows_affected() as i64) < PRUNE {
            break;
        }
    }
    Ok(())
}

enum Pass {
    Empty,
    All,
    Stopped(String),
}

/// Marks a mail and, for a confirmed order, publishes that it is processed.
async fn finish(connection: &mut SqliteConnection, row: &Row, answer: &Answer) -> sqlx::Result<()> {
    let (status, detail) = match answer {
        Answer::Accepted => ("accepted", None),
        Answer::Refused(reason) => ("refused", Some(reason.as_str())),
    };
    let marked = sqlx::query(
        "UPDATE mails SET status = ?, detail = ?, done_at_ms = ? WHERE seq = ? AND status = 'queued'",
    )
    .bind(status)
    .bind(detail)
    .bind(now_ms())
    .bind(row.seq)
    .execute(&mut *connection)
    .await?;
    if marked.rows_affected() == 0 || row.kind != Topic::OrderConfirmed.name() {
        return Ok(());
    }
    let context: Context =
        serde_json::from_str(&row.context).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let event = Event::OrderProcessed(OrderProcessed {
        order_id: row.order_id.clone(),
        customer_id: row.customer_id.clone(),
        message_id: row.message_id.clone(),
    });
    outbox::enqueue(connection, &event, &context.caused(Service::Emails)).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::SCHEMA;
    use super::{PRUNE, prune};
    use crate::contracts::now_ms;
    use crate::database::tests::temporary;

    #[tokio::test]
    async fn old_mails_are_forgotten_whatever_became_of_them_and_queued_ones_never() {
        let (_directory, database) = temporary(&[SCHEMA]).await;
        for (status, count, done_at_ms) in [
            ("accepted", 2 * PRUNE + 1, Some(1)),
            ("refused", 2, Some(1)),
            ("queued", 1, None),
            ("accepted", 1, Some(now_ms())),
        ] {
            sqlx::query(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
                 INSERT INTO mails (message_id, order_id, customer_id, kind, recipient, subject, body, lane, context, \
                 status, queued_at_ms, done_at_ms) \
                 SELECT ?2 || coalesce(?3, 0) || i, 'o', 'c', 'k', 'r', 's', 'b', 0, '{}', ?2, 1, ?3 FROM n",
            )
            .bind(count)
            .bind(status)
            .bind(done_at_ms)
            .execute(database.relaxed())
            .await
            .unwrap();
        }
        prune(&database, Duration::from_hours(1)).await.unwrap();
        let left: Vec<String> = sqlx::query_scalar("SELECT status FROM mails ORDER BY seq")
            .fetch_all(database.read())
            .await
            .unwrap();
        assert_eq!(left, ["queued", "accepted"]);
    }
}
