//! A shop that follows a script: an application for the page without services, databases or events of its own.
//!
//! Orders go through their states at a stated pace. Given a Kafka, each event is also produced there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use headwater_console::{
    Feed, FeedError, Invariant, MinuteRevenue, OrderChange, OrderSummary, Overview, StateCount,
    Timeline, TimelineEvent, TopItem,
};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::broadcast;

const PRODUCTS: [(&str, &str, i64); 12] = [
    ("Alphonso mangoes, 1 kg", "Fruit", 890),
    ("Sourdough loaf", "Bakery", 520),
    ("Oat milk, 1 l", "Dairy and plant drinks", 219),
    ("Free-range eggs, 10", "Dairy and plant drinks", 389),
    ("Basil in a pot", "Vegetables", 249),
    ("Vine tomatoes, 500 g", "Vegetables", 299),
    ("Espresso beans, 250 g", "Pantry", 1150),
    ("Olive oil, 500 ml", "Pantry", 1290),
    ("Dark chocolate 70 %", "Pantry", 279),
    ("Lemon sorbet", "Frozen", 459),
    ("Elderflower cordial", "Drinks", 540),
    ("Butter croissants, 4", "Bakery", 460),
];

/// The path of an order that is not declined, with the topic and the service of each step.
const STEPS: [(&str, &str, &str); 5] = [
    ("received", "scripted_order_received", "orders"),
    ("confirmed", "scripted_order_confirmed", "transactions"),
    ("processed", "scripted_order_processed", "emails"),
    ("assigned", "scripted_driver_assigned", "drivers"),
    ("delivered", "scripted_order_delivered", "drivers"),
];

#[derive(Clone, Serialize)]
struct Order {
    id: String,
    customer_id: String,
    state: String,
    items: Vec<Item>,
    total_cents: i64,
    driver: Option<String>,
    reason: Option<String>,
    created_at_ms: i64,
    updated_at_ms: i64,
}

#[derive(Clone, Serialize)]
struct Item {
    product_id: String,
    name: String,
    quantity: u32,
    price_cents: i64,
}

#[derive(Clone, Deserialize)]
pub(crate) struct NewOrder {
    pub(crate) customer_id: String,
    pub(crate) items: Vec<NewItem>,
    pub(crate) card: Option<String>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct NewItem {
    pub(crate) product_id: String,
    pub(crate) quantity: u32,
}

/// The shop. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Scripted {
    inner: Arc<Inner>,
}

struct Inner {
    orders: Mutex<BTreeMap<String, (Order, Vec<TimelineEvent>)>>,
    changes: broadcast::Sender<OrderChange>,
    pace: Duration,
    producer: Option<ThreadedProducer<DefaultProducerContext>>,
}

