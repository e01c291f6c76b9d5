//! What the page shows, read from the analytics database.
//!
//! Cheap by design: figures come from rollups and indexes, and many tabs share one answer.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use headwater_console::{
    Feed, FeedError, Invariant, MinuteRevenue, OrderChange, OrderSummary, Overview, StateCount,
    Timeline, TimelineEvent, TopItem,
};
use sqlx::SqliteConnection;
use tokio::sync::{Mutex, broadcast};

use super::view::{self, OrderView};
use crate::contracts::now_ms;
use crate::database::Database;
use crate::order_state::OrderState;

const FRESH: Duration = Duration::from_millis(500);
const MINUTE_MS: i64 = 60_000;
const MINUTES: i64 = 60;
const RATE_WINDOW_MS: i64 = 10_000;
/// An order that takes longer than this to end is worth a look.
const OPEN_AFTER_MS: i64 = 60_000;
const NEWEST: i64 = 20;
const TOP: i64 = 10;
const MOST_EVENTS: i64 = 500;

/// The ordering system's live view.
pub(super) struct AnalyticsFeed {
    database: Database,
    changes: broadcast::Sender<OrderChange>,
    /// Held while it is made anew, so that many tabs ask once.
    overview: Mutex<Option<(Instant, Overview)>>,
}

impl AnalyticsFeed {
    pub(super) fn new(database: Database, changes: broadcast::Sender<OrderChange>) -> Self {
        Self {
            database,
            changes,
            overview: Mutex::new(None),
        }
    }
}

#[async_trait]
impl Feed for AnalyticsFeed {
    async fn overview(&self) -> Result<Overview, FeedError> {
        let mut cached = self.overview.lock().await;
        if let Some((at, overview)) = cached.as_ref()
            && at.elapsed() < FRESH
        {
            return Ok(overview.clone());
        }
        let mut connection = self.database.read().acquire().await.map_err(failed)?;
        let overview = read_overview(&mut connection, now_ms())
            .await
            .map_err(failed)?;
        *cached = Some((Instant::now(), overview.clone()));
        Ok(overview)
    }

    async fn timeline(&self, order_id: &str) -> Result<Option<Timeline>, FeedError> {
        let mut connection = self.database.read().acquire().await.map_err(failed)?;
        read_timeline(&mut connection, order_id)
            .await
            .map_err(failed)
    }

    fn changes(&self) -> broadcast::Receiver<OrderChange> {
        self.changes.subscribe()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn failed(error: sqlx::Error) -> FeedError {
    FeedError::new(
        format!("the analytics database does not answer: {error}"),
        "See the log of the analytics service. Deleting analytics.db makes it read all topics again.",
    )
}

pub(super) async fn read_overview(
    connection: &mut SqliteConnection,
    now: i64,
) -> sqlx::Result<Overview> {
    let counts: Vec<(String, i64)> = sqlx::query_as("SELECT state, orders FROM state_counts")
        .fetch_all(&mut *connection)
        .await?;
    let counts: HashMap<String, i64> = counts.into_iter().collect();
    let orders_by_state = OrderState::ALL
        .iter()
        .map(|state| StateCount {
            state: state.name().to_owned(),
            count: to_u64(counts.get(state.name()).copied().unwrap_or(0)),
        })
        .collect();
    let totals: Vec<(String, i64)> = sqlx::query_as("SELECT name, value FROM counters")
        .fetch_all(&mut *connection)
        .await?;
    let totals: HashMap<String, i64> = totals.into_iter().collect();
    let total = |name: &str| totals.get(name).copied().unwrap_or(0);
    let recent: i64 =
        sqlx::query_scalar("SELECT count(*) FROM order_view WHERE created_at_ms BETWEEN ? AND ?")
            .bind(now - RATE_WINDOW_MS)
            .bind(now)
            .fetch_one(&mut *connection)
            .await?;
    Ok(Overview {
        orders_by_state,
        orders_per_second: recent as f64 / (RATE_WINDOW_MS as f64 / 1000.0),
        received_total: to_u64(total("received")),
        delivered_total: to_u64(total("delivered")),
        revenue_cents_total: total("revenue_cents"),
        revenue_per_minute: minutes(connection, now).await?,
        top_items: top_items(connection).await?,
        newest: newest(connection).await?,
        invariants: invariants(connection, now).await?,
    })
}

async fn minutes(connection: &mut SqliteConnection, now: i64) -> sqlx::Result<Vec<MinuteRevenue>> {
    let last = now.div_euclid(MINUTE_MS) * MINUTE_MS;
    let first = last - (MINUTES - 1) * MINUTE_MS;
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
        "SELECT minute_ms, revenue_cents, orders FROM minutes WHERE minute_ms BETWEEN ? AND ?",
    )
    .bind(first)
    .bind(last)
    .fetch_all(connection)
    .await?;
    let rows: HashMap<i64, (i64, i64)> = rows
        .into_iter()
        .map(|(minute, revenue, orders)| (minute, (revenue, orders)))
        .collect();
    Ok((0..MINUTES)
        .map(|n| {
            let minute_ms = first + n * MINUTE_MS;
            let (revenue_cents, orders) = rows.get(&minute_ms).copied().unwrap_or_default();
            MinuteRevenue {
                minute_ms,
                revenue_cents,
                orders: to_u64(orders),
            }
        })
        .collect())
}

async fn top_items(connection: &mut SqliteConnection) -> sqlx::Result<Vec<TopItem>> {
    let rows: Vec<(String, String, i64, i64)> = sqlx::query_as(
        "SELECT product_id, name, quantity, revenue_cents FROM items ORDER BY revenue_cents DESC LIMIT ?",
    )
    .bind(TOP)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(product_id, name, quantity, revenue_cents)| TopItem {
            product_id,
            name,
            quantity: to_u64(quantity),
            revenue_cents,
        })
        .collect())
}

