//! `headwater demo`: one command, and the first order is delivered.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use headwater_testkit::{Process, Signal};

use crate::cluster::Cluster;
use crate::headwater::{command, headwater};

/// Generous: for the slowest machine.
const LIMIT: Duration = Duration::from_mins(2);

/// A demo on free ports; it ends with the test.
pub(crate) fn start(dir: &Path, arguments: &[&str]) -> Process {
    let mut demo = command(&["demo", "--page-port", "0", "--data-dir"]);
    demo.arg(dir.join("data")).args(arguments);
    // A log for each start: what an earlier one said is not taken for this one's.
    let log = (1..u32::MAX)
        .map(|number| dir.join(format!("demo-{number}.log")))
        .find(|log| !log.exists())
        .unwrap();
    Process::start(&mut demo, &log).unwrap()
}

/// The page's address, once it is shown.
pub(crate) fn page(demo: &mut Process) -> String {
    let deadline = Instant::now() + LIMIT;
    loop {
        let log = demo.log();
        if let Some(url) = log.lines().find_map(|line| line.strip_prefix("page: ")) {
            return url.to_owned();
        }
        assert!(
            demo.runs() && Instant::now() < deadline,
            "the demo shows no page:\n{log}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

async fn first_order_is_delivered(page: &str) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let orders = reqwest::get(format!("{page}/orders?limit=1&state=delivered"))
            .await
            .unwrap();
        let orders: serde_json::Value = orders.json().await.unwrap();
        let list = orders
            .as_array()
            .or_else(|| orders["orders"].as_array())
            .expect("a list of orders");
        if let Some(order) = list.first() {
            assert_eq!(order["state"], "delivered");
            return;
        }
        assert!(Instant::now() < deadline, "no order was delivered");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_first_order_is_delivered_and_it_stops_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = start(dir.path(), &["--port", "0", "--rate", "10"]);
    let page = page(&mut demo);
    first_order_is_delivered(&page).await;
    demo.signal(Signal::INT).unwrap();
    let status = demo.wait(LIMIT).unwrap();
    assert_eq!(status.code(), Some(0), "{}", demo.log());
    let databases = dir.path().join("data/ordering");
    let arguments = [
        "ordering",
        "verify",
        "-o",
        "csv",
        "--data-dir",
        databases.to_str().unwrap(),
    ];
    // Stopped in the middle, some orders are on their way; none is charged twice.
    let verified = headwater(&arguments, "").stdout;
    assert!(verified.contains("orders charged twice,0\n"), "{verified}");
}

#[tokio::test]
async fn with_a_bootstrap_server_it_starts_no_store() {
    let cluster = Cluster::get();
    let dir = tempfile::tempdir().unwrap();
    let prefix = cluster.name("demo-");
    let arguments = [
        "--rate",
        "10",
        "--topic-prefix",
        &prefix,
        "--bootstrap-server",
        cluster.bootstrap(),
    ];
    let mut demo = start(dir.path(), &arguments);
    let page = page(&mut demo);
    first_order_is_delivered(&page).await;
    assert!(!demo.log().contains("event store:"), "{}", demo.log());
    assert!(
        !dir.path().join("data/meta").exists(),
        "no store has its files there"
    );
    assert!(
        cluster
            .run(&["topics", "list"])
            .ok()
            .contains(&format!("{prefix}order_received"))
    );
    demo.signal(Signal::TERM).unwrap();
    assert_eq!(demo.wait(LIMIT).unwrap().code(), Some(0), "{}", demo.log());
}

#[test]
fn a_client_that_stalls_does_not_keep_it_from_stopping() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = start(dir.path(), &["--port", "0", "--rate", "0"]);
    let page = page(&mut demo);
    let address = page.strip_prefix("http://").unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    // The body never comes, so the request never ends.
    let head = format!(
        "POST /orders HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Idempotency-Key: stalls\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
    );
    client.write_all(head.as_bytes()).unwrap();
    // Asked to go on: the request is under way.
    client.read_exact(&mut [0; 12]).unwrap();
    demo.signal(Signal::TERM).unwrap();
    assert_eq!(demo.wait(LIMIT).unwrap().code(), Some(0), "{}", demo.log());
    assert!(
        demo.log().contains("the page did not end"),
        "{}",
        demo.log()
    );
}

#[test]
fn verify_says_where_databases_are_missing() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("nowhere");
    let said = headwater(
        &[
            "ordering",
            "verify",
            "--data-dir",
            missing.to_str().unwrap(),
        ],
        "",
    )
    .fails_with(3);
    assert!(said.contains("there are no databases in"), "{said}");
}
