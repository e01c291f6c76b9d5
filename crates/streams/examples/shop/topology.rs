//! What the shop's program does: the part that its test runs too.

use headwater_streams::windows::{mins, secs, tumbling};
use headwater_streams::{Builder, Final, Topic, Windowed, within};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) item: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) order_id: String,
    pub(crate) cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Paid {
    item: String,
    cents: u64,
}

pub(crate) const ORDERS: Topic<String, Order> = Topic::json("orders");
pub(crate) const PAYMENTS: Topic<String, Payment> = Topic::json("payments");
pub(crate) const REVENUE: Topic<Windowed<String>, u64> = Topic::json("revenue");

pub(crate) fn topology(b: &Builder) {
    let payments = b
        .stream(PAYMENTS)
        .filter(|p| p.cents > 0)
        .key_by("by-order", |p| p.order_id.clone());
    b.stream(ORDERS)
        .join("paid", payments, within(mins(5)).grace(secs(30)))
        .map(|(order, payment)| Paid {
            item: order.item,
            cents: payment.cents,
        })
        .key_by("by-item", |p| p.item.clone())
        .window(tumbling(mins(1)).grace(secs(30)))
        .fold("revenue", 0u64, |sum, p| *sum += p.cents)
        .emit(Final.or_idle(secs(10)))
        .to(REVENUE);
}