impl Scripted {
    pub(crate) fn new(
        pace: Duration,
        producer: Option<ThreadedProducer<DefaultProducerContext>>,
    ) -> Self {
        let (changes, _) = broadcast::channel(64);
        Self {
            inner: Arc::new(Inner {
                orders: Mutex::default(),
                changes,
                pace,
                producer,
            }),
        }
    }

    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/products", get(products))
            .route("/orders", post(place))
            .route("/orders/{id}", get(one))
            .with_state(self.clone())
    }

    /// Places an order and lets it run.
    pub(crate) fn place(&self, new: &NewOrder) -> Option<String> {
        let items: Option<Vec<Item>> = new.items.iter().map(item).collect();
        let items = items.filter(|items| !items.is_empty())?;
        let now = now_ms();
        let mut orders = self.inner.orders.lock().unwrap();
        let id = format!(
            "0199{:08x}-7abc-8def-0123-{:012x}",
            now & 0xffff_ffff,
            orders.len()
        );
        let order = Order {
            id: id.clone(),
            customer_id: new.customer_id.clone(),
            state: "received".into(),
            total_cents: items
                .iter()
                .map(|item| item.price_cents * i64::from(item.quantity))
                .sum(),
            items,
            driver: None,
            reason: None,
            created_at_ms: now,
            updated_at_ms: now,
        };
        orders.insert(id.clone(), (order, Vec::new()));
        drop(orders);
        self.advance(&id, "received", "scripted_order_received", "orders");
        let declined = new
            .card
            .as_deref()
            .is_some_and(|card| card.ends_with("0002"));
        let (shop, order_id) = (self.clone(), id.clone());
        tokio::spawn(async move {
            for (state, topic, service) in STEPS.into_iter().skip(1) {
                tokio::time::sleep(shop.inner.pace).await;
                if declined {
                    shop.advance(
                        &order_id,
                        "rejected",
                        "scripted_order_rejected",
                        "transactions",
                    );
                    return;
                }
                shop.advance(&order_id, state, topic, service);
            }
        });
        Some(id)
    }

    fn advance(&self, id: &str, state: &str, topic: &str, service: &str) {
        let mut orders = self.inner.orders.lock().unwrap();
        let Some((order, events)) = orders.get_mut(id) else {
            return;
        };
        let now = now_ms();
        state.clone_into(&mut order.state);
        order.updated_at_ms = now;
        if state == "assigned" {
            order.driver = Some("Ines Valderrama".into());
        }
        if state == "rejected" {
            order.reason = Some("the card was declined".into());
        }
        let event = TimelineEvent {
            topic: topic.to_owned(),
            partition: i32::from(id.as_bytes()[id.len() - 1] % 3),
            offset: events.len() as i64,
            event_type: format!("com.headwater.{topic}.v1"),
            event_id: format!("evt-{}-{id}", events.len()),
            service: service.to_owned(),
            timestamp_ms: now,
            causation_id: events.last().map(|event| event.event_id.clone()),
            correlation_id: Some(id.to_owned()),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
            payload: json!({"order_id": id, "customer_id": order.customer_id, "state": state, "total_cents": order.total_cents}),
        };
        if let Some(producer) = &self.inner.producer {
            let payload = event.payload.to_string();
            let trace = event.traceparent.as_deref();
            let headers = OwnedHeaders::new()
                .insert(Header {
                    key: "ce_type",
                    value: Some(&event.event_type),
                })
                .insert(Header {
                    key: "traceparent",
                    value: trace,
                });
            let record = BaseRecord::to(topic)
                .key(id)
                .payload(&payload)
                .headers(headers);
            // A full queue only means that this script shows fewer records.
            drop(producer.send(record));
        }
        events.push(event);
        let (driver, reason) = (order.driver.clone(), order.reason.clone());
        let change = OrderChange {
            order_id: id.to_owned(),
            state: state.to_owned(),
            at_ms: now,
            driver,
            reason,
        };
        drop(self.inner.changes.send(change));
    }
}

#[async_trait]
impl Feed for Scripted {
    async fn overview(&self) -> Result<Overview, FeedError> {
        let orders = self.inner.orders.lock().unwrap();
        let all: Vec<&Order> = orders.values().map(|(order, _)| order).collect();
        let count = |state: &str| all.iter().filter(|order| order.state == state).count() as u64;
        let states = [
            "received",
            "confirmed",
            "rejected",
            "processed",
            "assigned",
            "delivered",
        ];
        let now = now_ms();
        let minute = now / 60_000 * 60_000;
        let mut newest: Vec<&&Order> = all.iter().collect();
        newest.sort_by_key(|order| std::cmp::Reverse(order.created_at_ms));
        let revenue: i64 = all
            .iter()
            .filter(|order| order.state != "rejected")
            .map(|order| order.total_cents)
            .sum();
        Ok(Overview {
            orders_by_state: states
                .map(|state| StateCount {
                    state: state.into(),
                    count: count(state),
                })
                .into(),
            orders_per_second: all
                .iter()
                .filter(|order| order.created_at_ms > now - 10_000)
                .count() as f64
                / 10.0,
            received_total: all.len() as u64,
            delivered_total: count("delivered"),
            revenue_cents_total: revenue,
            revenue_per_minute: (0..60)
                .map(|n| history(minute - (59 - n) * 60_000, n, revenue))
                .collect(),
            top_items: top_items(&all),
            newest: newest
                .into_iter()
                .take(20)
                .map(|order| summary(order))
                .collect(),
            invariants: invariants(),
        })
    }

