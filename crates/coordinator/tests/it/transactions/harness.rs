//! A broker of a few lines for transactions: one journal for records and markers, partitions that may
//! be out of reach, and a crash at any point.

use std::collections::{BTreeMap, BTreeSet};

use headwater_coordinator::{
    AppendFailure, Call, CoordinatorRecord, Effect, Outcome, PartitionSet, ProducerIdAndEpoch,
    Response, Token, Transaction, TransactionConfig, TransactionCoordinator, TransactionState,
    TransactionalProducer,
};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use headwater_protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use headwater_protocol::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use headwater_protocol::messages::init_producer_id::{
    InitProducerIdRequest, InitProducerIdResponse,
};

pub(super) const ID: &str = "payments";
pub(super) const TOPIC: &str = "orders";
pub(super) const OFFSETS: &str = "__consumer_offsets";
pub(super) const TIMEOUT_MS: i32 = 60_000;
/// The first producer id that is given out.
pub(super) const FIRST_ID: i64 = 1_000;

/// What the journal holds, in its order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    Record(CoordinatorRecord),
    Marker {
        topic: String,
        partition: i32,
        producer: ProducerIdAndEpoch,
        outcome: Outcome,
    },
}

pub(super) struct Bench {
    pub(super) coordinator: TransactionCoordinator,
    pub(super) now_ms: i64,
    pub(super) journal: Vec<Entry>,
    /// Set: the log refuses records.
    pub(super) failure: Option<AppendFailure>,
    /// Where no marker can be appended.
    pub(super) out_of_reach: BTreeSet<(String, i32)>,
    config: TransactionConfig,
    version: i16,
    next_id: i64,
    tokens: u64,
    replies: BTreeMap<Token, Response>,
}

impl Bench {
    /// On a store with `transaction.version` 2.
    pub(super) fn new() -> Self {
        Self::with(TransactionConfig::default(), 2)
    }

    pub(super) fn with(config: TransactionConfig, version: i16) -> Self {
        let mut bench = Self {
            coordinator: TransactionCoordinator::new(config.clone(), version),
            now_ms: 1_000_000,
            journal: Vec::new(),
            failure: None,
            out_of_reach: BTreeSet::new(),
            config,
            version,
            next_id: FIRST_ID,
            tokens: 0,
            replies: BTreeMap::new(),
        };
        bench.restart();
        bench
    }

    /// What is in memory is lost; the log is read again.
    pub(super) fn restart(&mut self) {
        self.coordinator = TransactionCoordinator::new(self.config.clone(), self.version);
        for entry in &self.journal {
            if let Entry::Record(record) = entry {
                self.coordinator.replay(record).unwrap();
            }
        }
        let effects = self.coordinator.loaded(self.now_ms);
        self.carry_out(effects);
    }

    /// The same after a power cut that left the first `kept` entries of the journal.
    pub(super) fn crash(&mut self, kept: usize) {
        self.journal.truncate(kept);
        self.restart();
    }

    /// Lets time pass, timers firing when they are due.
    pub(super) fn advance(&mut self, ms: i64) {
        let until_ms = self.now_ms + ms;
        while let Some(deadline_ms) = self
            .coordinator
            .next_deadline_ms()
            .filter(|deadline_ms| *deadline_ms <= until_ms)
        {
            self.now_ms = self.now_ms.max(deadline_ms);
            let effects = self.coordinator.fire_timer(self.now_ms);
            self.carry_out(effects);
        }
        self.now_ms = until_ms;
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut effects = effects.into_iter().enumerate();
        while let Some((index, effect)) = effects.next() {
            match effect {
                Effect::Append { records, producer } => {
                    assert_eq!((index, producer), (0, None));
                    if let Some(failure) = self.failure {
                        let rest = effects.map(|(_, effect)| effect).collect();
                        let failed = self.coordinator.append_failed(self.now_ms, failure, rest);
                        return self.carry_out(failed);
                    }
                    for record in records {
                        self.coordinator.replay(&record).unwrap();
                        self.journal.push(Entry::Record(record));
                    }
                }
                Effect::WriteMarkers(markers) => {
                    let mut remaining = PartitionSet::default();
                    for (topic, partition) in markers.partitions.iter() {
                        if self.out_of_reach.contains(&(topic.to_owned(), partition)) {
                            remaining.insert(topic, partition);
                            continue;
                        }
                        self.journal.push(Entry::Marker {
                            topic: topic.to_owned(),
                            partition,
                            producer: markers.producer,
                            outcome: markers.outcome,
                        });
                    }
                    let next = self
                        .coordinator
                        .markers_written(self.now_ms, &markers, remaining);
                    self.carry_out(next);
                }
                Effect::Reply { token, response } => {
                    let earlier = self.replies.insert(token, response);
                    assert_eq!(earlier, None, "{token:?} answered twice");
                }
            }
        }
    }

