//! Members of a consumer group that speak the classic protocol: they join, sync and heartbeat as
//! ever, and are told to join again whenever there is a step for them to take.
//!
//! Their generation is their member epoch. None of them leads: the coordinator assigns.

use std::collections::BTreeSet;

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::consumer_group_heartbeat::TopicPartitions;
use headwater_protocol::messages::consumer_protocol::ConsumerProtocolSubscription;
use headwater_protocol::messages::heartbeat::HeartbeatRequest;
use headwater_protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use headwater_protocol::messages::leave_group::{MemberIdentity, MemberResponse};
use headwater_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};

use super::member::{ConsumerMember, MemberState, topic_set};
use super::migration::{embedded_assignment, partitions_by_id, supported_protocols};
use super::reconcile::Subscription;
use super::subscription::{Regexes, Surroundings};
use super::{ConsumerGroup, Draft, draft};
use crate::effect::{Call, Client};
use crate::group::classic::{AfterDowngrade, join_error, leave_response, rebalance_timeout_ms};
use crate::group::{Groups, embedded};
use crate::image::ClusterImage;
use crate::record::{ClassicMemberMetadata, ConsumerGroupMemberMetadata};
use crate::turn::{Check, Turn};
use crate::versions;

impl Groups {
    /// Answered at once: there is nobody to wait for.
    pub(crate) fn join_consumer_group(
        &mut self,
        turn: &mut Turn<'_>,
        call: Call,
        client: Client<'_>,
        request: &JoinGroupRequest,
    ) {
        let member_id = if request.member_id.is_empty() {
            client.new_member_uuid
        } else {
            request.member_id.as_str()
        };
        let answer = self
            .join_as_classic_member(turn, call, client, request, member_id)
            .unwrap_or_else(|code| {
                let shown = match code {
                    ErrorCode::MemberIdRequired => member_id,
                    _ => request.member_id.as_str(),
                };
                join_error(shown, code)
            });
        turn.reply(call.token, answer);
    }

    fn join_as_classic_member(
        &mut self,
        turn: &mut Turn<'_>,
        call: Call,
        client: Client<'_>,
        request: &JoinGroupRequest,
        member_id: &str,
    ) -> Check<JoinGroupResponse> {
        let group_id = request.group_id.as_str();
        let group = self
            .consumer
            .get(group_id)
            .ok_or(ErrorCode::GroupIdNotFound)?;
        group.check_classic_join(turn, call, request, member_id)?;
        let said = request.protocols.first().map(|first| &first.metadata);
        let said = said.and_then(embedded::read_subscription);
        let said = said.ok_or(ErrorCode::UnknownServerError)?;
        let image = turn.image.clone();
        let around = Surroundings {
            image: &*image,
            config: turn.config,
            now_ms: turn.now_ms,
        };
        let downgrades = group.is_last_consumer_replaced_by(request, turn);
        let mut draft = Draft::of(group);
        let before = draft.member_for_join(request, member_id)?;
        let metadata = metadata_of(&before, client, request, &said);
        let refused = |refusal: super::refusal::Refusal| refusal.code;
        let subscription = draft
            .update_member(&before, metadata, &around)
            .map_err(refused)?;
        let noticed = draft.refresh(subscription, Regexes::default(), &around);
        let epoch_moved = draft.group().epoch != group.epoch;
        if !downgrades {
            draft.retarget(&around);
        }
        if !(downgrades && epoch_moved) {
            let owned = owned_by_id(&said, &*image);
            draft
                .reconcile(member_id, subscription, Some(&owned), &around)
                .map_err(refused)?;
        }
        let answer = joined(&draft, member_id);
        let after = match subscription {
            _ if epoch_moved => AfterDowngrade::Rebalance,
            Subscription::Changed => AfterDowngrade::Rebalance,
            Subscription::Unchanged => AfterDowngrade::Stay,
        };
        if downgrades {
            let done = draft.group().clone();
            let records = draft.into_records();
            self.downgrade_to(turn, &done, records, &before, after);
        } else {
            let records = draft.into_records();
            draft::append(turn, group_id, records);
            turn.schedule_session(group_id, member_id, request.session_timeout_ms);
            turn.classic_join_came(group_id, member_id);
            turn.expect_classic_sync(group_id, member_id, rebalance_timeout_ms(request));
            self.notice(group_id, noticed);
        }
        Ok(answer)
    }

    /// The instance that was the last consumer speaks the classic protocol now.
    fn downgrade_to(
        &mut self,
        turn: &mut Turn<'_>,
        group: &ConsumerGroup,
        records: Vec<super::ConsumerGroupRecord>,
        replaced: &ConsumerMember,
        after: AfterDowngrade,
    ) {
        let group_id = group.id.clone();
        let image = turn.image.clone();
        let members = group.classic_members_without(&BTreeSet::new(), &*image);
        let mut member_ids: Vec<String> = group.members.keys().cloned().collect();
        member_ids.push(replaced.id.clone());
        // The records that replaced the member, then those that leave nothing of the group.
        let mut all = records;
        all.extend(group.tombstones());
        self.downgrade(
            turn,
            &group_id,
            group.epoch,
            &member_ids,
            all,
            &members,
            after,
        );
    }

