//! Final results: one per window, handed on when the window closes, as stream time or a time without records has it.
//! Kafka Streams' `emit` (KIP-825).
//!
//! The windows' store is read again for those that closed; how far that went is one of the task's clocks, so no
//! window is emitted twice after a restart. It never changes the store.

use std::sync::{Arc, OnceLock};

use crate::context::{ClockId, Context};
use crate::dsl::closing::Emit;
use crate::dsl::updates::EmitUpdates;
use crate::error::Failure;
use crate::graph::{Cell, Out};
use crate::key::Key;
use crate::processor::PunctuationType;
use crate::record::{Change, Headers, Record};
use crate::store::{SessionStore, StoreError, Stores, WindowStore};
use crate::topology::{Builder, NodeId};
use crate::window::{SessionWindow, TimeWindow, Windowed};

/// Rows that are read at once.
const PAGE: usize = 4096;

/// How often at most, in milliseconds of the wall clock, it is looked at whether records stopped coming.
const LONGEST_LOOK_MS: i64 = 1000;

/// A windowed store as final results need it. A row's place is the time that it is closed by: a window's start, a
/// session's end.
pub(crate) trait ClosedRows<K, V>: Send + 'static {
    /// Rows whose place is within `from..=to`, in order, at most `limit`, with their places.
    fn between(
        &mut self,
        stores: &mut Stores,
        from: i64,
        to: i64,
        limit: usize,
    ) -> Result<Vec<ClosedRow<K, V>>, StoreError>;

    /// The largest place that was put; negative if there is none.
    fn newest(&self, stores: &mut Stores) -> i64;
}

/// A row of a window that closed.
pub(crate) struct ClosedRow<K, V> {
    place: i64,
    key: K,
    value: V,
    timestamp: i64,
}

/// The windows of a store, which all have one size.
pub(crate) struct SizedWindows<K, V: 'static> {
    pub(crate) rows: WindowStore<K, V>,
    pub(crate) size_ms: i64,
}

impl<K: Key, V: Send + 'static> ClosedRows<Windowed<K>, V> for SizedWindows<K, V> {
    fn between(
        &mut self,
        stores: &mut Stores,
        from: i64,
        to: i64,
        limit: usize,
    ) -> Result<Vec<ClosedRow<Windowed<K>, V>>, StoreError> {
        let rows = self.rows.starting_between(stores, from, to, limit)?;
        let rows = rows.into_iter().map(|row| ClosedRow {
            place: row.start,
            key: Windowed::new(row.key, TimeWindow::of_size(row.start, self.size_ms)),
            value: row.value,
            timestamp: row.timestamp,
        });
        Ok(rows.collect())
    }

    fn newest(&self, stores: &mut Stores) -> i64 {
        stores.get_mut(self.rows.id()).clock()
    }
}

impl<K: Key, V: Send + 'static> ClosedRows<Windowed<K, SessionWindow>, V> for SessionStore<K, V> {
    fn between(
        &mut self,
        stores: &mut Stores,
        from: i64,
        to: i64,
        limit: usize,
    ) -> Result<Vec<ClosedRow<Windowed<K, SessionWindow>, V>>, StoreError> {
        let rows = self.ending_between(stores, from, to, limit)?;
        let rows = rows.into_iter().map(|row| ClosedRow {
            place: row.session.end,
            key: Windowed::new(row.key, row.session),
            value: row.value,
            timestamp: row.session.end,
        });
        Ok(rows.collect())
    }

    fn newest(&self, stores: &mut Stores) -> i64 {
        stores.get_mut(self.id()).clock()
    }
}

/// When windows close, in terms of their places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CloseRule {
    /// How far a place lies behind stream time when its window is closed, at least.
    pub(crate) behind_ms: i64,
    /// How far places are apart, where that is known: there is nothing to be read in between.
    pub(crate) advance_ms: i64,
}

/// What the final results of an aggregation share.
pub(crate) struct FinalResults<K: 'static, V: 'static> {
    node: NodeId,
    out: Out<K, Change<V>>,
    rule: CloseRule,
    emit: Arc<OnceLock<Emit>>,
    /// The operator's stream time.
    stream_time: ClockId,
    /// Up to which place rows were emitted.
    emitted: ClockId,
    /// When the last record came, by the wall clock.
    last_record: Cell<i64>,
}

impl<K: Send + 'static, V: Send + 'static> FinalResults<K, V> {
    /// Prepares for final results of `node`, in case they are asked for. `rows` is a handle of their own.
    pub(crate) fn new(
        builder: &Builder,
        node: NodeId,
        store: &str,
        out: Out<K, Change<V>>,
        rule: CloseRule,
        rows: impl ClosedRows<K, V>,
    ) -> Self {
        let results = Self {
            node,
            out,
            rule,
            emit: Arc::default(),
            stream_time: builder.clock(format!("{store}-stream-time")),
            emitted: builder.clock(format!("{store}-emitted")),
            last_record: builder.cell(i64::MIN),
        };
        let mut watch = Some((results.share(), rows));
        builder.on_init(
            node,
            Box::new(move |context| {
                if let Some((results, rows)) = watch.take() {
                    results.watch(context, rows);
                }
                Ok(())
            }),
        );
        results
    }

