//! Consumer groups of a real client: librdkafka's consumers, rebalancing and resuming.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use headwater_broker::Broker;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Message, Offset};

use crate::support::clients::{config, producer, send_all};
use crate::support::wire::Wire;
use crate::support::{DEADLINE, durable_in};

const POLL: Duration = Duration::from_millis(50);

fn consumer(bootstrap: &str, group: &str, properties: &[(&str, &str)]) -> BaseConsumer {
    let mut config = config(bootstrap, properties);
    config
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("heartbeat.interval.ms", "100")
        .set("session.timeout.ms", "10000");
    config.create().expect("a consumer")
}

fn assigned(consumer: &BaseConsumer) -> BTreeSet<i32> {
    let assignment = consumer.assignment().expect("an assignment");
    assignment
        .elements()
        .iter()
        .map(TopicPartitionListElem::partition)
        .collect()
}

/// Polls all consumers until `done` holds for what they are assigned.
fn poll_until(consumers: &[&BaseConsumer], done: impl Fn(&[BTreeSet<i32>]) -> bool) {
    let begun = Instant::now();
    loop {
        for consumer in consumers {
            if let Some(Err(error)) = consumer.poll(POLL) {
                panic!("the consumer failed: {error}");
            }
        }
        let all: Vec<_> = consumers
            .iter()
            .map(|consumer| assigned(consumer))
            .collect();
        if done(&all) {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "assigned only {all:?}");
    }
}

fn read(consumer: &BaseConsumer, count: usize) -> Vec<String> {
    let begun = Instant::now();
    let mut values = Vec::new();
    while values.len() < count {
        assert!(
            begun.elapsed() < DEADLINE,
            "only {} of {count} came",
            values.len()
        );
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                let value = message.payload().expect("a value").to_vec();
                values.push(String::from_utf8(value).expect("text"));
            }
            Some(Err(error)) => panic!("the consumer failed: {error}"),
            None => {}
        }
    }
    values
}

/// A consumer that is polled on a thread of its own, as an application would.
struct Polled {
    consumer: Arc<BaseConsumer>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Polled {
    fn start(consumer: BaseConsumer) -> Polled {
        let (consumer, stop) = (Arc::new(consumer), Arc::new(AtomicBool::new(false)));
        let thread = {
            let (consumer, stop) = (Arc::clone(&consumer), Arc::clone(&stop));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let _ = consumer.poll(POLL);
                }
            })
        };
        Polled {
            consumer,
            stop,
            thread,
        }
    }

    /// Leaves the group.
    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("polls to the end");
        drop(self.consumer);
    }
}

fn both_have_a_share(shares: &[BTreeSet<i32>]) -> bool {
    let [one, two] = shares else { return false };
    one.is_disjoint(two) && one.len() == 2 && two.len() == 2
}

async fn topic_of_four(broker: &Broker) {
    Wire::to(broker).await.create_topic("orders", 4).await;
}

