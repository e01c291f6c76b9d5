//! What the group gives and takes.
//!
//! Classic groups with the range assignor are eager: everything is taken and given anew. Those of KIP-848, which a
//! program chooses by `group.protocol=consumer`, take and give single partitions; the tasks stop for that moment all
//! the same, with their stores open, so that there is one way for both.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Group;
use crate::error::StreamsError;
use crate::runtime::TopicPartition;
use crate::runtime::consumer::StartOffset;
use crate::runtime::run_state::State;

/// How long the consumer may take to go elsewhere in a partition.
const SEEK_LIMIT: Duration = Duration::from_secs(30);

impl Group {
    pub(super) fn assigned(&mut self, partitions: Vec<TopicPartition>) -> Result<(), StreamsError> {
        tracing::info!(partitions = partitions.len(), "assigned");
        if self.has_left() {
            // It was under way when the group was left.
            return Ok(self.instance.consumer.unassign()?);
        }
        if self.instance.consumer.is_incremental() {
            self.instance.state.set(State::Rebalancing);
            self.suspend_all();
            if self.has_left() {
                return Ok(());
            }
            self.assigned.extend(partitions);
        } else {
            self.assigned = partitions.into_iter().collect();
        }
        self.settled = true;
        self.lost = None;
        self.start_tasks()
    }

    pub(super) fn revoked(&mut self, partitions: &[TopicPartition]) -> Result<(), StreamsError> {
        tracing::info!(partitions = partitions.len(), "revoked");
        self.instance.regroup();
        self.instance.state.set(State::Rebalancing);
        let consumer = &self.instance.consumer;
        if !consumer.is_incremental() {
            let lost = consumer.is_assignment_lost();
            if lost {
                // A worker may wait for minutes for a cluster that is away. Until the consumer is answered it goes on
                // as the member that it was, and as a static one is fenced for good when the cluster is back.
                self.instance.lost.store(true, Ordering::Release);
                consumer.unassign()?;
            }
            self.suspend_all();
            self.lost = None;
            self.assigned.clear();
            self.read.clear();
            self.settled = false;
            if lost {
                let has_left = self.has_left();
                self.instance.lost.store(has_left, Ordering::Release);
                return Ok(());
            }
            return Ok(self.instance.consumer.unassign()?);
        }
        self.suspend_all();
        self.lost = None;
        if self.has_left() {
            // What was left took all with it.
            return Ok(());
        }
        for partition in partitions {
            self.assigned.remove(partition);
            self.read.remove(partition);
        }
        self.instance.consumer.remove(partitions)?;
        self.start_tasks()
    }

    /// Has the consumer read these partitions, from these offsets, and no others.
    pub(super) fn read(
        &mut self,
        partitions: &[(TopicPartition, StartOffset)],
    ) -> Result<(), StreamsError> {
        let consumer = &self.instance.consumer;
        if !consumer.is_incremental() {
            return Ok(consumer.assign(partitions)?);
        }
        let (known, new): (Vec<_>, Vec<_>) = partitions
            .iter()
            .cloned()
            .partition(|(partition, _)| self.read.contains(partition));
        for (partition, _) in &new {
            // One that no task reads yet waits in its own queue, not among the consumer's events.
            drop(consumer.queue(partition)?);
        }
        consumer.add(&new)?;
        self.read
            .extend(new.into_iter().map(|(partition, _)| partition));
        if !known.is_empty() {
            consumer.seek(&known, SEEK_LIMIT)?;
        }
        Ok(())
    }
}