    /// What is left to do is told by an error; with none, the member has its assignment.
    pub(crate) fn sync_consumer_group(
        &mut self,
        turn: &mut Turn<'_>,
        request: &SyncGroupRequest,
    ) -> Check<SyncGroupResponse> {
        let group_id = request.group_id.as_str();
        let group = self
            .consumer
            .get(group_id)
            .ok_or(ErrorCode::UnknownMemberId)?;
        let instance = request.group_instance_id.as_deref();
        let member = group.classic_member(&request.member_id, instance)?;
        let classic = member.classic().ok_or(ErrorCode::UnknownMemberId)?;
        if request.generation_id != member.current.epoch {
            return Err(ErrorCode::IllegalGeneration);
        }
        let agrees =
            |said: &Option<String>, own: &str| said.as_deref().is_none_or(|said| said == own);
        let protocol = first_protocol(classic);
        if !agrees(&request.protocol_type, embedded::CONSUMER)
            || !agrees(&request.protocol_name, protocol)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        // One that has partitions to give up has to learn so first.
        if group.epoch > member.current.epoch
            && member.current.state != MemberState::UnrevokedPartitions
        {
            let timeout_ms = member.metadata.rebalance_timeout_ms;
            turn.expect_classic_join(group_id, &member.id, timeout_ms);
            return Err(ErrorCode::RebalanceInProgress);
        }
        turn.classic_sync_came(group_id, &member.id);
        turn.schedule_session(group_id, &member.id, classic.session_timeout_ms);
        let partitions = member.current.assigned.partitions();
        Ok(SyncGroupResponse {
            protocol_type: request.protocol_type.clone(),
            protocol_name: request.protocol_name.clone(),
            assignment: embedded_assignment(member, &partitions, &*turn.image),
            ..SyncGroupResponse::default()
        })
    }

