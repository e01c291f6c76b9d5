//! `headwater topics`.

use serde_json::{Value, json};

use crate::cluster::Cluster;

#[test]
fn a_topic_is_created_listed_described_and_deleted() {
    let cluster = Cluster::get();
    let topic = cluster.topic("purchases", 3);
    let listed = cluster.run(&["topics", "list", "-o", "csv"]).ok();
    assert!(
        listed.starts_with("topic,partitions,replicas\n"),
        "{listed}"
    );
    assert!(
        listed
            .lines()
            .any(|line| line.starts_with(&format!("{topic},3,"))),
        "{listed}"
    );
    let described = cluster
        .run(&["topics", "describe", &topic, "-o", "json"])
        .ok();
    let described: Value = serde_json::from_str(&described).unwrap();
    assert_eq!(described.as_array().unwrap().len(), 3);
    assert_eq!(described[2]["topic"], json!(topic));
    assert_eq!(described[2]["partition"], 2);
    assert_eq!(described[2]["records"], 0);
    cluster.run(&["topics", "delete", &topic]).ok();
    let listed = cluster.run(&["topics", "list", "-o", "csv"]).ok();
    assert!(!listed.contains(&topic), "{listed}");
}

#[test]
fn creating_a_topic_twice_fails_unless_that_is_fine() {
    let cluster = Cluster::get();
    let topic = cluster.topic("twice", 1);
    let said = cluster.run(&["topics", "create", &topic]).fails_with(1);
    assert!(
        said.contains(&format!("next: headwater topics describe {topic}")),
        "{said}"
    );
    cluster
        .run(&["topics", "create", &topic, "--if-not-exists"])
        .ok();
}

#[test]
fn a_topic_that_is_not_there_is_not_found() {
    let cluster = Cluster::get();
    let topic = cluster.name("nowhere");
    for arguments in [
        &["topics", "describe", &topic][..],
        &["topics", "describe", "--configs", &topic],
        &["topics", "delete", &topic],
        &["consume", &topic, "-e"],
    ] {
        let said = cluster.run(arguments).fails_with(3);
        assert!(said.contains(&topic), "{said}");
    }
}

#[test]
fn configurations_are_set_at_creation_and_shown_with_their_source() {
    let cluster = Cluster::get();
    let topic = cluster.name("configured");
    cluster
        .run(&[
            "topics",
            "create",
            &topic,
            "--topic-config",
            "retention.ms=3600000",
        ])
        .ok();
    let configs = cluster
        .run(&["topics", "describe", &topic, "--configs", "-o", "csv"])
        .ok();
    assert!(
        configs.contains(&format!("{topic},retention.ms,3600000,topic\n")),
        "{configs}"
    );
    assert!(
        configs.contains(&format!("{topic},cleanup.policy,delete,default\n")),
        "{configs}"
    );
}

#[test]
fn internal_topics_are_listed_only_when_asked_for() {
    let cluster = Cluster::get();
    let topic = cluster.topic("any", 1);
    // Makes sure that there is an internal topic.
    cluster
        .run(&["consume", &topic, "-G", &cluster.name("g"), "-e"])
        .ok();
    assert!(
        !cluster
            .run(&["topics", "list"])
            .ok()
            .contains("__consumer_offsets")
    );
    assert!(
        cluster
            .run(&["topics", "list", "--internal"])
            .ok()
            .contains("__consumer_offsets")
    );
}
