//! The transactions service: charges the customer's account, once per order.
//!
//! Owns accounts and payments. Reads `order_received`, writes `order_confirmed` or `order_rejected`. The rules, in this
//! order: a card ending in 0002 is declined, one ending in 9995 has no funds, an account is charged at most
//! `account_limit_cents` within one hour (UTC). Never charges an order twice: a payment's key is the order.

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use sqlx::SqliteConnection;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::contracts::{Event, OrderConfirmed, OrderReceived, OrderRejected, Topic, now_ms};
use crate::database::{Schema, count};
use crate::host::{Host, Tasks};
use crate::inbox::{EventHandler, Inbox, Received, Verdict};
use crate::kafka::Cluster;
use crate::outbox;
use crate::service::Service;
use crate::settings::OrderingSettings;

pub(crate) const SCHEMA: Schema = Schema {
    name: "transactions",
    versions: &[include_str!("../schema/transactions_1.sql")],
};

const HOUR_MS: i64 = 3_600_000;
const DECLINED_LAST4: &str = "0002";
const NO_FUNDS_LAST4: &str = "9995";

/// Starts the service.
pub(crate) async fn start(
    cluster: &Arc<Cluster>,
    settings: &Arc<OrderingSettings>,
    shutdown: &CancellationToken,
    tasks: &mut Tasks,
) -> Result<()> {
    let host = Host::open(
        Service::Transactions,
        cluster,
        settings,
        &[SCHEMA],
        shutdown,
    )
    .await?;
    let charging = Charging {
        limit_cents: settings.account_limit_cents,
        outbox: Arc::clone(&host.outbox),
    };
    host.spawn(Inbox(charging), tasks);
    Ok(())
}

struct Charging {
    limit_cents: i64,
    outbox: Arc<Notify>,
}

#[async_trait]
impl EventHandler for Charging {
    type Effect = ();

    fn topics(&self) -> &'static [Topic] {
        &[Topic::OrderReceived]
    }

    async fn handle(
        &self,
        connection: &mut SqliteConnection,
        received: &Received<'_>,
    ) -> sqlx::Result<Verdict<()>> {
        let Event::OrderReceived(order) = &received.event else {
            return Ok(Verdict::Done(None));
        };
        let now = now_ms();
        let refusal = self.refusal(connection, order, now).await?;
        let payment_id = Uuid::now_v7().to_string();
        let inserted = sqlx::query(
            "INSERT INTO payments (order_id, payment_id, customer_id, amount_cents, status, reason, at_ms) \
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (order_id) DO NOTHING",
        )
        .bind(&order.order_id)
        .bind(&payment_id)
        .bind(&order.customer_id)
        .bind(order.total_cents)
        .bind(if refusal.is_some() { "declined" } else { "charged" })
        .bind(refusal)
        .bind(now)
        .execute(&mut *connection)
        .await?;
        if inserted.rows_affected() == 0 {
            // Another event about an order that was decided on: the decision stands and was published.
            count(connection, "orders_received_again", 1).await?;
            return Ok(Verdict::Done(None));
        }
        if refusal.is_none() {
            charge(connection, order, now).await?;
        }
        let event = outcome(order, refusal, payment_id);
        outbox::enqueue(
            connection,
            &event,
            &received.context.caused(Service::Transactions),
        )
        .await?;
        Ok(Verdict::Done(Some(())))
    }

    fn committed(&self, _: Vec<()>) {
        self.outbox.notify_one();
    }
}

impl Charging {
    async fn refusal(
        &self,
        connection: &mut SqliteConnection,
        order: &OrderReceived,
        now: i64,
    ) -> sqlx::Result<Option<&'static str>> {
        match order.card_last4.as_deref() {
            Some(DECLINED_LAST4) => return Ok(Some("card_declined")),
            Some(NO_FUNDS_LAST4) => return Ok(Some("insufficient_funds")),
            _ => {}
        }
        let charged: Option<i64> = sqlx::query_scalar(
            "SELECT hour_charged_cents FROM accounts WHERE customer_id = ? AND hour_ms = ?",
        )
        .bind(&order.customer_id)
        .bind(now - now.rem_euclid(HOUR_MS))
        .fetch_optional(connection)
        .await?;
        let left = self.limit_cents.saturating_sub(charged.unwrap_or(0));
        Ok((order.total_cents > left).then_some("insufficient_funds"))
    }
}

