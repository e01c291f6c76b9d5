//! `kill -9` in the middle of `demo`, of the store and of the whole: no order is lost, none charged twice, and every
//! order comes to a final state.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use headwater_testkit::{Process, Signal, Store, free_ports};
use serde_json::{Value, json};

use crate::cluster::settings;
use crate::demo::{page, start};
use crate::headwater::{Run, headwater};
use crate::kill::{rounds, some_milliseconds};

/// Until every order is in a final state, on the slowest machine.
const LIMIT: Duration = Duration::from_mins(3);

/// What `headwater ordering verify` counts, by name. While orders are on their way some are not charged yet.
fn counts(dir: &Path) -> BTreeMap<String, u64> {
    let run = verify(dir, "0");
    assert!(matches!(run.code, Some(0 | 10)), "{}", run.stderr);
    parse(&run.stdout)
}

fn verify(dir: &Path, wait: &str) -> Run {
    let databases = dir.join("data/ordering");
    let databases = databases.to_str().unwrap();
    headwater(
        &[
            "ordering",
            "verify",
            "-o",
            "csv",
            "--wait",
            wait,
            "--data-dir",
            databases,
        ],
        "",
    )
}

fn parse(csv: &str) -> BTreeMap<String, u64> {
    csv.lines()
        .skip(1)
        .map(|line| {
            let (name, count) = line.rsplit_once(',').unwrap();
            (name.to_owned(), count.parse().unwrap())
        })
        .collect()
}

/// Waits, with no new orders coming, until each is in a final state; then all invariants hold.
fn settle(dir: &Path, demo: &mut Process, acknowledged: &[String]) -> u64 {
    let page = page(demo);
    let run = verify(dir, "180");
    assert_eq!(
        run.code,
        Some(0),
        "{}\n{}\n{}",
        run.stdout,
        run.stderr,
        demo.log()
    );
    let counted = parse(&run.stdout);
    find_all(&page, acknowledged);
    demo.signal(Signal::INT).unwrap();
    assert_eq!(demo.wait(LIMIT).unwrap().code(), Some(0), "{}", demo.log());
    assert_eq!(counts(dir), counted, "nothing moves any more");
    assert!(counted["orders"] > 0);
    for invariant in [
        "orders lost",
        "orders charged twice",
        "orders charged wrongly",
        "orders not yet in a final state",
        "dead letters",
    ] {
        assert_eq!(counted[invariant], 0, "{counted:?}");
    }
    counted["orders"]
}

/// Customers of the test's own. They remember which orders were acknowledged, whatever became of the databases.
struct Customers {
    stop: Arc<AtomicBool>,
    /// Where the page is now: after a restart it is elsewhere.
    page: Arc<Mutex<String>>,
    thread: JoinHandle<Vec<String>>,
}

impl Customers {
    fn start(page: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let page = Arc::new(Mutex::new(page.to_owned()));
        let (stopped, address) = (Arc::clone(&stop), Arc::clone(&page));
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let client = reqwest::Client::builder()
                .timeout(Duration::from_secs(5))
                .build()
                .unwrap();
            let mut acknowledged = Vec::new();
            for number in 0.. {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let page = address.lock().unwrap().clone();
                acknowledged.extend(runtime.block_on(place_order(&client, &page, number)));
                thread::sleep(Duration::from_millis(30));
            }
            acknowledged
        });
        Self { stop, page, thread }
    }

    fn go_to(&self, page: String) {
        *self.page.lock().unwrap() = page;
    }

    /// The orders that were acknowledged.
    fn finish(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let acknowledged = self.thread.join().unwrap();
        assert!(!acknowledged.is_empty(), "no order was acknowledged");
        acknowledged
    }
}

/// The id, if the order was acknowledged. One that was not may have been taken or not.
async fn place_order(client: &reqwest::Client, page: &str, number: u32) -> Option<String> {
    let order = json!({
        "customer_id": format!("test-{}", number % 7),
        "items": [{"product_id": "p001", "quantity": 1}],
    });
    let request = client
        .post(format!("{page}/orders"))
        .header("Idempotency-Key", format!("kill-demo-{number}"))
        .json(&order);
    let response = request.send().await.ok()?;
    if response.status() != 202 {
        return None;
    }
    let order: Value = response.json().await.ok()?;
    Some(order["id"].as_str().unwrap().to_owned())
}

/// Each acknowledged order is there and, with the system at rest, in a final state.
fn find_all(page: &str, acknowledged: &[String]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for id in acknowledged {
            let response = reqwest::get(format!("{page}/orders/{id}")).await.unwrap();
            assert_eq!(response.status(), 200, "order {id} was acknowledged");
            let order: Value = response.json().await.unwrap();
            let state = order["state"].as_str().unwrap();
            assert!(matches!(state, "delivered" | "rejected"), "{order}");
        }
    });
}

/// Orders were placed since: the demo works again.
fn wait_for_more_orders(dir: &Path, demo: &mut Process, than: u64) -> u64 {
    let deadline = Instant::now() + LIMIT;
    loop {
        let orders = counts(dir)["orders"];
        if orders > than {
            return orders;
        }
        assert!(Instant::now() < deadline, "no new orders:\n{}", demo.log());
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn killing_the_store_in_the_middle_of_demo_loses_no_order_and_charges_none_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::start(settings(dir.path().join("store"))).unwrap();
    let bootstrap = store.bootstrap().to_owned();
    let mut demo = start(
        dir.path(),
        &["--rate", "40", "--bootstrap-server", &bootstrap],
    );
    let customers = Customers::start(&page(&mut demo));
    let mut orders = 0;
    for _ in 0..rounds() {
        orders = wait_for_more_orders(dir.path(), &mut demo, orders);
        thread::sleep(some_milliseconds(200, 1500));
        store.kill();
        thread::sleep(some_milliseconds(0, 300));
        store = store.restart().unwrap();
    }
    wait_for_more_orders(dir.path(), &mut demo, orders);
    let acknowledged = customers.finish();
    demo.signal(Signal::INT).unwrap();
    assert_eq!(demo.wait(LIMIT).unwrap().code(), Some(0), "{}", demo.log());
    let mut demo = start(
        dir.path(),
        &["--rate", "0", "--bootstrap-server", &bootstrap],
    );
    let orders = settle(dir.path(), &mut demo, &acknowledged);
    println!(
        "store killed {} times: {orders} orders, {} acknowledged to the test, lost 0, charged twice 0",
        rounds(),
        acknowledged.len()
    );
}

#[test]
fn killing_the_whole_demo_loses_no_order_and_charges_none_twice() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1).unwrap()[0].to_string();
    let mut orders = 0;
    // Nobody is there yet.
    let customers = Customers::start("http://127.0.0.1:9");
    for _ in 0..rounds() {
        let mut demo = start(dir.path(), &["--rate", "40", "--port", &port]);
        customers.go_to(page(&mut demo));
        orders = wait_for_more_orders(dir.path(), &mut demo, orders);
        thread::sleep(some_milliseconds(200, 1500));
        demo.kill();
    }
    let acknowledged = customers.finish();
    let mut demo = start(dir.path(), &["--rate", "0", "--port", &port]);
    let orders = settle(dir.path(), &mut demo, &acknowledged);
    println!(
        "demo killed {} times: {orders} orders, {} acknowledged to the test, lost 0, charged twice 0",
        rounds(),
        acknowledged.len()
    );
}
