//! A group while a turn works on it: the group as of the log, and the records to come.
//!
//! The group is copied when the first record is written, so that a heartbeat that changes nothing
//! copies nothing. What was drafted becomes the group only when its records are replayed.

use std::borrow::Cow;

use super::ConsumerGroup;
use crate::record::{ConsumerGroupRecord, GroupRecord};
use crate::turn::Turn;

pub(crate) struct Draft<'a> {
    group: Cow<'a, ConsumerGroup>,
    records: Vec<ConsumerGroupRecord>,
}

impl<'a> Draft<'a> {
    /// Of a group that the log has.
    pub(crate) fn of(group: &'a ConsumerGroup) -> Self {
        Self {
            group: Cow::Borrowed(group),
            records: Vec::new(),
        }
    }

    /// Of a group that the log does not have yet: with the records that make it.
    pub(crate) fn of_new(group: ConsumerGroup, records: Vec<ConsumerGroupRecord>) -> Self {
        Self {
            group: Cow::Owned(group),
            records,
        }
    }

    /// The group with everything written so far.
    pub(crate) fn group(&self) -> &ConsumerGroup {
        &self.group
    }

    pub(crate) fn write(&mut self, record: ConsumerGroupRecord) {
        self.group.to_mut().apply(record.clone());
        self.records.push(record);
    }

    pub(crate) fn into_records(self) -> Vec<ConsumerGroupRecord> {
        self.records
    }
}

/// Writes a group's records.
pub(crate) fn append(turn: &mut Turn<'_>, group_id: &str, records: Vec<ConsumerGroupRecord>) {
    for record in records {
        turn.append(&GroupRecord::ConsumerGroup {
            group_id: group_id.to_owned(),
            record,
        });
    }
}
