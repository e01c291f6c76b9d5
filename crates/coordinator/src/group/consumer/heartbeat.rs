//! `ConsumerGroupHeartbeat`: a member joins, tells its news and learns what it has.
//!
//! Three steps, each of which may have nothing to do: the member is made or changed, and the group's
//! epoch grows if that changes anything for others; the target assignment is made for that epoch;
//! and the member goes on towards its target.

use std::collections::BTreeSet;

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::consumer_group_heartbeat::{
    Assignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions,
};

use super::member::{ConsumerMember, CurrentAssignment, LEAVING, LEFT_FOR_A_WHILE, topic_set};
use super::migration::Origin;
use super::reconcile::{MustRejoin, Step, Subscription};
use super::refusal::Refusal;
use super::session::effective;
use super::static_member::check_released;
use super::subscription::{Noticed, Surroundings};
use super::{ConsumerGroup, Draft, draft, request};
use crate::effect::{Call, Client};
use crate::group::Groups;
use crate::record::ConsumerGroupMemberMetadata;
use crate::turn::Turn;

impl Groups {
    /// `may_describe`: whether whoever asks may know of a topic.
    pub(crate) fn consumer_group_heartbeat(
        &mut self,
        turn: &mut Turn<'_>,
        call: Call,
        client: Client<'_>,
        request: &ConsumerGroupHeartbeatRequest,
        may_describe: &dyn Fn(&str) -> bool,
    ) {
        let answered = request::check(call.version, request, turn.config).and_then(|()| {
            if matches!(request.member_epoch, LEAVING | LEFT_FOR_A_WHILE) {
                self.leave_consumer_group(turn, request)
            } else {
                self.heartbeat_of_consumer(turn, client, request, may_describe)
            }
        });
        let response = answered.unwrap_or_else(Refusal::into_response);
        turn.reply(call.token, response);
    }

    fn heartbeat_of_consumer(
        &mut self,
        turn: &mut Turn<'_>,
        client: Client<'_>,
        request: &ConsumerGroupHeartbeatRequest,
        may_describe: &dyn Fn(&str) -> bool,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refusal> {
        let image = turn.image.clone();
        let around = Surroundings {
            image: &*image,
            config: turn.config,
            now_ms: turn.now_ms,
        };
        let group_id = request.group_id.as_str();
        let (mut draft, origin) = self.draft_for_heartbeat(turn, request)?;
        let member_id = if request.member_id.is_empty() {
            client.new_member_uuid
        } else {
            request.member_id.as_str()
        };
        let before = draft.member_for_heartbeat(request, member_id)?;
        let metadata = metadata_of(&before, client, request);
        let subscription = draft.update_member(&before, metadata, &around)?;
        let regexes = draft.resolve_regexes(&around, may_describe);
        let noticed = draft.refresh(subscription, regexes, &around);
        draft.retarget(&around);
        let reported = request::reported(request);
        let after = draft.reconcile(member_id, subscription, reported, &around)?;
        let rebalance_timeout_ms = draft
            .group()
            .member(member_id)
            .map_or(0, |member| member.metadata.rebalance_timeout_ms);
        let old_sessions = draft.sessions_to_start(origin);
        let records = draft.into_records();

        self.leave_classic(turn, group_id, origin);
        draft::append(turn, group_id, records);
        for (classic_id, session_ms) in old_sessions {
            turn.schedule_session(group_id, &classic_id, session_ms);
        }
        let session_ms = effective::session_timeout_ms(turn, group_id);
        turn.schedule_session(group_id, member_id, session_ms);
        turn.follow_revocation(group_id, member_id, &before, &after, rebalance_timeout_ms);
        self.notice(group_id, noticed);
        let tell = request.member_epoch == 0
            || request::is_full(request)
            || before.current.assigned.partitions() != after.assigned.partitions();
        Ok(ConsumerGroupHeartbeatResponse {
            member_id: Some(member_id.to_owned()),
            member_epoch: after.epoch,
            heartbeat_interval_ms: effective::heartbeat_interval_ms(turn, group_id),
            assignment: tell.then(|| Assignment {
                topic_partitions: after.assigned.to_wire(),
            }),
            ..ConsumerGroupHeartbeatResponse::default()
        })
    }

    /// Of a group that this turn has made, nothing can be remembered yet; it is noticed again.
    pub(super) fn notice(&mut self, group_id: &str, noticed: Noticed) {
        if let Some(group) = self.consumer.get_mut(group_id) {
            group.checked_version = noticed.checked_version.or(group.checked_version);
            group.looked = noticed.looked.or(group.looked);
        }
    }
}

impl Draft<'_> {
    /// The member that asks: known, replaced or new.
    fn member_for_heartbeat(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
        member_id: &str,
    ) -> Result<ConsumerMember, Refusal> {
        let group = self.group();
        let joins = request.member_epoch == 0;
        let Some(instance_id) = request.instance_id.as_deref() else {
            return match group.member(member_id) {
                Some(member) => {
                    check_epoch(member, request)?;
                    Ok(member.clone())
                }
                None if joins => Ok(ConsumerMember::new(member_id)),
                None => Err(unknown_member(group, member_id)),
            };
        };
        if !joins {
            let member = group.instance_of(instance_id, member_id)?;
            check_epoch(member, request)?;
            return Ok(member.clone());
        }
        match group.static_member(instance_id).cloned() {
            None => Ok(group
                .member(member_id)
                .cloned()
                .unwrap_or_else(|| ConsumerMember::new(member_id))),
            Some(holder) => {
                if !holder.uses_classic_protocol() {
                    check_released(&holder, instance_id, member_id)?;
                }
                Ok(self.replace_member(&holder, member_id))
            }
        }
    }

