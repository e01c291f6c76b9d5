//! `headwater produce` and `headwater consume`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use headwater_testkit::{Signal, send_signal};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::headwater::command;

#[test]
fn lines_with_a_separator_come_back_as_keys_and_values() {
    let cluster = Cluster::get();
    let topic = cluster.topic("lines", 1);
    cluster
        .run_with(
            &["produce", &topic, "-K", ":"],
            "ada:book\ngrace:lamp\nno key\n",
        )
        .ok();
    let read = cluster
        .run(&["consume", &topic, "-e", "-f", "%p %o [%k|%K] [%s|%S]\\n"])
        .ok();
    assert_eq!(
        read,
        "0 0 [ada|3] [book|4]\n0 1 [grace|5] [lamp|4]\n0 2 [|-1] [no key|6]\n"
    );
}

#[test]
fn the_sample_prints_ten_deliveries_that_consume_prints_again() {
    let cluster = Cluster::get();
    let topic = cluster.topic("purchases", 1);
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("getting_started.ini");
    let text = format!(
        "[default]\nbootstrap.servers={}\n\n[consumer]\ngroup.id={}\nauto.offset.reset=earliest\n",
        cluster.bootstrap(),
        cluster.name("group")
    );
    fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let produced = command(&[
        "produce",
        "--config",
        config,
        "--topic",
        &topic,
        "--sample",
        "purchases",
    ])
    .output()
    .unwrap();
    assert!(
        produced.status.success(),
        "{}",
        String::from_utf8_lossy(&produced.stderr)
    );
    let produced = String::from_utf8(produced.stdout).unwrap();
    assert_eq!(produced.lines().count(), 10);
    assert!(
        produced.starts_with(&format!("delivered to {topic} [0] at offset 0: key = ")),
        "{produced}"
    );
    let consumed = command(&["consume", "--config", config, &topic, "-c", "10"])
        .output()
        .unwrap();
    assert!(
        consumed.status.success(),
        "{}",
        String::from_utf8_lossy(&consumed.stderr)
    );
    let consumed = String::from_utf8(consumed.stdout).unwrap();
    assert_eq!(keys_and_values(&consumed), keys_and_values(&produced));
}

