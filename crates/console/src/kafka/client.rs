//! Consumers that only look: made from the reader's librdkafka properties, with what could change anything switched off.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::problem::Problem;
use crate::settings::ConsoleSettings;

/// No single question to Kafka waits longer than this.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(4);

/// The group id of consumers that read records. It is never joined and nothing is committed to it.
const READER_GROUP: &str = "headwater-console-reader";

/// Sends librdkafka's log lines to `tracing`: an unreachable Kafka is shown on the page, not on the terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }
}

impl ConsumerContext for Quiet {}

/// A consumer that only looks.
pub(crate) type Looker = BaseConsumer<Quiet>;

/// Makes consumers for one Kafka.
#[derive(Debug, Clone)]
pub(crate) struct Kafka {
    properties: BTreeMap<String, String>,
    bootstrap: String,
}

impl Kafka {
    pub(crate) fn new(settings: &ConsoleSettings) -> Self {
        Self {
            properties: settings.kafka.clone(),
            bootstrap: settings.bootstrap().to_owned(),
        }
    }

    /// The bootstrap servers, for messages to the reader.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A consumer that reads records of partitions assigned to it.
    pub(crate) fn reader(&self) -> Result<Looker, KafkaError> {
        self.looker(READER_GROUP)
    }

    /// A consumer that asks for the offsets `group` committed, without joining it.
    pub(crate) fn looker(&self, group: &str) -> Result<Looker, KafkaError> {
        let mut config = ClientConfig::new();
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        for (name, value) in [
            ("client.id", "headwater-console"),
            ("group.id", group),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "earliest"),
            ("isolation.level", "read_uncommitted"),
            ("enable.partition.eof", "true"),
            ("allow.auto.create.topics", "false"),
            ("fetch.wait.max.ms", "100"),
            ("queued.max.messages.kbytes", "8192"),
            ("socket.connection.setup.timeout.ms", "3000"),
            ("reconnect.backoff.max.ms", "1000"),
        ] {
            config.set(name, value);
        }
        // A static member or a partition EOF left to the reader's properties would change what looking does.
        config.remove("group.instance.id");
        config.remove("group.protocol");
        config.create_with_context(Quiet)
    }

    /// What a failed call means to the reader of the page.
    pub(crate) fn problem(&self, doing: &str, error: &KafkaError) -> Problem {
        let bootstrap = &self.bootstrap;
        let (status, remedy) = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownPartition) => (
                StatusCode::NOT_FOUND,
                "Check the topic's name and partition in the list of topics; it may have been deleted".to_owned(),
            ),
            Some(RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::GroupAuthorizationFailed) => (
                StatusCode::FORBIDDEN,
                "Give the user of these properties the right to describe and read".to_owned(),
            ),
            _ => (
                StatusCode::BAD_GATEWAY,
                format!("Check that a Kafka answers at {bootstrap}; `headwater broker` starts one"),
            ),
        };
        Problem::new(
            status,
            "Kafka did not answer",
            format!("{doing} at {bootstrap}: {error}"),
            remedy,
        )
    }
}
