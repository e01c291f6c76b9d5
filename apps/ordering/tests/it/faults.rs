//! What goes wrong in life: kills, redelivery, poison, a mail server that is away.

use std::time::{Duration, Instant};

use headwater_broker::{Broker, BrokerSettings};
use headwater_ordering::load::{self, LoadSettings};
use headwater_ordering::{MailCatcher, Service, run_service};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use crate::shop::{BAD_CARD, GOOD_CARD, PATIENCE, Site};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_services_killed_again_and_again_lose_and_double_nothing() {
    let site = Site::new().await;
    let mut placed = 0;
    for round in 0..5_u64 {
        let shop = site.open().await;
        for n in 0..8 {
            let card = if n == 3 { BAD_CARD } else { GOOD_CARD };
            shop.place(&format!("k-{round}-{n}"), card).await;
            placed += 1;
        }
        // Somewhere between the first order's charge and the last one's delivery, a different place each round.
        tokio::time::sleep(Duration::from_millis(150 * round)).await;
        shop.kill().await;
    }
    let shop = site.open().await;
    let report = site.settle(placed).await;
    assert!(report.holds(), "{report:?}");
    assert_eq!(report.orders, placed);
    let doubled = "SELECT count(*) FROM (SELECT event_type FROM facts GROUP BY order_id, event_type HAVING count(*) > 1)";
    assert_eq!(site.number("analytics", doubled).await, 0);
    shop.close().await;
    site.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_alone_survive_the_kill_of_any_of_them() {
    let mut site = Site::new().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    site.settings.http = Some(port);
    let shutdown = CancellationToken::new();
    let start = |service| {
        tokio::spawn(run_service(
            service,
            site.settings.clone(),
            shutdown.clone(),
        ))
    };
    let mut running: Vec<_> = Service::ALL
        .into_iter()
        .map(|service| (service, start(service)))
        .collect();
    let stop_load = CancellationToken::new();
    let generator = tokio::spawn(load::run(
        LoadSettings::new(format!("http://{port}"), 40.0),
        stop_load.clone(),
    ));
    let started = Instant::now();
    while tokio::net::TcpStream::connect(port).await.is_err() {
        assert!(
            started.elapsed() < PATIENCE,
            "the orders API does not answer"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let taken = "SELECT count(*) FROM orders";
    let mut least = 20;
    site.until("orders", taken, least).await;
    for (service, task) in &mut running {
        task.abort();
        assert!((&mut *task).await.unwrap_err().is_cancelled());
        *task = start(*service);
        least += 20;
        site.until("orders", taken, least).await;
    }
    stop_load.cancel();
    let load = generator.await.unwrap().unwrap();
    assert_eq!(load.refused, 0);
    let report = site.settle_load(&load).await;
    assert!(report.holds(), "{report:?}");
    shutdown.cancel();
    for (_, task) in running {
        task.await.unwrap().unwrap();
    }
    site.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redelivery_of_everything_changes_nothing() {
    let site = Site::new().await;
    let shop = site.open().await;
    for n in 0..12 {
        shop.place(
            &format!("k-{n}"),
            if n % 4 == 0 { BAD_CARD } else { GOOD_CARD },
        )
        .await;
    }
    site.settle(12).await;
    site.until("emails", MAILS, 3 + 2 * 9).await;
    shop.close().await;
    let before = fingerprint(&site).await;
    for service in Service::ALL {
        rewind(&site, service).await;
    }
    let shop = site.open().await;
    // Read again: every event is a double to whom it comes; analytics goes by its own offsets.
    let doubles = "SELECT coalesce(sum(value), 0) FROM counters WHERE name = 'doubled_events'";
    for (service, events) in [
        ("orders", 3 + 4 * 9),
        ("transactions", 12),
        ("emails", 3 + 9 + 9),
        ("drivers", 9),
    ] {
        site.until(service, doubles, events).await;
    }
    let new = shop.place("k-new", GOOD_CARD).await;
    shop.wait(&new, "delivered").await;
    let report = site.settle(13).await;
    assert!(report.holds(), "{report:?}");
    site.until("emails", MAILS, 3 + 2 * 10).await;
    shop.close().await;
    let after = fingerprint(&site).await;
    // One more order: one payment, two mails, one delivery, five facts.
    assert_eq!(
        after,
        [before[0] + 1, before[1] + 2, before[2] + 1, before[3] + 5]
    );
    site.clean_up().await;
}

const MAILS: &str = "SELECT count(*) FROM mails WHERE status = 'accepted'";

async fn fingerprint(site: &Site) -> [i64; 4] {
    [
        site.number("transactions", "SELECT count(*) FROM payments")
            .await,
        site.number("emails", "SELECT coalesce(sum(times), 0) FROM caught_mails")
            .await,
        site.number(
            "drivers",
            "SELECT count(*) FROM assignments WHERE state = 'delivered'",
        )
        .await,
        site.number("analytics", "SELECT count(*) FROM facts").await,
    ]
}

/// Commits offset 0 everywhere for a group that has no members.
async fn rewind(site: &Site, service: Service) {
    let settings = site.settings.clone();
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &settings.kafka["bootstrap.servers"])
            .set("group.id", settings.group_id(service))
            .create()
            .unwrap();
        let mut offsets = TopicPartitionList::new();
        for topic in headwater_ordering::contracts::Topic::ALL {
            for partition in 0..settings.topics.partitions {
                let name = format!("{}{}", settings.topic_prefix, topic.name());
                offsets
                    .add_partition_offset(&name, partition, Offset::Offset(0))
                    .unwrap();
            }
        }
        let started = Instant::now();
        while let Err(error) = consumer.commit(&offsets, CommitMode::Sync) {
            assert!(started.elapsed() < PATIENCE, "{error}");
            std::thread::sleep(Duration::from_millis(200));
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_is_kept_and_the_services_go_on() {
    let site = Site::new().await;
    let shop = site.open().await;
    let first = shop.place("k-1", GOOD_CARD).await;
    shop.wait(&first, "delivered").await;
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &site.kafka.bootstrap)
        .create()
        .unwrap();
    let poison: [&[u8]; 3] = [b"", b"{\"order_id\":", &[0xff, 0x00, 0xfe]];
    for topic in headwater_ordering::contracts::Topic::ALL {
        let name = format!("{}{}", site.settings.topic_prefix, topic.name());
        for bytes in poison {
            // Right beside the events of this order.
            let record = FutureRecord::to(&name).key(&first).payload(bytes);
            producer
                .send(record, Duration::from_secs(30))
                .await
                .unwrap();
        }
    }
    let second = shop.place("k-2", GOOD_CARD).await;
    shop.wait(&second, "delivered").await;
    let report = site.settle(2).await;
    assert!(report.holds(), "{report:?}");
    let letters = "SELECT count(*) FROM dead_letters";
    for (service, topics) in [
        ("orders", 5),
        ("transactions", 1),
        ("emails", 3),
        ("drivers", 1),
        ("analytics", 6),
    ] {
        site.until(service, letters, 3 * topics).await;
        let whole =
            "SELECT count(*) FROM dead_letters WHERE record_value = x'ff00fe' AND reason <> ''";
        assert_eq!(site.number(service, whole).await, topics, "{service}");
    }
    shop.close().await;
    site.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_outbox_goes_out_though_nobody_wakes_the_relay() {
    let site = Site::new().await;
    let shop = site.open().await;
    let order = shop.place("k-1", GOOD_CARD).await;
    shop.wait(&order, "delivered").await;
    // Written from outside, by whom the relay cannot be woken; it shows as poison where it arrives.
    let stored = "INSERT INTO outbox (topic, record_key, payload, headers, created_at_ms) \
                  VALUES ('order_received', 'o', '{', '[]', 1) RETURNING seq";
    assert!(site.number("orders", stored).await > 0);
    site.until("transactions", "SELECT count(*) FROM dead_letters", 1)
        .await;
    shop.close().await;
    site.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_wait_for_a_server_that_is_away() {
    let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let site = Site::new().await.with_smtp(&format!("smtp://{address}"));
    let shop = site.open().await;
    let order = shop.place("k-1", GOOD_CARD).await;
    shop.wait(&order, "confirmed").await;
    let waiting = shop
        .get(&format!("/orders/{order}?wait=processed&timeout_ms=500"))
        .await;
    assert_eq!(
        waiting["state"], "confirmed",
        "nothing is processed without its mail"
    );
    let file = site.path().join("their-mails.db");
    let server = MailCatcher::open(address, &file, 100).await.unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.serve(stop.clone()));
    shop.wait(&order, "delivered").await;
    site.until("their-mails", "SELECT count(*) FROM caught_mails", 2)
        .await;
    shop.close().await;
    stop.cancel();
    serving.await.unwrap();
    site.clean_up().await;
}

/// Only a store of our own can be ended at will: on another Kafka there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_crashes_again_and_again_loses_and_doubles_nothing() {
    if std::env::var_os("HEADWATER_TEST_BOOTSTRAP").is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut settings = BrokerSettings {
        data_dir: Some(directory.path().to_owned()),
        listen: ([127, 0, 0, 1], 0).into(),
        ..BrokerSettings::default()
    };
    settings
        .overrides
        .insert("group.initial.rebalance.delay.ms".into(), "0".into());
    let mut broker = Broker::start(settings.clone()).await.unwrap();
    settings.listen = broker.local_addr();
    let site = Site::on_store_at(broker.bootstrap());
    let shop = site.open().await;
    let stop_load = CancellationToken::new();
    let generator = tokio::spawn(load::run(
        LoadSettings::new(&shop.url, 40.0),
        stop_load.clone(),
    ));
    let delivered = "SELECT count(*) FROM orders WHERE state = 'delivered'";
    for round in 1..=3 {
        site.until("orders", delivered, round * 20).await;
        broker.abandon().await;
        broker = Broker::start(settings.clone()).await.unwrap();
    }
    site.until("orders", delivered, 100).await;
    stop_load.cancel();
    let load = generator.await.unwrap().unwrap();
    let report = site.settle_load(&load).await;
    assert!(report.holds(), "{report:?}");
    assert_eq!(report.dead_letters, 0);
    let renewed =
        "SELECT coalesce(sum(value), 0) FROM counters WHERE name = 'recreated_partitions'";
    assert_eq!(
        site.number("analytics", renewed).await,
        0,
        "no partition begins anew"
    );
    shop.close().await;
    broker.stop().await.unwrap();
}
