//! The transaction coordinators of this node, and the writes that go on in transactions.
//!
//! A transactional write is appended while its transaction's coordinator is held: the transaction
//! cannot end between the check and the append, so nothing of a producer that was fenced gets behind
//! its marker.

use std::sync::Arc;

use futures::future::BoxFuture;
use headwater_coordinator::{
    Call, Effect, PartitionSet, TransactionCoordinator, TransactionalProducer,
};
use headwater_log::{EndMarker, Position};
use headwater_protocol::{ErrorCode, Request};

use super::answer::FromResponse;
use super::coordinator::Held;
use super::machine::TRANSACTION_VERSION;
use super::markers::{MarkerError, Markers};
use super::{Coordinators, Groups};
use crate::metadata::{Metadata, Refused};
use crate::partitions::Partitions;

/// The transaction coordinators of this node.
pub(crate) struct Transactions {
    coordinators: Coordinators<TransactionCoordinator>,
    metadata: Arc<Metadata>,
    markers: Arc<Markers>,
}

/// What a client that writes in a transaction knows, by the version it spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionalClient {
    /// It adds partitions first, and is told `INVALID_TXN_STATE` if it has not.
    AddsFirst,
    /// The same, but it knows `TRANSACTION_ABORTABLE`.
    KnowsAbortable,
    /// A write adds its partition by itself (KIP-890).
    AddsByWriting,
}

/// A transaction that cannot end as long as this is there.
pub(crate) struct InTransaction<'a> {
    coordinator: Result<&'a TransactionCoordinator, ErrorCode>,
    producer: TransactionalProducer<'a>,
    client: TransactionalClient,
}

impl InTransaction<'_> {
    /// Whether the producer may write to this partition now, in the words its clients know.
    pub(crate) fn check(&self, topic: &str, partition: i32) -> Result<(), ErrorCode> {
        self.coordinator
            .and_then(|coordinator| coordinator.verify(self.producer, topic, partition))
            .map_err(|code| in_words_of(self.client, code))
    }
}

fn in_words_of(client: TransactionalClient, code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        ErrorCode::TransactionAbortable if client == TransactionalClient::AddsFirst => {
            ErrorCode::InvalidTxnState
        }
        // It should have been added: the log refused that.
        ErrorCode::TransactionAbortable if client == TransactionalClient::AddsByWriting => {
            ErrorCode::CoordinatorNotAvailable
        }
        code => code,
    }
}

impl Transactions {
    /// Starts the coordinators on the caller's tokio runtime, after those of groups. What was being
    /// ended at the last stop is driven to its end in the background.
    pub(crate) fn start(
        partitions: &Arc<Partitions>,
        metadata: &Arc<Metadata>,
        groups: &Arc<Groups>,
    ) -> Arc<Transactions> {
        let markers = Markers::new(partitions, metadata, groups);
        let ours = Some(Arc::clone(&markers));
        Arc::new(Transactions {
            coordinators: Coordinators::start_with(partitions, metadata, ours),
            metadata: Arc::clone(metadata),
            markers,
        })
    }

    /// Ends the timers and coordinates no more.
    pub(crate) fn stop(&self) {
        self.coordinators.stop();
    }

    /// Makes the topic if there is none; what shows it waits for the position.
    pub(crate) fn ensure_topic(&self) -> Result<Position, Refused> {
        self.coordinators.ensure_topic()
    }

    /// Asks the coordinator of a transactional id; see [`Coordinators::ask`].
    pub(crate) fn ask<R>(
        &self,
        transactional_id: &str,
        version: i16,
        request: R,
        decide: impl FnOnce(&mut TransactionCoordinator, Call, &R) -> Vec<Effect>,
    ) -> BoxFuture<'static, R::Response>
    where
        R: Request + Send + 'static,
        R::Response: FromResponse + Send + 'static,
    {
        let level = self.metadata.feature(TRANSACTION_VERSION);
        self.coordinators.ask(
            transactional_id,
            version,
            request,
            |coordinator, call, request| {
                coordinator.set_transaction_version(level);
                decide(coordinator, call, request)
            },
        )
    }

    /// Asks every coordinator.
    pub(crate) fn ask_all<R>(
        &self,
        version: i16,
        request: &R,
        decide: impl Fn(&mut TransactionCoordinator, Call, &R) -> Vec<Effect>,
    ) -> BoxFuture<'static, Vec<R::Response>>
    where
        R: Request + Send + 'static,
        R::Response: FromResponse + Send + 'static,
    {
        self.coordinators.ask_all(version, request, decide)
    }

    /// A producer id that was never given out. What an answer says of it is durable when records
    /// appended after this are.
    pub(crate) fn new_producer_id(&self) -> Result<i64, ErrorCode> {
        let (producer_id, _) = self.metadata.next_producer_id()?;
        Ok(producer_id)
    }

    /// Appends what a producer writes in its transaction: `append` asks for each partition whether it
    /// may be. Clients that add by writing have all of `partitions` added first.
    pub(crate) fn write<T>(
        &self,
        producer: TransactionalProducer<'_>,
        client: TransactionalClient,
        partitions: &PartitionSet,
        append: impl FnOnce(&InTransaction<'_>) -> T,
    ) -> T {
        let coordinator = self.coordinators.of_known_key(producer.transactional_id);
        let held = match &coordinator {
            Ok(coordinator) => coordinator.hold(),
            Err(code) => Err(*code),
        };
        let held = held.and_then(|mut held| {
            if client == TransactionalClient::AddsByWriting {
                self.add(&mut held, producer, partitions)?;
            }
            Ok(held)
        });
        append(&InTransaction {
            coordinator: held.as_ref().map(Held::machine).map_err(|code| *code),
            producer,
            client,
        })
    }

    /// Makes the partitions part of the transaction. If the log refuses that, they are not, which is
    /// found when each is verified.
    fn add(
        &self,
        held: &mut Held<'_, TransactionCoordinator>,
        producer: TransactionalProducer<'_>,
        partitions: &PartitionSet,
    ) -> Result<(), ErrorCode> {
        let level = self.metadata.feature(TRANSACTION_VERSION);
        let mut refused = None;
        held.change(|coordinator, now_ms| {
            coordinator.set_transaction_version(level);
            coordinator
                .add_written_partitions(now_ms, producer, partitions)
                .unwrap_or_else(|code| {
                    refused = Some(code);
                    Vec::new()
                })
        });
        refused.map_or(Ok(()), Err)
    }

    /// Appends an end marker on behalf of a tool.
    pub(crate) fn write_marker(
        &self,
        topic: &str,
        partition: i32,
        marker: EndMarker,
    ) -> Result<Position, MarkerError> {
        self.markers.write(topic, partition, marker)
    }
}
