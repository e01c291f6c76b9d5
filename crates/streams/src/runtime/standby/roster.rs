//! Which instances hold copies of which tasks' stores: all of them find the same from what they told one another.
//!
//! Never moves a task: where one goes is for the group's assignor alone. But the range assignor is foreseen, so that a
//! copy is where its task goes next.

use std::collections::{BTreeMap, BTreeSet};

use crate::runtime::TaskId;

/// How the group finds an instance for a task whose instance is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Succession {
    /// The range assignor over static members, in the order of their ids: each task's next instance is known.
    Range,
    /// By ids that the group makes, or by a broker's assignor: not to be foreseen, so the copies are spread.
    Unknown,
}

/// The instances of an application, and what each runs.
pub(crate) struct Roster<'a> {
    /// The process ids of those that live.
    pub(crate) instances: BTreeSet<&'a str>,
    /// Who runs each task.
    pub(crate) runs: BTreeMap<TaskId, &'a str>,
    /// How many tasks there are of each sub-topology.
    pub(crate) counts: BTreeMap<usize, i32>,
    pub(crate) succession: Succession,
}

impl Roster<'_> {
    /// The tasks of which instance `own` holds copies, if each has `replicas`.
    pub(crate) fn held_by(
        &self,
        own: &str,
        tasks: impl Iterator<Item = TaskId>,
        replicas: usize,
    ) -> BTreeSet<TaskId> {
        tasks
            .filter(|task| self.holders(*task, replicas).contains(&own))
            .collect()
    }

    /// The instances that hold copies of a task's stores, the one first that has it next if its own goes.
    fn holders(&self, task: TaskId, replicas: usize) -> Vec<&str> {
        let owner = self.runs.get(&task);
        let mut others: Vec<_> = self
            .instances
            .iter()
            .filter(|instance| Some(*instance) != owner)
            .copied()
            .collect();
        if self.succession == Succession::Unknown {
            others.sort_by_key(|instance| (weight(task, instance), *instance));
            others.truncate(replicas);
            return others;
        }
        let count = self.counts.get(&task.sub_topology).copied().unwrap_or(1);
        let mut holders = Vec::new();
        while holders.len() < replicas && !others.is_empty() {
            let next = range(task.partition, count, others.len());
            holders.push(others.remove(next));
        }
        holders
    }
}

/// The member, by its place among `members`, that the range assignor gives one of `count` partitions: each has as many
/// as the others, the first ones one more.
fn range(partition: i32, count: i32, members: usize) -> usize {
    let partition = usize::try_from(partition).unwrap_or(0);
    let count = usize::try_from(count).unwrap_or(1).max(partition + 1);
    let (each, extra) = (count / members, count % members);
    let larger = extra * (each + 1);
    if partition < larger {
        partition / (each + 1)
    } else {
        extra + (partition - larger) / each.max(1)
    }
}

/// Differs from task to task, and is the same in every process (FNV-1a).
fn weight(task: TaskId, instance: &str) -> u64 {
    let name = format!("{task}/{instance}");
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: i32 = 61;

    fn tasks() -> impl Iterator<Item = TaskId> {
        (0..COUNT).map(|partition| TaskId {
            sub_topology: 0,
            partition,
        })
    }

    /// Who has each task when these are all the members.
    fn assigned<'a>(members: &[&'a str]) -> BTreeMap<TaskId, &'a str> {
        let place = |task: &TaskId| members[range(task.partition, COUNT, members.len())];
        tasks().map(|task| (task, place(&task))).collect()
    }

    fn roster<'a>(members: &[&'a str], succession: Succession) -> Roster<'a> {
        Roster {
            instances: members.iter().copied().collect(),
            runs: assigned(members),
            counts: BTreeMap::from([(0, COUNT)]),
            succession,
        }
    }

    #[test]
    fn partitions_are_foreseen_as_the_range_assignor_gives_them() {
        let places = |count, members| -> Vec<_> {
            (0..count)
                .map(|partition| range(partition, count, members))
                .collect()
        };
        assert_eq!(places(3, 2), [0, 0, 1]);
        assert_eq!(places(7, 3), [0, 0, 0, 1, 1, 2, 2]);
        assert_eq!(places(2, 3), [0, 1]);
    }

    #[test]
    fn each_task_has_as_many_standbys_as_wanted_and_none_where_it_runs() {
        let members = ["a", "b", "c"];
        for succession in [Succession::Range, Succession::Unknown] {
            let roster = roster(&members, succession);
            for replicas in 0..4 {
                let held = members.map(|own| roster.held_by(own, tasks(), replicas));
                for (own, held) in members.iter().zip(&held) {
                    assert!(held.iter().all(|task| roster.runs[task] != *own));
                }
                let all: usize = held.iter().map(BTreeSet::len).sum();
                assert_eq!(all, COUNT as usize * replicas.min(2));
                let largest = held.iter().map(BTreeSet::len).max().unwrap();
                assert!(replicas == 0 || largest < 45, "{held:?}");
            }
        }
    }

    #[test]
    fn when_an_instance_goes_its_tasks_go_to_where_their_standbys_are() {
        let members = ["a", "b", "c", "d"];
        let roster = roster(&members, Succession::Range);
        for gone in members {
            let left: Vec<_> = members
                .into_iter()
                .filter(|member| *member != gone)
                .collect();
            let next = assigned(&left);
            for own in &left {
                let held = roster.held_by(own, tasks(), 1);
                let taken_over =
                    tasks().filter(|task| roster.runs[task] == gone && next[task] == *own);
                for task in taken_over {
                    assert!(held.contains(&task), "{task} of {gone} goes to {own}");
                }
            }
        }
    }
}
