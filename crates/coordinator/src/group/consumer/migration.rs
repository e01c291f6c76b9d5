//! Between the classic protocol and this one, both ways, without stopping the group.
//!
//! A consumer that joins a classic group of consumers upgrades it: its members go on speaking the
//! classic protocol, as members of the consumer group. When the last consumer goes, those that are
//! left are a classic group again. `group.consumer.migration.policy` may forbid either.

use std::collections::BTreeSet;

use bytes::Bytes;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use headwater_protocol::messages::consumer_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition,
};
use headwater_protocol::messages::join_group::JoinGroupRequestProtocol;

use super::assignment::{Assigned, Partitions};
use super::member::{ConsumerMember, CurrentAssignment, MemberState, topic_set};
use super::refusal::Refusal;
use super::{ConsumerGroup, ConsumerGroupRecord, Draft, draft, member_target_record};
use crate::config::GroupConfig;
use crate::group::classic::{AfterDowngrade, ClassicGroup, MigratingMember, State as ClassicState};
use crate::group::{Groups, embedded};
use crate::image::ClusterImage;
use crate::record::{
    ClassicMemberMetadata, ClassicProtocol, ConsumerGroupMemberMetadata, GroupRecord,
    TargetAssignmentMetadata,
};
use crate::turn::Turn;

/// What was there before the group that a turn works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The group itself.
    Existing,
    /// Nothing, or committed offsets alone.
    New,
    /// A classic group without members.
    EmptyClassic,
    /// A classic group whose members come along.
    Upgraded,
}

/// The metadata of one protocol is as good as that of any other: only the order of names differs.
const UPGRADE_FORBIDDEN: &str = "online upgrade is disabled";

impl Groups {
    /// The group of a heartbeat. Only whoever joins makes or upgrades one.
    pub(super) fn draft_for_heartbeat(
        &self,
        turn: &Turn<'_>,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<(Draft<'_>, Origin), Refusal> {
        let group_id = request.group_id.as_str();
        let joins = request.member_epoch == 0;
        if let Some(group) = self.consumer.get(group_id) {
            check_full(group, &request.member_id, turn.config)?;
            return Ok((Draft::of(group), Origin::Existing));
        }
        match self.classic.get(group_id) {
            Some(_) if !joins => Err(not_found(format!(
                "Group {group_id} is not a consumer group."
            ))),
            None if !joins => Err(not_found(format!("Consumer group {group_id} not found."))),
            Some(classic) if classic.state() != ClassicState::Empty => {
                let draft = upgrade(classic, group_id, turn)?;
                check_full(draft.group(), &request.member_id, turn.config)?;
                Ok((draft, Origin::Upgraded))
            }
            classic => {
                if classic.is_none() && self.count() >= turn.config.max_groups {
                    return Err(Refusal::new(
                        ErrorCode::CoordinatorNotAvailable,
                        "There are too many groups.",
                    ));
                }
                let origin = match classic {
                    Some(_) => Origin::EmptyClassic,
                    None => Origin::New,
                };
                let draft = Draft::of_new(ConsumerGroup::new(group_id), Vec::new());
                Ok((draft, origin))
            }
        }
    }

    /// The classic group is no more, as far as there was one: whoever waits in it joins again.
    pub(super) fn leave_classic(&mut self, turn: &mut Turn<'_>, group_id: &str, origin: Origin) {
        if matches!(origin, Origin::Existing | Origin::New) {
            return;
        }
        let Some(classic) = self.classic.get_mut(group_id) else {
            return;
        };
        classic.abandon(turn, ErrorCode::RebalanceInProgress);
        if classic.durable().is_some() {
            turn.append(&GroupRecord::GroupMetadata {
                group_id: group_id.to_owned(),
                value: None,
            });
        }
    }

