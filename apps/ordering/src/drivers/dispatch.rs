//! Who drives what, and when it arrives.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use sqlx::SqliteConnection;
use tokio::sync::Notify;

use super::names;
use crate::backoff::Backoff;
use crate::contracts::{Context, DriverAssigned, Event, OrderDelivered, now_ms};
use crate::database::Database;
use crate::host::Host;
use crate::outbox;
use crate::service::Service;

const BATCH: i64 = 256;
const PRUNE: i64 = 1000;
/// Arrivals within this time of each other share a transaction.
const TOGETHER: Duration = Duration::from_millis(50);
/// Looked for at least this often, should a clock be set back.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Makes up the pool to this number. Drivers beyond it finish what they have and get nothing new.
pub(super) async fn employ(database: &Database, pool: u32) -> sqlx::Result<()> {
    let mut transaction = database.write().await?;
    for number in 0..pool {
        sqlx::query("INSERT INTO drivers (id, name) VALUES (?, ?) ON CONFLICT (id) DO NOTHING")
            .bind(number)
            .bind(names::name(number))
            .execute(&mut *transaction)
            .await?;
    }
    sqlx::query("DELETE FROM drivers WHERE id >= ? AND order_id IS NULL")
        .bind(pool)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// Assigns and delivers.
pub(super) struct Dispatch {
    host: Host,
    waiting: Arc<Notify>,
}

/// What one round did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Round {
    delivered: usize,
    assigned: usize,
    next_due_ms: Option<i64>,
}

impl Dispatch {
    pub(super) fn new(host: &Host, waiting: Arc<Notify>) -> Self {
        Self {
            host: host.clone(),
            waiting,
        }
    }

    /// Assigns and delivers until the shutdown.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            let pause = match self.round().await {
                Ok(round) => {
                    backoff.reset();
                    if round.delivered + round.assigned > 0 {
                        self.host.outbox.notify_one();
                    }
                    // A full batch has more behind it.
                    if round.assigned as i64 == BATCH {
                        Duration::ZERO
                    } else {
                        sleep_until_due(round.next_due_ms)
                    }
                }
                Err(error) => {
                    tokio::select! {
                        () = self.host.shutdown.cancelled() => return,
                        () = backoff.report("drivers wait for the database", error) => continue,
                    }
                }
            };
            tokio::select! {
                biased;
                () = self.host.shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = self.waiting.notified() => {}
            }
        }
    }

    async fn round(&self) -> sqlx::Result<Round> {
        let mut transaction = self.host.database.write().await?;
        let now = now_ms();
        let delivered = deliver(&mut transaction, now).await?;
        let assigned = assign(&mut transaction, now, &self.host.settings.drivers.delivery).await?;
        if delivered > 0 {
            self.prune(&mut transaction, now).await?;
        }
        let next_due_ms: Option<i64> =
            sqlx::query_scalar("SELECT min(due_at_ms) FROM assignments WHERE state = 'under_way'")
                .fetch_one(&mut *transaction)
                .await?;
        transaction.commit().await?;
        Ok(Round {
            delivered,
            assigned,
            next_due_ms,
        })
    }

    /// Forgets a bounded number of deliveries from before anything could still be redelivered.
    async fn prune(&self, connection: &mut SqliteConnection, now: i64) -> sqlx::Result<()> {
        let keep =
            i64::try_from(self.host.settings.retention.inbox.as_millis()).unwrap_or(i64::MAX / 2);
        sqlx::query(
            "DELETE FROM assignments WHERE seq IN (SELECT seq FROM assignments WHERE finished_at_ms < ? LIMIT ?)",
        )
        .bind(now - keep)
        .bind(PRUNE)
        .execute(connection)
        .await?;
        Ok(())
    }
}

fn sleep_until_due(next_due_ms: Option<i64>) -> Duration {
    let until = next_due_ms.map_or(LONGEST_SLEEP, |due| {
        Duration::from_millis(u64::try_from(due - now_ms()).unwrap_or(0)) + TOGETHER
    });
    until.min(LONGEST_SLEEP)
}

/// Finishes deliveries that are due; their drivers are free again.
async fn deliver(connection: &mut SqliteConnection, now: i64) -> sqlx::Result<usize> {
    let due: Vec<(i64, String, String, String, Option<String>)> = sqlx::query_as(
        "SELECT a.seq, a.order_id, a.customer_id, a.context, d.name FROM assignments a \
         LEFT JOIN drivers d ON d.id = a.driver_id \
         WHERE a.state = 'under_way' AND a.due_at_ms <= ? ORDER BY a.due_at_ms LIMIT ?",
    )
    .bind(now)
    .bind(BATCH)
    .fetch_all(&mut *connection)
    .await?;
    let delivered = due.len();
    for (seq, order_id, customer_id, context, driver) in due {
        sqlx::query("UPDATE assignments SET state = 'delivered', finished_at_ms = ? WHERE seq = ?")
            .bind(now)
            .bind(seq)
            .execute(&mut *connection)
            .await?;
        sqlx::query("UPDATE drivers SET order_id = NULL WHERE order_id = ?")
            .bind(&order_id)
            .execute(&mut *connection)
            .await?;
        let event = Event::OrderDelivered(OrderDelivered {
            order_id,
            customer_id,
            driver: driver.unwrap_or_else(|| "a colleague".to_owned()),
            delivered_at_ms: now,
        });
        outbox::enqueue(
            connection,
            &event,
            &parse_context(&context)?.caused(Service::Drivers),
        )
        .await?;
    }
    Ok(delivered)
}

