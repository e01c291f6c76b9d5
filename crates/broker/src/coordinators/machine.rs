//! What the runner needs of a coordinator's state machine. There are two: groups and transactions.

use headwater_coordinator::{
    AppendFailure, ConsumerAssignor, CoordinatorRecord, Effect, EndMarkers, GroupConfig,
    GroupCoordinator, MigrationPolicy, Outcome, PartitionSet, ProducerIdAndEpoch, RecordError,
    TransactionConfig, TransactionCoordinator,
};
use headwater_log::Position;

use crate::metadata::{CONSUMER_OFFSETS, Metadata, Refused, TRANSACTION_STATE};

/// A state machine on one partition of an internal topic. The rules are in `headwater-coordinator`.
pub(crate) trait Machine: Send + Sized + 'static {
    /// The internal topic whose partitions these are.
    const TOPIC: &'static str;

    /// A machine that is still loading, set up as the broker's configs say.
    fn new(metadata: &Metadata) -> Self;

    /// Makes the topic if there is none; what shows it waits for the position.
    fn create_topic(metadata: &Metadata) -> Result<Position, Refused>;

    fn replay(&mut self, record: &CoordinatorRecord) -> Result<(), RecordError>;

    /// A record of a batch that is part of a transaction.
    fn replay_transactional(
        &mut self,
        producer: ProducerIdAndEpoch,
        record: &CoordinatorRecord,
    ) -> Result<(), RecordError>;

    /// A producer's transaction has ended in this partition.
    fn replay_end_marker(&mut self, producer: ProducerIdAndEpoch, outcome: Outcome);

    fn loaded(&mut self, now_ms: i64) -> Vec<Effect>;

    fn unload(&mut self) -> Vec<Effect>;

    fn next_deadline_ms(&self) -> Option<i64>;

    fn fire_timer(&mut self, now_ms: i64) -> Vec<Effect>;

    fn append_failed(
        &mut self,
        now_ms: i64,
        failure: AppendFailure,
        rest: Vec<Effect>,
    ) -> Vec<Effect>;

    /// The markers that an effect asked for are appended but for those that remain.
    fn markers_written(
        &mut self,
        now_ms: i64,
        markers: &EndMarkers,
        remaining: PartitionSet,
    ) -> Vec<Effect>;
}

impl Machine for GroupCoordinator {
    const TOPIC: &'static str = CONSUMER_OFFSETS;

    fn new(metadata: &Metadata) -> Self {
        let mut coordinator = GroupCoordinator::new(group_config(metadata));
        coordinator.set_image(metadata.image());
        coordinator
    }

    fn create_topic(metadata: &Metadata) -> Result<Position, Refused> {
        metadata.create_consumer_offsets()
    }

    fn replay(&mut self, record: &CoordinatorRecord) -> Result<(), RecordError> {
        self.replay(record)
    }

    fn replay_transactional(
        &mut self,
        producer: ProducerIdAndEpoch,
        record: &CoordinatorRecord,
    ) -> Result<(), RecordError> {
        self.replay_transactional(producer, record)
    }

    fn replay_end_marker(&mut self, producer: ProducerIdAndEpoch, outcome: Outcome) {
        self.replay_end_marker(producer, outcome);
    }

    fn loaded(&mut self, now_ms: i64) -> Vec<Effect> {
        self.loaded(now_ms)
    }

    fn unload(&mut self) -> Vec<Effect> {
        self.unload()
    }

    fn next_deadline_ms(&self) -> Option<i64> {
        self.next_deadline_ms()
    }

    fn fire_timer(&mut self, now_ms: i64) -> Vec<Effect> {
        self.fire_timer(now_ms)
    }

    fn append_failed(
        &mut self,
        now_ms: i64,
        failure: AppendFailure,
        rest: Vec<Effect>,
    ) -> Vec<Effect> {
        self.append_failed(now_ms, failure, rest)
    }

    /// Groups have no markers written.
    fn markers_written(&mut self, _: i64, _: &EndMarkers, _: PartitionSet) -> Vec<Effect> {
        Vec::new()
    }
}

impl Machine for TransactionCoordinator {
    const TOPIC: &'static str = TRANSACTION_STATE;

    fn new(metadata: &Metadata) -> Self {
        let version = metadata.feature(TRANSACTION_VERSION);
        TransactionCoordinator::new(transaction_config(metadata), version)
    }