    /// The members that are left go on as a classic group, and rebalance.
    pub(super) fn downgrade_without(
        &mut self,
        turn: &mut Turn<'_>,
        group_id: &str,
        gone: &BTreeSet<String>,
    ) {
        let Some(group) = self.consumer.get(group_id) else {
            return;
        };
        let image = turn.image.clone();
        let members = group.classic_members_without(gone, &*image);
        let (epoch, tombstones) = (group.epoch, group.tombstones());
        let member_ids: Vec<String> = group.members.keys().cloned().collect();
        self.downgrade(
            turn,
            group_id,
            epoch,
            &member_ids,
            tombstones,
            &members,
            AfterDowngrade::Rebalance,
        );
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the two groups that it is between"
    )]
    pub(super) fn downgrade(
        &mut self,
        turn: &mut Turn<'_>,
        group_id: &str,
        epoch: i32,
        member_ids: &[String],
        tombstones: Vec<ConsumerGroupRecord>,
        members: &[MigratingMember],
        after: AfterDowngrade,
    ) {
        for member_id in member_ids {
            turn.cancel_timers_of(group_id, member_id);
        }
        draft::append(turn, group_id, tombstones);
        let mut classic = ClassicGroup::downgraded(group_id, epoch, members, turn.now_ms);
        classic.begin_downgraded(turn, members, after);
        self.classic.insert(group_id.to_owned(), classic);
    }
}

impl ConsumerGroup {
    /// Only classic members are left, some at all, and they may.
    pub(super) fn can_downgrade_without(
        &self,
        gone: &BTreeSet<String>,
        config: &GroupConfig,
    ) -> bool {
        let mut left = 0;
        for member in self.members.values() {
            if gone.contains(&member.id) {
                continue;
            }
            if !member.uses_classic_protocol() {
                return false;
            }
            left += 1;
        }
        left > 0 && left <= config.max_size && config.migration_policy.allows_downgrade()
    }

    /// The others, as a classic group has them, with what they are to have.
    pub(super) fn classic_members_without(
        &self,
        gone: &BTreeSet<String>,
        image: &dyn ClusterImage,
    ) -> Vec<MigratingMember> {
        let members = self.members.values();
        members
            .filter(|member| !gone.contains(&member.id))
            .filter_map(|member| {
                let target = self.targets.get(&member.id).cloned().unwrap_or_default();
                to_classic(member, &target, image)
            })
            .collect()
    }
}

fn to_classic(
    member: &ConsumerMember,
    target: &Partitions,
    image: &dyn ClusterImage,
) -> Option<MigratingMember> {
    let classic = member.classic()?;
    let metadata = &member.metadata;
    let protocols = classic.supported_protocols.iter();
    Some(MigratingMember {
        id: member.id.clone(),
        group_instance_id: metadata.instance_id.clone(),
        client_id: metadata.client_id.clone(),
        client_host: metadata.client_host.clone(),
        rebalance_timeout_ms: metadata.rebalance_timeout_ms,
        session_timeout_ms: classic.session_timeout_ms,
        protocols: protocols
            .map(|protocol| JoinGroupRequestProtocol {
                name: protocol.name.clone(),
                metadata: protocol.metadata.clone(),
            })
            .collect(),
        assignment: embedded_assignment(member, target, image),
    })
}

/// As the member's client reads it: by names, at the version it speaks.
pub(super) fn embedded_assignment(
    member: &ConsumerMember,
    partitions: &Partitions,
    image: &dyn ClusterImage,
) -> Bytes {
    let said = member.classic().and_then(|classic| {
        let first = classic.supported_protocols.first()?;
        embedded::version_of(&first.metadata)
    });
    let name = |(topic_id, partitions): (&headwater_protocol::Uuid, &BTreeSet<i32>)| {
        Some(TopicPartition {
            topic: image.topic_name(*topic_id)?.to_owned(),
            partitions: partitions.iter().copied().collect(),
        })
    };
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: partitions.iter().filter_map(name).collect(),
        user_data: None,
    };
    embedded::write_assignment(said.unwrap_or(0), &assignment)
}

/// By ids: topics that do not exist are left out.
pub(super) fn partitions_by_id<'a>(
    topics: &'a [TopicPartition],
    image: &'a dyn ClusterImage,
) -> impl Iterator<Item = (headwater_protocol::Uuid, &'a [i32])> {
    topics
        .iter()
        .filter_map(|topic| Some((image.topic(&topic.topic)?.id, topic.partitions.as_slice())))
}

fn check_full(group: &ConsumerGroup, member_id: &str, config: &GroupConfig) -> Result<(), Refusal> {
    let max_size = config.consumer_max_size;
    if group.members.len() < max_size || group.member(member_id).is_some() {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::GroupMaxSizeReached,
        format!("The consumer group has reached its maximum capacity of {max_size} members."),
    ))
}

