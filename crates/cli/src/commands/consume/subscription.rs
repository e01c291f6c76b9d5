//! The consumer's context: what happens when partitions are assigned to it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::Context;

/// A member of a group; with `reset` each partition starts again from the beginning, once.
pub(super) struct Subscription {
    client: Context,
    grouped: bool,
    reset: bool,
    done: Mutex<BTreeSet<(String, i32)>>,
}

impl Subscription {
    pub(super) fn new(grouped: bool, reset: bool) -> Self {
        Self {
            client: Context::default(),
            grouped,
            reset,
            done: Mutex::default(),
        }
    }

    pub(super) fn client(&self) -> &Context {
        &self.client
    }

    pub(super) fn is_grouped(&self) -> bool {
        self.grouped
    }

    /// Points partitions that were not reset yet at their beginning.
    fn rewind(&self, partitions: &mut TopicPartitionList) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        for mut element in partitions.elements() {
            if done.insert((element.topic().to_owned(), element.partition())) {
                // Fails only for offsets that are none.
                let _ = element.set_offset(Offset::Beginning);
            }
        }
    }
}

impl ClientContext for Subscription {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.client.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }
}

impl ConsumerContext for Subscription {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let cooperative = matches!(
            consumer.rebalance_protocol(),
            RebalanceProtocol::Cooperative
        );
        let outcome = if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            if self.reset {
                self.rewind(partitions);
            }
            if cooperative {
                consumer.incremental_assign(partitions)
            } else {
                consumer.assign(partitions)
            }
        } else if cooperative {
            consumer.incremental_unassign(partitions)
        } else {
            consumer.unassign()
        };
        if let Err(error) = outcome {
            tracing::warn!("assignment: {error}");
        }
    }
}
