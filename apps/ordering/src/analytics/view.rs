//! One row per order, as the events so far tell it.

use headwater_console::OrderChange;
use sqlx::SqliteConnection;

use super::rollup::Rollup;
use crate::contracts::{Context, Event, Items};
use crate::order_state::{OrderState, Transition};

/// One order, as the events so far tell it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct OrderView {
    pub(super) id: String,
    pub(super) customer_id: String,
    pub(super) state: String,
    pub(super) items: String,
    pub(super) items_count: i64,
    pub(super) total_cents: i64,
    pub(super) driver: Option<String>,
    pub(super) reason: Option<String>,
    received: i64,
    confirmations: i64,
    charged_cents: i64,
    pub(super) created_at_ms: i64,
    pub(super) updated_at_ms: i64,
}

/// Moves the order's row on, adds to the sums, and tells the change if its state changed.
pub(super) async fn follow(
    connection: &mut SqliteConnection,
    event: &Event,
    context: &Context,
    rollup: &mut Rollup,
) -> sqlx::Result<Option<OrderChange>> {
    let told = OrderState::told_by(event);
    let known = find(connection, event.order_id()).await?;
    let before = known
        .as_ref()
        .map(|view| view.state.parse::<OrderState>())
        .transpose();
    let before = before.map_err(|error| sqlx::Error::Decode(error.into()))?;
    let mut view = known.unwrap_or_else(|| OrderView::new(event, context));
    view.take(event, context, rollup);
    let next = match before {
        None => Some(told),
        Some(before) => match before.transition(told) {
            Transition::To(next) => Some(next),
            Transition::Late | Transition::Impossible => None,
        },
    };
    if let Some(next) = next {
        if let Some(before) = before {
            rollup.left(before);
        }
        rollup.entered(next);
        next.name().clone_into(&mut view.state);
        view.updated_at_ms = context.time_ms;
    }
    view.store(connection).await?;
    Ok(next.map(|state| OrderChange {
        order_id: view.id,
        state: state.name().to_owned(),
        at_ms: context.time_ms,
        driver: view.driver,
        reason: view.reason,
    }))
}

/// The order of this id.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    id: &str,
) -> sqlx::Result<Option<OrderView>> {
    sqlx::query_as(
        "SELECT id, customer_id, state, items, items_count, total_cents, driver, reason, received, confirmations, \
         charged_cents, created_at_ms, updated_at_ms FROM order_view WHERE id = ?",
    )
    .bind(id)
    .fetch_optional(connection)
    .await
}

impl OrderView {
    fn new(event: &Event, context: &Context) -> Self {
        Self {
            id: event.order_id().to_owned(),
            customer_id: event.customer_id().to_owned(),
            state: OrderState::told_by(event).name().to_owned(),
            items: "[]".to_owned(),
            items_count: 0,
            total_cents: 0,
            driver: None,
            reason: None,
            received: 0,
            confirmations: 0,
            charged_cents: 0,
            created_at_ms: context.time_ms,
            updated_at_ms: context.time_ms,
        }
    }

    fn take(&mut self, event: &Event, context: &Context, rollup: &mut Rollup) {
        let at_ms = context.time_ms;
        match event {
            Event::OrderReceived(order) => {
                self.received = 1;
                self.created_at_ms = at_ms;
                self.set_items(&order.items, order.total_cents);
                rollup.received(at_ms);
            }
            Event::OrderConfirmed(order) => {
                self.confirmations += 1;
                self.charged_cents = self.charged_cents.saturating_add(order.total_cents);
                if self.received == 0 {
                    self.set_items(&order.items, order.total_cents);
                }
                rollup.sold(at_ms, order.total_cents, &order.items);
            }
            Event::OrderRejected(order) => {
                self.reason = Some(order.reason.clone());
                rollup.rejected(at_ms);
            }
            Event::OrderProcessed(_) => {}
            Event::DriverAssigned(order) => self.driver = Some(order.driver.clone()),
            Event::OrderDelivered(order) => {
                self.driver = Some(order.driver.clone());
                rollup.delivered(at_ms);
            }
        }
    }

    fn set_items(&mut self, items: &Items, total_cents: i64) {
        self.items = serde_json::to_string(items).unwrap_or_else(|_| "[]".to_owned());
        self.items_count = items.iter().map(|item| i64::from(item.quantity)).sum();
        self.total_cents = total_cents;
    }

    async fn store(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        let is_final = self
            .state
            .parse::<OrderState>()
            .is_ok_and(OrderState::is_final);
        sqlx::query(
            "INSERT INTO order_view (id, customer_id, state, items, items_count, total_cents, driver, reason, received, \
             confirmations, charged_cents, is_final, created_at_ms, updated_at_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ON CONFLICT (id) DO UPDATE SET \
             state = ?3, items = ?4, items_count = ?5, total_cents = ?6, driver = ?7, reason = ?8, received = ?9, \
             confirmations = ?10, charged_cents = ?11, is_final = ?12, created_at_ms = ?13, updated_at_ms = ?14",
        )
        .bind(&self.id)
        .bind(&self.customer_id)
        .bind(&self.state)
        .bind(&self.items)
        .bind(self.items_count)
        .bind(self.total_cents)
        .bind(self.driver.as_deref())
        .bind(self.reason.as_deref())
        .bind(self.received)
        .bind(self.confirmations)
        .bind(self.charged_cents)
        .bind(is_final)
        .bind(self.created_at_ms)
        .bind(self.updated_at_ms)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// In the JSON of the orders API.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let items: serde_json::Value = serde_json::from_str(&self.items).unwrap_or_default();
        serde_json::json!({
            "id": self.id,
            "customer_id": self.customer_id,
            "state": self.state,
            "items": items,
            "total_cents": self.total_cents,
            "driver": self.driver,
            "reason": self.reason,
            "created_at_ms": self.created_at_ms,
            "updated_at_ms": self.updated_at_ms,
        })
    }
}
