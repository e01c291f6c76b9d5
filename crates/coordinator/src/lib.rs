//! Group coordination as pure state machines: no I/O, no clock, no randomness.
//!
//! One [`GroupCoordinator`] owns the groups and the committed offsets of one partition of
//! `__consumer_offsets`. Time, member ids and the log are passed in; the crate never waits.
//! Durable state changes only in [`GroupCoordinator::replay`], at start-up and in operation alike.
//! Everything else a group holds (who waits for a join or a sync, the rebalance under way) is soft:
//! it dies with the process, as in Kafka, and clients then join again.
//!
//! # The contract with the broker
//!
//! *Inputs.* Every request comes with a [`Call`]: the time, the version the client spoke and a
//! [`Token`], the broker's name for the place that waits for the answer (unique among those not
//! answered yet). Each token is answered exactly once, at once or later. All groups of a request
//! must belong to this partition: `OffsetFetch`, `DescribeGroups` and `DeleteGroups` are split by
//! partition and their answers put together by the broker; `ListGroups` is asked of every
//! partition. `OffsetCommit` and `OffsetFetch` come with topic names filled in, also at the
//! versions that carry topic ids (the broker resolves the ids, keeps back topics it does not know,
//! and fills names and ids of the answer it sends); ids are stored with the commit when given.
//! `OffsetFetch` comes and is answered in the form for several groups at every version.
//!
//! *Effects.* A call returns effects, to be carried out in order before the next call:
//! 1. [`Effect::Append`], always first, and at most one but for tombstones that are too many for one
//!    batch: append the records to the partition as one
//!    batch, with a producer as a batch of its transaction. When the log took them (they need not
//!    be durable yet), call [`GroupCoordinator::replay`] with each, in order, or
//!    [`GroupCoordinator::replay_transactional`]. When it refused them, replay nothing, drop
//!    the effects that follow and carry out what [`GroupCoordinator::append_failed`] makes of them
//!    instead.
//! 2. [`Effect::Reply`]: answer the token. **One rule for durability: a reply is released when the
//!    latest append of this partition so far is durable** (remember one position per partition, set
//!    by each append; every reply, also of calls that only read, waits for the position as it was
//!    when the effect was carried out). If that position will never be durable, because the sync
//!    failed, send [`Response::into_error`] with `NotCoordinator` instead, and
//!    [`GroupCoordinator::unload`].
//!
//! *Timers.* The machine keeps its own: after each call ask [`GroupCoordinator::next_deadline_ms`],
//! and when that time has come call [`GroupCoordinator::fire_timer`] until the next deadline lies
//! ahead. Waking too early or too often is harmless. One call fires one timer, so that the rule of
//! one append holds.
//!
//! *Transactions.* Offsets that came with a producer are seen when its marker commits them. Whoever
//! appends a marker to the partition calls [`GroupCoordinator::replay_end_marker`] after it, under
//! the same lock, so that replies that see the outcome wait for the marker to be durable.
//!
//! *Loading.* [`GroupCoordinator::new`], `replay` or `replay_transactional` for every record of the
//! partition and `replay_end_marker` for every marker, in the order of the log, then
//! [`GroupCoordinator::loaded`]; until then requests are answered `CoordinatorLoadInProgress` (a
//! heartbeat with success, as in Kafka).
//!
//! ```
//! use headwater_coordinator::{
//!     AppendFailure, CoordinatorRecord, Effect, GroupCoordinator, ProducerIdAndEpoch,
//! };
//!
//! /// What a broker does with the effects of a call.
//! fn carry_out(
//!     coordinator: &mut GroupCoordinator,
//!     now_ms: i64,
//!     effects: Vec<Effect>,
//!     append: &mut dyn FnMut(
//!         &[CoordinatorRecord],
//!         Option<ProducerIdAndEpoch>,
//!     ) -> Result<(), AppendFailure>,
//!     release: &mut dyn FnMut(Effect),
//! ) {
//!     let mut effects = effects.into_iter();
//!     while let Some(effect) = effects.next() {
//!         match effect {
//!             Effect::Append { records, producer } => match append(&records, producer) {
//!                 Ok(()) => {
//!                     for record in &records {
//!                         let replayed = match producer {
//!                             Some(producer) => coordinator.replay_transactional(producer, record),
//!                             None => coordinator.replay(record),
//!                         };
//!                         replayed.expect("just encoded");
//!                     }
//!                 }
//!                 Err(failure) => {
//!                     let rest = effects.collect();
//!                     let failed = coordinator.append_failed(now_ms, failure, rest);
//!                     return failed.into_iter().for_each(release);
//!                 }
//!             },
//!             // Only the coordinator of transactions has markers written.
//!             other => release(other),
//!         }
//!     }
//! }
//! ```

mod config;
mod coordinator;
mod effect;
mod group;
mod image;
mod record;
mod response;
mod timers;
mod transaction;
mod turn;
mod versions;

pub use config::{GroupConfig, MigrationPolicy};
pub use coordinator::{DurableState, GroupCoordinator};
pub use effect::{
    AppendFailure, Call, Client, CoordinatorRecord, DeletedTopic, Effect, EndMarkers, Outcome,
    ProducerIdAndEpoch, Token,
};
pub use group::ConsumerAssignor;
pub use image::{ClusterImage, TopicImage};
pub use record::{
    AssignedTopicPartitions, ClassicMemberMetadata, ClassicProtocol, ConsumerGroupMemberMetadata,
    ConsumerGroupMetadata, ConsumerGroupPartitionMetadata, ConsumerGroupRecord,
    CurrentMemberAssignment, PartitionMetadata, ResolvedTopics, TargetAssignmentMember,
    TargetAssignmentMetadata, TargetTopicPartitions, TopicMetadata,
};
pub use record::{
    GroupMetadata, GroupRecord, MemberMetadata, OffsetCommitKey, OffsetCommitValue, RecordError,
};
pub use response::Response;
pub use transaction::{
    NewProducerId, PartitionSet, PartitionsSchema, Transaction, TransactionConfig,
    TransactionCoordinator, TransactionLogValue, TransactionRecord, TransactionState,
    TransactionalProducer,
};
