//! The page on a scripted shop, to work on the page without the ordering system:
//! `cargo run -p headwater-console --example scripted_shop -- 127.0.0.1:8080 127.0.0.1:9092 [--quiet]`.
//!
//! Writes the shop's events to the Kafka given, so that the store's pages have something to show.

use std::collections::BTreeMap;
use std::time::Duration;

use headwater_console::{ConsoleParts, ConsoleSettings, start};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use scripted::{NewItem, NewOrder, Scripted};
use tokio_util::sync::CancellationToken;

#[expect(clippy::unwrap_used, reason = "a script, shared with the tests")]
#[path = "../tests/it/scripted.rs"]
mod scripted;

const TOPICS: [&str; 6] = [
    "scripted_order_received",
    "scripted_order_confirmed",
    "scripted_order_rejected",
    "scripted_order_processed",
    "scripted_driver_assigned",
    "scripted_order_delivered",
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let bootstrap = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".into());
    let quiet = arguments.next().is_some();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &bootstrap);

    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let topics = TOPICS.map(|name| NewTopic::new(name, 3, TopicReplication::Fixed(-1)));
    admin.create_topics(&topics, &AdminOptions::new()).await?;

    let shop = Scripted::new(
        Duration::from_millis(if quiet { 400 } else { 900 }),
        Some(config.create()?),
    );
    for group in ["transactions", "emails", "drivers", "analytics"] {
        let mut config = config.clone();
        config
            .set("group.id", group)
            .set("client.id", group)
            .set("auto.offset.reset", "latest");
        tokio::spawn(read(config.create()?, group));
    }

    let shutdown = CancellationToken::new();
    let settings = ConsoleSettings {
        listen: listen.parse()?,
        kafka: BTreeMap::from([("bootstrap.servers".to_owned(), bootstrap)]),
    };
    let parts = ConsoleParts {
        feed: Some(std::sync::Arc::new(shop.clone())),
        insight: None,
        app: shop.router(),
    };
    let console = start(settings, parts, shutdown.clone()).await?;
    eprintln!("http://{}", console.local_addr);
    if !quiet {
        tokio::spawn(customers(shop));
    }
    tokio::signal::ctrl_c().await?;
    shutdown.cancel();
    console.join().await?;
    Ok(())
}

async fn customers(shop: Scripted) {
    for n in 0_u32.. {
        let item = |skip: u32| NewItem {
            product_id: format!("p-{}", (n * 7 + skip) % 12),
            quantity: 1 + (n + skip) % 3,
        };
        let card = (n % 9 == 8).then(|| "4000000000000002".to_owned());
        let items = (0..=n % 3).map(|skip| item(skip * 5)).collect();
        shop.place(&NewOrder {
            customer_id: format!("c-{:04}", n * 31 % 400),
            items,
            card,
        });
        tokio::time::sleep(Duration::from_millis(350)).await;
    }
}

async fn read(consumer: StreamConsumer, group: &str) {
    if consumer.subscribe(&TOPICS).is_err() {
        return;
    }
    while let Ok(record) = consumer.recv().await {
        if group == "analytics" {
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        drop(consumer.commit_message(&record, CommitMode::Async));
    }
}
