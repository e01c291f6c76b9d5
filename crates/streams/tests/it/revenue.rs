//! The program of `examples/shop`: a join, windows and final results.

#[path = "../../examples/shop/topology.rs"]
pub(crate) mod topology;

use headwater_streams::Record;
use headwater_streams::test_driver::TestDriver;
use headwater_streams::windows::secs;

use topology::{ORDERS, Order, PAYMENTS, Payment, REVENUE, topology};

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
