//! The inbox: every event takes effect once, however often it is delivered.
//!
//! Owns the table of event ids seen and what happens to poison. The id is written in the transaction of the event's
//! effects, so neither is ever there without the other. Ids are forgotten after `Retention::inbox`.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;

use crate::contracts::{Context, Event, Topic, now_ms};
use crate::database::{Database, count};
use crate::dead_letters;
use crate::kafka::{BatchHandler, Consumed};

const PRUNE: i64 = 5000;

/// An event seen for the first time, and where it was read.
#[derive(Debug)]
pub(crate) struct Received<'b> {
    pub(crate) event: Event,
    pub(crate) context: Context,
    pub(crate) record: &'b Consumed,
}

/// What a handler made of an event.
#[derive(Debug)]
pub(crate) enum Verdict<E> {
    /// Its effects are written; this is to be done once they are on disk.
    Done(Option<E>),
    /// It cannot be acted on, ever. Nothing of it may have been written.
    Poison(String),
}

/// What a service does with one event.
#[async_trait]
pub(crate) trait EventHandler: Send + Sync + 'static {
    /// What is to be done about an event once its effects are on disk.
    type Effect: Send;

    /// The topics it reads.
    fn topics(&self) -> &'static [Topic];

    /// Writes what follows from an event. An error is the database's, never the event's.
    async fn handle(
        &self,
        connection: &mut SqliteConnection,
        received: &Received<'_>,
    ) -> sqlx::Result<Verdict<Self::Effect>>;

    /// The effects of a batch are on disk.
    fn committed(&self, effects: Vec<Self::Effect>);
}

/// Lets each event through to the handler once.
pub(crate) struct Inbox<H>(pub(crate) H);

#[async_trait]
impl<H: EventHandler> BatchHandler for Inbox<H> {
    type Outcome = Vec<H::Effect>;

    fn topics(&self) -> &'static [Topic] {
        self.0.topics()
    }

    async fn apply(
        &self,
        connection: &mut SqliteConnection,
        batch: &[Consumed],
    ) -> sqlx::Result<Self::Outcome> {
        let mut effects = Vec::new();
        let mut doubles = 0;
        for record in batch {
            let decoded = Event::decode(
                record.topic,
                record.key.as_deref(),
                record.value.as_deref(),
                &record.headers,
                record.timestamp_ms,
            );
            let (event, context) = match decoded {
                Ok(decoded) => decoded,
                Err(error) => {
                    dead_letters::record(connection, record, &error.to_string()).await?;
                    continue;
                }
            };
            if !first_time(connection, &context.id).await? {
                doubles += 1;
                continue;
            }
            match self
                .0
                .handle(
                    connection,
                    &Received {
                        event,
                        context,
                        record,
                    },
                )
                .await?
            {
                Verdict::Done(effect) => effects.extend(effect),
                Verdict::Poison(reason) => {
                    dead_letters::record(connection, record, &reason).await?;
                }
            }
        }
        if doubles > 0 {
            count(connection, "doubled_events", doubles).await?;
        }
        Ok(effects)
    }

    fn committed(&self, outcome: Self::Outcome) {
        self.0.committed(outcome);
    }
}

