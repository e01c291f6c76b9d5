use super::*;
use crate::runtime::test_store::{TestStore, eventually};

#[test]
fn a_topic_is_made_once_with_its_configs_and_described() {
    let store = TestStore::start();
    let admin = store.admin();
    let topic = TopicToMake {
        name: "shop-totals-changelog".into(),
        partitions: 3,
        configs: vec![("cleanup.policy".to_owned(), "compact".to_owned())],
    };
    admin.make(std::slice::from_ref(&topic)).unwrap();
    admin
        .make(&[TopicToMake {
            partitions: 9,
            ..topic
        }])
        .unwrap();
    let counts = admin.partition_counts().unwrap();
    assert_eq!(
        counts.get("shop-totals-changelog"),
        Some(&3),
        "it is left as it is"
    );
    assert_eq!(counts.get("elsewhere"), None);
    let policy = admin.topic_config("shop-totals-changelog", "cleanup.policy");
    assert_eq!(policy.unwrap(), "compact");
    let error = admin
        .topic_config("elsewhere", "cleanup.policy")
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownTopic, "{error}");
}

#[test]
fn records_below_an_offset_are_deleted() {
    let store = TestStore::with_topic("shop-by-item-repartition", 1);
    store.write("shop-by-item-repartition", 0, 0..10);
    let partition = TopicPartition::new("shop-by-item-repartition", 0);
    store.admin().delete_records(&[(partition, 7)]).unwrap();
    let first = crate::context::SourceRecord::offset(&store.read("shop-by-item-repartition", 0)[0]);
    assert_eq!(first, 7);
    assert_eq!(store.values("shop-by-item-repartition", 0), ["7", "8", "9"]);
}

#[test]
fn a_deleted_topic_is_gone_and_a_missing_one_is_no_error() {
    let store = TestStore::with_topic("shop-totals-changelog", 1);
    let admin = store.admin();
    admin
        .delete(&["shop-totals-changelog", "elsewhere"])
        .unwrap();
    eventually("the topic is gone", || {
        let counts = admin.partition_counts().unwrap();
        (!counts.contains_key("shop-totals-changelog")).then_some(())
    });
}

#[test]
fn a_cluster_that_cannot_be_reached_is_told_as_such() {
    let mut settings = ClientSettings::new("127.0.0.1:1");
    settings.set("socket.timeout.ms", "1000").unwrap();
    let admin = Admin::new(&settings, -1)
        .unwrap()
        .within(Duration::from_secs(1));
    let error = admin.topic_config("any", "cleanup.policy").unwrap_err();
    assert!(error.is_retriable(), "{error}");
    let error = admin.partition_counts().unwrap_err();
    assert!(error.is_retriable(), "{error}");
}
