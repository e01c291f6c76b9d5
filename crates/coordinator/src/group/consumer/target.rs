//! The target assignment: made anew by an assignor for each epoch of the group.

use std::collections::BTreeMap;

use super::assignor::{ConsumerAssignor, GroupSpec, MemberSpec};
use super::subscription::Surroundings;
use super::{ConsumerGroup, ConsumerGroupRecord, Draft, member_target_record};
use crate::config::GroupConfig;
use crate::image::ClusterImage;
use crate::record::TargetAssignmentMetadata;

impl ConsumerGroup {
    /// The assignor that most members ask for; at a tie, and where nobody asks, the one that comes
    /// first in the configuration.
    pub(super) fn preferred_assignor(&self, config: &GroupConfig) -> ConsumerAssignor {
        let mut votes: BTreeMap<ConsumerAssignor, usize> = BTreeMap::new();
        for member in self.members.values() {
            let asked = member.metadata.server_assignor.as_deref();
            if let Some(assignor) = asked.and_then(ConsumerAssignor::from_name) {
                *votes.entry(assignor).or_default() += 1;
            }
        }
        let votes_of = |assignor: &ConsumerAssignor| votes.get(assignor).copied().unwrap_or(0);
        let configured = config.consumer_assignors.iter().copied();
        configured
            .reduce(|best, next| {
                if votes_of(&next) > votes_of(&best) {
                    next
                } else {
                    best
                }
            })
            .unwrap_or(ConsumerAssignor::Uniform)
    }

    fn spec(&self, image: &dyn ClusterImage) -> GroupSpec {
        let mut spec = GroupSpec::default();
        for member in self.members.values() {
            let topics = self.topic_ids(member, image);
            for topic_id in &topics {
                let topic = image
                    .topic_name(*topic_id)
                    .and_then(|name| image.topic(name));
                spec.topics
                    .insert(*topic_id, topic.map_or(0, |topic| topic.partitions));
            }
            let member_spec = MemberSpec {
                instance_id: member.metadata.instance_id.clone(),
                topics,
                target: self.targets.get(&member.id).cloned().unwrap_or_default(),
            };
            spec.members.insert(member.id.clone(), member_spec);
        }
        spec
    }
}

impl Draft<'_> {
    /// Assigns anew if the group has moved on since the last time. Only targets that differ are
    /// written.
    pub(super) fn retarget(&mut self, around: &Surroundings<'_>) {
        let group = self.group();
        if group.epoch <= group.target_epoch {
            return;
        }
        let epoch = group.epoch;
        let assignor = group.preferred_assignor(around.config);
        let mut assignment = assignor.assign(&group.spec(around.image));
        let member_ids: Vec<String> = group.members.keys().cloned().collect();
        for member_id in member_ids {
            let target = assignment.remove(&member_id).unwrap_or_default();
            if self.group().targets.get(&member_id) != Some(&target) {
                self.write(member_target_record(&member_id, &target));
            }
        }
        self.write(ConsumerGroupRecord::Target(Some(
            TargetAssignmentMetadata {
                assignment_epoch: epoch,
                assignment_timestamp: around.now_ms,
            },
        )));
    }
}