    pub(super) fn ask(
        &mut self,
        version: i16,
        decide: impl FnOnce(&mut TransactionCoordinator, Call) -> Vec<Effect>,
    ) -> Response {
        self.tokens += 1;
        let token = Token(self.tokens);
        let call = Call {
            now_ms: self.now_ms,
            version,
            token,
        };
        let effects = decide(&mut self.coordinator, call);
        self.carry_out(effects);
        self.replies
            .remove(&token)
            .expect("transactions are answered at once")
    }

    // Producers.

    /// `InitProducerId` of a producer that begins.
    pub(super) fn init(&mut self) -> InitProducerIdResponse {
        self.init_with(5, &init_request(None))
    }

    /// Of one that says what it was (KIP-360).
    pub(super) fn init_again(&mut self, producer: ProducerIdAndEpoch) -> InitProducerIdResponse {
        self.init_with(5, &init_request(Some(producer)))
    }

    pub(super) fn init_with(
        &mut self,
        version: i16,
        request: &InitProducerIdRequest,
    ) -> InitProducerIdResponse {
        let mut next_id = self.next_id;
        let mut new_producer_id = || {
            next_id += 1;
            Ok(next_id - 1)
        };
        let response = self.ask(version, |coordinator, call| {
            coordinator.init_producer_id(call, request, &mut new_producer_id)
        });
        self.next_id = next_id;
        let Response::InitProducerId(response) = response else {
            panic!("another answer: {response:?}");
        };
        response
    }

    /// A producer that has been let in.
    pub(super) fn producer(&mut self) -> ProducerIdAndEpoch {
        let given = self.init();
        assert_eq!(given.error_code, 0);
        ProducerIdAndEpoch {
            producer_id: given.producer_id,
            producer_epoch: given.producer_epoch,
        }
    }

    /// As often as it takes after an abort.
    pub(super) fn next_producer(&mut self) -> ProducerIdAndEpoch {
        while self.init().error_code == code(ErrorCode::ConcurrentTransactions) {}
        let transaction = self.transaction();
        ProducerIdAndEpoch {
            producer_id: transaction.producer_id,
            producer_epoch: transaction.producer_epoch,
        }
    }

    // Partitions.

    /// `AddPartitionsToTxn`; the error of the first partition.
    pub(super) fn add(
        &mut self,
        version: i16,
        producer: ProducerIdAndEpoch,
        partitions: &[i32],
    ) -> i16 {
        self.add_to(version, ID, producer, partitions)
    }

    pub(super) fn add_to(
        &mut self,
        version: i16,
        transactional_id: &str,
        producer: ProducerIdAndEpoch,
        partitions: &[i32],
    ) -> i16 {
        let transaction = AddPartitionsToTxnTransaction {
            verify_only: false,
            ..transaction(transactional_id, producer, partitions)
        };
        self.added(version, &transaction)[0]
    }

    pub(super) fn added(
        &mut self,
        version: i16,
        transaction: &AddPartitionsToTxnTransaction,
    ) -> Vec<i16> {
        let response = self.ask(version, |coordinator, call| {
            coordinator.add_partitions_to_txn(call, transaction)
        });
        let Response::AddPartitionsToTxn(response) = response else {
            panic!("another answer: {response:?}");
        };
        let topics = response.results_by_transaction.into_iter();
        topics
            .flat_map(|result| result.topic_results)
            .flat_map(|topic| topic.results_by_partition)
            .map(|partition| partition.partition_error_code)
            .collect()
    }

    pub(super) fn add_offsets(&mut self, producer: ProducerIdAndEpoch, partition: i32) -> i16 {
        let request = AddOffsetsToTxnRequest {
            transactional_id: ID.to_owned(),
            producer_id: producer.producer_id,
            producer_epoch: producer.producer_epoch,
            group_id: "readers".to_owned(),
        };
        let offsets = PartitionSet::from_iter([(OFFSETS, partition)]);
        let response = self.ask(4, |coordinator, call| {
            coordinator.add_offsets_to_txn(call, &request, &offsets)
        });
        let Response::AddOffsetsToTxn(response) = response else {
            panic!("another answer: {response:?}");
        };
        response.error_code
    }

    /// A write of a client of `transaction.version` 2, as the broker has it checked.
    pub(super) fn write(
        &mut self,
        producer: ProducerIdAndEpoch,
        partition: i32,
    ) -> Result<(), ErrorCode> {
        self.write_to(TOPIC, producer, partition)
    }

