//! Consumer groups of KIP-848 with a real client: librdkafka by `group.protocol=consumer`, alone and
//! together with consumers that speak the classic protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use headwater_broker::{Broker, BrokerSettings};
use headwater_protocol::messages::consumer_group_describe::{
    ConsumerGroupDescribeRequest, DescribedGroup,
};
use headwater_protocol::messages::list_groups::ListGroupsRequest;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Message, Offset};

use crate::support::clients::{config, producer, send_all};
use crate::support::wire::Wire;
use crate::support::{DEADLINE, durable_in};

const POLL: std::time::Duration = std::time::Duration::from_millis(20);

type Share = BTreeSet<(String, i32)>;

/// Members are told to heartbeat often, so that tests take no longer than they must.
fn with_quick_heartbeats(mut settings: BrokerSettings) -> BrokerSettings {
    for (name, value) in [
        ("group.consumer.heartbeat.interval.ms", "100"),
        ("group.consumer.min.heartbeat.interval.ms", "100"),
        ("group.consumer.session.timeout.ms", "8000"),
        ("group.consumer.min.session.timeout.ms", "8000"),
    ] {
        settings.overrides.insert(name.to_owned(), value.to_owned());
    }
    settings
}

async fn broker(root: &tempfile::TempDir) -> Broker {
    let settings = with_quick_heartbeats(durable_in(root.path()));
    Broker::start(settings).await.expect("a broker")
}

fn member(bootstrap: &str, properties: &[(&str, &str)]) -> BaseConsumer {
    let mut config = config(bootstrap, properties);
    config
        .set("group.id", "billing")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("topic.metadata.refresh.interval.ms", "500");
    config.create().expect("a consumer")
}

fn consumer(bootstrap: &str, properties: &[(&str, &str)]) -> BaseConsumer {
    let mut all = vec![("group.protocol", "consumer")];
    all.extend(properties);
    member(bootstrap, &all)
}

fn classic(bootstrap: &str) -> BaseConsumer {
    let properties = [
        ("heartbeat.interval.ms", "100"),
        ("session.timeout.ms", "10000"),
        ("partition.assignment.strategy", "cooperative-sticky"),
    ];
    member(bootstrap, &properties)
}

fn share(consumer: &BaseConsumer) -> Share {
    let assignment = consumer.assignment().expect("an assignment");
    let elements = assignment.elements();
    let partitions = elements.iter();
    partitions
        .map(|element| (element.topic().to_owned(), element.partition()))
        .collect()
}

/// Polls all consumers until `done` holds for what they are assigned.
fn poll_until(consumers: &[&BaseConsumer], done: impl Fn(&[Share]) -> bool) {
    let begun = Instant::now();
    loop {
        for consumer in consumers {
            if let Some(Err(error)) = consumer.poll(POLL) {
                panic!("the consumer failed: {error}");
            }
        }
        let all: Vec<Share> = consumers.iter().map(|consumer| share(consumer)).collect();
        if done(&all) {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "assigned only {all:?}");
    }
}

/// Everybody has something, nobody has what another has, and together they have this many.
fn shared(all: &[Share], partitions: usize) -> bool {
    let union: Share = all.iter().flatten().cloned().collect();
    let sum: usize = all.iter().map(BTreeSet::len).sum();
    all.iter().all(|share| !share.is_empty()) && union.len() == partitions && sum == partitions
}

async fn blocking(work: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(work)
        .await
        .expect("it runs to its end");
}

async fn describe(broker: &Broker) -> DescribedGroup {
    let request = ConsumerGroupDescribeRequest {
        group_ids: vec!["billing".to_owned()],
        include_authorized_operations: true,
    };
    let mut answer = Wire::to(broker).await.call(1, &request).await;
    answer.groups.remove(0)
}

/// Types and states by group.
async fn listed(broker: &Broker) -> BTreeMap<String, (String, String)> {
    let answer = Wire::to(broker)
        .await
        .call(5, &ListGroupsRequest::default())
        .await;
    let groups = answer.groups.into_iter();
    groups
        .map(|group| (group.group_id, (group.group_type, group.group_state)))
        .collect()
}

