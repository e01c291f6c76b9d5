//! What is fixed when a node starts: where it listens, where its data lives, its limits.
//!
//! Topic and broker configs with their documentation are `config`'s; this file
//! only reads the few that bound sockets and memory.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

pub use headwater_log::Durability;

use crate::context::ConnectionInfo;
use crate::error::StartError;

use crate::log_levels::{LogControl, LogLevels};
use crate::security::{SecuritySettings, listener};

/// The node's id, `node.id` of Kafka's own quickstart.
pub(crate) const NODE_ID: i32 = 1;

/// Connections that may wait to be accepted, unless told otherwise.
pub(crate) const LISTEN_BACKLOG: u32 = 1_024;

/// How to start a node.
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    /// The data directory; a temporary one, removed at the end, when absent.
    pub data_dir: Option<PathBuf>,
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The host and port told to clients; by default the address they dialled.
    pub advertised: Option<(String, u16)>,
    /// Whether an acknowledgement means "on disk" or "in the page cache".
    pub durability: Durability,
    /// Partitions of a topic made by use or without a count.
    pub num_partitions: i32,
    /// Any broker config by its Kafka name.
    pub overrides: BTreeMap<String, String>,
    /// Lets clients change log levels, if given.
    pub log_control: Option<Arc<dyn LogControl>>,
}

impl Default for BrokerSettings {
    fn default() -> BrokerSettings {
        BrokerSettings {
            data_dir: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9092)),
            advertised: None,
            durability: Durability::Fsync,
            num_partitions: 1,
            overrides: BTreeMap::new(),
            log_control: None,
        }
    }
}

/// The settings a running node consults.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// As given.
    pub(crate) broker: BrokerSettings,
    /// Read out of the overrides.
    pub(crate) limits: Limits,
    pub(crate) log_levels: Arc<LogLevels>,
    /// Read out of the overrides.
    pub(crate) security: SecuritySettings,
}

/// Bounds on sockets, memory and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// `socket.request.max.bytes`.
    pub(crate) request_bytes: usize,
    /// `queued.max.request.bytes`; Kafka's default is no bound at all, ours is one.
    pub(crate) queued_request_bytes: usize,
    /// Fetched records in memory at once, in all connections.
    pub(crate) queued_response_bytes: usize,
    /// `connections.max.idle.ms`.
    pub(crate) connections_max_idle: Duration,
    /// `socket.send.buffer.bytes`; none leaves it to the system.
    pub(crate) send_buffer_bytes: Option<u32>,
    /// `socket.receive.buffer.bytes`; none leaves it to the system.
    pub(crate) receive_buffer_bytes: Option<u32>,
    /// `socket.listen.backlog.size`.
    pub(crate) listen_backlog: u32,
    /// `fetch.max.bytes`.
    pub(crate) fetch_max_bytes: usize,
    /// `max.incremental.fetch.session.cache.slots`.
    pub(crate) fetch_session_slots: usize,
    /// `log.retention.check.interval.ms`.
    pub(crate) retention_check_interval: Duration,
}

impl Limits {
    fn from_overrides(overrides: &BTreeMap<String, String>) -> Result<Limits, StartError> {
        let bytes = |name, default| number::<usize>(overrides, name, default);
        let millis =
            |name, default| number::<u64>(overrides, name, default).map(Duration::from_millis);
        Ok(Limits {
            request_bytes: bytes("socket.request.max.bytes", 100 << 20)?
                .clamp(1, i32::MAX as usize),
            queued_request_bytes: bytes("queued.max.request.bytes", 256 << 20)?.max(1),
            queued_response_bytes: 256 << 20,
            connections_max_idle: millis("connections.max.idle.ms", 600_000)?,
            // Kafka's own default would keep the system from choosing well.
            send_buffer_bytes: u32::try_from(number(overrides, "socket.send.buffer.bytes", -1)?)
                .ok(),
            receive_buffer_bytes: u32::try_from(number(
                overrides,
                "socket.receive.buffer.bytes",
                -1,
            )?)
            .ok(),
            listen_backlog: number(overrides, "socket.listen.backlog.size", LISTEN_BACKLOG)?,
            fetch_max_bytes: bytes("fetch.max.bytes", 55 << 20)?,
            fetch_session_slots: bytes("max.incremental.fetch.session.cache.slots", 1_000)?,
            retention_check_interval: millis("log.retention.check.interval.ms", 300_000)?,
        })
    }
}

impl Settings {
    /// Checks and completes what was given.
    pub(crate) fn new(mut broker: BrokerSettings) -> Result<Settings, StartError> {
        let limits = Limits::from_overrides(&broker.overrides)?;
        let security = SecuritySettings::new(&broker.overrides)?;
        if let Some((_, address)) = listener(&broker.overrides)? {
            broker.listen = address;
        }
        let log_levels = Arc::new(LogLevels::new(broker.log_control.clone()));
        Ok(Settings {
            broker,
            limits,
            log_levels,
            security,
        })
    }

    /// Host and port to tell the client at the other end of `connection`.
    pub(crate) fn advertised(&self, connection: &ConnectionInfo) -> (String, u16) {
        match &self.broker.advertised {
            Some(listener) => listener.clone(),
            None => (connection.local.ip().to_string(), connection.local.port()),
        }
    }
}

fn number<T: FromStr>(
    overrides: &BTreeMap<String, String>,
    name: &str,
    default: T,
) -> Result<T, StartError> {
    let Some(value) = overrides.get(name) else {
        return Ok(default);
    };
    value.trim().parse().map_err(|_| StartError::InvalidConfig {
        name: name.to_owned(),
        value: value.clone(),
        reason: "not a whole number that is in range".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::{SecurityProtocol, Session};

    fn overrides(pairs: &[(&str, &str)]) -> BrokerSettings {
        let overrides = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        BrokerSettings {
            overrides,
            ..BrokerSettings::default()
        }
    }

    #[test]
    fn limits_have_kafkas_defaults_and_follow_overrides() {
        let limits = Settings::new(overrides(&[])).unwrap().limits;
        assert_eq!(limits.request_bytes, 104_857_600);
        assert_eq!(limits.fetch_max_bytes, 57_671_680);
        let limits = Settings::new(overrides(&[("connections.max.idle.ms", "1500")]))
            .unwrap()
            .limits;
        assert_eq!(limits.connections_max_idle, Duration::from_millis(1_500));
    }

    #[test]
    fn a_config_that_is_no_number_is_refused_by_name() {
        let error = Settings::new(overrides(&[("fetch.max.bytes", "many")])).unwrap_err();
        assert!(error.to_string().contains("fetch.max.bytes"), "{error}");
    }

    #[test]
    fn clients_are_told_the_address_they_dialled_unless_settings_say_otherwise() {
        let dialled = ConnectionInfo {
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            local: SocketAddr::from((Ipv4Addr::LOCALHOST, 9_092)),
            client_id: "".into(),
            mute: crate::quotas::Mute::default(),
            session: Arc::new(Session::new(SecurityProtocol::Plaintext)),
        };
        let mut settings = Settings::new(overrides(&[])).unwrap();
        assert_eq!(
            settings.advertised(&dialled),
            ("127.0.0.1".to_owned(), 9_092)
        );
        settings.broker.advertised = Some(("broker.example".to_owned(), 443));
        assert_eq!(
            settings.advertised(&dialled),
            ("broker.example".to_owned(), 443)
        );
    }
}
