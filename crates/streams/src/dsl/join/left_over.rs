//! What a left or outer join of streams does with the records that have found no partner.

use super::stream_stream::{Results, Shared};
use super::unjoined::{Closed, JoinSide, Search, Unjoined};
use super::values::JoinValues;
use super::windows::JoinWindows;
use crate::context::Context;
use crate::error::Failure;
use crate::key::Key;
use crate::record::{Headers, Record};
use crate::serde::{SerdeError, Value};
use crate::store::Arrived;

/// How many results without a partner are made at a time.
const BATCH: usize = 1024;

/// The records of either side that have no partner yet.
pub(super) struct LeftOver<K, V: 'static, W: 'static, R> {
    pub(super) shared: Shared<K, R>,
    pub(super) windows: JoinWindows,
    pub(super) waiting: Unjoined<K>,
    pub(super) results: Results<V, W, R>,
    pub(super) left: JoinValues<V>,
    pub(super) right: JoinValues<W>,
}

impl<K: Key, V: Value, W: Value, R: 'static> LeftOver<K, V, W, R> {
    /// Hands on the records whose windows have closed. `after_ms` is the reach of the side that stream time advanced
    /// on.
    pub(super) fn emit_closed(
        &mut self,
        context: &mut Context<'_>,
        now: i64,
        after_ms: i64,
        headers: &Headers,
    ) -> Result<(), Failure> {
        let Shared { node, out, .. } = self.shared;
        let JoinWindows {
            before_ms,
            after_ms: left_after_ms,
            grace_ms,
        } = self.windows;
        let mark = self
            .waiting
            .mark(context.stores)
            .map_err(|error| context.fatal(node, error))?;
        if mark.saturating_add(after_ms).saturating_add(grace_ms) >= now {
            return Ok(());
        }
        let closed = Closed {
            left: now.saturating_sub(left_after_ms).saturating_sub(grace_ms),
            right: now.saturating_sub(before_ms).saturating_sub(grace_ms),
        };
        let mut search = Search::default();
        while !search.is_finished() {
            let taken = self
                .waiting
                .take(context.stores, &mut search, closed, BATCH, now)
                .map_err(|error| context.fatal(node, error))?;
            for waited in taken {
                for bytes in &waited.values {
                    let Some(value) = self
                        .result(waited.side, bytes)
                        .map_err(|error| context.fatal(node, error))?
                    else {
                        continue;
                    };
                    let result = Record {
                        key: Some(waited.key.clone()),
                        value,
                        timestamp: waited.time,
                        headers: headers.clone(),
                    };
                    context.forward(out, result)?;
                }
            }
        }
        Ok(())
    }

    fn result(&self, side: JoinSide, bytes: &[u8]) -> Result<Option<R>, SerdeError> {
        Ok(match side {
            JoinSide::Left => match self.results.left {
                Some(alone) => Some(alone(self.left.value(bytes)?)),
                None => None,
            },
            JoinSide::Right => match self.results.right {
                Some(alone) => Some(alone(self.right.value(bytes)?)),
                None => None,
            },
        })
    }

    /// Takes out the records that a record of `side` has found.
    pub(super) fn found<O>(
        &mut self,
        context: &mut Context<'_>,
        side: JoinSide,
        key: Option<&K>,
        found: &[Arrived<O>],
    ) -> Result<(), Failure> {
        let other = match side {
            JoinSide::Left => JoinSide::Right,
            JoinSide::Right => JoinSide::Left,
        };
        let Some(key) = key else {
            return Ok(());
        };
        for arrived in found {
            self.waiting
                .remove(context.stores, other, key, arrived.time)
                .map_err(|error| context.fatal(self.shared.node, error))?;
        }
        Ok(())
    }
}
