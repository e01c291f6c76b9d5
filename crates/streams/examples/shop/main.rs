//! Revenue by item and minute, of orders that were paid within five minutes: a stream-stream join, a window, results
//! when a window is final, exactly once.
//!
//! ```sh
//! headwater broker &
//! headwater topics create orders --partitions 4
//! headwater topics create payments --partitions 4
//! headwater topics create revenue --partitions 4
//! cargo run --package headwater-streams --example shop -- 127.0.0.1:9092
//! ```

use headwater_streams::windows::{mins, secs, tumbling};
use headwater_streams::{App, Builder, Final, StreamsError, Topic, Windowed, within};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    item: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Payment {
    order_id: String,
    cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Paid {
    item: String,
    cents: u64,
}

const ORDERS: Topic<String, Order> = Topic::json("orders");
const PAYMENTS: Topic<String, Payment> = Topic::json("payments");
const REVENUE: Topic<Windowed<String>, u64> = Topic::json("revenue");

fn topology(b: &Builder) {
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StreamsError> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let servers = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:9092".to_owned());
    App::new("shop")
        .bootstrap(servers)
        .exactly_once()
        .dead_letter("shop.dlq")
        .run(topology)
        .await
}
