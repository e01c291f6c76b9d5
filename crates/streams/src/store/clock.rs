//! A store's clock, and what it makes old.
//!
//! The clock is the largest time that the store was given. It moves back with an abort, is saved in the checkpoint,
//! and decides what is too old to be told of; nothing here removes a row.

use super::layout::Layout;
use super::store::Store;
use super::table::Table;

impl Store {
    /// The largest time that the store has seen; -1 before the first. It moves back with an abort, and is saved with
    /// the rows.
    pub fn clock(&self) -> i64 {
        self.now.clock
    }

    /// Moves the clock forward to `time` if that is later.
    #[inline]
    pub fn observe(&mut self, time: i64) {
        self.now.clock = self.now.clock.max(time);
    }

    /// The oldest time that is kept, by the clock; `i64::MIN` where time makes nothing old.
    #[inline]
    pub fn oldest(&self) -> i64 {
        self.oldest_at(self.now.clock)
    }

    pub(super) fn oldest_at(&self, clock: i64) -> i64 {
        match self.spec.retention_ms() {
            Some(_) if clock < 0 => i64::MIN,
            // A version may still be asked for as of the very end of the history.
            Some(history_ms) if matches!(self.layout, Layout::Versioned { .. }) => {
                clock.saturating_sub(history_ms)
            }
            Some(retention_ms) => clock.saturating_sub(retention_ms).saturating_add(1),
            None => i64::MIN,
        }
    }

    #[inline]
    pub(super) fn front(&self) -> u64 {
        self.layout.front(self.oldest())
    }

    /// The next sequence number of a store that keeps duplicates.
    pub(crate) fn next_sequence(&mut self) -> u32 {
        let sequence = self.now.sequence;
        self.now.sequence = sequence.wrapping_add(1);
        sequence
    }

    /// Sequence numbers go on behind this one.
    pub(crate) fn observe_sequence(&mut self, sequence: u32) {
        self.now.sequence = self.now.sequence.max(sequence.wrapping_add(1));
    }

    /// Whether a row is too old to be told of.
    pub(super) fn is_dead(&self, key: &[u8]) -> bool {
        let front = self.front();
        front > 0 && key < &front.to_be_bytes()[..]
    }

    /// Tells readers and compactions what is too old, and has it dropped from disk now and then.
    pub(super) fn publish_expiry(&mut self) {
        let Some(retention_ms) = self.spec.retention_ms() else {
            return;
        };
        let oldest = self.oldest_at(self.committed.clock);
        let front = self.layout.front(oldest);
        self.table.expiry().advance(front, oldest);
        let Table::Disk(table) = &self.table else {
            return;
        };
        if matches!(self.layout, Layout::Versioned { .. }) {
            table.expiry().forget_tombstones(oldest);
        }
        let step = (self.layout.segment(retention_ms) / 4).max(1);
        if front >= self.dropped + step {
            self.dropped = front;
            table.state().drop_expired(table.tree(), table.expiry());
        }
    }
}
