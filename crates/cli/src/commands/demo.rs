//! `headwater demo`: event store, ordering system, customers and page in one process.
//!
//! With `--bootstrap-server` no store is started: the same system runs on that Kafka.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use headwater_broker::Broker;
use headwater_console::{ConsoleParts, ConsoleSettings};
use headwater_ordering::load::{self, LoadSettings};
use headwater_ordering::{Ordering, OrderingSettings};
use tokio_util::sync::CancellationToken;

use super::broker::{self, StoreArguments};
use super::runtime;
use crate::config::{Connection, Properties, Role};
use crate::failure::{Exit, Failure, Result};
use crate::interrupt;

mod insight;

use insight::BrokerInsight;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  headwater demo                                            (everything in one process)
  headwater demo --rate 100 --durability relaxed
  headwater demo --bootstrap-server broker-1:9092           (on Apache Kafka: no store is started)")]
pub(crate) struct Arguments {
    #[command(flatten)]
    store: StoreArguments,
    /// Orders per second; 0 places none
    #[arg(long, default_value_t = 20.0, value_parser = parse_rate)]
    rate: f64,
    /// The store's port on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 9092)]
    port: u16,
    /// The page's port on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 8080)]
    page_port: u16,
    /// Put before every topic name, where a cluster is shared
    #[arg(long, default_value = "")]
    topic_prefix: String,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runtime = runtime::service()?;
    let interrupted = interrupt::watch(&runtime)?;
    runtime.block_on(demo(arguments, interrupted))
}

async fn demo(arguments: &Arguments, interrupted: CancellationToken) -> Result<()> {
    let mut kafka = arguments.connection.properties(Role::Admin)?;
    let store = if arguments.connection.names_a_kafka()? {
        None
    } else {
        let store = start_store(arguments).await?;
        kafka.insert(
            "bootstrap.servers".into(),
            broker::bootstrap(store.local_addr()).to_string(),
        );
        Some(store)
    };
    let outcome = run_on(arguments, kafka, store.as_ref(), &interrupted).await;
    if let Some(store) = store {
        store.stop().await.map_err(|error| {
            Failure::new(Exit::Failure, "the event store did not stop in order").evidence(error)
        })?;
    }
    outcome
}

async fn start_store(arguments: &Arguments) -> Result<Broker> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    // Alone on this machine, nobody else is about to join a group.
    let settings = arguments
        .store
        .settings(listen, &[("group.initial.rebalance.delay.ms", "0")]);
    broker::start(settings, &arguments.store.data_dir).await
}

/// The system on a Kafka, until interrupted or until a part fails.
async fn run_on(
    arguments: &Arguments,
    kafka: Properties,
    store: Option<&Broker>,
    interrupted: &CancellationToken,
) -> Result<()> {
    // Customers stop first, then the services, then the page, whatever ends the demo.
    let (stop_load, stop_ordering, stop_page) = (
        CancellationToken::new(),
        CancellationToken::new(),
        CancellationToken::new(),
    );
    let ordering =
        Ordering::start(ordering_settings(arguments, &kafka), stop_ordering.clone()).await?;
    let parts = ConsoleParts {
        feed: Some(ordering.feed()),
        insight: store.map(|store| Arc::new(BrokerInsight::new(store.insight())) as _),
        app: ordering.router(),
    };
    let settings = ConsoleSettings {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.page_port)),
        kafka,
    };
    let page = headwater_console::start(settings, parts, stop_page.clone())
        .await
        .map_err(|error| {
            Failure::new(Exit::Failure, "the page did not start")
                .evidence(error)
                .next("--page-port 0 takes any free port")
        })?;
    let address = page.local_addr;
    eprintln!("page: http://{address}");
    let load = tokio::spawn(run_load(arguments.rate, address, stop_load.clone()));
    let mut services = tokio::spawn(ordering.join());
    let failed = tokio::select! {
        () = interrupted.cancelled() => None,
        ended = &mut services => Some(ended),
    };
    eprintln!("stopping");
    stop_load.cancel();
    let load = load.await.map_err(anyhow::Error::from)?;
    stop_ordering.cancel();
    let ended = match failed {
        Some(ended) => ended,
        None => services.await,
    };
    stop_page.cancel();
    page.join().await.map_err(anyhow::Error::from)?;
    ended.map_err(anyhow::Error::from)??;
    if let Some(report) = load? {
        eprintln!(
            "{} order(s) placed, {} refused",
            report.accepted, report.refused
        );
    }
    if !interrupted.is_cancelled() {
        return Err(Failure::new(
            Exit::Failure,
            "the ordering system ended by itself",
        ));
    }
    Ok(())
}

async fn run_load(
    rate: f64,
    page: SocketAddr,
    stop: CancellationToken,
) -> anyhow::Result<Option<load::LoadReport>> {
    if rate <= 0.0 {
        stop.cancelled().await;
        return Ok(None);
    }
    load::run(LoadSettings::new(format!("http://{page}"), rate), stop)
        .await
        .map(Some)
}

fn ordering_settings(arguments: &Arguments, kafka: &Properties) -> OrderingSettings {
    let mut settings =
        OrderingSettings::demo(kafka.clone(), arguments.store.data_dir.join("ordering"));
    settings.topic_prefix.clone_from(&arguments.topic_prefix);
    settings
}

fn parse_rate(text: &str) -> std::result::Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|rate| (0.0..=100_000.0).contains(rate))
        .ok_or_else(|| "expected orders per second, 0 to 100000".to_owned())
}