    /// The same of offsets.
    pub(super) fn write_offsets(
        &mut self,
        producer: ProducerIdAndEpoch,
        partition: i32,
    ) -> Result<(), ErrorCode> {
        self.write_to(OFFSETS, producer, partition)
    }

    fn write_to(
        &mut self,
        topic: &str,
        producer: ProducerIdAndEpoch,
        partition: i32,
    ) -> Result<(), ErrorCode> {
        let writer = TransactionalProducer {
            transactional_id: ID,
            producer,
        };
        let partitions = PartitionSet::from_iter([(topic, partition)]);
        let now_ms = self.now_ms;
        let effects = self
            .coordinator
            .add_written_partitions(now_ms, writer, &partitions)?;
        self.carry_out(effects);
        self.coordinator.verify(writer, topic, partition)
    }

    /// Whether an older client may write.
    pub(super) fn verify(
        &self,
        producer: ProducerIdAndEpoch,
        partition: i32,
    ) -> Result<(), ErrorCode> {
        let writer = TransactionalProducer {
            transactional_id: ID,
            producer,
        };
        self.coordinator.verify(writer, TOPIC, partition)
    }

    // Ends.

    pub(super) fn end(
        &mut self,
        version: i16,
        producer: ProducerIdAndEpoch,
        outcome: Outcome,
    ) -> EndTxnResponse {
        let request = EndTxnRequest {
            transactional_id: ID.to_owned(),
            producer_id: producer.producer_id,
            producer_epoch: producer.producer_epoch,
            committed: outcome == Outcome::Commit,
        };
        let mut next_id = self.next_id;
        let mut new_producer_id = || {
            next_id += 1;
            Ok(next_id - 1)
        };
        let response = self.ask(version, |coordinator, call| {
            coordinator.end_txn(call, &request, &mut new_producer_id)
        });
        self.next_id = next_id;
        let Response::EndTxn(response) = response else {
            panic!("another answer: {response:?}");
        };
        response
    }

    /// The producer to go on with.
    pub(super) fn ended(
        &mut self,
        producer: ProducerIdAndEpoch,
        outcome: Outcome,
    ) -> ProducerIdAndEpoch {
        let ended = self.end(5, producer, outcome);
        assert_eq!(ended.error_code, 0);
        ProducerIdAndEpoch {
            producer_id: ended.producer_id,
            producer_epoch: ended.producer_epoch,
        }
    }

    // What there is.

    pub(super) fn transaction(&self) -> Transaction {
        self.find(ID).expect("the id is known")
    }

    pub(super) fn find(&self, transactional_id: &str) -> Option<Transaction> {
        let mut transactions = self.coordinator.transactions();
        let found = transactions.find(|(known, _)| *known == transactional_id);
        found.map(|(_, transaction)| transaction.clone())
    }

    pub(super) fn state(&self) -> TransactionState {
        self.transaction().state
    }

    /// The markers of a partition, in order.
    pub(super) fn markers(&self, topic: &str, partition: i32) -> Vec<(i16, Outcome)> {
        let markers = self.journal.iter().filter_map(|entry| match entry {
            Entry::Marker {
                topic: marked,
                partition: number,
                producer,
                outcome,
            } if marked == topic && *number == partition => {
                Some((producer.producer_epoch, *outcome))
            }
            _ => None,
        });
        markers.collect()
    }
}

pub(super) fn init_request(producer: Option<ProducerIdAndEpoch>) -> InitProducerIdRequest {
    InitProducerIdRequest {
        transactional_id: Some(ID.to_owned()),
        transaction_timeout_ms: TIMEOUT_MS,
        producer_id: producer.map_or(-1, |producer| producer.producer_id),
        producer_epoch: producer.map_or(-1, |producer| producer.producer_epoch),
    }
}

pub(super) fn transaction(
    transactional_id: &str,
    producer: ProducerIdAndEpoch,
    partitions: &[i32],
) -> AddPartitionsToTxnTransaction {
    AddPartitionsToTxnTransaction {
        transactional_id: transactional_id.to_owned(),
        producer_id: producer.producer_id,
        producer_epoch: producer.producer_epoch,
        verify_only: true,
        topics: vec![AddPartitionsToTxnTopic {
            name: TOPIC.to_owned(),
            partitions: partitions.to_vec(),
        }],
    }
}

/// An error as messages carry it.
pub(super) fn code(error: ErrorCode) -> i16 {
    error.into()
}

/// The producer at another epoch.
pub(super) fn at_epoch(producer: ProducerIdAndEpoch, producer_epoch: i16) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch {
        producer_epoch,
        ..producer
    }
}
