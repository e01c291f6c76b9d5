//! The example shop on records that nobody expects, and on a store that stands still now and then.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use headwater_streams::{App, Policy};
use headwater_testkit::{Process, Signal};

use super::cluster::{Cluster, eventually, store_in};
use super::word_count;
use crate::revenue::topology::topology;

fn shop(cluster: &Cluster, directory: &tempfile::TempDir) -> App {
    cluster
        .app(directory.path())
        .exactly_once()
        .dead_letter("letters")
        .on_error(&Policy::DeadLetter)
}

struct Shop {
    cluster: Cluster,
    minute: i64,
}

impl Shop {
    fn order(&self, key: Option<&str>, item: &str) {
        let order = format!(r#"{{"item":"{item}"}}"#);
        self.raw_order(key.map(str::as_bytes), Some(order.as_bytes()));
    }

    fn raw_order(&self, key: Option<&[u8]>, value: Option<&[u8]>) {
        let time = self.minute * 60_000;
        self.cluster.write_bytes("orders", 0, key, value, time);
    }

    fn payment(&self, order: &str, cents: u64) {
        let payment = format!(r#"{{"order_id":"{order}","cents":{cents}}}"#);
        let time = self.minute * 60_000 + 1000;
        let value = Some(payment.as_bytes());
        self.cluster
            .write_bytes("payments", 0, Some(b"p"), value, time);
    }

    /// The sums, with how long the key is, in the order of the windows.
    fn revenue(&self) -> Vec<(usize, String)> {
        let read = self.cluster.read("revenue").into_iter();
        read.map(|sum| (sum.key.len() / 1000, sum.value)).collect()
    }

    fn letters(&self) -> Vec<String> {
        let read = self.cluster.read("letters").into_iter();
        read.map(|letter| letter.value.chars().take(20).collect())
            .collect()
    }
}

#[test]
fn odd_records_are_dropped_or_dead_lettered_and_the_sums_of_the_others_are_right() {
    let topics = [
        ("orders", 1),
        ("payments", 1),
        ("revenue", 1),
        ("letters", 1),
    ];
    let directory = tempfile::tempdir().unwrap();
    let mut shop_ = Shop {
        cluster: Cluster::with(&topics),
        minute: 1,
    };
    let running = shop(&shop_.cluster, &directory).start(topology).unwrap();
    // Keys of 10,000 bytes, and no key, no value, empty ones, and what is no JSON.
    let long = "k".repeat(10_000);
    shop_.order(Some(&long), "cup");
    shop_.payment(&long, 500);
    shop_.order(None, "lost");
    shop_.order(Some(""), "empty");
    shop_.payment("", 70);
    shop_.raw_order(Some(b"1"), None);
    shop_.raw_order(Some(b"1"), Some(b""));
    shop_.raw_order(Some(b"1"), Some(b"no JSON"));
    shop_.raw_order(Some(b"\xff\xfe"), Some(br#"{"item":"cup"}"#));
    shop_.raw_order(Some(b"1"), Some(&vec![0; 300_000]));
    shop_.payment("1", 1000);
    // Timestamps that are none.
    let order = br#"{"item":"never"}"#;
    shop_
        .cluster
        .write_bytes("orders", 0, Some(b"2"), Some(order), -1);
    shop_.payment("2", 1000);
    eventually("the first sums", || {
        (shop_.revenue().len() == 2).then_some(())
    });
    shop_.cluster.stop(running);

    // An item of 60 KB becomes a key. One of 900 KB is a row of the join, and twice that, as key and in the value, is
    // more than the client sends.
    shop_.minute = 20;
    let running = shop(&shop_.cluster, &directory).start(topology).unwrap();
    shop_.order(Some("3"), &"c".repeat(60_000));
    shop_.payment("3", 30);
    shop_.order(Some("4"), &"d".repeat(900_000));
    shop_.payment("4", 40);
    shop_.order(Some("5"), "pot");
    shop_.payment("5", 50);
    eventually("the last sums", || {
        (shop_.revenue().len() == 4).then_some(())
    });
    shop_.cluster.stop(running);

    let mut revenue = shop_.revenue();
    revenue.sort();
    let sums = [(0, "50"), (0, "500"), (0, "70"), (60, "30")];
    assert_eq!(revenue, sums.map(|(size, sum)| (size, sum.to_owned())));
    let mut letters = shop_.letters();
    letters.sort();
    let zeros = "\0".repeat(20);
    let kept = [
        "",
        &zeros,
        "no JSON",
        r#"{"item":"cup"}"#,
        r#"{"item":"never"}"#,
        r#"{"order_id":"4","cen"#,
    ];
    assert_eq!(letters, kept);
}

/// Tells a child of this test program to be a store: its directory.
const STORE: &str = "HEADWATER_STREAMS_STORE";

/// Does nothing, unless it is the child of another test: then it is a store until it is killed.
#[test]
fn a_store_in_a_process_of_its_own() {
    let Ok(directory) = std::env::var(STORE) else {
        return;
    };
    let (_runtime, broker) = store_in(Path::new(&directory));
    println!("at {}", broker.bootstrap());
    loop {
        std::thread::park();
    }
}

fn store(directory: &Path) -> (Process, String) {
    let mut process = Process::start(
        Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "running::odd_records::a_store_in_a_process_of_its_own",
            ])
            .args(["--nocapture", "--test-threads=1"])
            .env(STORE, directory),
        &directory.join("log"),
    )
    .unwrap();
    loop {
        let line = process.next_line(Duration::from_mins(1)).unwrap();
        if let Some((_, bootstrap)) = line.split_once("at 127") {
            return (process, format!("127{bootstrap}"));
        }
    }
}

#[test]
fn a_store_that_stands_still_now_and_then_loses_and_doubles_nothing() {
    let data = tempfile::tempdir().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (process, bootstrap) = store(data.path());
    let cluster = Cluster::at(&bootstrap);
    for topic in ["words", "counts"] {
        cluster.make(topic, 2);
    }
    let app = cluster.app(directory.path()).exactly_once();
    let running = app.threads(2).start(word_count::topology).unwrap();
    for round in 1..=2 {
        word_count::write(&cluster, 2, 700);
        // In the middle of it, for longer than a session.
        process.signal(Signal::STOP).unwrap();
        std::thread::sleep(Duration::from_secs(8));
        process.signal(Signal::CONT).unwrap();
        word_count::wait_for(&cluster, round * 700);
    }
    cluster.stop(running);
    word_count::assert_exactly_once(&cluster);
}
