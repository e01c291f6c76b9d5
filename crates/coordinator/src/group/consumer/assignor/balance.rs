//! The `uniform` assignor where members subscribe to different topics.
//!
//! Everyone keeps what it had of the topics it still wants; what is free goes to the subscriber with
//! the fewest partitions, scarce topics first; then partitions move from subscribers with many to
//! subscribers with few, topic by topic, until no topic can be balanced better. Where subscriptions
//! only overlap this need not reach the best balance there is, as in Kafka.

use std::collections::{BTreeMap, BTreeSet};

use headwater_protocol::Uuid;

use super::{GroupAssignment, GroupSpec};
use crate::group::consumer::assignment::Partitions;

/// How often all topics are gone through at most. Each time about halves the imbalance.
const MAX_ROUNDS: usize = 16;

/// An assignment in the making. Members are numbered by their ids' order.
struct Balance<'a> {
    group: &'a GroupSpec,
    subscribers: BTreeMap<Uuid, Vec<usize>>,
    /// Partitions of each member.
    sizes: Vec<usize>,
    /// Whose each partition is, by topic; `None`: free.
    owners: BTreeMap<Uuid, Vec<Option<usize>>>,
}

pub(super) fn assign(group: &GroupSpec) -> GroupAssignment {
    let mut balance = Balance::new(group);
    balance.keep_targets();
    let topics = balance.topics_in_order();
    for topic_id in &topics {
        balance.assign_free(*topic_id);
    }
    for _ in 0..MAX_ROUNDS {
        let mut moved = 0;
        for topic_id in &topics {
            moved += balance.balance_topic(*topic_id);
        }
        if moved == 0 {
            break;
        }
    }
    balance.into_assignment()
}

impl<'a> Balance<'a> {
    fn new(group: &'a GroupSpec) -> Self {
        let mut subscribers: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
        for (index, member) in group.members.values().enumerate() {
            for topic_id in &member.topics {
                subscribers.entry(*topic_id).or_default().push(index);
            }
        }
        let free = |count: i32| vec![None; usize::try_from(count).unwrap_or(0)];
        let owners = subscribers
            .keys()
            .map(|topic_id| (*topic_id, free(group.partitions_of(*topic_id))));
        Self {
            group,
            owners: owners.collect(),
            subscribers,
            sizes: vec![0; group.members.len()],
        }
    }

    fn keep_targets(&mut self) {
        for (index, member) in self.group.members.values().enumerate() {
            for (topic_id, partitions) in &member.target {
                if !member.topics.contains(topic_id) {
                    continue;
                }
                let Some(owners) = self.owners.get_mut(topic_id) else {
                    continue;
                };
                for partition in partitions {
                    let place = usize::try_from(*partition)
                        .ok()
                        .and_then(|place| owners.get_mut(place));
                    if let Some(owner @ None) = place {
                        *owner = Some(index);
                        self.sizes[index] += 1;
                    }
                }
            }
        }
    }

    /// Most partitions for each subscriber first, then fewest subscribers, then by id.
    fn topics_in_order(&self) -> Vec<Uuid> {
        let mut topics: Vec<(Uuid, usize, usize)> = self
            .subscribers
            .iter()
            .map(|(topic_id, subscribers)| {
                let partitions = self.owners.get(topic_id).map_or(0, Vec::len);
                (*topic_id, partitions, subscribers.len())
            })
            .collect();
        // Fractions compared crosswise.
        topics.sort_by(|(id, partitions, members), (other_id, others, of)| {
            (others * members)
                .cmp(&(partitions * of))
                .then(members.cmp(of))
                .then(id.cmp(other_id))
        });
        topics.into_iter().map(|(topic_id, ..)| topic_id).collect()
    }

    fn assign_free(&mut self, topic_id: Uuid) {
        let (Some(owners), Some(subscribers)) = (
            self.owners.get_mut(&topic_id),
            self.subscribers.get(&topic_id),
        ) else {
            return;
        };
        let sizes = &mut self.sizes;
        let mut by_load: BTreeSet<(usize, usize)> = subscribers
            .iter()
            .map(|index| (sizes[*index], *index))
            .collect();
        for owner in owners.iter_mut().filter(|owner| owner.is_none()) {
            let Some((size, index)) = by_load.pop_first() else {
                return;
            };
            *owner = Some(index);
            sizes[index] = size + 1;
            by_load.insert((size + 1, index));
        }
    }

    /// Moves partitions of the topic from subscribers that have two more than another. How many.
    fn balance_topic(&mut self, topic_id: Uuid) -> usize {
        let (Some(owners), Some(subscribers)) = (
            self.owners.get_mut(&topic_id),
            self.subscribers.get(&topic_id),
        ) else {
            return 0;
        };
        let sizes = &mut self.sizes;
        let mut by_load: BTreeSet<(usize, usize)> = subscribers
            .iter()
            .map(|index| (sizes[*index], *index))
            .collect();
        // What each subscriber can give of this topic, highest number last.
        let mut gives: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (partition, owner) in owners.iter().enumerate() {
            if let Some(owner) = owner {
                gives.entry(*owner).or_default().push(partition);
            }
        }
        let mut moved = 0;
        // Each move makes the sum of the squares of the sizes smaller: this ends.
        while let Some((least, to)) = by_load.first().copied() {
            let giver = by_load.iter().rev().find(|(size, index)| {
                *size > least + 1 && gives.get(index).is_some_and(|own| !own.is_empty())
            });
            let Some((most, from)) = giver.copied() else {
                break;
            };
            let Some(partition) = gives.get_mut(&from).and_then(Vec::pop) else {
                break;
            };
            owners[partition] = Some(to);
            gives.entry(to).or_default().push(partition);
            by_load.remove(&(least, to));
            by_load.remove(&(most, from));
            by_load.insert((least + 1, to));
            by_load.insert((most - 1, from));
            sizes[to] = least + 1;
            sizes[from] = most - 1;
            moved += 1;
        }
        moved
    }

    fn into_assignment(self) -> GroupAssignment {
        let mut assignments = vec![Partitions::new(); self.sizes.len()];
        for (topic_id, owners) in self.owners {
            for (owner, partition) in owners.into_iter().zip(0..) {
                if let Some(index) = owner {
                    let topics = &mut assignments[index];
                    topics.entry(topic_id).or_default().insert(partition);
                }
            }
        }
        let member_ids = self.group.members.keys().cloned();
        member_ids.zip(assignments).collect()
    }
}
