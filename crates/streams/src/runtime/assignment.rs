//! Which tasks follow from the partitions that a process was assigned, and which worker has each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{TaskId, TopicPartition};
use crate::topology::{PartitionCounts, Topology};

/// A task with the input partitions it is to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AssignedTask {
    pub(crate) id: TaskId,
    pub(crate) inputs: Vec<Arc<str>>,
}

/// The tasks that can run on these partitions.
///
/// A task with stores runs when all of its partitions are here: the assignor keeps those of equal number together
/// as long as all members subscribe alike, and while they do not (during an upgrade) the task waits. One without
/// stores runs on what is here.
pub(crate) fn tasks(
    topology: &Topology,
    counts: &PartitionCounts,
    assigned: &BTreeSet<TopicPartition>,
) -> Vec<AssignedTask> {
    let mut tasks = Vec::new();
    for id in counts.tasks() {
        let part = &topology.sub_topologies()[id.sub_topology];
        let wanted = counts.inputs(part, id);
        let inputs: Vec<_> = wanted
            .iter()
            .filter(|topic| {
                assigned.contains(&TopicPartition::new(Arc::clone(topic), id.partition))
            })
            .cloned()
            .collect();
        if inputs.is_empty() {
            continue;
        }
        if inputs.len() < wanted.len() && !part.stores.is_empty() {
            tracing::warn!(
                task = %id, assigned = ?inputs, ?wanted,
                "the task waits: another member of the group has the rest of its partitions"
            );
            continue;
        }
        tasks.push(AssignedTask { id, inputs });
    }
    tasks
}

/// Gives each task to a worker: the one that has its stores open, else the one with the fewest tasks.
pub(crate) fn place(
    tasks: &[AssignedTask],
    before: &BTreeMap<TaskId, usize>,
    workers: usize,
) -> BTreeMap<TaskId, usize> {
    let mut placed = BTreeMap::new();
    let mut load = vec![0; workers];
    for task in tasks {
        if let Some(worker) = before.get(&task.id) {
            placed.insert(task.id, *worker);
            load[*worker] += 1;
        }
    }
    for task in tasks {
        if placed.contains_key(&task.id) {
            continue;
        }
        let worker = (0..workers).min_by_key(|worker| load[*worker]).unwrap_or(0);
        placed.insert(task.id, worker);
        load[worker] += 1;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(sub_topology: usize, partition: i32) -> AssignedTask {
        AssignedTask {
            id: TaskId {
                sub_topology,
                partition,
            },
            inputs: vec!["in".into()],
        }
    }

    #[test]
    fn a_task_goes_back_to_the_worker_that_has_its_stores_and_new_ones_are_spread() {
        let tasks = [task(0, 0), task(0, 1), task(0, 2), task(0, 3)];
        let before = BTreeMap::from([(tasks[3].id, 1), (tasks[2].id, 1)]);
        let placed = place(&tasks, &before, 2);
        let workers: Vec<_> = tasks.iter().map(|task| placed[&task.id]).collect();
        assert_eq!(workers, [0, 0, 1, 1]);
        assert_eq!(place(&tasks, &placed, 2), placed, "and stays");
    }
}
