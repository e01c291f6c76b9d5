//! The `range` assignor: each topic is cut into as many ranges as it has members, in their order.
//!
//! Members with an instance id come first, by that id, so that a restart which changes member ids
//! does not move their ranges. When all members subscribe to the same topics and these have equally
//! many partitions, each member gets the same partition numbers of every topic.

use std::collections::BTreeMap;

use headwater_protocol::Uuid;

use super::{GroupAssignment, GroupSpec, MemberSpec};
use crate::group::consumer::assignment::Partitions;

/// What is left of a topic for the members still to come.
struct Remaining {
    next: i32,
    /// Partitions for each member at least.
    quota: i32,
    /// Members that get one more.
    extra: i32,
    count: i32,
}

impl Remaining {
    fn take_range(&mut self) -> std::ops::Range<i32> {
        let start = self.next;
        let longer = i32::from(self.extra > 0);
        self.extra -= longer;
        self.next = (start + self.quota + longer).min(self.count);
        start..self.next
    }
}

pub(super) fn assign(group: &GroupSpec) -> GroupAssignment {
    let mut members: Vec<(&String, &MemberSpec)> = group.members.iter().collect();
    members.sort_by_key(|(member_id, member)| {
        let instance_id = member.instance_id.as_ref();
        (instance_id.is_none(), instance_id, *member_id)
    });
    let mut topics: BTreeMap<Uuid, Remaining> = BTreeMap::new();
    for (topic_id, count) in &group.topics {
        let subscribers = members
            .iter()
            .filter(|(_, member)| member.topics.contains(topic_id))
            .count();
        let subscribers = i32::try_from(subscribers.max(1)).unwrap_or(i32::MAX);
        let remaining = Remaining {
            next: 0,
            quota: count / subscribers,
            extra: count % subscribers,
            count: *count,
        };
        topics.insert(*topic_id, remaining);
    }
    let assign = |(member_id, member): (&String, &MemberSpec)| {
        let mut assignment = Partitions::new();
        for topic_id in &member.topics {
            let range = topics.get_mut(topic_id).map(Remaining::take_range);
            if let Some(range) = range.filter(|range| !range.is_empty()) {
                assignment.insert(*topic_id, range.collect());
            }
        }
        (member_id.clone(), assignment)
    };
    members.into_iter().map(assign).collect()
}
