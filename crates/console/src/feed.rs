//! What an application tells the page about its events: the `Feed` trait and the shapes it hands over.
//!
//! Owns the contract only. It never reads Kafka and never knows which application is behind it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// An application's live view of itself. Implemented by the ordering system, and by scripts in tests.
#[async_trait]
pub trait Feed: Send + Sync + 'static {
    /// The figures of the ordering page. Called about once a second while any tab looks.
    async fn overview(&self) -> Result<Overview, FeedError>;

    /// Everything known about one order, `None` when there is no such order.
    async fn timeline(&self, order_id: &str) -> Result<Option<Timeline>, FeedError>;

    /// State changes as they are seen. The channel is bounded: a receiver that lags skips.
    fn changes(&self) -> broadcast::Receiver<OrderChange>;
}

/// Why the application could not answer, in words a reader of the page can act on.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize, PartialEq, Eq)]
#[error("{cause}")]
pub struct FeedError {
    /// What went wrong.
    pub cause: String,
    /// What the reader can do about it.
    pub remedy: String,
}

impl FeedError {
    /// An error with its cause and its remedy.
    pub fn new(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            remedy: remedy.into(),
        }
    }
}

/// The figures of the ordering page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// How many orders are in each state now.
    pub orders_by_state: Vec<StateCount>,
    /// Orders received per second, over the last seconds.
    pub orders_per_second: f64,
    /// Orders received in all.
    pub received_total: u64,
    /// Orders delivered in all.
    pub delivered_total: u64,
    /// Revenue of confirmed orders in all, in cents.
    pub revenue_cents_total: i64,
    /// The last sixty minutes, oldest first.
    pub revenue_per_minute: Vec<MinuteRevenue>,
    /// The ten items that bring most.
    pub top_items: Vec<TopItem>,
    /// The twenty newest orders, newest first.
    pub newest: Vec<OrderSummary>,
    /// What must hold at all times.
    pub invariants: Vec<Invariant>,
}

/// Orders in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateCount {
    /// The state, as in the orders API.
    pub state: String,
    /// How many orders are in it.
    pub count: u64,
}

/// Revenue of one minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinuteRevenue {
    /// The minute's start.
    pub minute_ms: i64,
    /// Revenue within it, in cents.
    pub revenue_cents: i64,
    /// Orders within it.
    pub orders: u64,
}

/// One of the items that bring most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopItem {
    /// The product.
    pub product_id: String,
    /// Its name.
    pub name: String,
    /// Pieces sold.
    pub quantity: u64,
    /// Revenue, in cents.
    pub revenue_cents: i64,
}

/// One order in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSummary {
    /// The order.
    pub id: String,
    /// Who placed it.
    pub customer_id: String,
    /// Its state now.
    pub state: String,
    /// What it costs, in cents.
    pub total_cents: i64,
    /// Pieces in it.
    pub items_count: u32,
    /// Who brings it, once assigned.
    pub driver: Option<String>,
    /// When it was placed.
    pub created_at_ms: i64,
    /// When its state last changed.
    pub updated_at_ms: i64,
}

/// A statement about all orders and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invariant {
    /// The statement, such as "no order charged twice".
    pub name: String,
    /// Whether it holds now.
    pub holds: bool,
    /// The evidence.
    pub detail: String,
}

/// One order and its events through all topics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// The order, in the JSON of the orders API.
    pub order: serde_json::Value,
    /// Its events, oldest first.
    pub events: Vec<TimelineEvent>,
}

/// One event of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// The topic it was read from.
    pub topic: String,
    /// The partition it was read from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// The event's type.
    pub event_type: String,
    /// The event's id.
    pub event_id: String,
    /// The service that wrote it.
    pub service: String,
    /// When it was written.
    pub timestamp_ms: i64,
    /// The event that caused it.
    pub causation_id: Option<String>,
    /// What ties all events of one order together.
    pub correlation_id: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The event's value.
    pub payload: serde_json::Value,
}

/// An order entered a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderChange {
    /// The order.
    pub order_id: String,
    /// The state it entered.
    pub state: String,
    /// When.
    pub at_ms: i64,
    /// Who brings it, once assigned.
    pub driver: Option<String>,
    /// Why it was rejected.
    pub reason: Option<String>,
}