    fn create_topic(metadata: &Metadata) -> Result<Position, Refused> {
        metadata.create_transaction_state()
    }

    fn replay(&mut self, record: &CoordinatorRecord) -> Result<(), RecordError> {
        self.replay(record)
    }

    /// Nobody writes to this topic in a transaction.
    fn replay_transactional(
        &mut self,
        _: ProducerIdAndEpoch,
        record: &CoordinatorRecord,
    ) -> Result<(), RecordError> {
        self.replay(record)
    }

    fn replay_end_marker(&mut self, _: ProducerIdAndEpoch, _: Outcome) {}

    fn loaded(&mut self, now_ms: i64) -> Vec<Effect> {
        self.loaded(now_ms)
    }

    fn unload(&mut self) -> Vec<Effect> {
        self.unload()
    }

    fn next_deadline_ms(&self) -> Option<i64> {
        self.next_deadline_ms()
    }

    fn fire_timer(&mut self, now_ms: i64) -> Vec<Effect> {
        self.fire_timer(now_ms)
    }

    fn append_failed(
        &mut self,
        now_ms: i64,
        failure: AppendFailure,
        rest: Vec<Effect>,
    ) -> Vec<Effect> {
        self.append_failed(now_ms, failure, rest)
    }

    fn markers_written(
        &mut self,
        now_ms: i64,
        markers: &EndMarkers,
        remaining: PartitionSet,
    ) -> Vec<Effect> {
        self.markers_written(now_ms, markers, remaining)
    }
}

/// The feature that says how transactions are done.
pub(super) const TRANSACTION_VERSION: &str = "transaction.version";

fn group_config(metadata: &Metadata) -> GroupConfig {
    const MINUTE_MS: i64 = 60_000;
    let int = |name| metadata.number(name) as i32;
    GroupConfig {
        min_session_timeout_ms: int("group.min.session.timeout.ms"),
        max_session_timeout_ms: int("group.max.session.timeout.ms"),
        initial_rebalance_delay_ms: int("group.initial.rebalance.delay.ms"),
        max_size: metadata.number("group.max.size").max(0) as usize,
        offset_metadata_max_bytes: metadata.number("offset.metadata.max.bytes").max(0) as usize,
        offsets_retention_ms: metadata.number("offsets.retention.minutes") * MINUTE_MS,
        offsets_retention_check_interval_ms: metadata.number("offsets.retention.check.interval.ms"),
        consumer_session_timeout_ms: int("group.consumer.session.timeout.ms"),
        consumer_min_session_timeout_ms: int("group.consumer.min.session.timeout.ms"),
        consumer_max_session_timeout_ms: int("group.consumer.max.session.timeout.ms"),
        consumer_heartbeat_interval_ms: int("group.consumer.heartbeat.interval.ms"),
        consumer_min_heartbeat_interval_ms: int("group.consumer.min.heartbeat.interval.ms"),
        consumer_max_heartbeat_interval_ms: int("group.consumer.max.heartbeat.interval.ms"),
        consumer_max_size: metadata.number("group.consumer.max.size").max(0) as usize,
        consumer_assignors: consumer_assignors(metadata),
        migration_policy: metadata
            .text("group.consumer.migration.policy")
            .and_then(|name| MigrationPolicy::from_name(&name))
            .unwrap_or(MigrationPolicy::Bidirectional),
        ..GroupConfig::default()
    }
}

/// Those that are known; a broker with none but unknown ones has the default.
fn consumer_assignors(metadata: &Metadata) -> Vec<ConsumerAssignor> {
    let names = metadata
        .text("group.consumer.assignors")
        .unwrap_or_default();
    let known = names
        .split(',')
        .filter_map(|name| ConsumerAssignor::from_name(name.trim()));
    let assignors: Vec<ConsumerAssignor> = known.collect();
    if assignors.is_empty() {
        return GroupConfig::default().consumer_assignors;
    }
    assignors
}

fn transaction_config(metadata: &Metadata) -> TransactionConfig {
    TransactionConfig {
        max_timeout_ms: metadata.number("transaction.max.timeout.ms") as i32,
        transactional_id_expiration_ms: metadata.number("transactional.id.expiration.ms"),
        abort_timed_out_interval_ms: metadata
            .number("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
        remove_expired_interval_ms: metadata
            .number("transaction.remove.expired.transaction.cleanup.interval.ms"),
        ..TransactionConfig::default()
    }
}