async fn charge(
    connection: &mut SqliteConnection,
    order: &OrderReceived,
    now: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO accounts (customer_id, hour_ms, hour_charged_cents, charged_cents) VALUES (?1, ?2, ?3, ?3) \
         ON CONFLICT (customer_id) DO UPDATE SET \
         hour_charged_cents = CASE WHEN hour_ms = ?2 THEN hour_charged_cents + ?3 ELSE ?3 END, \
         hour_ms = ?2, charged_cents = charged_cents + ?3",
    )
    .bind(&order.customer_id)
    .bind(now - now.rem_euclid(HOUR_MS))
    .bind(order.total_cents)
    .execute(connection)
    .await?;
    Ok(())
}

fn outcome(order: &OrderReceived, refusal: Option<&'static str>, payment_id: String) -> Event {
    match refusal {
        Some(reason) => Event::OrderRejected(OrderRejected {
            order_id: order.order_id.clone(),
            customer_id: order.customer_id.clone(),
            total_cents: order.total_cents,
            reason: reason.to_owned(),
        }),
        None => Event::OrderConfirmed(OrderConfirmed {
            order_id: order.order_id.clone(),
            customer_id: order.customer_id.clone(),
            items: order.items.clone(),
            total_cents: order.total_cents,
            payment_id,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Charging, SCHEMA};
    use crate::contracts::{Context, Event, OrderItem, OrderReceived};
    use crate::database::tests::temporary;
    use crate::inbox::Inbox;
    use crate::inbox::tests::consumed;
    use crate::kafka::{BatchHandler, Consumed};
    use crate::service::Service;

    fn received(order_id: &str, cents: i64, card: Option<&str>, offset: i64) -> Consumed {
        let event = Event::OrderReceived(OrderReceived {
            order_id: order_id.into(),
            customer_id: "c".into(),
            items: vec![OrderItem {
                product_id: "p".into(),
                name: "P".into(),
                quantity: 1,
                price_cents: cents,
            }],
            total_cents: cents,
            card_last4: card.map(str::to_owned),
            created_at_ms: 0,
        });
        consumed(&event, &Context::start(Service::Orders, order_id), offset)
    }

    #[tokio::test]
    async fn an_order_is_charged_once_whatever_is_delivered() {
        let (_directory, database) = temporary(&[SCHEMA]).await;
        let inbox = Inbox(Charging {
            limit_cents: 1000,
            outbox: std::sync::Arc::default(),
        });
        // The same order under two event ids, as after a restored backup of the orders service.
        let first = received("o-1", 400, None, 0);
        let batch = [first.clone(), first, received("o-1", 400, None, 1)];
        let mut tx = database.write().await.unwrap();
        inbox.apply(&mut tx, &batch).await.unwrap();
        let charged: i64 = sqlx::query_scalar("SELECT charged_cents FROM accounts")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        let topics: Vec<String> = sqlx::query_scalar("SELECT topic FROM outbox")
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        assert_eq!((charged, topics), (400, vec!["order_confirmed".to_owned()]));
    }

    #[tokio::test]
    async fn cards_and_limits_are_declined_by_the_stated_rules() {
        let (_directory, database) = temporary(&[SCHEMA]).await;
        let inbox = Inbox(Charging {
            limit_cents: 1000,
            outbox: std::sync::Arc::default(),
        });
        let batch = [
            received("declined", 10, Some("0002"), 0),
            received("empty", 10, Some("9995"), 1),
            received("first", 600, Some("4242"), 2),
            received("over", 500, Some("4242"), 3),
            received("within", 400, None, 4),
        ];
        let mut tx = database.write().await.unwrap();
        inbox.apply(&mut tx, &batch).await.unwrap();
        let mut rows: Vec<(String, String, Option<String>)> =
            sqlx::query_as("SELECT order_id, status, reason FROM payments")
                .fetch_all(&mut *tx)
                .await
                .unwrap();
        rows.sort();
        let expected = [
            ("declined", "declined", Some("card_declined")),
            ("empty", "declined", Some("insufficient_funds")),
            ("first", "charged", None),
            ("over", "declined", Some("insufficient_funds")),
            ("within", "charged", None),
        ]
        .map(|(id, status, reason)| (id.to_owned(), status.to_owned(), reason.map(str::to_owned)));
        assert_eq!(rows, expected);
    }
}