fn not_found(message: String) -> Refusal {
    Refusal::new(ErrorCode::GroupIdNotFound, message)
}

fn cannot_upgrade(group_id: &str, reason: &str) -> Refusal {
    not_found(format!(
        "Cannot upgrade classic group {group_id} to consumer group because {reason}."
    ))
}

/// The classic group as a consumer group, at the epoch of its generation.
fn upgrade(
    classic: &ClassicGroup,
    group_id: &str,
    turn: &Turn<'_>,
) -> Result<Draft<'static>, Refusal> {
    if !turn.config.migration_policy.allows_upgrade() {
        return Err(cannot_upgrade(group_id, UPGRADE_FORBIDDEN));
    }
    if !classic.uses_consumer_protocol() {
        let reason = "the group does not use the consumer embedded protocol";
        return Err(cannot_upgrade(group_id, reason));
    }
    if classic.member_count() > turn.config.consumer_max_size {
        let reason = "the group size exceeds the consumer group maximum size";
        return Err(cannot_upgrade(group_id, reason));
    }
    let image = &*turn.image;
    let epoch = classic.generation_id();
    let mut group = ConsumerGroup::new(group_id);
    for (member, said) in classic.migrating_members() {
        let said = embedded::read_subscription(&said)
            .ok_or_else(|| cannot_upgrade(group_id, MALFORMED))?;
        let assigned = assigned_to(&member, group_id, epoch, image)?;
        let target = assigned.partitions();
        let member = ConsumerMember {
            id: member.id.clone(),
            metadata: classic_metadata(&member, &said),
            current: CurrentAssignment {
                epoch,
                previous_epoch: epoch,
                state: MemberState::Stable,
                assigned,
                pending_revocation: Assigned::default(),
            },
        };
        group.apply(member.metadata_record());
        group.apply(member_target_record(&member.id, &target));
        group.apply(member.assignment_record());
    }
    let hash = group.hash_topics(image);
    group.apply(ConsumerGroup::group_record(epoch, hash));
    group.apply(ConsumerGroupRecord::Target(Some(
        TargetAssignmentMetadata {
            assignment_epoch: epoch,
            assignment_timestamp: turn.now_ms,
        },
    )));
    let records = group.records();
    Ok(Draft::of_new(group, records))
}

const MALFORMED: &str = "the embedded consumer protocol is malformed";

fn assigned_to(
    member: &MigratingMember,
    group_id: &str,
    epoch: i32,
    image: &dyn ClusterImage,
) -> Result<Assigned, Refusal> {
    let mut assigned = Assigned::default();
    if member.assignment.is_empty() {
        return Ok(assigned);
    }
    let assignment = embedded::read_assignment(&member.assignment)
        .ok_or_else(|| cannot_upgrade(group_id, MALFORMED))?;
    if assignment.user_data.is_some_and(|data| !data.is_empty()) {
        // Data that an assignor of the clients' own wants back would be lost.
        return Err(cannot_upgrade(
            group_id,
            "an unsupported custom assignor is in use",
        ));
    }
    for (topic_id, partitions) in partitions_by_id(&assignment.assigned_partitions, image) {
        for partition in partitions {
            assigned.insert(topic_id, *partition, epoch);
        }
    }
    Ok(assigned)
}

fn classic_metadata(
    member: &MigratingMember,
    said: &ConsumerProtocolSubscription,
) -> ConsumerGroupMemberMetadata {
    ConsumerGroupMemberMetadata {
        instance_id: member.group_instance_id.clone(),
        rack_id: said.rack_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        subscribed_topic_names: topic_set(&said.topics),
        subscribed_topic_regex: None,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        server_assignor: None,
        classic_member_metadata: Some(ClassicMemberMetadata {
            session_timeout_ms: member.session_timeout_ms,
            supported_protocols: supported_protocols(&member.protocols),
        }),
    }
}

pub(super) fn supported_protocols(protocols: &[JoinGroupRequestProtocol]) -> Vec<ClassicProtocol> {
    let protocols = protocols.iter();
    protocols
        .map(|protocol| ClassicProtocol {
            name: protocol.name.clone(),
            metadata: protocol.metadata.clone(),
        })
        .collect()
}