    fn share(&self) -> Self {
        Self {
            emit: Arc::clone(&self.emit),
            ..*self
        }
    }

    /// What the table is to be asked for final results with.
    pub(crate) fn slot(&self) -> Arc<OnceLock<Emit>> {
        Arc::clone(&self.emit)
    }

    /// Whether updates are handed on.
    #[inline]
    pub(crate) fn updates(&self) -> EmitUpdates {
        match self.emit.get() {
            Some(_) => EmitUpdates::No,
            None => EmitUpdates::Yes,
        }
    }

    /// Moves stream time to a record's timestamp, hands on what that closes, and returns stream time.
    ///
    /// It comes before the record is aggregated: a store that hears of a later window forgets the oldest ones. The
    /// record itself cannot change what it closes.
    #[inline]
    pub(crate) fn advance(
        &self,
        context: &mut Context<'_>,
        rows: &mut impl ClosedRows<K, V>,
        timestamp: i64,
        headers: &Headers,
    ) -> Result<i64, Failure> {
        let stream_time = context.advance(self.stream_time, timestamp);
        if let Some(emit) = self.emit.get() {
            if emit.idle_ms.is_some() {
                let now = context.wall_clock();
                context.with_cell(self.last_record, |_, last| *last = now);
            }
            self.close(context, rows, stream_time, headers)?;
        }
        Ok(stream_time)
    }

    /// Hands on the rows that stream time has closed.
    fn close(
        &self,
        context: &mut Context<'_>,
        rows: &mut impl ClosedRows<K, V>,
        stream_time: i64,
        headers: &Headers,
    ) -> Result<(), Failure> {
        let to = stream_time.saturating_sub(self.rule.behind_ms);
        let emitted = context.clock(self.emitted);
        if to <= emitted || to < 0 {
            return Ok(());
        }
        // Between two places no window begins.
        let advance = self.rule.advance_ms;
        if to / advance * advance > emitted {
            self.emit_between(context, rows, emitted + 1, to, headers)?;
            context.advance(self.emitted, to);
        }
        Ok(())
    }

    fn emit_between(
        &self,
        context: &mut Context<'_>,
        rows: &mut impl ClosedRows<K, V>,
        mut from: i64,
        to: i64,
        headers: &Headers,
    ) -> Result<(), Failure> {
        let mut limit = PAGE;
        loop {
            let mut page = rows
                .between(context.stores, from, to, limit)
                .map_err(|error| context.fatal(self.node, error))?;
            // A full page may end among rows of one place: those are left to the next one, and if there are no
            // others, it has to be larger.
            let next = match (page.first(), page.last()) {
                (Some(first), Some(last)) if page.len() == limit => {
                    if first.place == last.place {
                        limit *= 2;
                        continue;
                    }
                    Some(last.place)
                }
                _ => None,
            };
            if let Some(next) = next {
                page.retain(|row| row.place < next);
            }
            for row in page {
                let value = Change {
                    old: None,
                    new: Some(row.value),
                    latest: true,
                };
                context.forward(
                    self.out,
                    Record {
                        key: Some(row.key),
                        value,
                        timestamp: row.timestamp,
                        headers: headers.clone(),
                    },
                )?;
            }
            match next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
    }

    /// Closes the open windows when no record came for long enough, if that was asked for.
    fn watch(self, context: &mut Context<'_>, mut rows: impl ClosedRows<K, V>) {
        let Some(idle_ms) = self.emit.get().and_then(|emit| emit.idle_ms) else {
            return;
        };
        let now = context.wall_clock();
        context.with_cell(self.last_record, |_, last| *last = now);
        let look_ms = (idle_ms / 10).clamp(1, LONGEST_LOOK_MS);
        let punctuate = Box::new(move |context: &mut Context<'_>, now: i64| {
            let last = context.with_cell(self.last_record, |_, last| *last);
            if now.saturating_sub(last) < idle_ms || !context.caught_up() {
                return Ok(());
            }
            let newest = rows.newest(context.stores);
            if newest <= context.clock(self.emitted) {
                return Ok(());
            }
            // As if a record had come that closes the newest: later ones are late, and stay so after a restart.
            let closing = newest.saturating_add(self.rule.behind_ms);
            let stream_time = context.advance(self.stream_time, closing);
            self.close(context, &mut rows, stream_time, &Headers::default())
        });
        context
            .state
            .punctuators
            .schedule(PunctuationType::WallClock, look_ms, now, punctuate);
    }
}
