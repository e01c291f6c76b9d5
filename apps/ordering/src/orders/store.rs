//! Orders in the database.

use serde::Serialize;
use serde_json::Value;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::request::CheckedOrder;
use crate::contracts::{Context, Event, OrderReceived, now_ms};
use crate::order_state::{OrderState, Transition};
use crate::outbox;
use crate::service::Service;

/// Orders are refused while this many events wait for Kafka.
const MOST_WAITING: i64 = 100_000;

/// An order as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Order {
    /// UUIDv7: later orders have larger ids.
    pub id: String,
    /// Who placed it.
    pub customer_id: String,
    /// Where it is.
    pub state: OrderState,
    /// `[{product_id, name, quantity, price_cents}]`.
    pub items: Value,
    /// The sum of the items.
    pub total_cents: i64,
    /// Who brings it.
    pub driver: Option<String>,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// When it was placed.
    pub created_at_ms: i64,
    /// When its state last changed.
    pub updated_at_ms: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    customer_id: String,
    state: String,
    items: String,
    total_cents: i64,
    driver: Option<String>,
    reason: Option<String>,
    created_at_ms: i64,
    updated_at_ms: i64,
}

impl TryFrom<Row> for Order {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.id,
            customer_id: row.customer_id,
            state: parse_state(&row.state)?,
            items: serde_json::from_str(&row.items)
                .map_err(|error| sqlx::Error::Decode(error.into()))?,
            total_cents: row.total_cents,
            driver: row.driver,
            reason: row.reason,
            created_at_ms: row.created_at_ms,
            updated_at_ms: row.updated_at_ms,
        })
    }
}

/// What became of a request to place an order.
#[derive(Debug)]
pub(super) enum Placed {
    /// It is taken; `order_received` is in the outbox.
    New(Order),
    /// It was taken before, under the same key.
    Again(Order),
    /// The key belongs to another order.
    KeyReused,
    /// Too many events wait for Kafka.
    Busy,
}

/// Takes an order once per key.
pub(super) async fn place(
    connection: &mut SqliteConnection,
    key: &str,
    checked: CheckedOrder,
) -> sqlx::Result<Placed> {
    let known: Option<(String, String)> =
        sqlx::query_as("SELECT id, request FROM orders WHERE idempotency_key = ?")
            .bind(key)
            .fetch_optional(&mut *connection)
            .await?;
    if let Some((id, fingerprint)) = known {
        if fingerprint != checked.fingerprint {
            return Ok(Placed::KeyReused);
        }
        let order = find(connection, &id)
            .await?
            .ok_or(sqlx::Error::RowNotFound)?;
        return Ok(Placed::Again(order));
    }
    if outbox::backlog(connection).await? > MOST_WAITING {
        return Ok(Placed::Busy);
    }
    let order = Order {
        id: Uuid::now_v7().to_string(),
        customer_id: checked.customer_id.clone(),
        state: OrderState::Received,
        items: serde_json::to_value(&checked.items)
            .map_err(|error| sqlx::Error::Encode(error.into()))?,
        total_cents: checked.total_cents,
        driver: None,
        reason: None,
        created_at_ms: now_ms(),
        updated_at_ms: now_ms(),
    };
    insert(connection, &order, key, &checked.fingerprint).await?;
    let event = Event::OrderReceived(OrderReceived {
        order_id: order.id.clone(),
        customer_id: checked.customer_id,
        items: checked.items,
        total_cents: checked.total_cents,
        card_last4: checked.card_last4,
        created_at_ms: order.created_at_ms,
    });
    outbox::enqueue(
        connection,
        &event,
        &Context::start(Service::Orders, &order.id),
    )
    .await?;
    Ok(Placed::New(order))
}

async fn insert(
    connection: &mut SqliteConnection,
    order: &Order,
    key: &str,
    fingerprint: &str,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO orders (id, customer_id, state, items, total_cents, created_at_ms, updated_at_ms, \
         idempotency_key, request) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&order.id)
    .bind(&order.customer_id)
    .bind(order.state.name())
    .bind(order.items.to_string())
    .bind(order.total_cents)
    .bind(order.created_at_ms)
    .bind(order.updated_at_ms)
    .bind(key)
    .bind(fingerprint)
    .execute(connection)
    .await?;
    Ok(())
}

/// The order of this id.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    id: &str,
) -> sqlx::Result<Option<Order>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT id, customer_id, state, items, total_cents, driver, reason, created_at_ms, updated_at_ms \
         FROM orders WHERE id = ?",
    )
    .bind(id)
    .fetch_optional(connection)
    .await?;
    row.map(Order::try_from).transpose()
}

/// The newest orders, in this state or in any.
pub(super) async fn newest(
    connection: &mut SqliteConnection,
    state: Option<OrderState>,
    limit: i64,
) -> sqlx::Result<Vec<Order>> {
    const ANY: &str = "SELECT id, customer_id, state, items, total_cents, driver, reason, created_at_ms, \
         updated_at_ms FROM orders ORDER BY id DESC LIMIT ?1";
    const ONE: &str = "SELECT id, customer_id, state, items, total_cents, driver, reason, created_at_ms, \
         updated_at_ms FROM orders WHERE state = ?2 ORDER BY id DESC LIMIT ?1";
    let rows: Vec<Row> = match state {
        None => {
            sqlx::query_as(ANY)
                .bind(limit)
                .fetch_all(connection)
                .await?
        }
        Some(state) => {
            sqlx::query_as(ONE)
                .bind(limit)
                .bind(state.name())
                .fetch_all(connection)
                .await?
        }
    };
    rows.into_iter().map(Order::try_from).collect()
}

/// What an event did to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advanced {
    /// It is in this state now.
    To(OrderState),
    /// It stayed as it was.
    Not(Transition),
    /// This database does not know the order.
    UnknownOrder,
}

/// Moves an order to where the event tells it is.
pub(super) async fn advance(
    connection: &mut SqliteConnection,
    event: &Event,
    at_ms: i64,
) -> sqlx::Result<Advanced> {
    let id = event.order_id();
    let state: Option<String> = sqlx::query_scalar("SELECT state FROM orders WHERE id = ?")
        .bind(id)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(state) = state else {
        return Ok(Advanced::UnknownOrder);
    };
    let transition = parse_state(&state)?.transition(OrderState::told_by(event));
    if transition == Transition::Impossible {
        return Ok(Advanced::Not(transition));
    }
    let (driver, reason) = match event {
        Event::DriverAssigned(event) => (Some(&event.driver), None),
        Event::OrderDelivered(event) => (Some(&event.driver), None),
        Event::OrderRejected(event) => (None, Some(&event.reason)),
        _ => (None, None),
    };
    let Transition::To(next) = transition else {
        return Ok(Advanced::Not(transition));
    };
    sqlx::query(
        "UPDATE orders SET state = ?, driver = coalesce(driver, ?), reason = coalesce(reason, ?), \
         updated_at_ms = max(updated_at_ms, ?) WHERE id = ?",
    )
    .bind(next.name())
    .bind(driver)
    .bind(reason)
    .bind(at_ms)
    .bind(id)
    .execute(connection)
    .await?;
    Ok(Advanced::To(next))
}

fn parse_state(name: &str) -> sqlx::Result<OrderState> {
    name.parse::<OrderState>()
        .map_err(|error| sqlx::Error::Decode(error.into()))
}
