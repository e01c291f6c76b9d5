//! `headwater groups`.

use serde_json::{Value, json};

use crate::cluster::Cluster;

#[test]
fn a_group_is_listed_and_described_with_its_lag() {
    let cluster = Cluster::get();
    let topic = cluster.topic("lagging", 1);
    let group = cluster.name("group");
    cluster
        .run_with(&["produce", &topic], "1\n2\n3\n4\n5\n")
        .ok();
    cluster
        .run(&[
            "consume",
            &topic,
            "-G",
            &group,
            "-X",
            "auto.offset.reset=earliest",
            "-c",
            "2",
        ])
        .ok();
    let listed = cluster.run(&["groups", "list", "-o", "jsonl"]).ok();
    let listed: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        listed.iter().any(|row| row["group"] == json!(group)
            && row["state"] == "Empty"
            && row["members"] == 0),
        "{listed:?}"
    );
    let described = cluster
        .run(&["groups", "describe", &group, "-o", "csv"])
        .ok();
    assert_eq!(
        described,
        format!(
            "group,topic,partition,committed,end_offset,lag,member_id,client_id,host\n{group},{topic},0,2,5,3,,,\n"
        )
    );
}

#[test]
fn a_group_that_is_not_there_is_not_found() {
    let cluster = Cluster::get();
    let group = cluster.name("nobody");
    let said = cluster.run(&["groups", "describe", &group]).fails_with(3);
    assert!(
        said.contains(&group) && said.contains("next: headwater groups list"),
        "{said}"
    );
}
