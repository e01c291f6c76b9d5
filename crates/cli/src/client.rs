//! librdkafka clients: their logs go to `tracing`, their last error is kept as evidence.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::admin::AdminClient;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;

use crate::config::{Connection, Properties, Role};
use crate::failure::{Exit, Failure, Result};

/// How long one bootstrap address may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// The context of every client of the tools.
#[derive(Clone, Default)]
pub(crate) struct Context {
    last_error: Arc<Mutex<Option<String>>>,
}

impl Context {
    /// The last thing that went wrong with a connection, in librdkafka's words.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A failure with what the client saw as evidence, where that says more.
    pub(crate) fn failure(&self, doing: impl std::fmt::Display, error: &KafkaError) -> Failure {
        let failure = Failure::kafka(doing, error);
        match self.last_error() {
            Some(seen) => failure.evidence(format!("{error}; {seen}")),
            None => failure,
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        // The client retries what it logs: what stays wrong comes back as an error.
        tracing::debug!(target: "librdkafka", ?level, "{facility}: {line}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", "{error}: {reason}");
        *self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }
}

impl ConsumerContext for Context {}

/// A client that only asks: metadata, offsets, groups.
pub(crate) fn asking(connection: &Connection) -> Result<(BaseConsumer<Context>, Context)> {
    let mut properties = connection.properties(Role::Admin)?;
    properties.remove("group.id");
    let context = Context::default();
    Ok((create(&properties, context.clone())?, context))
}

/// A client that changes topics and groups.
pub(crate) fn admin(connection: &Connection) -> Result<(AdminClient<Context>, Context)> {
    let properties = connection.properties(Role::Admin)?;
    let context = Context::default();
    Ok((create(&properties, context.clone())?, context))
}

/// Creates any client once something listens at its bootstrap servers.
pub(crate) fn create<C, T>(properties: &Properties, context: C) -> Result<T>
where
    C: ClientContext,
    T: FromClientConfigAndContext<C>,
{
    probe(&properties["bootstrap.servers"])?;
    let mut config = ClientConfig::new();
    config.set("client.id", "headwater");
    for (key, value) in properties {
        config.set(key, value);
    }
    config
        .create_with_context(context)
        .map_err(|error| match &error {
            KafkaError::ClientConfig(_, reason, key, value) => Failure::new(
                Exit::Usage,
                format!("the property {key}={value} is not valid"),
            )
            .evidence(reason),
            other => Failure::new(
                Exit::Failure,
                "cannot create a client with these properties",
            )
            .evidence(other),
        })
}

/// At least one bootstrap server accepts connections. librdkafka would try for ever.
fn probe(servers: &str) -> Result<()> {
    let mut evidence = Vec::new();
    let mut timed_out = true;
    for server in servers
        .split(',')
        .map(str::trim)
        .filter(|server| !server.is_empty())
    {
        match connect(server) {
            Ok(()) => return Ok(()),
            Err(error) => {
                timed_out &= error.kind() == std::io::ErrorKind::TimedOut;
                evidence.push(format!("{server}: {error}"));
            }
        }
    }
    let exit = if timed_out && !evidence.is_empty() {
        Exit::Timeout
    } else {
        Exit::Failure
    };
    Err(Failure::new(exit, format!("nothing answers at {servers}"))
        .evidence(evidence.join("; "))
        .next("headwater broker   (starts an event store here; --bootstrap-server names another Kafka)"))
}

fn connect(server: &str) -> std::io::Result<()> {
    // librdkafka allows `PLAINTEXT://host:port`, and a host alone.
    let address = server
        .split_once("://")
        .map_or(server, |(_, address)| address);
    let has_port = address
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port {
        address.to_owned()
    } else {
        format!("{address}:9092")
    };
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listening_server_among_dead_ones_is_enough() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        probe(&format!("127.0.0.1:1, PLAINTEXT://127.0.0.1:{port}")).unwrap();
    }

    #[test]
    fn nothing_listening_names_the_address_and_the_next_command() {
        let failure = format!("{:?}", probe("127.0.0.1:1").unwrap_err());
        assert!(
            failure.contains("nothing answers at 127.0.0.1:1"),
            "{failure}"
        );
        assert!(failure.contains("headwater broker"), "{failure}");
    }
}
