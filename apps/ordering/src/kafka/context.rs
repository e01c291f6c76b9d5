//! What librdkafka calls back: logs, errors, and where an assigned partition is read from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

/// Next offsets by topic and partition, of a consumer that keeps them itself.
pub(crate) type Positions = Arc<Mutex<HashMap<(String, i32), i64>>>;

/// Where a consumer starts in a partition that is assigned to it.
#[derive(Debug, Clone)]
pub(crate) enum StartFrom {
    /// From what the group committed.
    Committed,
    /// From here, whatever the group committed; from the beginning where nothing is known.
    Own(Positions),
}

/// The callbacks of consumers and producers.
#[derive(Debug, Clone)]
pub(crate) struct LogContext {
    pub(crate) service: &'static str,
}

impl ClientContext for LogContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = false;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(self.service, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(service = self.service, %error, reason, "kafka client");
    }

    fn generate_oauth_token(
        &self,
        _: Option<&str>,
    ) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        Err("OAuth tokens come from librdkafka's own properties".into())
    }
}

/// The callbacks of a consumer.
#[derive(Debug)]
pub(crate) struct GroupContext {
    pub(crate) service: &'static str,
    pub(crate) start_from: StartFrom,
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(self.service, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(service = self.service, %error, reason, "kafka client");
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let cooperative = matches!(
            consumer.rebalance_protocol(),
            RebalanceProtocol::Cooperative
        );
        let outcome = if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            tracing::debug!(
                service = self.service,
                partitions = partitions.count(),
                "assigned"
            );
            self.place(partitions);
            if cooperative {
                consumer.incremental_assign(partitions)
            } else {
                consumer.assign(partitions)
            }
        } else {
            tracing::debug!(
                service = self.service,
                partitions = partitions.count(),
                "revoked"
            );
            // What was stored so far goes out before the partitions do; nothing stored is no error.
            let _ = consumer.commit_consumer_state(CommitMode::Async);
            if cooperative {
                consumer.incremental_unassign(partitions)
            } else {
                consumer.unassign()
            }
        };
        if let Err(error) = outcome {
            tracing::warn!(service = self.service, %error, "the assignment could not be taken over");
        }
    }
}

impl GroupContext {
    fn place(&self, partitions: &mut TopicPartitionList) {
        let StartFrom::Own(positions) = &self.start_from else {
            return;
        };
        let positions = positions.lock().unwrap_or_else(PoisonError::into_inner);
        let placed: Vec<_> = partitions
            .elements()
            .iter()
            .map(|element| {
                let key = (element.topic().to_owned(), element.partition());
                let offset = positions
                    .get(&key)
                    .map_or(Offset::Beginning, |next| Offset::Offset(*next));
                (key, offset)
            })
            .collect();
        for ((topic, partition), offset) in placed {
            if let Err(error) = partitions.set_partition_offset(&topic, partition, offset) {
                tracing::warn!(service = self.service, topic, partition, %error, "not placed");
            }
        }
    }
}

fn log(service: &'static str, level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(service, facility, "{message}");
        }
        // Lost connections are said once by the loop that notices; librdkafka says them for every broker and socket.
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            tracing::debug!(service, facility, "{message}");
        }
        _ => tracing::trace!(service, facility, "{message}"),
    }
}
