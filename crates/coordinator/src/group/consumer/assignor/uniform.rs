//! The `uniform` assignor where all members subscribe to the same topics.
//!
//! No member has two partitions more than another. Within that, everyone keeps what it had: places
//! for one partition more than the others go first to members that have as many.

use std::collections::HashSet;

use headwater_protocol::Uuid;

use super::{GroupAssignment, GroupSpec};
use crate::group::consumer::assignment::Partitions;

pub(super) fn assign(group: &GroupSpec) -> GroupAssignment {
    if group.topics.is_empty() {
        return GroupAssignment::new();
    }
    let mut taken = HashSet::new();
    let mut held: Vec<(&String, Vec<(Uuid, i32)>)> = group
        .members
        .iter()
        .map(|(member_id, member)| {
            let mut valid = valid_target(group, &member.target);
            // After a classic leader, whose assignment may have been anything.
            valid.retain(|partition| taken.insert(*partition));
            (member_id, valid)
        })
        .collect();
    let total = group.total_partitions();
    let quota = total / held.len();
    let mut longer = total % held.len();
    let sizes: Vec<usize> = held
        .iter()
        .map(|(_, partitions)| partitions.len())
        .collect();
    // Those that keep more than the quota come first, then whoever is next.
    let mut quotas = vec![quota; held.len()];
    for keeps in [true, false] {
        for (index, size) in sizes.iter().enumerate() {
            if longer > 0 && (*size > quota) == keeps {
                quotas[index] += 1;
                longer -= 1;
            }
        }
    }
    for ((_, partitions), quota) in held.iter_mut().zip(&quotas) {
        partitions.truncate(*quota);
    }
    let kept = held.iter().flat_map(|(_, partitions)| partitions);
    let mut free = unassigned(group, &kept.copied().collect()).into_iter();
    let mut assignment = GroupAssignment::new();
    for ((member_id, mut partitions), quota) in held.into_iter().zip(quotas) {
        let missing = quota.saturating_sub(partitions.len());
        partitions.extend(free.by_ref().take(missing));
        let mut by_topic = Partitions::new();
        for (topic_id, partition) in partitions {
            by_topic.entry(topic_id).or_default().insert(partition);
        }
        assignment.insert(member_id.clone(), by_topic);
    }
    assignment
}

/// What the member was to have and can still have, topic by topic.
fn valid_target(group: &GroupSpec, target: &Partitions) -> Vec<(Uuid, i32)> {
    let mut valid = Vec::new();
    for (topic_id, partitions) in target {
        let count = group.partitions_of(*topic_id);
        let exist = partitions.iter().filter(|partition| **partition < count);
        valid.extend(exist.map(|partition| (*topic_id, *partition)));
    }
    valid
}

/// All other partitions of the topics.
fn unassigned(group: &GroupSpec, assigned: &HashSet<(Uuid, i32)>) -> Vec<(Uuid, i32)> {
    let all = group
        .topics
        .iter()
        .flat_map(|(topic_id, count)| (0..*count).map(|partition| (*topic_id, partition)));
    all.filter(|partition| !assigned.contains(partition))
        .collect()
}