/// What follows `key = ` on each line, without the padding.
fn keys_and_values(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| {
            let (_, pair) = line.split_once("key = ").unwrap();
            pair.split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect()
}

#[test]
fn a_consumer_waits_until_interrupted_then_commits_and_leaves_its_group() {
    let cluster = Cluster::get();
    let topic = cluster.topic("waits", 1);
    let group = cluster.name("group");
    let arguments = [
        "consume",
        &topic,
        "-G",
        &group,
        "-X",
        "auto.offset.reset=earliest",
        "-f",
        "%s\\n",
    ];
    let mut child = command(&arguments)
        .args(["-b", cluster.bootstrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    cluster.run_with(&["produce", &topic], "one\ntwo\n").ok();
    assert_eq!(lines.next().unwrap().unwrap(), "one");
    assert_eq!(lines.next().unwrap().unwrap(), "two");
    cluster.run_with(&["produce", &topic], "three\n").ok();
    assert_eq!(lines.next().unwrap().unwrap(), "three");
    send_signal(child.id(), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let described = cluster
        .run(&["groups", "describe", &group, "-o", "json"])
        .ok();
    let described: Value = serde_json::from_str(&described).unwrap();
    assert_eq!(described[0]["committed"], 3);
    assert_eq!(described[0]["lag"], 0);
    assert_eq!(described[0]["member_id"], Value::Null, "it left");
}

#[cfg(target_os = "linux")]
#[test]
fn a_group_commits_nothing_of_what_could_not_be_printed() {
    let cluster = Cluster::get();
    let topic = cluster.topic("full", 1);
    let group = cluster.name("group");
    cluster.run_with(&["produce", &topic], "one\ntwo\n").ok();
    let arguments = [
        "consume",
        &topic,
        "-G",
        &group,
        "-X",
        "auto.offset.reset=earliest",
        "-f",
        "%s\\n",
        "-e",
    ];
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let status = command(&arguments)
        .args(["-b", cluster.bootstrap()])
        .stdout(full)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(cluster.run(&arguments).ok(), "one\ntwo\n");
}

#[test]
fn a_group_goes_on_where_it_stopped_and_reset_starts_over() {
    let cluster = Cluster::get();
    let topic = cluster.topic("reset", 2);
    let group = cluster.name("group");
    cluster
        .run_with(&["produce", &topic, "-K", ":"], "a:1\nb:2\nc:3\nd:4\n")
        .ok();
    let read = |extra: &[&str]| {
        let mut arguments = vec![
            "consume",
            &topic,
            "-G",
            &group,
            "-X",
            "auto.offset.reset=earliest",
            "-e",
            "-f",
            "%s\\n",
        ];
        arguments.extend(extra);
        let text = cluster.run(&arguments).ok();
        let mut values: Vec<String> = text.lines().map(str::to_owned).collect();
        values.sort();
        values
    };
    assert_eq!(read(&[]), ["1", "2", "3", "4"]);
    assert_eq!(read(&[]), [""; 0]);
    cluster
        .run_with(&["produce", &topic, "-K", ":"], "a:5\n")
        .ok();
    assert_eq!(read(&[]), ["5"]);
    assert_eq!(read(&["--reset"]), ["1", "2", "3", "4", "5"]);
    assert_eq!(read(&[]), [""; 0]);
}

#[test]
fn reading_can_start_anywhere_without_touching_a_group() {
    let cluster = Cluster::get();
    let topic = cluster.topic("anywhere", 1);
    let stamped: String = (0..5)
        .map(|n| format!("{}\n", json!({"key": null, "payload": n.to_string(), "ts": 1_700_000_000_000_i64 + n * 1000})))
        .collect();
    cluster
        .run_with(&["produce", &topic, "--json"], &stamped)
        .ok();
    let read = |from: &str| {
        cluster
            .run(&["consume", &topic, "-e", "-f", "%s", "-o", from])
            .ok()
    };
    assert_eq!(read("beginning"), "01234");
    assert_eq!(read("end"), "");
    assert_eq!(read("3"), "34");
    assert_eq!(read("-2"), "34");
    assert_eq!(read("@1700000002000"), "234");
    assert_eq!(read("@2023-11-14T22:13:23Z"), "34");
}

#[test]
fn json_lines_can_be_produced_again_with_headers_and_timestamps() {
    let cluster = Cluster::get();
    let (one, other) = (cluster.topic("one", 1), cluster.topic("other", 1));
    let line = json!({"key": "k", "payload": null, "ts": 1_700_000_000_000_i64, "headers": ["h", "1", "n", null]});
    cluster
        .run_with(&["produce", &one, "--json"], &format!("{line}\n"))
        .ok();
    let lines = cluster
        .run(&["consume", &one, "-e", "--output", "jsonl"])
        .ok();
    cluster
        .run_with(&["produce", &other, "--json"], &lines)
        .ok();
    let copied = cluster.run(&["consume", &other, "-e", "-J"]).ok();
    let copied: Value = serde_json::from_str(&copied).unwrap();
    assert_eq!(
        copied,
        json!({
            "topic": other, "partition": 0, "offset": 0, "ts": 1_700_000_000_000_i64,
            "headers": ["h", "1", "n", null], "key": "k", "payload": null
        })
    );
}

#[test]
fn every_codec_comes_back_as_it_was_sent() {
    let cluster = Cluster::get();
    let topic = cluster.topic("codecs", 1);
    let text: String = (0..200)
        .map(|n| format!("record {n} of a batch worth compressing\n"))
        .collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        cluster
            .run_with(
                &[
                    "produce",
                    &topic,
                    "-X",
                    &format!("compression.type={codec}"),
                ],
                &text,
            )
            .ok();
    }
    let read = cluster.run(&["consume", &topic, "-e", "-f", "%s\\n"]).ok();
    assert_eq!(read, text.repeat(5));
}

#[test]
fn deliveries_are_printed_in_the_format_asked_for() {
    let cluster = Cluster::get();
    let topic = cluster.topic("deliveries", 1);
    let delivered = cluster
        .run_with(
            &["produce", &topic, "-k", "x", "--deliveries", "-o", "csv"],
            "v,1\n",
        )
        .ok();
    assert_eq!(
        delivered,
        format!("topic,partition,offset,key,value\n{topic},0,0,x,\"v,1\"\n")
    );
}

#[test]
fn a_line_that_is_no_envelope_is_named_and_what_came_before_it_is_delivered() {
    let cluster = Cluster::get();
    let topic = cluster.topic("broken", 1);
    let said = cluster
        .run_with(
            &["produce", &topic, "--json"],
            "{\"payload\":\"good\"}\nnonsense\n",
        )
        .fails_with(1);
    assert!(said.contains("line 2 cannot be sent"), "{said}");
    assert_eq!(
        cluster.run(&["consume", &topic, "-e", "-f", "%s"]).ok(),
        "good"
    );
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_error() {
    let cluster = Cluster::get();
    let topic = cluster.topic("pipe", 1);
    let lines: String = (0..20_000)
        .map(|n| format!("a line that fills the pipe {n}\n"))
        .collect();
    cluster.run_with(&["produce", &topic], &lines).ok();
    let mut child = command(&["consume", &topic, "-e", "-b", cluster.bootstrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Dropping the pipe closes it.
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_partition_that_is_not_there_is_not_found() {
    let cluster = Cluster::get();
    let topic = cluster.topic("small", 1);
    let said = cluster
        .run(&["consume", &topic, "-p", "7", "-e"])
        .fails_with(3);
    assert!(said.contains("it has 1 partition(s)"), "{said}");
}