/// Gives waiting orders to free drivers, first come, first served.
async fn assign(
    connection: &mut SqliteConnection,
    now: i64,
    takes: &RangeInclusive<Duration>,
) -> sqlx::Result<usize> {
    let queued: Vec<(i64, String, String, String)> = sqlx::query_as(
        "SELECT seq, order_id, customer_id, context FROM assignments WHERE state = 'queued' ORDER BY seq LIMIT ?",
    )
    .bind(BATCH)
    .fetch_all(&mut *connection)
    .await?;
    if queued.is_empty() {
        return Ok(0);
    }
    let free: Vec<(i64, String)> = sqlx::query_as(
        "SELECT id, name FROM drivers WHERE order_id IS NULL ORDER BY random() LIMIT ?",
    )
    .bind(queued.len() as i64)
    .fetch_all(&mut *connection)
    .await?;
    let assigned = free.len();
    for ((seq, order_id, customer_id, context), (driver_id, driver)) in queued.into_iter().zip(free)
    {
        let due_at_ms = now + draw_ms(takes);
        // The delivery follows from the assignment, so its context is kept for it.
        let context = parse_context(&context)?.caused(Service::Drivers);
        let kept =
            serde_json::to_string(&context).map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query(
            "UPDATE assignments SET state = 'under_way', driver_id = ?, due_at_ms = ?, context = ? WHERE seq = ?",
        )
        .bind(driver_id)
        .bind(due_at_ms)
        .bind(kept)
        .bind(seq)
        .execute(&mut *connection)
        .await?;
        sqlx::query("UPDATE drivers SET order_id = ? WHERE id = ?")
            .bind(&order_id)
            .bind(driver_id)
            .execute(&mut *connection)
            .await?;
        let event = Event::DriverAssigned(DriverAssigned {
            order_id,
            customer_id,
            driver,
            due_at_ms,
        });
        outbox::enqueue(connection, &event, &context).await?;
    }
    Ok(assigned)
}

fn draw_ms(takes: &RangeInclusive<Duration>) -> i64 {
    let (shortest, longest) = (
        takes.start().as_millis() as i64,
        takes.end().as_millis() as i64,
    );
    rand::rng().random_range(shortest..=longest.max(shortest))
}

fn parse_context(json: &str) -> sqlx::Result<Context> {
    serde_json::from_str(json).map_err(|error| sqlx::Error::Decode(error.into()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::SCHEMA;
    use super::{assign, deliver, employ};
    use crate::contracts::Context;
    use crate::database::tests::temporary;
    use crate::service::Service;

    #[tokio::test]
    async fn orders_wait_for_a_free_driver_and_are_delivered_when_due() {
        let (_directory, database) = temporary(&[SCHEMA]).await;
        employ(&database, 2).await.unwrap();
        let mut tx = database.write().await.unwrap();
        for n in 0..3 {
            let context = Context::start(Service::Emails, &format!("o-{n}"));
            sqlx::query(
                "INSERT INTO assignments (order_id, customer_id, state, context, created_at_ms) VALUES (?, 'c', 'queued', ?, 0)",
            )
            .bind(format!("o-{n}"))
            .bind(serde_json::to_string(&context).unwrap())
            .execute(&mut *tx)
            .await
            .unwrap();
        }
        let takes = Duration::from_millis(100)..=Duration::from_millis(100);
        assert_eq!(assign(&mut tx, 1000, &takes).await.unwrap(), 2);
        assert_eq!(
            assign(&mut tx, 1000, &takes).await.unwrap(),
            0,
            "no driver is free"
        );
        assert_eq!(deliver(&mut tx, 1099).await.unwrap(), 0, "nothing is due");
        assert_eq!(deliver(&mut tx, 1100).await.unwrap(), 2);
        assert_eq!(assign(&mut tx, 1100, &takes).await.unwrap(), 1);
        assert_eq!(deliver(&mut tx, 1200).await.unwrap(), 1);
        let published: Vec<(String, i64)> =
            sqlx::query_as("SELECT topic, count(*) FROM outbox GROUP BY topic ORDER BY topic")
                .fetch_all(&mut *tx)
                .await
                .unwrap();
        assert_eq!(
            published,
            [
                ("driver_assigned".to_owned(), 3),
                ("order_delivered".to_owned(), 3)
            ]
        );
    }
}