    /// One step of the member towards its target.
    pub(super) fn reconcile(
        &mut self,
        member_id: &str,
        subscription: Subscription,
        reported: Option<&[TopicPartitions]>,
        around: &Surroundings<'_>,
    ) -> Result<CurrentAssignment, Refusal> {
        let group = self.group();
        let Some(member) = group.member(member_id) else {
            return Err(unknown_member(group, member_id));
        };
        let nothing = BTreeSet::new();
        let settled = subscription == Subscription::Unchanged
            && member.current.is_reconciled_to(group.target_epoch);
        let subscribed = if settled {
            nothing
        } else {
            group.topic_ids(member, around.image)
        };
        let no_target = super::Partitions::new();
        let step = Step {
            current: &member.current,
            target_epoch: group.target_epoch,
            target: group.targets.get(member_id).unwrap_or(&no_target),
            subscribed: &subscribed,
            subscription,
            reported,
            is_owned: &|topic_id, partition| group.is_owned(topic_id, partition),
        };
        let after = step.take().map_err(|MustRejoin| {
            Refusal::new(
                ErrorCode::FencedMemberEpoch,
                "The consumer group member is in a unknown state. \
                 The member must abandon all its partitions and rejoin.",
            )
        })?;
        if after != member.current {
            let mut member = member.clone();
            member.current = after.clone();
            self.write(member.assignment_record());
        }
        Ok(after)
    }
}

/// A member may be one epoch behind: the answer that told it the new one may have been lost.
fn check_epoch(
    member: &ConsumerMember,
    request: &ConsumerGroupHeartbeatRequest,
) -> Result<(), Refusal> {
    let (received, current) = (request.member_epoch, &member.current);
    if received == 0 || received == current.epoch {
        return Ok(());
    }
    let comparison = if received > current.epoch {
        "greater"
    } else if received == current.previous_epoch && owns_no_more(request, current) {
        return Ok(());
    } else {
        "smaller"
    };
    Err(Refusal::new(
        ErrorCode::FencedMemberEpoch,
        format!(
            "The consumer group member has a {comparison} member epoch ({received}) than the one \
             known by the group coordinator ({}). The member must abandon all its partitions and \
             rejoin.",
            current.epoch
        ),
    ))
}

/// What the member says that it owns is its own.
fn owns_no_more(request: &ConsumerGroupHeartbeatRequest, current: &CurrentAssignment) -> bool {
    request::reported(request).is_some_and(|topics| {
        topics.iter().all(|topic| {
            let mut partitions = topic.partitions.iter();
            partitions.all(|partition| current.assigned.contains(topic.topic_id, *partition))
        })
    })
}

pub(super) fn unknown_member(group: &ConsumerGroup, member_id: &str) -> Refusal {
    Refusal::new(
        ErrorCode::UnknownMemberId,
        format!("Member {member_id} is not a member of group {}.", group.id),
    )
}

/// Null stands for what was said before.
fn metadata_of(
    member: &ConsumerMember,
    client: Client<'_>,
    request: &ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupMemberMetadata {
    let mut metadata = member.metadata.clone();
    let set = |old: &mut Option<String>, new: &Option<String>| {
        if new.is_some() {
            old.clone_from(new);
        }
    };
    set(&mut metadata.instance_id, &request.instance_id);
    set(&mut metadata.rack_id, &request.rack_id);
    set(&mut metadata.server_assignor, &request.server_assignor);
    set(
        &mut metadata.subscribed_topic_regex,
        &request.subscribed_topic_regex,
    );
    if request.rebalance_timeout_ms != -1 {
        metadata.rebalance_timeout_ms = request.rebalance_timeout_ms.max(0);
    }
    if let Some(names) = &request.subscribed_topic_names {
        metadata.subscribed_topic_names = topic_set(names);
    }
    client.client_id.clone_into(&mut metadata.client_id);
    client.client_host.clone_into(&mut metadata.client_host);
    metadata.classic_member_metadata = None;
    metadata
}

/// Where a draft begins decides whose sessions begin with it.
impl Draft<'_> {
    fn sessions_to_start(&self, origin: Origin) -> Vec<(String, i32)> {
        if origin != Origin::Upgraded {
            return Vec::new();
        }
        let members = self.group().members.values();
        members
            .filter_map(|member| Some((member.id.clone(), member.classic()?.session_timeout_ms)))
            .collect()
    }
}
