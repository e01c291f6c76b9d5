//! The records of one input partition that wait for their turn: the first one decoded, the rest as bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::context::SourceRecord;

/// One input partition of a task.
pub(crate) struct RecordQueue<R> {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    /// Which of the task's sources reads it, and where that keeps the first record.
    pub(crate) source: usize,
    pub(crate) place: usize,
    /// The first record, decoded in its source, and its timestamp.
    head: Option<(R, i64)>,
    waiting: VecDeque<R>,
    /// The largest timestamp that was taken of this partition; -1 before the first.
    pub(crate) partition_time: i64,
    /// The offset behind the last record that was taken or dropped; `None` before the first.
    pub(crate) position: Option<i64>,
    /// What of `position` is committed.
    pub(crate) committed: Option<i64>,
    /// Whether the client has nothing more of this partition at present.
    pub(crate) caught_up: bool,
}

impl<R: SourceRecord> RecordQueue<R> {
    pub(crate) fn new(topic: Arc<str>, partition: i32, source: usize, place: usize) -> Self {
        Self {
            topic,
            partition,
            source,
            place,
            head: None,
            waiting: VecDeque::new(),
            partition_time: -1,
            position: None,
            committed: None,
            caught_up: false,
        }
    }

    /// How many records wait, the first one included.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + usize::from(self.head.is_some())
    }

    /// Adds records behind those that wait.
    pub(crate) fn extend(&mut self, records: impl IntoIterator<Item = R>) {
        self.waiting.extend(records);
    }

    /// The next record that is not decoded, if the place of the first is free.
    pub(crate) fn next_to_load(&mut self) -> Option<R> {
        if self.head.is_some() {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Says that the record is decoded and first.
    pub(crate) fn set_head(&mut self, record: R, timestamp: i64) {
        debug_assert!(self.head.is_none(), "a place holds one record");
        self.head = Some((record, timestamp));
    }

    /// The timestamp of the first record.
    pub(crate) fn head_timestamp(&self) -> Option<i64> {
        self.head.as_ref().map(|(_, timestamp)| *timestamp)
    }

    /// Takes the first record's bytes and moves the partition's time and position past it.
    pub(crate) fn take_head(&mut self) -> Option<(R, i64)> {
        let (record, timestamp) = self.head.take()?;
        self.partition_time = self.partition_time.max(timestamp);
        self.position = Some(record.offset() + 1);
        Some((record, timestamp))
    }
}
