//! `headwater bench`.

use serde_json::Value;

use crate::cluster::Cluster;

#[test]
fn a_bench_measures_and_leaves_no_topic_behind() {
    let cluster = Cluster::get();
    let arguments = [
        "bench",
        "--records",
        "2000",
        "--one-by-one",
        "20",
        "--partitions",
        "2",
        "-o",
        "json",
    ];
    let measured: Vec<Value> = serde_json::from_str(&cluster.run(&arguments).ok()).unwrap();
    let names: Vec<&str> = measured
        .iter()
        .map(|row| row["measured"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "produce",
            "consume",
            "one in flight, p50",
            "one in flight, p99"
        ]
    );
    assert!(measured.iter().all(|row| row["value"].as_u64().is_some()));
    let left = cluster.run(&["topics", "list"]).ok();
    // Another run may be measuring the same Kafka; ours is of 2 partitions.
    assert!(
        !left
            .lines()
            .any(|line| line.starts_with("headwater-bench-") && line.contains(" 2 ")),
        "{left}"
    );
}
