//! What the tests share: nodes, raw requests, batches, topics.

pub(crate) mod batches;
pub(crate) mod clients;
pub(crate) mod gated_disk;
pub(crate) mod transactions;
pub(crate) mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use headwater_broker::{Broker, BrokerSettings, Durability};

/// Long enough for the slowest machine; a test that gets here has failed.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Settings of a node on any free port with its data in `root`, that syncs.
pub(crate) fn durable_in(root: &Path) -> BrokerSettings {
    BrokerSettings {
        data_dir: Some(root.to_owned()),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        durability: Durability::Fsync,
        overrides: [(
            "group.initial.rebalance.delay.ms".to_owned(),
            "0".to_owned(),
        )]
        .into(),
        ..BrokerSettings::default()
    }
}

/// A throw-away node with one config changed.
pub(crate) async fn ephemeral_with(name: &str, value: &str) -> Broker {
    let mut settings = BrokerSettings {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        durability: Durability::Relaxed,
        ..BrokerSettings::default()
    };
    settings.overrides.insert(name.to_owned(), value.to_owned());
    Broker::start(settings).await.expect("starts")
}
