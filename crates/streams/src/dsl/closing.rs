//! When the windows of a windowed table close, and whether its results wait for that.
//!
//! Known to the aggregation that makes the table and to those behind it that ask for final results. It never looks
//! at a record.

use std::panic::Location;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::dsl::table::Table;
use crate::window::Windowed;

/// Which results a windowed aggregation hands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emit {
    /// How long, in milliseconds of the wall clock, no record may come before the open windows close.
    pub(crate) idle_ms: Option<i64>,
}

/// One result per window, when it closes: when stream time has passed its end and the grace. Kafka Streams'
/// `EmitStrategy.onWindowClose()` (KIP-825).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Final;

impl Final {
    /// Closes the open windows also when no record came for `idle` and there are none left to read. What comes later
    /// for such a window is late, also after a restart.
    pub fn or_idle(self, idle: Duration) -> Emit {
        Emit {
            idle_ms: Some(super::windows::millis_of(idle).max(1)),
        }
    }
}

impl From<Final> for Emit {
    fn from(Final: Final) -> Self {
        Self { idle_ms: None }
    }
}

/// When the windows of a table close.
#[derive(Debug, Clone)]
pub(crate) struct Closing {
    /// How far stream time must be past a window's end.
    pub(crate) after_end_ms: i64,
    /// What [`Emit`] is asked for, in the aggregation that the table comes from; none where it can no longer be.
    pub(crate) emit: Option<Arc<OnceLock<Emit>>>,
}

impl Closing {
    /// When windows that two tables have in common close: the later of both, if both say.
    pub(crate) fn of_both(left: Option<Self>, right: Option<Self>) -> Option<Self> {
        left.zip(right).map(|(left, right)| Self {
            after_end_ms: left.after_end_ms.max(right.after_end_ms),
            emit: None,
        })
    }

    /// The same, no more to be asked for final results.
    pub(crate) fn fixed(self) -> Self {
        Self { emit: None, ..self }
    }
}

impl<K: Send + 'static, W: Send + 'static, V: Send + 'static> Table<'_, Windowed<K, W>, V> {
    /// Hands on one result per window, when it closes, in place of every update.
    ///
    /// The results are read from the windows' store, so nothing is buffered; [`suppress`](Table::suppress) waits for
    /// the same moment with a buffer of its own, behind any table.
    #[track_caller]
    pub fn emit(mut self, emit: impl Into<Emit>) -> Self {
        let slot = self
            .closing
            .as_ref()
            .and_then(|closing| closing.emit.as_ref());
        if slot.is_none_or(|slot| slot.set(emit.into()).is_err()) {
            self.builder.error(
                Location::caller(),
                "emit belongs behind the windowed aggregation whose results it holds back, once, and before a tee",
            );
        }
        self.closing = self.closing.map(Closing::fixed);
        self
    }
}