    async fn timeline(&self, order_id: &str) -> Result<Option<Timeline>, FeedError> {
        let orders = self.inner.orders.lock().unwrap();
        Ok(orders.get(order_id).map(|(order, events)| Timeline {
            order: serde_json::to_value(order).unwrap(),
            events: events.clone(),
        }))
    }

    fn changes(&self) -> broadcast::Receiver<OrderChange> {
        self.inner.changes.subscribe()
    }
}

fn history(minute_ms: i64, n: i64, revenue_now: i64) -> MinuteRevenue {
    if n == 59 {
        return MinuteRevenue {
            minute_ms,
            revenue_cents: revenue_now,
            orders: 1,
        };
    }
    let wave =
        (f64::from(n as i32) / 7.0).sin() * 9_000.0 + f64::from((n * 37 % 11) as i32) * 900.0;
    MinuteRevenue {
        minute_ms,
        revenue_cents: 41_000 + wave as i64,
        orders: 20 + (n as u64 * 13) % 9,
    }
}

fn top_items(orders: &[&Order]) -> Vec<TopItem> {
    let mut sold: BTreeMap<&str, (u64, i64, &str)> = BTreeMap::new();
    for item in orders.iter().flat_map(|order| &order.items) {
        let entry = sold.entry(&item.product_id).or_insert((0, 0, &item.name));
        entry.0 += u64::from(item.quantity);
        entry.1 += item.price_cents * i64::from(item.quantity);
    }
    let mut items: Vec<TopItem> = sold
        .into_iter()
        .map(|(id, (quantity, revenue_cents, name))| TopItem {
            product_id: id.into(),
            name: name.into(),
            quantity,
            revenue_cents,
        })
        .collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.revenue_cents));
    items.truncate(10);
    items
}

fn summary(order: &Order) -> OrderSummary {
    OrderSummary {
        id: order.id.clone(),
        customer_id: order.customer_id.clone(),
        state: order.state.clone(),
        total_cents: order.total_cents,
        items_count: order.items.iter().map(|item| item.quantity).sum(),
        driver: order.driver.clone(),
        created_at_ms: order.created_at_ms,
        updated_at_ms: order.updated_at_ms,
    }
}

fn invariants() -> Vec<Invariant> {
    let holds = |name: &str, detail: &str| Invariant {
        name: name.into(),
        holds: true,
        detail: detail.into(),
    };
    vec![
        holds("no order lost", "every order received is in a state"),
        holds(
            "no order charged twice",
            "as many payments as confirmed orders",
        ),
        holds(
            "money in = money out",
            "payments and confirmed totals agree to the cent",
        ),
    ]
}

fn item(new: &NewItem) -> Option<Item> {
    let index: usize = new.product_id.strip_prefix("p-")?.parse().ok()?;
    let (name, _, price_cents) = *PRODUCTS.get(index)?;
    Some(Item {
        product_id: new.product_id.clone(),
        name: name.into(),
        quantity: new.quantity,
        price_cents,
    })
}

async fn products() -> Json<Value> {
    let products = PRODUCTS.iter().enumerate().map(|(n, (name, category, price_cents))| {
        json!({"id": format!("p-{n}"), "name": name, "category": category, "price_cents": price_cents})
    });
    Json(products.collect())
}

async fn place(
    State(shop): State<Scripted>,
    headers: HeaderMap,
    Json(new): Json<NewOrder>,
) -> Response {
    if !headers.contains_key("idempotency-key") {
        let problem =
            json!({"title": "Idempotency-Key is missing", "remedy": "Send one with each order"});
        return (StatusCode::BAD_REQUEST, Json(problem)).into_response();
    }
    let Some(id) = shop.place(&new) else {
        return (
            StatusCode::UNPROCESSABLE_ENTITY,
            Json(json!({"title": "No such product"})),
        )
            .into_response();
    };
    let order = shop.inner.orders.lock().unwrap()[&id].0.clone();
    (
        StatusCode::ACCEPTED,
        [(header::LOCATION, format!("/orders/{id}"))],
        Json(order),
    )
        .into_response()
}

async fn one(State(shop): State<Scripted>, Path(id): Path<String>) -> Response {
    match shop.inner.orders.lock().unwrap().get(&id) {
        Some((order, _)) => Json(order.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64
}
