//! Records that Apache Kafka wrote are ours too, to the byte.

use bytes::Bytes;
use headwater_coordinator::{
    CoordinatorRecord, GroupConfig, GroupCoordinator, GroupRecord, OffsetCommitValue,
};

const FIXTURE: &str = include_str!("fixtures/kafka-4.3.1-consumer-offsets.txt");

fn unhex(text: &str) -> Bytes {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn records() -> Vec<CoordinatorRecord> {
    let lines = FIXTURE.lines().filter(|line| !line.starts_with('#'));
    let records = lines.map(|line| {
        let (key, value) = line.split_once(' ').unwrap();
        CoordinatorRecord {
            key: unhex(key),
            value: (value != "-").then(|| unhex(value)),
        }
    });
    records.collect()
}

#[test]
fn records_of_apache_kafka_decode_and_encode_to_the_same_bytes() {
    let records = records();
    assert!(records.len() >= 14);
    for record in records {
        let decoded = GroupRecord::decode(&record).unwrap();
        assert_eq!(decoded.encode().unwrap(), record, "{decoded:?}");
    }
}

#[test]
fn the_coordinator_loads_the_partition_of_an_apache_kafka() {
    let mut coordinator = GroupCoordinator::new(GroupConfig::default());
    for record in records() {
        coordinator.replay(&record).unwrap();
    }
    let state = coordinator.durable_state();
    // The console consumer's group was deleted; the static member has left its own.
    let groups: Vec<&str> = state.groups.keys().map(String::as_str).collect();
    assert_eq!(groups, ["coordfix-raw", "coordfix-static"]);
    let static_group = &state.groups["coordfix-static"];
    assert_eq!(
        (static_group.generation, static_group.members.len()),
        (2, 0)
    );
    let commits: Vec<(&str, &OffsetCommitValue)> = state
        .offsets
        .iter()
        .map(|(key, value)| (key.group.as_str(), value))
        .collect();
    assert_eq!(commits.len(), 2);
    let (group, simple) = commits[0];
    assert_eq!(group, "coordfix-simple");
    assert_eq!((simple.offset, simple.leader_epoch), (42, 3));
    assert_eq!(simple.metadata, "größe 2");
    assert_eq!(simple.expire_timestamp, -1);
}

#[test]
fn a_static_member_as_apache_kafka_wrote_it_is_understood() {
    let members =
        records()
            .into_iter()
            .filter_map(|record| match GroupRecord::decode(&record).unwrap() {
                GroupRecord::GroupMetadata { value, .. } => value?.members.into_iter().next(),
                _ => None,
            });
    let member = members
        .into_iter()
        .find(|member| member.group_instance_id.is_some())
        .unwrap();
    assert_eq!(member.group_instance_id.as_deref(), Some("rack-1"));
    assert_eq!(member.client_id, "console-consumer");
    assert_eq!(member.client_host, "/127.0.0.1");
    assert_eq!(
        (member.session_timeout, member.rebalance_timeout),
        (45_000, 300_000)
    );
    assert!(!member.assignment.is_empty());
}
