//! The state machine of one partition of `__transaction_state`.
//!
//! Owns the order of things: loading before requests, one append per call, replay before the next.
//! What a transaction may do is decided in the files beside this one.

use std::collections::BTreeMap;

use headwater_protocol::{ErrorCode, Request};

use super::config::TransactionConfig;
use super::partition_set::PartitionSet;
use super::record::{TransactionLogValue, TransactionRecord};
use super::{NO_PRODUCER_EPOCH, Transaction};
use crate::effect::{AppendFailure, Call, CoordinatorRecord, Effect, EndMarkers};
use crate::record::RecordError;
use crate::response::Response;
use crate::timers::Timers;

/// Whether the partition has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Loading,
    Serving,
    Unloaded,
}

/// What a deadline is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The regular search for transactions that take too long.
    FindTimedOut,
    /// One of them is aborted.
    Abort { transactional_id: String },
    /// Markers that could not be appended are tried again.
    WriteMarkers { transactional_id: String },
    /// The regular search for ids that nobody uses.
    RemoveExpired,
}

/// The transactions of one partition of `__transaction_state`.
#[derive(Debug)]
pub struct TransactionCoordinator {
    pub(super) config: TransactionConfig,
    phase: Phase,
    /// The finalized level of `transaction.version`.
    pub(super) version: i16,
    /// Durable but for the last epochs: set by replay only.
    pub(super) transactions: BTreeMap<String, Transaction>,
    /// The partitions of prepared transactions that have no marker yet. A restart begins anew.
    pub(super) unmarked: BTreeMap<String, PartitionSet>,
    pub(super) timers: Timers<Timer>,
    /// The last epochs of what the latest append wrote, until it is replayed: the log has no place
    /// for them, as in Kafka.
    last_epochs: BTreeMap<String, i16>,
    /// Ids that the latest append wrote.
    written: Vec<String>,
}

/// What one call brings about: one append, then the rest.
#[derive(Debug, Default)]
pub(super) struct Turn {
    records: Vec<CoordinatorRecord>,
    rest: Vec<Effect>,
}

impl Turn {
    pub(super) fn reply(&mut self, call: Call, response: impl Into<Response>) {
        self.rest.push(Effect::Reply {
            token: call.token,
            response: response.into(),
        });
    }

    pub(super) fn write_markers(&mut self, markers: EndMarkers) {
        self.rest.push(Effect::WriteMarkers(markers));
    }

    pub(super) fn finish(self) -> Vec<Effect> {
        let mut effects = Vec::with_capacity(self.rest.len() + 1);
        if !self.records.is_empty() {
            effects.push(Effect::Append {
                records: self.records,
                producer: None,
            });
        }
        effects.extend(self.rest);
        effects
    }
}

impl TransactionCoordinator {
    /// An empty coordinator that is still loading. `version`: the level of `transaction.version`.
    pub fn new(config: TransactionConfig, version: i16) -> Self {
        Self {
            config,
            phase: Phase::Loading,
            version,
            transactions: BTreeMap::new(),
            unmarked: BTreeMap::new(),
            timers: Timers::default(),
            last_epochs: BTreeMap::new(),
            written: Vec::new(),
        }
    }

    /// The level of `transaction.version` is another one from here on.
    pub fn set_transaction_version(&mut self, version: i16) {
        self.version = version;
    }

    /// Applies one record of the partition: the only thing that changes durable state.
    /// Records of kinds that are not known are skipped.
    pub fn replay(&mut self, record: &CoordinatorRecord) -> Result<(), RecordError> {
        self.written.clear();
        let TransactionRecord::Transaction {
            transactional_id,
            value,
        } = TransactionRecord::decode(record)?
        else {
            return Ok(());
        };
        let last_epoch = self.last_epochs.remove(&transactional_id);
        let Some(value) = value else {
            self.unmarked.remove(&transactional_id);
            self.transactions.remove(&transactional_id);
            return Ok(());
        };
        let transaction = value.into_transaction(last_epoch.unwrap_or(NO_PRODUCER_EPOCH))?;
        if transaction.state.is_prepared() {
            let partitions = transaction.partitions.clone();
            self.unmarked.insert(transactional_id.clone(), partitions);
        } else {
            self.unmarked.remove(&transactional_id);
        }
        self.transactions.insert(transactional_id, transaction);
        Ok(())
    }

    /// All records of the partition have been replayed: requests are served, and what is prepared
    /// is driven to its end.
    pub fn loaded(&mut self, now_ms: i64) -> Vec<Effect> {
        self.phase = Phase::Serving;
        self.schedule_searches(now_ms);
        let prepared: Vec<String> = self.unmarked.keys().cloned().collect();
        let mut turn = Turn::default();
        for transactional_id in &prepared {
            self.write_outstanding_markers(&mut turn, transactional_id);
        }
        turn.finish()
    }