    /// `RebalanceInProgress` tells the member that there is a step for it to take.
    pub(crate) fn heartbeat_consumer_group(
        &mut self,
        turn: &mut Turn<'_>,
        request: &HeartbeatRequest,
    ) -> Check {
        let group_id = request.group_id.as_str();
        let group = self
            .consumer
            .get(group_id)
            .ok_or(ErrorCode::UnknownMemberId)?;
        let instance = request.group_instance_id.as_deref();
        let member = group.classic_member(&request.member_id, instance)?;
        let classic = member.classic().ok_or(ErrorCode::UnknownMemberId)?;
        if request.generation_id != member.current.epoch {
            return Err(ErrorCode::IllegalGeneration);
        }
        turn.schedule_session(group_id, &member.id, classic.session_timeout_ms);
        let has_step = member.current.epoch < group.epoch
            || match member.current.state {
                MemberState::UnrevokedPartitions => true,
                MemberState::UnreleasedPartitions => !group.waits_for_others(member),
                MemberState::Stable | MemberState::Unknown => false,
            };
        if has_step {
            let timeout_ms = member.metadata.rebalance_timeout_ms;
            turn.expect_classic_join(group_id, &member.id, timeout_ms);
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    /// Members of either protocol may be made to leave.
    pub(crate) fn leave_as_classic_members(
        &mut self,
        turn: &mut Turn<'_>,
        group_id: &str,
        leaving: &[MemberIdentity],
    ) -> Vec<MemberResponse> {
        let Some(group) = self.consumer.get(group_id) else {
            return Vec::new();
        };
        let mut gone = BTreeSet::new();
        let mut responses = Vec::with_capacity(leaving.len());
        for identity in leaving {
            let left = group.member_to_leave(identity);
            responses.push(leave_response(
                identity,
                left.as_ref().map(|_| ()).map_err(|code| *code),
            ));
            gone.extend(left.ok());
        }
        self.fence_members(turn, group_id, &gone);
        responses
    }
}

impl Draft<'_> {
    fn member_for_join(
        &mut self,
        request: &JoinGroupRequest,
        member_id: &str,
    ) -> Check<ConsumerMember> {
        let group = self.group();
        let known = || {
            let member = group.member(member_id).cloned();
            member.unwrap_or_else(|| ConsumerMember::new(member_id))
        };
        let Some(instance_id) = request.group_instance_id.as_deref() else {
            return Ok(known());
        };
        if !request.member_id.is_empty() {
            let member = group.instance_of(instance_id, member_id);
            return member.cloned().map_err(|refusal| refusal.code);
        }
        match group.static_member(instance_id).cloned() {
            None => Ok(known()),
            Some(holder) => Ok(self.replace_member(&holder, member_id)),
        }
    }
}

impl ConsumerGroup {
    fn check_classic_join(
        &self,
        turn: &Turn<'_>,
        call: Call,
        request: &JoinGroupRequest,
        member_id: &str,
    ) -> Check {
        if self.members.len() >= turn.config.consumer_max_size && self.member(member_id).is_none() {
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        if !self.supports(&request.protocol_type, &request.protocols) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        if request.member_id.is_empty()
            && request.group_instance_id.is_none()
            && versions::join_requires_member_id(call.version)
        {
            return Err(ErrorCode::MemberIdRequired);
        }
        Ok(())
    }

    /// One of the protocols is supported by all classic members.
    fn supports(&self, protocol_type: &str, protocols: &[JoinGroupRequestProtocol]) -> bool {
        let supports = |member: &ConsumerMember, name: &str| {
            member.classic().is_none_or(|classic| {
                let mut supported = classic.supported_protocols.iter();
                supported.any(|protocol| protocol.name == name)
            })
        };
        protocol_type == embedded::CONSUMER
            && protocols.iter().any(|protocol| {
                let mut members = self.members.values();
                members.all(|member| supports(member, &protocol.name))
            })
    }

    /// Whether with this join of a known instance no consumer is left.
    fn is_last_consumer_replaced_by(&self, request: &JoinGroupRequest, turn: &Turn<'_>) -> bool {
        let instance_id = request.group_instance_id.as_deref();
        let holder = instance_id.and_then(|instance_id| self.static_member(instance_id));
        holder.is_some_and(|holder| {
            let mut others = self
                .members
                .values()
                .filter(|member| member.id != holder.id);
            !holder.uses_classic_protocol()
                && others.all(|member| member.uses_classic_protocol())
                && turn.config.migration_policy.allows_downgrade()
                && self.members.len() <= turn.config.max_size
        })
    }

    /// The member, if it speaks the classic protocol and is the one it says it is.
    fn classic_member(&self, member_id: &str, instance_id: Option<&str>) -> Check<&ConsumerMember> {
        let member = match instance_id {
            Some(instance_id) => self
                .instance_of(instance_id, member_id)
                .map_err(|refusal| refusal.code)?,
            None => self.member(member_id).ok_or(ErrorCode::UnknownMemberId)?,
        };
        if member.uses_classic_protocol() {
            Ok(member)
        } else {
            Err(ErrorCode::UnknownMemberId)
        }
    }

    /// An administrator names static members by their instance alone.
    fn member_to_leave(&self, identity: &MemberIdentity) -> Check<String> {
        let member = match identity.group_instance_id.as_deref() {
            None => self.member(&identity.member_id),
            Some(instance_id) if identity.member_id.is_empty() => self.static_member(instance_id),
            Some(instance_id) => Some(
                self.instance_of(instance_id, &identity.member_id)
                    .map_err(|refusal| refusal.code)?,
            ),
        };
        let member = member.ok_or(ErrorCode::UnknownMemberId)?;
        Ok(member.id.clone())
    }

    /// Something of its target is still another's.
    fn waits_for_others(&self, member: &ConsumerMember) -> bool {
        let target = self.targets.get(&member.id).into_iter().flatten();
        let mut missing = target.flat_map(|(topic_id, partitions)| {
            let partitions = partitions.iter().copied();
            partitions.filter_map(move |partition| {
                let has = member.current.assigned.contains(*topic_id, partition);
                (!has).then_some((*topic_id, partition))
            })
        });
        missing.any(|(topic_id, partition)| self.is_owned(topic_id, partition))
    }
}

fn first_protocol(classic: &ClassicMemberMetadata) -> &str {
    let first = classic.supported_protocols.first();
    first.map_or("", |protocol| protocol.name.as_str())
}

fn joined(draft: &Draft<'_>, member_id: &str) -> JoinGroupResponse {
    let member = draft.group().member(member_id);
    let protocol = member.and_then(|member| member.classic().map(first_protocol));
    JoinGroupResponse {
        generation_id: member.map_or(-1, |member| member.current.epoch),
        protocol_type: Some(embedded::CONSUMER.to_owned()),
        protocol_name: Some(protocol.unwrap_or_default().to_owned()),
        member_id: member_id.to_owned(),
        ..JoinGroupResponse::default()
    }
}

fn owned_by_id(
    said: &ConsumerProtocolSubscription,
    image: &dyn ClusterImage,
) -> Vec<TopicPartitions> {
    partitions_by_id(&said.owned_partitions, image)
        .map(|(topic_id, partitions)| TopicPartitions {
            topic_id,
            partitions: partitions.to_vec(),
        })
        .collect()
}

fn metadata_of(
    member: &ConsumerMember,
    client: Client<'_>,
    request: &JoinGroupRequest,
    said: &ConsumerProtocolSubscription,
) -> ConsumerGroupMemberMetadata {
    let old = &member.metadata;
    ConsumerGroupMemberMetadata {
        instance_id: request
            .group_instance_id
            .clone()
            .or_else(|| old.instance_id.clone()),
        rack_id: said.rack_id.clone().or_else(|| old.rack_id.clone()),
        client_id: client.client_id.to_owned(),
        client_host: client.client_host.to_owned(),
        subscribed_topic_names: topic_set(&said.topics),
        subscribed_topic_regex: Some(String::new()),
        rebalance_timeout_ms: rebalance_timeout_ms(request),
        server_assignor: old.server_assignor.clone(),
        classic_member_metadata: Some(ClassicMemberMetadata {
            session_timeout_ms: request.session_timeout_ms,
            supported_protocols: supported_protocols(&request.protocols),
        }),
    }
}
