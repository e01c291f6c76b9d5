//! A joined, windowed program with final results, as the guide has it.

use headwater_streams::test_driver::TestDriver;
use headwater_streams::windows::{mins, secs, tumbling};
use headwater_streams::{Builder, Final, Record, Topic, Windowed, within};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Order {
    item: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Payment {
    order_id: String,
    cents: u64,
}

#[derive(Serialize, Deserialize)]
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

#[test]
fn revenue_per_item_and_minute_comes_once_when_the_minute_is_over_or_nothing_more_comes() {
    let mut driver = TestDriver::builder("shop").exactly_once().build(topology);
    let second = 1000;
    for (id, item, at) in [("1", "cup", 1), ("2", "cup", 20), ("3", "pot", 30)] {
        let order = Order {
            item: item.to_owned(),
        };
        driver.pipe(&ORDERS, Record::new(id.to_owned(), order, at * second));
    }
    for (order, cents, at) in [
        ("1", 500, 10),
        ("2", 700, 90),
        ("3", 0, 100),
        ("3", 900, 200),
    ] {
        let payment = Payment {
            order_id: order.to_owned(),
            cents,
        };
        let key = format!("payment of {order}");
        driver.pipe(&PAYMENTS, Record::new(key, payment, at * second));
    }
    driver.run();
    let revenue = |driver: &mut TestDriver| -> Vec<(String, i64, u64)> {
        let rows = driver.key_values(&REVENUE).into_iter();
        rows.map(|(key, cents)| (key.key, key.window.start / second, cents))
            .collect()
    };
    assert_eq!(
        revenue(&mut driver),
        [("cup".to_owned(), 0, 500), ("cup".to_owned(), 60, 700)]
    );
    driver.advance(secs(10)).run();
    assert_eq!(revenue(&mut driver), [("pot".to_owned(), 180, 900)]);
}
