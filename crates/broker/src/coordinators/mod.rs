//! Runs the coordinators on the partitions of internal topics, one for each: those of groups on
//! `__consumer_offsets`, those of transactions on `__transaction_state`.
//!
//! Owns loading, appending what a coordinator decides, the wait of its replies for the disk, and
//! its timers. What a group or a transaction does is decided in `headwater-coordinator`, which never
//! waits.
//!
//! A topic is made at its first use, and read again at the next start. Until a partition has been
//! read, its coordinator says so to clients. Locks: a transaction's coordinator, then a group's, then
//! a partition's log.

mod answer;
mod cluster_image;
mod coordinator;
mod loading;
mod machine;
mod markers;
mod timers;
mod transactions;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures::future::BoxFuture;
use headwater_coordinator::{Call, DeletedTopic, Effect, GroupCoordinator, Token};
use headwater_log::Position;
use headwater_protocol::{ErrorCode, Request};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use self::coordinator::PartitionCoordinator;
use self::machine::Machine;
use self::markers::Markers;
use self::timers::Timers;
use crate::metadata::{Metadata, Refused};
use crate::partitions::Partitions;

pub(crate) use self::answer::FromResponse;
pub(crate) use self::markers::MarkerError;
pub(crate) use self::transactions::{InTransaction, TransactionalClient, Transactions};

/// The group coordinators of this node.
pub(crate) type Groups = Coordinators<GroupCoordinator>;

/// The coordinators of one kind on this node.
pub(crate) struct Coordinators<M> {
    partitions: Arc<Partitions>,
    metadata: Arc<Metadata>,
    /// What transactions end with.
    markers: Option<Arc<Markers>>,
    runtime: Handle,
    timers: Arc<Timers>,
    next_token: AtomicU64,
    /// Empty until there is the topic.
    by_partition: OnceLock<Vec<Arc<PartitionCoordinator<M>>>>,
    opening: Mutex<()>,
    stopping: CancellationToken,
}

impl Coordinators<GroupCoordinator> {
    /// Starts the coordinators on the caller's tokio runtime, before the port opens. Partitions
    /// that hold something are read in the background.
    pub(crate) fn start(partitions: &Arc<Partitions>, metadata: &Arc<Metadata>) -> Arc<Groups> {
        Arc::new(Coordinators::start_with(partitions, metadata, None))
    }

    /// The topics are gone: so are the offsets committed for them, when the position is durable.
    pub(crate) fn topics_deleted(&self, topics: &[DeletedTopic]) -> Position {
        self.opened()
            .map(|coordinator| coordinator.topics_deleted(topics))
            .max()
            .unwrap_or(Position::ZERO)
    }
}

impl<M: Machine> Coordinators<M> {
    fn start_with(
        partitions: &Arc<Partitions>,
        metadata: &Arc<Metadata>,
        markers: Option<Arc<Markers>>,
    ) -> Coordinators<M> {
        let coordinators = Coordinators {
            partitions: Arc::clone(partitions),
            metadata: Arc::clone(metadata),
            markers,
            runtime: Handle::current(),
            timers: Arc::default(),
            next_token: AtomicU64::new(0),
            by_partition: OnceLock::new(),
            opening: Mutex::new(()),
            stopping: CancellationToken::new(),
        };
        coordinators.open_existing();
        coordinators
    }

    /// Answers whoever waits and ends the timers.
    pub(crate) fn stop(&self) {
        self.stopping.cancel();
        for coordinator in self.opened() {
            coordinator.unload();
        }
    }

    /// Makes the topic if there is none; what shows it waits for the position.
    pub(crate) fn ensure_topic(&self) -> Result<Position, Refused> {
        let position = M::create_topic(&self.metadata)?;
        self.open_existing();
        Ok(position)
    }

    /// Asks the coordinator of a group or transactional id. The state changes before this returns; the answer comes
    /// when it is on disk, and refuses the request if it never will be.
    pub(crate) fn ask<R>(
        &self,
        key: &str,
        version: i16,
        request: R,
        decide: impl FnOnce(&mut M, Call, &R) -> Vec<Effect>,
    ) -> BoxFuture<'static, R::Response>
    where
        R: Request + Send + 'static,
        R::Response: FromResponse + Send + 'static,
    {
        let coordinator = self.of_key(key);
        let token = self.token();
        let waiting = coordinator.map(|coordinator| {
            coordinator.ask(version, token, |coordinator, call| {
                decide(coordinator, call, &request)
            })
        });
        Box::pin(async move {
            let response = match waiting {
                Ok(waiting) => waiting.answer().await,
                Err(code) => Err(code),
            };
            match response.map(R::Response::from_response) {
                Ok(Some(response)) => response,
                Ok(None) => request.error_response(ErrorCode::UnknownServerError, version),
                Err(code) => request.error_response(code, version),
            }
        })
    }

