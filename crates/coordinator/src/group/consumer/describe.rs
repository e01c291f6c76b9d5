//! A group as administrators see it.

use headwater_protocol::messages::consumer_group_describe::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use headwater_protocol::messages::list_groups::ListedGroup;

use super::ConsumerGroup;
use super::assignment::Partitions;
use super::member::ConsumerMember;
use crate::config::GroupConfig;
use crate::image::ClusterImage;

/// The type of these groups in `ListGroups`.
pub(crate) const GROUP_TYPE: &str = "consumer";
/// Their protocol type, as that of classic groups of consumers.
const PROTOCOL_TYPE: &str = "consumer";

const CLASSIC_MEMBER: i8 = 0;
const CONSUMER_MEMBER: i8 = 1;

impl ConsumerGroup {
    pub(crate) fn list(&self) -> ListedGroup {
        ListedGroup {
            group_id: self.id.clone(),
            protocol_type: PROTOCOL_TYPE.to_owned(),
            group_state: self.state().name().to_owned(),
            group_type: GROUP_TYPE.to_owned(),
        }
    }

    pub(crate) fn describe(
        &self,
        config: &GroupConfig,
        image: &dyn ClusterImage,
    ) -> DescribedGroup {
        let members = self.members.values();
        DescribedGroup {
            group_id: self.id.clone(),
            group_state: self.state().name().to_owned(),
            group_epoch: self.epoch,
            assignment_epoch: self.target_epoch,
            assignor_name: self.preferred_assignor(config).name().to_owned(),
            members: members
                .map(|member| self.describe_member(member, image))
                .collect(),
            ..DescribedGroup::default()
        }
    }

    fn describe_member(&self, member: &ConsumerMember, image: &dyn ClusterImage) -> Member {
        let metadata = &member.metadata;
        // What it has not given up yet is still its own.
        let mut owned = member.current.assigned.partitions();
        for (topic_id, partitions) in member.current.pending_revocation.partitions() {
            owned.entry(topic_id).or_default().extend(partitions);
        }
        let target = self.targets.get(&member.id).cloned().unwrap_or_default();
        Member {
            member_id: member.id.clone(),
            instance_id: metadata.instance_id.clone(),
            rack_id: metadata.rack_id.clone(),
            member_epoch: member.current.epoch,
            client_id: metadata.client_id.clone(),
            client_host: metadata.client_host.clone(),
            subscribed_topic_names: metadata.subscribed_topic_names.clone(),
            subscribed_topic_regex: metadata.subscribed_topic_regex.clone(),
            assignment: describe_assignment(&owned, image),
            target_assignment: describe_assignment(&target, image),
            member_type: if member.uses_classic_protocol() {
                CLASSIC_MEMBER
            } else {
                CONSUMER_MEMBER
            },
        }
    }
}

/// Topics that are gone are left out.
fn describe_assignment(partitions: &Partitions, image: &dyn ClusterImage) -> Assignment {
    let describe = |(topic_id, partitions): (&headwater_protocol::Uuid, &_)| {
        let name = image.topic_name(*topic_id)?;
        let partitions: &std::collections::BTreeSet<i32> = partitions;
        Some(TopicPartitions {
            topic_id: *topic_id,
            topic_name: name.to_owned(),
            partitions: partitions.iter().copied().collect(),
        })
    };
    Assignment {
        topic_partitions: partitions.iter().filter_map(describe).collect(),
    }
}