    /// Every later request is answered `NotCoordinator`.
    pub fn unload(&mut self) -> Vec<Effect> {
        self.phase = Phase::Unloaded;
        self.transactions.clear();
        self.unmarked.clear();
        self.timers = Timers::default();
        Vec::new()
    }

    /// When [`Self::fire_timer`] is to be called next, if ever.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.timers.next_deadline_ms()
    }

    /// Fires the earliest timer that is due by now, if one is.
    pub fn fire_timer(&mut self, now_ms: i64) -> Vec<Effect> {
        let mut turn = Turn::default();
        match self.timers.pop_due(now_ms) {
            Some(Timer::FindTimedOut) => self.find_timed_out(now_ms),
            Some(Timer::Abort { transactional_id }) => {
                self.abort_timed_out(&mut turn, &transactional_id, now_ms);
            }
            Some(Timer::WriteMarkers { transactional_id }) => {
                self.write_outstanding_markers(&mut turn, &transactional_id);
            }
            Some(Timer::RemoveExpired) => self.remove_expired(&mut turn, now_ms),
            None => {}
        }
        turn.finish()
    }

    /// The log refused the records of the latest [`Effect::Append`], and nothing was replayed.
    /// `rest`: the effects of the same call that came after it. A transaction that is being completed
    /// is tried again later; the producer of any other tries itself.
    pub fn append_failed(
        &mut self,
        now_ms: i64,
        failure: AppendFailure,
        rest: Vec<Effect>,
    ) -> Vec<Effect> {
        let code = match failure {
            AppendFailure::Storage => ErrorCode::NotCoordinator,
            AppendFailure::TooLarge => ErrorCode::UnknownServerError,
            AppendFailure::Producer(code) => code,
        };
        self.last_epochs.clear();
        for transactional_id in std::mem::take(&mut self.written) {
            if self.unmarked.contains_key(&transactional_id) {
                self.retry_markers(transactional_id, now_ms);
            }
        }
        let refused = |effect| match effect {
            Effect::Reply { token, response } => Some(Effect::Reply {
                token,
                response: response.into_error(code),
            }),
            Effect::Append { .. } | Effect::WriteMarkers(_) => None,
        };
        rest.into_iter().filter_map(refused).collect()
    }

    /// Why a request cannot be looked at now, if that is so.
    pub(super) fn check_serving(&self) -> Result<(), ErrorCode> {
        match self.phase {
            Phase::Serving => Ok(()),
            Phase::Loading => Err(ErrorCode::CoordinatorLoadInProgress),
            Phase::Unloaded => Err(ErrorCode::NotCoordinator),
        }
    }

    /// Answers at once what needs no change.
    pub(super) fn refuse<R>(call: Call, request: &R, code: ErrorCode) -> Vec<Effect>
    where
        R: Request,
        R::Response: Into<Response>,
    {
        let mut turn = Turn::default();
        turn.reply(call, request.error_response(code, call.version));
        turn.finish()
    }

    /// Has the next state of a transactional id appended.
    pub(super) fn append(
        &mut self,
        turn: &mut Turn,
        transactional_id: &str,
        transaction: &Transaction,
    ) {
        let last_epoch = transaction.last_producer_epoch;
        self.last_epochs
            .insert(transactional_id.to_owned(), last_epoch);
        self.append_record(turn, transactional_id, Some(transaction.into()));
    }

    /// Has the id forgotten.
    pub(super) fn append_tombstone(&mut self, turn: &mut Turn, transactional_id: &str) {
        self.append_record(turn, transactional_id, None);
    }

    fn append_record(
        &mut self,
        turn: &mut Turn,
        transactional_id: &str,
        value: Option<TransactionLogValue>,
    ) {
        let record = TransactionRecord::Transaction {
            transactional_id: transactional_id.to_owned(),
            value,
        };
        let record = record
            .encode(self.version)
            .expect("names come from requests, which have the same limits");
        self.written.push(transactional_id.to_owned());
        turn.records.push(record);
    }

    pub(super) fn schedule_searches(&mut self, now_ms: i64) {
        self.schedule_in(
            Timer::FindTimedOut,
            now_ms,
            self.config.abort_timed_out_interval_ms,
        );
        self.schedule_in(
            Timer::RemoveExpired,
            now_ms,
            self.config.remove_expired_interval_ms,
        );
    }

    /// Schedules a timer, never for the same moment, so that none fires for ever.
    pub(super) fn schedule_in(&mut self, timer: Timer, now_ms: i64, delay_ms: i64) {
        self.timers
            .schedule(timer, now_ms.saturating_add(delay_ms.max(1)));
    }

    /// What the log has told: for comparisons, and for those who look after a store.
    pub fn transactions(&self) -> impl Iterator<Item = (&str, &Transaction)> {
        self.transactions
            .iter()
            .map(|(transactional_id, transaction)| (transactional_id.as_str(), transaction))
    }
}