async fn newest(connection: &mut SqliteConnection) -> sqlx::Result<Vec<OrderSummary>> {
    let rows: Vec<OrderView> = sqlx::query_as(
        "SELECT id, customer_id, state, items, items_count, total_cents, driver, reason, received, confirmations, \
         charged_cents, created_at_ms, updated_at_ms FROM order_view ORDER BY created_at_ms DESC LIMIT ?",
    )
    .bind(NEWEST)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|view| OrderSummary {
            id: view.id,
            customer_id: view.customer_id,
            state: view.state,
            total_cents: view.total_cents,
            items_count: u32::try_from(view.items_count).unwrap_or(u32::MAX),
            driver: view.driver,
            created_at_ms: view.created_at_ms,
            updated_at_ms: view.updated_at_ms,
        })
        .collect())
}

async fn invariants(connection: &mut SqliteConnection, now: i64) -> sqlx::Result<Vec<Invariant>> {
    let twice: i64 = sqlx::query_scalar("SELECT count(*) FROM order_view WHERE confirmations > 1")
        .fetch_one(&mut *connection)
        .await?;
    let amounts: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM order_view WHERE received = 1 AND confirmations = 1 AND charged_cents <> total_cents",
    )
    .fetch_one(&mut *connection)
    .await?;
    let unreceived: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM order_view WHERE received = 0 AND updated_at_ms < ?",
    )
    .bind(now - OPEN_AFTER_MS)
    .fetch_one(&mut *connection)
    .await?;
    let (open, oldest): (i64, Option<i64>) =
        sqlx::query_as("SELECT count(*), min(created_at_ms) FROM order_view WHERE is_final = 0 AND created_at_ms < ?")
            .bind(now - OPEN_AFTER_MS)
            .fetch_one(&mut *connection)
            .await?;
    let oldest = oldest.map_or_else(String::new, |at| {
        format!(", the oldest for {} s", (now - at) / 1000)
    });
    let invariant = |name: &str, broken: i64, detail: String| Invariant {
        name: name.to_owned(),
        holds: broken == 0,
        detail,
    };
    Ok(vec![
        invariant(
            "no order lost",
            unreceived,
            format!("{unreceived} orders are known by later events only"),
        ),
        invariant(
            "no order charged twice",
            twice,
            format!("{twice} orders were confirmed more than once"),
        ),
        invariant(
            "charged what was ordered",
            amounts,
            format!("{amounts} orders were charged another amount"),
        ),
        invariant(
            "every order ends",
            open,
            format!(
                "{open} orders are open for more than {} s{oldest}",
                OPEN_AFTER_MS / 1000
            ),
        ),
    ])
}

#[derive(sqlx::FromRow)]
struct FactRow {
    topic: String,
    partition: i32,
    record_offset: i64,
    event_type: String,
    event_id: String,
    service: String,
    timestamp_ms: i64,
    causation_id: Option<String>,
    correlation_id: String,
    traceparent: String,
    payload: String,
}

async fn read_timeline(
    connection: &mut SqliteConnection,
    order_id: &str,
) -> sqlx::Result<Option<Timeline>> {
    let Some(order) = view::find(connection, order_id).await? else {
        return Ok(None);
    };
    let mut rows: Vec<FactRow> = sqlx::query_as(
        "SELECT topic, partition, record_offset, event_type, event_id, service, timestamp_ms, causation_id, \
         correlation_id, traceparent, payload FROM facts WHERE order_id = ? LIMIT ?",
    )
    .bind(order_id)
    .bind(MOST_EVENTS)
    .fetch_all(connection)
    .await?;
    rows.sort_by(|a, b| (a.timestamp_ms, &a.event_id).cmp(&(b.timestamp_ms, &b.event_id)));
    let events = rows
        .into_iter()
        .map(|row| TimelineEvent {
            topic: row.topic,
            partition: row.partition,
            offset: row.record_offset,
            event_type: row.event_type,
            event_id: row.event_id,
            service: row.service,
            timestamp_ms: row.timestamp_ms,
            causation_id: row.causation_id,
            correlation_id: Some(row.correlation_id),
            traceparent: Some(row.traceparent),
            payload: serde_json::from_str(&row.payload).unwrap_or_default(),
        })
        .collect();
    Ok(Some(Timeline {
        order: order.to_json(),
        events,
    }))
}

fn to_u64(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
