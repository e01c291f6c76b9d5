//! `headwater broker`: the event store as a process of its own.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use headwater_broker::{Broker, BrokerSettings, StartError};

use super::runtime;
use crate::config::parse_property;
use crate::failure::{Exit, Failure, Result};
use crate::interrupt;
use crate::logging;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  headwater broker
  headwater broker --port 0 --print-bootstrap      (for tests: prints 127.0.0.1:PORT once it answers)
  headwater broker --listen 0.0.0.0:9092 --advertised-listener broker.example:9092
  headwater broker --set log.retention.hours=24")]
pub(crate) struct Arguments {
    #[command(flatten)]
    store: StoreArguments,
    /// Listen on this port of 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 9092, conflicts_with = "listen")]
    port: u16,
    /// Listen on this address
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// What clients are told to connect to [default: the address they dialled]
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_listener)]
    advertised_listener: Option<(String, u16)>,
    /// Print one line on stdout, 127.0.0.1:PORT, as soon as it answers
    #[arg(long)]
    print_bootstrap: bool,
}

/// What the store is, wherever it runs.
#[derive(clap::Args)]
pub(crate) struct StoreArguments {
    /// Where the data lives
    #[arg(long, value_name = "DIR", default_value = "./headwater-data")]
    pub(crate) data_dir: PathBuf,
    /// Partitions of topics made by use
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    num_partitions: i32,
    /// What an acknowledged record survives
    #[arg(long, value_enum, default_value_t = Durability::Fsync)]
    durability: Durability,
    /// Any broker configuration by Kafka's name
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_property)]
    settings: Vec<(String, String)>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Durability {
    /// Power loss: it is on disk
    Fsync,
    /// A kill of the process: it is with the operating system
    Relaxed,
}

impl StoreArguments {
    /// Settings of a store at this address. `defaults` give way to `--set`.
    pub(crate) fn settings(&self, listen: SocketAddr, defaults: &[(&str, &str)]) -> BrokerSettings {
        let mut overrides: BTreeMap<String, String> = defaults
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        overrides.extend(self.settings.iter().cloned());
        BrokerSettings {
            data_dir: Some(self.data_dir.clone()),
            listen,
            advertised: None,
            durability: match self.durability {
                Durability::Fsync => headwater_broker::Durability::Fsync,
                Durability::Relaxed => headwater_broker::Durability::Relaxed,
            },
            num_partitions: self.num_partitions,
            overrides,
            log_control: logging::control(),
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runtime = runtime::service()?;
    let interrupted = interrupt::watch(&runtime)?;
    let listen = arguments
        .listen
        .unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port)));
    let settings = BrokerSettings {
        advertised: arguments.advertised_listener.clone(),
        ..arguments.store.settings(listen, &[])
    };
    runtime.block_on(async {
        let broker = start(settings, &arguments.store.data_dir).await?;
        if arguments.print_bootstrap {
            let mut out = io::stdout().lock();
            writeln!(out, "{}", bootstrap(broker.local_addr()))?;
            out.flush()?;
        }
        interrupted.cancelled().await;
        eprintln!("stopping");
        broker.stop().await.map_err(|error| {
            Failure::new(Exit::Failure, "the event store did not stop in order").evidence(error)
        })
    })
}

/// Starts a store and says where its data is.
pub(crate) async fn start(settings: BrokerSettings, data_dir: &Path) -> Result<Broker> {
    let shown = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_path_buf());
    eprintln!("data: {}", shown.display());
    let listen = settings.listen;
    let broker = Broker::start(settings)
        .await
        .map_err(|error| start_failure(&error, listen))?;
    eprintln!("event store: {}", bootstrap(broker.local_addr()));
    Ok(broker)
}

fn start_failure(error: &StartError, listen: SocketAddr) -> Failure {
    let failure = Failure::new(Exit::Failure, "the event store did not start").evidence(error);
    match error {
        StartError::PortInUse { .. } => failure.next(format!(
            "headwater topics list -b {listen}   (to see what runs there), or --port 0 for any free port"
        )),
        _ => failure,
    }
}

/// The address a client on this machine dials.
pub(crate) fn bootstrap(address: SocketAddr) -> SocketAddr {
    let ip = if address.ip().is_unspecified() {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        address.ip()
    };
    SocketAddr::new(ip, address.port())
}

fn parse_listener(text: &str) -> std::result::Result<(String, u16), String> {
    let (host, port) = text.rsplit_once(':').ok_or("expected HOST:PORT")?;
    let port = port.parse().map_err(|_| "expected HOST:PORT")?;
    // IPv6 addresses are written in brackets, but not told to clients in them.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err("expected HOST:PORT".to_owned());
    }
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_host_and_port() {
        assert_eq!(
            parse_listener("broker.example:9092"),
            Ok(("broker.example".to_owned(), 9092))
        );
        assert_eq!(parse_listener("[::1]:9092"), Ok(("::1".to_owned(), 9092)));
        for text in ["broker", ":9092", "broker:", "broker:99999"] {
            assert!(parse_listener(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_bootstrap_of_any_address_is_the_loopback_one() {
        assert_eq!(
            bootstrap("0.0.0.0:9092".parse().unwrap()).to_string(),
            "127.0.0.1:9092"
        );
        assert_eq!(
            bootstrap("10.0.0.1:9092".parse().unwrap()).to_string(),
            "10.0.0.1:9092"
        );
    }
}
