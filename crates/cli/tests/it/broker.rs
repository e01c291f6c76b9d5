//! `headwater broker` as a process: where it says it is, how it stops, what it refuses.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use headwater_testkit::{Process, Signal, Store};

use crate::cluster::settings;
use crate::headwater::{command, headwater};

/// Generous: for the slowest machine.
const LIMIT: Duration = Duration::from_mins(1);

fn broker(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut broker = command(&["broker", "--data-dir"]);
    broker.arg(data_dir).args(arguments);
    broker
}

#[test]
fn print_bootstrap_prints_exactly_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(
        &mut broker(
            &dir.path().join("data"),
            &["--port", "0", "--print-bootstrap"],
        ),
        &dir.path().join("log"),
    )
    .unwrap();
    let line = process.next_line(LIMIT).unwrap();
    let port: u16 = line.strip_prefix("127.0.0.1:").unwrap().parse().unwrap();
    assert_ne!(port, 0);
    process.signal(Signal::TERM).unwrap();
    assert_eq!(process.wait(LIMIT).unwrap().code(), Some(0));
    assert_eq!(process.rest_of_lines(), [""; 0]);
    assert!(process.log().contains("data: "), "{}", process.log());
}

#[test]
fn sigint_and_sigterm_stop_it_in_order_and_records_survive() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::start(settings(dir.path().join("data"))).unwrap();
    for (number, signal) in [Signal::INT, Signal::TERM].into_iter().enumerate() {
        let bootstrap = store.bootstrap().to_owned();
        headwater(
            &["produce", "kept", "-b", &bootstrap],
            &format!("{number}\n"),
        )
        .ok();
        store.process().signal(signal).unwrap();
        assert_eq!(store.process().wait(LIMIT).unwrap().code(), Some(0));
        store = store.restart().unwrap();
    }
    let read = headwater(
        &["consume", "kept", "-e", "-f", "%s", "-b", store.bootstrap()],
        "",
    )
    .ok();
    assert_eq!(read, "01");
}

#[test]
fn a_port_in_use_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = broker(&dir.path().join("data"), &["--port", &port.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("127.0.0.1:{port} is in use")),
        "{said}"
    );
    assert!(said.contains("--port 0"), "{said}");
}

#[test]
fn a_data_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _store = Store::start(settings(data.clone())).unwrap();
    let output = broker(&data, &["--port", "0"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("error: the event store did not start"),
        "{said}"
    );
}

#[test]
fn broker_settings_apply_to_topics_made_by_use() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path().join("data"));
    settings
        .arguments
        .extend(["--num-partitions".to_owned(), "4".to_owned()]);
    let store = Store::start(settings).unwrap();
    headwater(&["produce", "made-by-use", "-b", store.bootstrap()], "x\n").ok();
    let listed = headwater(
        &["topics", "list", "-o", "csv", "-b", store.bootstrap()],
        "",
    )
    .ok();
    assert_eq!(listed, "topic,partitions,replicas\nmade-by-use,4,1\n");
}

#[test]
fn clients_are_told_the_advertised_listener() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path().join("data"));
    settings
        .arguments
        .extend(["--advertised-listener".to_owned(), "127.0.0.1:1".to_owned()]);
    let store = Store::start(settings).unwrap();
    // Metadata comes from the bootstrap address, the partition's leader is where nobody listens.
    let bootstrap = format!("127.0.0.1:{}", store.port());
    headwater(
        &["topics", "create", "t", "-b", &bootstrap, "--timeout", "5"],
        "",
    )
    .fails_with(5);
}