/// Behaviour 33.
#[tokio::test(flavor = "multi_thread")]
async fn kip_848_two_members_share_the_partitions_and_the_last_one_gets_them_all() {
    let root = tempfile::tempdir().unwrap();
    let broker = broker(&root).await;
    Wire::to(&broker).await.create_topic("orders", 4).await;
    let bootstrap = broker.bootstrap();
    blocking(move || {
        let one = consumer(&bootstrap, &[]);
        one.subscribe(&["orders"]).unwrap();
        poll_until(&[&one], |all| all[0].len() == 4);
        let two = consumer(&bootstrap, &[]);
        two.subscribe(&["orders"]).unwrap();
        poll_until(&[&one, &two], |all| shared(all, 4) && all[0].len() == 2);
        drop(two);
        poll_until(&[&one], |all| all[0].len() == 4);
    })
    .await;
    let group = describe(&broker).await;
    assert_eq!(
        (group.error_code, group.group_state.as_str()),
        (0, "Empty"),
        "all left"
    );
    assert_ne!(group.authorized_operations, i32::MIN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_described_and_listed_as_what_it_is() {
    let root = tempfile::tempdir().unwrap();
    let broker = broker(&root).await;
    Wire::to(&broker).await.create_topic("orders", 3).await;
    let bootstrap = broker.bootstrap();
    let one = tokio::task::spawn_blocking(move || {
        let one = consumer(&bootstrap, &[("group.remote.assignor", "range")]);
        one.subscribe(&["orders"]).unwrap();
        poll_until(&[&one], |all| all[0].len() == 3);
        one
    })
    .await
    .unwrap();
    let group = describe(&broker).await;
    assert_eq!(
        (group.group_state.as_str(), group.assignor_name.as_str()),
        ("Stable", "range")
    );
    let member = &group.members[0];
    assert_eq!(member.subscribed_topic_names, ["orders"]);
    assert_eq!(member.assignment.topic_partitions[0].topic_name, "orders");
    assert_eq!(member.assignment.topic_partitions[0].partitions, [0, 1, 2]);
    assert_eq!(
        (member.member_type, member.client_host.as_str()),
        (1, "/127.0.0.1")
    );
    let (kind, state) = listed(&broker).await.remove("billing").unwrap();
    assert_eq!((kind.as_str(), state.as_str()), ("consumer", "Stable"));
    drop(one);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_by_regular_expression_takes_up_a_topic_that_is_made_later() {
    let root = tempfile::tempdir().unwrap();
    let broker = broker(&root).await;
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders-eu", 1).await;
    wire.create_topic("payments", 1).await;
    let bootstrap = broker.bootstrap();
    let one = tokio::task::spawn_blocking(move || {
        let one = consumer(&bootstrap, &[]);
        one.subscribe(&["^orders-.*"]).unwrap();
        poll_until(&[&one], |all| all[0].len() == 1);
        one
    })
    .await
    .unwrap();
    wire.create_topic("orders-us", 2).await;
    blocking(move || {
        poll_until(&[&one], |all| all[0].len() == 3);
        assert!(
            share(&one)
                .iter()
                .all(|(topic, _)| topic.starts_with("orders-"))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_grows_is_shared_anew() {
    let root = tempfile::tempdir().unwrap();
    let broker = broker(&root).await;
    Wire::to(&broker).await.create_topic("orders", 1).await;
    let bootstrap = broker.bootstrap();
    let one = tokio::task::spawn_blocking(move || {
        let one = consumer(&bootstrap, &[]);
        one.subscribe(&["orders"]).unwrap();
        poll_until(&[&one], |all| all[0].len() == 1);
        one
    })
    .await
    .unwrap();
    let grow = headwater_protocol::messages::create_partitions::CreatePartitionsRequest {
        topics: vec![
            headwater_protocol::messages::create_partitions::CreatePartitionsTopic {
                name: "orders".to_owned(),
                count: 3,
                assignments: None,
            },
        ],
        timeout_ms: 5_000,
        ..Default::default()
    };
    let grown = Wire::to(&broker).await.call(3, &grow).await;
    assert_eq!(grown.results[0].error_code, 0);
    blocking(move || poll_until(&[&one], |all| all[0].len() == 3)).await;
}

/// Behaviour 30.
#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_of_a_consumer_group_that_returns_gets_what_it_had() {
    let root = tempfile::tempdir().unwrap();
    let broker = broker(&root).await;
    Wire::to(&broker).await.create_topic("orders", 4).await;
    let bootstrap = broker.bootstrap();
    blocking(move || {
        let start = |instance: &'static str| {
            let consumer = consumer(&bootstrap, &[("group.instance.id", instance)]);
            consumer.subscribe(&["orders"]).unwrap();
            consumer
        };
        let (one, two) = (start("desk-1"), start("desk-2"));
        poll_until(&[&one, &two], |all| shared(all, 4) && all[0].len() == 2);
        let (kept, had) = (share(&one), share(&two));
        drop(two);
        let two = start("desk-2");
        poll_until(&[&one, &two], |all| all[1].len() == 2);
        assert_eq!((share(&one), share(&two)), (kept, had));
    })
    .await;
}

/// Behaviour 33.
#[tokio::test(flavor = "multi_thread")]
async fn kip_848_consumers_of_both_protocols_are_one_group_while_it_migrates_there_and_back() {
    let root = tempfile::tempdir().unwrap();
    let broker = broker(&root).await;
    Wire::to(&broker).await.create_topic("orders", 4).await;
    let bootstrap = broker.bootstrap();
    let (old, new) = tokio::task::spawn_blocking(move || {
        let old = classic(&bootstrap);
        old.subscribe(&["orders"]).unwrap();
        poll_until(&[&old], |all| all[0].len() == 4);
        let new = consumer(&bootstrap, &[]);
        new.subscribe(&["orders"]).unwrap();
        poll_until(&[&old, &new], |all| shared(all, 4) && all[0].len() == 2);
        (old, new)
    })
    .await
    .unwrap();
    let group = describe(&broker).await;
    let mut kinds: Vec<i8> = group
        .members
        .iter()
        .map(|member| member.member_type)
        .collect();
    kinds.sort_unstable();
    assert_eq!((group.error_code, kinds), (0, vec![0, 1]));
    blocking(move || {
        drop(new);
        poll_until(&[&old], |all| all[0].len() == 4);
    })
    .await;
    let (kind, _) = listed(&broker).await.remove("billing").unwrap();
    assert_eq!(kind, "classic");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_goes_on_where_it_committed_after_the_node_has_been_down() {
    let root = tempfile::tempdir().unwrap();
    let node = broker(&root).await;
    Wire::to(&node).await.create_topic("orders", 1).await;
    let values: Vec<String> = (0..10).map(|number| format!("order {number}")).collect();
    send_all(&producer(&node.bootstrap(), &[]), "orders", &values).await;
    let mut settings = with_quick_heartbeats(durable_in(root.path()));
    settings.listen = node.local_addr();
    let bootstrap = node.bootstrap();
    let one = tokio::task::spawn_blocking(move || {
        let one = consumer(&bootstrap, &[]);
        one.subscribe(&["orders"]).unwrap();
        assert_eq!(read(&one, 4), (0..4).collect::<Vec<i64>>());
        let mut position = one.position().unwrap();
        position.set_all_offsets(Offset::Offset(4)).unwrap();
        one.commit(&position, CommitMode::Sync).unwrap();
        one
    })
    .await
    .unwrap();
    let epoch = describe(&node).await.group_epoch;
    node.stop().await.unwrap();
    let node = Broker::start(settings).await.unwrap();
    let bootstrap = node.bootstrap();
    blocking(move || {
        // The member is known still, and goes on.
        assert_eq!(read(&one, 6), (4..10).collect::<Vec<i64>>());
        drop(one);
        let again = consumer(&bootstrap, &[]);
        again.subscribe(&["orders"]).unwrap();
        assert_eq!(read(&again, 1), [4], "what was committed last");
    })
    .await;
    assert!(describe(&node).await.group_epoch > epoch);
}

/// Offsets of the next records, which may come after the node is back.
fn read(consumer: &BaseConsumer, count: usize) -> Vec<i64> {
    let begun = Instant::now();
    let mut offsets = Vec::new();
    while offsets.len() < count {
        assert!(begun.elapsed() < DEADLINE, "only {offsets:?} came");
        if let Some(Ok(message)) = consumer.poll(POLL) {
            offsets.push(message.offset());
        }
    }
    offsets
}
