//! A commit of all tasks of a worker.
//!
//! The order is what makes a crash at any moment harmless: what the tasks hold back and the stores' changes go to
//! the producer, everything that was sent is waited for, the offsets are committed (in one transaction with all that
//! was sent, under exactly-once), and only then the stores take their changes over, with the changelogs' offsets in
//! the same atomic write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::client::{ClientError, ErrorKind};
use super::consumer::OffsetToCommit;
use super::instance::{Instance, Trouble, wall_clock};
use super::producer::Producer;
use super::running_task::RunningTask;
use super::task::Committable;
use super::{TaskId, TopicPartition};
use crate::store::{Changelog, StoreId};

/// Commits; false if there was nothing to.
///
/// # Errors
/// Nothing is committed, or what is cannot be told: the tasks have to go back to the last commit, wherever that is.
pub(crate) fn commit(
    instance: &Instance,
    producer: &mut Producer,
    tasks: &mut BTreeMap<TaskId, RunningTask>,
) -> Result<bool, Trouble> {
    let mut offsets = Vec::new();
    let mut touched = Vec::new();
    for (id, running) in tasks.iter_mut() {
        if running.task.needs_commit() {
            let positions = running.task.prepare_commit(producer);
            offsets.extend(positions.map_err(|failure| Trouble::Task(*id, failure))?);
            touched.push(*id);
        }
    }
    if touched.is_empty() {
        return Ok(false);
    }
    let offsets: Vec<_> = offsets.into_iter().map(to_commit).collect();
    if producer.is_transactional() {
        producer.begin()?;
        // First: while partitions are being added to the transaction, the offsets wait for them, and twice as long.
        producer.flush()?;
        // Asked for anew each time: it carries the generation, which fences whoever was left behind.
        let group = instance.consumer.group_metadata()?;
        // Looked at after that: the generation that the consumer joins next would pass for that of the lost tasks.
        check_not_lost(instance)?;
        producer.send_offsets(&offsets, &group)?;
        producer.commit()?;
    } else {
        producer.flush()?;
        check_not_lost(instance)?;
        instance.consumer.commit(&offsets)?;
    }
    let mut batch = instance.database.batch(wall_clock());
    for id in &touched {
        let running = tasks.get_mut(id).expect("it was just prepared");
        for (store_id, store) in running.task.stores_mut().iter_mut() {
            let changelog = changelog_offset(instance, producer, &offsets, *id, store_id);
            // Nothing new was sent where the producer's last record is from before the task was elsewhere.
            let known = store.checkpoint();
            store.commit(&mut batch, changelog.filter(|offset| Some(*offset) > known));
        }
    }
    batch.commit()?;
    for id in &touched {
        tasks
            .get_mut(id)
            .expect("it was just committed")
            .task
            .committed();
    }
    for offset in &offsets {
        instance.processed(&offset.partition, offset.offset);
    }
    Ok(true)
}

fn check_not_lost(instance: &Instance) -> Result<(), ClientError> {
    if instance.lost.load(Ordering::Acquire) {
        return Err(ClientError::own(
            ErrorKind::Fenced,
            "committing",
            "the group took the tasks for dead and gave them away",
        ));
    }
    Ok(())
}

fn to_commit(position: Committable) -> OffsetToCommit {
    OffsetToCommit {
        partition: TopicPartition::new(position.topic, position.partition),
        offset: position.offset,
        metadata: position.metadata,
    }
}

/// The offset of the last record that the store's changelog has of it.
fn changelog_offset(
    instance: &Instance,
    producer: &Producer,
    offsets: &[OffsetToCommit],
    task: TaskId,
    store: StoreId,
) -> Option<i64> {
    let spec = &instance.topology.stores()[store.index()];
    let partition = |topic: &str| TopicPartition::new(Arc::from(topic), task.partition);
    match &spec.changelog {
        Changelog::None => None,
        Changelog::Topic(_) => {
            let topic = spec.changelog_topic(instance.topology.application())?;
            producer.acknowledged(&partition(&topic))
        }
        // The input itself is the changelog, and is read up to here.
        Changelog::SourceTopic(topic) => {
            let read = partition(topic);
            let offset = offsets.iter().find(|offset| offset.partition == read)?;
            Some(offset.offset - 1)
        }
    }
}
