//! `headwater demo`: event store, ordering system, customers and page in one process.
//!
//! With `--bootstrap-server` no store is started: the same system runs on that Kafka.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use headwater_broker::Broker;
use headwater_console::{Console, ConsoleParts, ConsoleSettings};
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

/// How long the services may take to finish what they are at.
const STOP_SERVICES: Duration = Duration::from_secs(20);
/// How long clients of the page may take to take their last answers.
const STOP_PAGE: Duration = Duration::from_secs(3);
/// What the load generator takes.
const MOST_ORDERS_PER_SECOND: f64 = 10_000.0;

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
    let page = start_page(arguments, kafka, parts, stop_page.clone()).await?;
    let address = page.local_addr;
    eprintln!("page: http://{address}");
    let mut load = tokio::spawn(run_load(arguments.rate, address, stop_load.clone()));
    let mut services = tokio::spawn(ordering.join());
    let (mut load_ended, mut services_ended) = (None, None);
    tokio::select! {
        () = interrupted.cancelled() => {}
        ended = &mut load => load_ended = Some(ended),
        ended = &mut services => services_ended = Some(ended),
    }
    eprintln!("stopping");
    stop_load.cancel();
    let load = match load_ended {
        Some(ended) => ended,
        None => load.await,
    };
    stop_ordering.cancel();
    if services_ended.is_none() {
        services_ended = in_time("the ordering system", STOP_SERVICES, &mut services).await;
        services.abort();
    }
    stop_page.cancel();
    if let Some(ended) = in_time("the page", STOP_PAGE, page.join()).await {
        ended.map_err(anyhow::Error::from)?;
    }
    if let Some(ended) = services_ended {
        ended.map_err(anyhow::Error::from)??;
    }
    if let Some(report) = load.map_err(anyhow::Error::from)?? {
        eprintln!(
            "{} order(s) placed, {} refused",
            report.accepted, report.refused
        );
    }
    if !interrupted.is_cancelled() {
        return Err(Failure::new(
            Exit::Failure,
            "a part of the demo ended by itself",
        ));
    }
    Ok(())
}

async fn start_page(
    arguments: &Arguments,
    kafka: Properties,
    parts: ConsoleParts,
    stop: CancellationToken,
) -> Result<Console> {
    let settings = ConsoleSettings {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.page_port)),
        kafka,
    };
    headwater_console::start(settings, parts, stop)
        .await
        .map_err(|error| {
            Failure::new(Exit::Failure, "the page did not start")
                .evidence(error)
                .next("--page-port 0 takes any free port")
        })
}

/// Waits for a part to end, but not for ever: a client that stalls must not keep the demo from stopping.
async fn in_time<T>(part: &str, limit: Duration, ending: impl Future<Output = T>) -> Option<T> {
    let ended = tokio::time::timeout(limit, ending).await.ok();
    if ended.is_none() {
        eprintln!(
            "note: {part} did not end within {} s; stopping without it",
            limit.as_secs()
        );
    }
    ended
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
        .filter(|rate| (0.0..=MOST_ORDERS_PER_SECOND).contains(rate))
        .ok_or_else(|| format!("expected orders per second, 0 to {MOST_ORDERS_PER_SECOND}"))
}

#[cfg(test)]
mod tests {
    use super::parse_rate;

    #[test]
    fn the_rate_is_one_that_the_load_generator_takes() {
        for taken in ["0", "0.5", "20", "10000"] {
            assert!(parse_rate(taken).is_ok(), "{taken}");
        }
        for refused in ["10001", "-1", "NaN", "many"] {
            let said = parse_rate(refused).unwrap_err();
            assert_eq!(said, "expected orders per second, 0 to 10000", "{refused}");
        }
    }
}
