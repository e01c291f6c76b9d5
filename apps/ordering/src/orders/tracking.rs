//! Follows orders through the topics the other services write.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use tokio::sync::Notify;

use super::changes::{Change, Changes};
use super::store::{self, Advanced};
use crate::contracts::{Topic, now_ms};
use crate::database::count;
use crate::inbox::{EventHandler, Received, Verdict};
use crate::order_state::Transition;

/// Follows orders through the topics the other services write.
pub(super) struct Tracking {
    changes: Changes,
    outbox: Arc<Notify>,
}

impl Tracking {
    pub(super) fn new(changes: Changes, outbox: Arc<Notify>) -> Self {
        Self { changes, outbox }
    }
}

#[async_trait]
impl EventHandler for Tracking {
    type Effect = Change;

    fn topics(&self) -> &'static [Topic] {
        &[
            Topic::OrderConfirmed,
            Topic::OrderRejected,
            Topic::OrderProcessed,
            Topic::DriverAssigned,
            Topic::OrderDelivered,
        ]
    }

    async fn handle(
        &self,
        connection: &mut SqliteConnection,
        received: &Received<'_>,
    ) -> sqlx::Result<Verdict<Change>> {
        let event = &received.event;
        let ignored = match store::advance(connection, event, now_ms()).await? {
            Advanced::To(state) => {
                return Ok(Verdict::Done(Some(Change {
                    order_id: event.order_id().to_owned(),
                    state,
                })));
            }
            Advanced::Not(Transition::Impossible) => {
                tracing::warn!(
                    order_id = event.order_id(),
                    topic = event.topic().name(),
                    "impossible: ignored"
                );
                "impossible_events"
            }
            Advanced::Not(_) => "late_events",
            Advanced::UnknownOrder => "events_of_unknown_orders",
        };
        count(connection, ignored, 1).await?;
        Ok(Verdict::Done(None))
    }

    fn committed(&self, effects: Vec<Change>) {
        for change in effects {
            self.changes.publish(change);
        }
        // Wakes a relay whose last pass failed between two orders.
        self.outbox.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::{self, Placed};
    use super::super::{SCHEMA, request::OrderRequest};
    use crate::contracts::{
        Context, DriverAssigned, Event, OrderDelivered, OrderProcessed, OrderRejected,
    };
    use crate::database::tests::temporary;
    use crate::inbox::Inbox;
    use crate::inbox::tests::consumed;
    use crate::kafka::BatchHandler;
    use crate::order_state::OrderState;
    use crate::service::Service;

    #[tokio::test]
    async fn an_order_ends_where_its_events_say_in_whatever_order_they_come() {
        let (_directory, database) = temporary(&[SCHEMA]).await;
        let body = br#"{"customer_id":"c","items":[{"product_id":"p001","quantity":2}]}"#;
        let checked = OrderRequest::parse(body).unwrap().check().unwrap();
        let mut tx = database.write().await.unwrap();
        let Placed::New(order) = store::place(&mut tx, "k", checked).await.unwrap() else {
            panic!("not new");
        };
        let (order_id, customer_id, driver) = (order.id.clone(), "c".to_owned(), "Ada".to_owned());
        let events = [
            Event::DriverAssigned(DriverAssigned {
                order_id: order_id.clone(),
                customer_id: customer_id.clone(),
                driver: driver.clone(),
                due_at_ms: 1,
            }),
            Event::OrderProcessed(OrderProcessed {
                order_id: order_id.clone(),
                customer_id: customer_id.clone(),
                message_id: "m".into(),
            }),
            Event::OrderRejected(OrderRejected {
                order_id: order_id.clone(),
                customer_id: customer_id.clone(),
                total_cents: 1,
                reason: "late".into(),
            }),
            Event::OrderDelivered(OrderDelivered {
                order_id: order_id.clone(),
                customer_id,
                driver,
                delivered_at_ms: 2,
            }),
        ];
        let batch: Vec<_> = events
            .iter()
            .map(|event| consumed(event, &Context::start(Service::Drivers, &order_id), 0))
            .collect();
        let inbox = Inbox(super::Tracking::new(
            super::Changes::new(),
            std::sync::Arc::default(),
        ));
        let changes = inbox.apply(&mut tx, &batch).await.unwrap();
        let states: Vec<_> = changes.iter().map(|change| change.state).collect();
        assert_eq!(states, [OrderState::Assigned, OrderState::Delivered]);
        let order = store::find(&mut tx, &order_id).await.unwrap().unwrap();
        assert_eq!(order.state, OrderState::Delivered);
        assert_eq!(order.driver.as_deref(), Some("Ada"));
        assert_eq!(order.reason, None);
        let counters: Vec<(String, i64)> =
            sqlx::query_as("SELECT name, value FROM counters ORDER BY name")
                .fetch_all(&mut *tx)
                .await
                .unwrap();
        assert_eq!(
            counters,
            [
                ("impossible_events".to_owned(), 1),
                ("late_events".to_owned(), 1)
            ]
        );
    }
}