/// Two members share the partitions, and the one that stays gets all of them back.
async fn share_and_take_over(properties: &'static [(&'static str, &'static str)]) {
    let broker = Broker::ephemeral().await.unwrap();
    topic_of_four(&broker).await;
    let bootstrap = broker.bootstrap();
    tokio::task::spawn_blocking(move || {
        let one = consumer(&bootstrap, "billing", properties);
        one.subscribe(&["orders"]).unwrap();
        poll_until(&[&one], |shares| shares[0].len() == 4);
        let two = consumer(&bootstrap, "billing", properties);
        two.subscribe(&["orders"]).unwrap();
        poll_until(&[&one, &two], both_have_a_share);
        // Closing it polls until it has left, and the other has to take part meanwhile.
        let one = Polled::start(one);
        drop(two);
        let begun = Instant::now();
        while assigned(&one.consumer).len() < 4 {
            assert!(begun.elapsed() < DEADLINE, "not taken over");
            thread::sleep(POLL);
        }
        one.stop();
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_share_the_partitions_and_the_last_one_gets_them_all() {
    share_and_take_over(&[("partition.assignment.strategy", "range")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cooperative_members_share_without_giving_up_what_they_keep() {
    share_and_take_over(&[("partition.assignment.strategy", "cooperative-sticky")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_that_returns_gets_what_it_had() {
    let broker = Broker::ephemeral().await.unwrap();
    topic_of_four(&broker).await;
    let bootstrap = broker.bootstrap();
    tokio::task::spawn_blocking(move || {
        let start = |instance: &'static str| {
            let consumer = consumer(&bootstrap, "billing", &[("group.instance.id", instance)]);
            consumer.subscribe(&["orders"]).unwrap();
            consumer
        };
        let (one, two) = (start("desk-1"), start("desk-2"));
        poll_until(&[&one, &two], both_have_a_share);
        let (kept, had) = (assigned(&one), assigned(&two));
        drop(two);
        let two = start("desk-2");
        poll_until(&[&one, &two], |shares| shares[1].len() == 2);
        assert_eq!((assigned(&one), assigned(&two)), (kept, had));
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_resumes_where_it_committed_even_after_a_crash_of_the_node() {
    let root = tempfile::tempdir().unwrap();
    let mut settings = durable_in(root.path());
    let broker = Broker::start(settings.clone()).await.unwrap();
    settings.listen = broker.local_addr();
    Wire::to(&broker).await.create_topic("orders", 1).await;
    let values: Vec<String> = (0..10).map(|number| format!("order {number}")).collect();
    send_all(&producer(&broker.bootstrap(), &[]), "orders", &values).await;
    let bootstrap = broker.bootstrap();
    let first = values[..4].to_vec();
    tokio::task::spawn_blocking(move || {
        let consumer = consumer(&bootstrap, "billing", &[]);
        consumer.subscribe(&["orders"]).unwrap();
        assert_eq!(read(&consumer, 4), first);
        let mut position = consumer.position().unwrap();
        position.set_all_offsets(Offset::Offset(4)).unwrap();
        consumer.commit(&position, CommitMode::Sync).unwrap();
    })
    .await
    .unwrap();
    broker.abandon().await;
    let broker = Broker::start(settings).await.unwrap();
    let bootstrap = broker.bootstrap();
    tokio::task::spawn_blocking(move || {
        let consumer = consumer(&bootstrap, "billing", &[]);
        consumer.subscribe(&["orders"]).unwrap();
        assert_eq!(read(&consumer, 6), values[4..]);
    })
    .await
    .unwrap();
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_to_a_topic_that_is_not_there_yet_sees_it_come() {
    let broker = Broker::ephemeral().await.unwrap();
    let bootstrap = broker.bootstrap();
    let consumer = consumer(
        &bootstrap,
        "billing",
        &[("topic.metadata.refresh.interval.ms", "100")],
    );
    consumer.subscribe(&["late"]).unwrap();
    assert!(consumer.poll(POLL).is_none_or(|polled| polled.is_err()));
    Wire::to(&broker).await.create_topic("late", 1).await;
    send_all(&producer(&bootstrap, &[]), "late", &["here".to_owned()]).await;
    tokio::task::spawn_blocking(move || {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < DEADLINE, "never saw it");
            if let Some(Ok(message)) = consumer.poll(POLL) {
                assert_eq!(message.payload(), Some(&b"here"[..]));
                return;
            }
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_listed_with_their_members() {
    let broker = Broker::ephemeral().await.unwrap();
    topic_of_four(&broker).await;
    let bootstrap = broker.bootstrap();
    tokio::task::spawn_blocking(move || {
        let one = consumer(&bootstrap, "billing", &[("client.id", "desk")]);
        one.subscribe(&["orders"]).unwrap();
        poll_until(&[&one], |shares| shares[0].len() == 4);
        let groups = one.fetch_group_list(None, DEADLINE).unwrap();
        let group = groups
            .groups()
            .iter()
            .find(|group| group.name() == "billing")
            .unwrap();
        assert_eq!(
            (group.state(), group.protocol_type()),
            ("Stable", "consumer")
        );
        let member = &group.members()[0];
        assert_eq!(
            (member.client_id(), member.client_host()),
            ("desk", "/127.0.0.1")
        );
        assert!(
            member
                .assignment()
                .is_some_and(|assignment| !assignment.is_empty())
        );
    })
    .await
    .unwrap();
}