    /// Asks every coordinator, as [`Self::ask`] does one.
    pub(crate) fn ask_all<R>(
        &self,
        version: i16,
        request: &R,
        decide: impl Fn(&mut M, Call, &R) -> Vec<Effect>,
    ) -> BoxFuture<'static, Vec<R::Response>>
    where
        R: Request + Send + 'static,
        R::Response: FromResponse + Send + 'static,
    {
        let waiting: Vec<_> = self
            .opened()
            .map(|coordinator| {
                coordinator.ask(version, self.token(), |coordinator, call| {
                    decide(coordinator, call, request)
                })
            })
            .collect();
        let request = request.clone();
        Box::pin(async move {
            let mut responses = Vec::with_capacity(waiting.len());
            for waiting in waiting {
                responses.push(
                    match waiting.answer().await.map(R::Response::from_response) {
                        Ok(Some(response)) => response,
                        Ok(None) => request.error_response(ErrorCode::UnknownServerError, version),
                        Err(code) => request.error_response(code, version),
                    },
                );
            }
            responses
        })
    }

    /// Which partition of the topic a group or transactional id has, once there is the topic.
    pub(crate) fn partition_of(&self, key: &str) -> Result<i32, ErrorCode> {
        let coordinator = self.of_key(key)?;
        Ok(coordinator.partition().log().id().partition)
    }

    /// The coordinator of a key, for whose first the topic is made.
    fn of_key(&self, key: &str) -> Result<Arc<PartitionCoordinator<M>>, ErrorCode> {
        if self.by_partition.get().is_none() {
            self.ensure_topic().map_err(|refused| refused.code)?;
        }
        self.of_known_key(key)
    }

    /// The same if the topic is there.
    fn of_known_key(&self, key: &str) -> Result<Arc<PartitionCoordinator<M>>, ErrorCode> {
        let coordinators = self
            .by_partition
            .get()
            .ok_or(ErrorCode::CoordinatorNotAvailable)?;
        Ok(Arc::clone(
            &coordinators[partition_of_key(key, coordinators.len())],
        ))
    }

    /// The coordinator of a partition, if there is one.
    fn of_partition(&self, partition: i32) -> Option<Arc<PartitionCoordinator<M>>> {
        let index = usize::try_from(partition).ok()?;
        self.by_partition.get()?.get(index).cloned()
    }

    fn opened(&self) -> impl Iterator<Item = &Arc<PartitionCoordinator<M>>> {
        self.by_partition.get().into_iter().flatten()
    }

    fn token(&self) -> Token {
        Token(self.next_token.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes a coordinator for each partition of the topic, if the topic is there.
    fn open_existing(&self) {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let image = self.metadata.image();
        let Some(topic) = image.topic(M::TOPIC) else {
            return;
        };
        if self.by_partition.get().is_some() {
            return;
        }
        let open = |number: usize| {
            let partition = self.partitions.get(topic.id, number as i32)?;
            Some(Arc::new(PartitionCoordinator::new(
                Arc::clone(&self.partitions),
                partition,
                Arc::clone(&self.timers),
                self.markers.clone(),
                M::new(&self.metadata),
            )))
        };
        // All or none: whoever makes the topic publishes it before its partitions are open, and a list with gaps
        // would give groups to the wrong partition. Until then there is no coordinator, and clients ask again.
        let all: Option<Vec<_>> = (0..topic.partitions.len()).map(open).collect();
        let Some(coordinators) = all else {
            return;
        };
        let _ = self.by_partition.set(coordinators.clone());
        let not_empty = loading::load_empty(&coordinators);
        if !not_empty.is_empty() {
            self.runtime
                .spawn_blocking(move || loading::load(&not_empty));
        }
        let (timers, stopping) = (Arc::clone(&self.timers), self.stopping.clone());
        self.runtime
            .spawn(timers::run(timers, coordinators, stopping));
    }
}

/// Kafka's partition for a group or transactional id: Java's hash of the string, made positive, over the partitions.
fn partition_of_key(key: &str, partitions: usize) -> usize {
    let hash = key.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    // The one number without a positive counterpart counts as zero.
    hash.checked_abs().unwrap_or(0) as usize % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_the_partition_kafka_gives_it() {
        // Java: Math.abs("...".hashCode()) % 50.
        assert_eq!(partition_of_key("", 50), 0);
        assert_eq!(partition_of_key("a", 50), 97 % 50);
        assert_eq!(partition_of_key("ab", 50), (97 * 31 + 98) % 50);
        // "polygenelubricants".hashCode() is the smallest integer, which has no absolute value.
        assert_eq!(partition_of_key("polygenelubricants", 50), 0);
    }
}
