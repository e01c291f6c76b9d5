//! `kill -9` in the middle of `demo`, of the store and of the whole: no order is lost, none charged twice, and every
//! order comes to a final state.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use headwater_testkit::{Process, Signal, Store, free_ports};

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
fn settle(dir: &Path, demo: &mut Process) -> u64 {
    page(demo);
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
    page(&mut demo);
    let mut orders = 0;
    for _ in 0..rounds() {
        orders = wait_for_more_orders(dir.path(), &mut demo, orders);
        thread::sleep(some_milliseconds(200, 1500));
        store.kill();
        thread::sleep(some_milliseconds(0, 300));
        store = store.restart().unwrap();
    }
    wait_for_more_orders(dir.path(), &mut demo, orders);
    demo.signal(Signal::INT).unwrap();
    assert_eq!(demo.wait(LIMIT).unwrap().code(), Some(0), "{}", demo.log());
    let mut demo = start(
        dir.path(),
        &["--rate", "0", "--bootstrap-server", &bootstrap],
    );
    let orders = settle(dir.path(), &mut demo);
    println!(
        "store killed {} times: {orders} orders, lost 0, charged twice 0",
        rounds()
    );
}

#[test]
fn killing_the_whole_demo_loses_no_order_and_charges_none_twice() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1).unwrap()[0].to_string();
    let mut orders = 0;
    for _ in 0..rounds() {
        let mut demo = start(dir.path(), &["--rate", "40", "--port", &port]);
        page(&mut demo);
        orders = wait_for_more_orders(dir.path(), &mut demo, orders);
        thread::sleep(some_milliseconds(200, 1500));
        demo.kill();
    }
    let mut demo = start(dir.path(), &["--rate", "0", "--port", &port]);
    let orders = settle(dir.path(), &mut demo);
    println!(
        "demo killed {} times: {orders} orders, lost 0, charged twice 0",
        rounds()
    );
}