async fn first_time(connection: &mut SqliteConnection, event_id: &str) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO inbox (event_id, seen_at_ms) VALUES (?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(event_id)
    .bind(now_ms())
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets a bounded number of ids older than this; true if there are more.
pub(crate) async fn prune(database: &Database, older_than: Duration) -> sqlx::Result<bool> {
    let before = now_ms() - i64::try_from(older_than.as_millis()).unwrap_or(i64::MAX / 2);
    let done = sqlx::query(
        "DELETE FROM inbox WHERE event_id IN (SELECT event_id FROM inbox WHERE seen_at_ms < ? LIMIT ?)",
    )
    .bind(before)
    .bind(PRUNE)
    .execute(database.relaxed())
    .await?;
    Ok(done.rows_affected() as i64 == PRUNE)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use async_trait::async_trait;
    use sqlx::SqliteConnection;

    use super::{EventHandler, Inbox, Received, Verdict, prune};
    use crate::contracts::{Context, Event, OrderProcessed, Topic};
    use crate::database::tests::temporary;
    use crate::kafka::{BatchHandler, Consumed};
    use crate::service::Service;

    /// The record this event would be read as.
    pub(crate) fn consumed(event: &Event, context: &Context, offset: i64) -> Consumed {
        Consumed {
            topic: event.topic(),
            topic_name: event.topic().name().to_owned(),
            partition: 0,
            offset,
            timestamp_ms: context.time_ms,
            key: Some(event.order_id().as_bytes().to_vec()),
            value: Some(event.to_json().into_bytes()),
            headers: context
                .headers(event.topic().event_type())
                .into_iter()
                .map(|(key, value)| (key, value.into_bytes()))
                .collect(),
        }
    }

    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);

    #[async_trait]
    impl EventHandler for Notes {
        type Effect = String;

        fn topics(&self) -> &'static [Topic] {
            &[Topic::OrderProcessed]
        }

        async fn handle(
            &self,
            _: &mut SqliteConnection,
            received: &Received<'_>,
        ) -> sqlx::Result<Verdict<String>> {
            let order_id = received.event.order_id().to_owned();
            Ok(if order_id == "bad" {
                Verdict::Poison("bad".into())
            } else {
                Verdict::Done(Some(order_id))
            })
        }

        fn committed(&self, effects: Vec<String>) {
            self.0.lock().unwrap().extend(effects);
        }
    }

    fn processed(order_id: &str) -> Event {
        Event::OrderProcessed(OrderProcessed {
            order_id: order_id.into(),
            customer_id: "c".into(),
            message_id: "m".into(),
        })
    }

    #[tokio::test]
    async fn an_event_takes_effect_once_and_poison_does_not_stop_the_batch() {
        let (_directory, database) = temporary(&[]).await;
        let good = processed("o-1");
        let context = Context::start(Service::Emails, "o-1");
        let bad = processed("bad");
        let mut garbage = consumed(&good, &context, 7);
        garbage.value = Some(vec![0xff]);
        let batch = [
            garbage,
            consumed(&good, &context, 8),
            consumed(&good, &context, 9),
            consumed(&bad, &Context::start(Service::Emails, "bad"), 10),
            consumed(
                &processed("o-2"),
                &Context::start(Service::Emails, "o-2"),
                11,
            ),
        ];
        let inbox = Inbox(Notes::default());
        for _ in 0..2 {
            let mut tx = database.write().await.unwrap();
            let outcome = inbox.apply(&mut tx, &batch).await.unwrap();
            tx.commit().await.unwrap();
            inbox.committed(outcome);
        }
        assert_eq!(*inbox.0.0.lock().unwrap(), ["o-1", "o-2"]);
        let letters: Vec<(i64, Option<Vec<u8>>, String)> = sqlx::query_as(
            "SELECT record_offset, record_value, reason FROM dead_letters ORDER BY id",
        )
        .fetch_all(database.read())
        .await
        .unwrap();
        assert_eq!(letters.len(), 2);
        assert_eq!(
            (letters[0].0, letters[0].1.as_deref()),
            (7, Some(&[0xff][..]))
        );
        assert_eq!((letters[1].0, letters[1].2.as_str()), (10, "bad"));
    }

    #[tokio::test]
    async fn a_transaction_that_fails_forgets_the_event() {
        let (_directory, database) = temporary(&[]).await;
        let batch = [consumed(
            &processed("o-1"),
            &Context::start(Service::Emails, "o-1"),
            0,
        )];
        let inbox = Inbox(Notes::default());
        let mut tx = database.write().await.unwrap();
        assert_eq!(inbox.apply(&mut tx, &batch).await.unwrap().len(), 1);
        drop(tx);
        let mut tx = database.write().await.unwrap();
        assert_eq!(inbox.apply(&mut tx, &batch).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn old_ids_are_forgotten_new_ones_are_kept() {
        let (_directory, database) = temporary(&[]).await;
        let batch = [consumed(
            &processed("o-1"),
            &Context::start(Service::Emails, "o-1"),
            0,
        )];
        let inbox = Inbox(Notes::default());
        let mut tx = database.write().await.unwrap();
        inbox.apply(&mut tx, &batch).await.unwrap();
        sqlx::query("INSERT INTO inbox VALUES ('old', 1000)")
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert!(!prune(&database, Duration::from_mins(1)).await.unwrap());
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM inbox")
            .fetch_one(database.read())
            .await
            .unwrap();
        assert_eq!(left, 1);
    }
}
