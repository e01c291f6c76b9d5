//! Groups, their members and their offsets.

use std::collections::BTreeSet;

use headwater_protocol::messages::consumer_group_describe::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedGroup,
};
use headwater_protocol::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
};
use headwater_protocol::messages::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
use headwater_protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse,
};
use headwater_protocol::messages::find_coordinator::{
    FindCoordinatorRequest, FindCoordinatorResponse,
};
use headwater_protocol::messages::heartbeat::HeartbeatRequest;
use headwater_protocol::messages::join_group::JoinGroupRequest;
use headwater_protocol::messages::leave_group::LeaveGroupRequest;
use headwater_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};
use headwater_protocol::messages::offset_commit::{OffsetCommitRequest, OffsetCommitResponse};
use headwater_protocol::messages::offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse};
use headwater_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse,
};
use headwater_protocol::messages::sync_group::SyncGroupRequest;
use headwater_protocol::{ErrorCode, Request};

use super::{Access, Guarded, Screened, all_or_nothing, screen_each, withhold};
use crate::security::acl::{Operation, ResourceType};

const GROUP: ErrorCode = ErrorCode::GroupAuthorizationFailed;

/// Requests of members, who read with the group.
macro_rules! members {
    ($($request:ident)*) => {$(
        impl Guarded for $request {
            fn screen(&mut self, access: &Access, version: i16) -> Screened<Self::Response> {
                let allowed = access.group(Operation::Read, &self.group_id);
                all_or_nothing(self, version, &[(allowed, GROUP)])
            }
        }
    )*};
}

members! {
    HeartbeatRequest
    JoinGroupRequest
    LeaveGroupRequest
    SyncGroupRequest
}

impl Guarded for ConsumerGroupHeartbeatRequest {
    fn screen(
        &mut self,
        access: &Access,
        version: i16,
    ) -> Screened<ConsumerGroupHeartbeatResponse> {
        let group = access.group(Operation::Read, &self.group_id);
        let mut names = self.subscribed_topic_names.iter().flatten();
        let topics = names.all(|name| access.topic(Operation::Describe, name));
        let checks = [
            (group, GROUP),
            (topics, ErrorCode::TopicAuthorizationFailed),
        ];
        all_or_nothing(self, version, &checks)
    }
}

impl Guarded for ConsumerGroupDescribeRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<ConsumerGroupDescribeResponse> {
        let screened = screen_each!(self, version, group_ids -> groups, GroupAuthorizationFailed, |group| {
            access.group(Operation::Describe, group)
        });
        let access = access.clone();
        let limit = move |response: &mut ConsumerGroupDescribeResponse| {
            for group in &mut response.groups {
                if !may_know_topics(&access, group) {
                    *group = topics_refused(std::mem::take(&mut group.group_id));
                    continue;
                }
                let operations = &mut group.authorized_operations;
                access.limit(operations, ResourceType::Group, &group.group_id);
            }
        };
        after(screened, limit)
    }
}

/// Whether the client may describe every topic that a member has or is to have.
fn may_know_topics(access: &Access, group: &DescribedGroup) -> bool {
    let assignments = group
        .members
        .iter()
        .flat_map(|member| [&member.assignment, &member.target_assignment]);
    let topics: BTreeSet<&str> = assignments
        .flat_map(|assignment| &assignment.topic_partitions)
        .map(|topic| topic.topic_name.as_str())
        .collect();
    topics
        .into_iter()
        .all(|topic| access.topic(Operation::Describe, topic))
}

fn topics_refused(group_id: String) -> DescribedGroup {
    DescribedGroup {
        error_code: ErrorCode::TopicAuthorizationFailed.into(),
        error_message: Some(
            "The group has topics that the client is not authorized to describe.".to_owned(),
        ),
        group_id,
        ..DescribedGroup::default()
    }
}

impl Guarded for DescribeGroupsRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<DescribeGroupsResponse> {
        let screened = screen_each!(self, version, groups -> groups, GroupAuthorizationFailed, |group| {
            access.group(Operation::Describe, group)
        });
        let access = access.clone();
        let limit = move |response: &mut DescribeGroupsResponse| {
            for group in &mut response.groups {
                let operations = &mut group.authorized_operations;
                access.limit(operations, ResourceType::Group, &group.group_id);
            }
        };
        after(screened, limit)
    }
}

/// The amendment, and then `next`.
fn after<R: 'static>(
    screened: Screened<R>,
    next: impl FnOnce(&mut R) + Send + 'static,
) -> Screened<R> {
    match screened {
        Screened::Passed => Screened::amended(next),
        Screened::Partly(amend) => Screened::amended(move |response| {
            amend(response);
            next(response);
        }),
        refused => refused,
    }
}

impl Guarded for ListGroupsRequest {
    fn screen(&mut self, access: &Access, _version: i16) -> Screened<ListGroupsResponse> {
        if access.cluster(Operation::Describe) {
            return Screened::Passed;
        }
        let access = access.clone();
        Screened::amended(move |response: &mut ListGroupsResponse| {
            response
                .groups
                .retain(|group| access.group(Operation::Describe, &group.group_id));
        })
    }
}

impl Guarded for DeleteGroupsRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<DeleteGroupsResponse> {
        screen_each!(self, version, groups_names -> results, GroupAuthorizationFailed, |group| {
            access.group(Operation::Delete, group)
        })
    }
}

impl Guarded for OffsetCommitRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<OffsetCommitResponse> {
        if !access.group(Operation::Read, &self.group_id) {
            return Screened::Refused(self.error_response(GROUP, version));
        }
        screen_each!(self, version, topics -> topics, TopicAuthorizationFailed, |topic| {
            access.topic_or_id(Operation::Read, &topic.name, topic.topic_id)
        })
    }
}

impl Guarded for OffsetDeleteRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<OffsetDeleteResponse> {
        if !access.group(Operation::Delete, &self.group_id) {
            return Screened::Refused(self.error_response(GROUP, version));
        }
        screen_each!(self, version, topics -> topics, TopicAuthorizationFailed, |topic| {
            access.topic(Operation::Read, &topic.name)
        })
    }
}

impl Guarded for OffsetFetchRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<OffsetFetchResponse> {
        if version < 8 {
            self.screen_one(access, version)
        } else {
            self.screen_several(access, version)
        }
    }
}

/// Offsets of topics that the client may not describe are kept back where it asked for all.
trait Several {
    fn screen_one(&mut self, access: &Access, version: i16) -> Screened<OffsetFetchResponse>;
    fn screen_several(&mut self, access: &Access, version: i16) -> Screened<OffsetFetchResponse>;
}

impl Several for OffsetFetchRequest {
    fn screen_one(&mut self, access: &Access, version: i16) -> Screened<OffsetFetchResponse> {
        if !access.group(Operation::Describe, &self.group_id) {
            return Screened::Refused(self.error_response(GROUP, version));
        }
        let Some(topics) = &mut self.topics else {
            let access = access.clone();
            return Screened::amended(move |response: &mut OffsetFetchResponse| {
                response
                    .topics
                    .retain(|topic| access.topic(Operation::Describe, &topic.name));
            });
        };
        let refused = withhold(topics, |topic| {
            access.topic(Operation::Describe, &topic.name)
        });
        let refused = Self {
            topics: Some(refused),
            ..Self::default()
        };
        let refused = refused
            .error_response(ErrorCode::TopicAuthorizationFailed, version)
            .topics;
        Screened::amended(|response: &mut OffsetFetchResponse| response.topics.extend(refused))
    }

    fn screen_several(&mut self, access: &Access, version: i16) -> Screened<OffsetFetchResponse> {
        let groups = withhold(&mut self.groups, |group| {
            access.group(Operation::Describe, &group.group_id)
        });
        let refused_groups = Self {
            groups,
            ..Self::default()
        }
        .error_response(GROUP, version)
        .groups;
        let refused_topics: Vec<_> = self
            .groups
            .iter_mut()
            .map(|group| (group.group_id.clone(), refused_topics(group, access)))
            .collect();
        let access = access.clone();
        Screened::amended(move |response: &mut OffsetFetchResponse| {
            for group in &mut response.groups {
                group.topics.retain(|topic| {
                    access.topic_or_id(Operation::Describe, &topic.name, topic.topic_id)
                });
            }
            for (group_id, topics) in refused_topics {
                let group = response
                    .groups
                    .iter_mut()
                    .find(|group| group.group_id == group_id && group.error_code == 0);
                if let Some(group) = group {
                    group.topics.extend(topics);
                }
            }
            response.groups.extend(refused_groups);
        })
    }
}

/// Takes what the client may not describe out of a group's topics, and makes of it an answer.
fn refused_topics(
    group: &mut OffsetFetchRequestGroup,
    access: &Access,
) -> Vec<headwater_protocol::messages::offset_fetch::OffsetFetchResponseTopics> {
    use headwater_protocol::messages::offset_fetch::{
        OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
    };
    let Some(topics) = &mut group.topics else {
        return Vec::new();
    };
    let refused = withhold(topics, |topic| {
        access.topic_or_id(Operation::Describe, &topic.name, topic.topic_id)
    });
    let answer = |partition_index| OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        error_code: ErrorCode::TopicAuthorizationFailed.into(),
        ..OffsetFetchResponsePartitions::default()
    };
    refused
        .into_iter()
        .map(|topic| OffsetFetchResponseTopics {
            name: topic.name,
            topic_id: topic.topic_id,
            partitions: topic.partition_indexes.into_iter().map(answer).collect(),
        })
        .collect()
}

impl Guarded for FindCoordinatorRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<FindCoordinatorResponse> {
        let (kind, code) = match self.key_type {
            0 => (ResourceType::Group, GROUP),
            1 => (
                ResourceType::TransactionalId,
                ErrorCode::TransactionalIdAuthorizationFailed,
            ),
            _ => return Screened::Passed,
        };
        let may = |key: &String| access.may(Operation::Describe, kind, key);
        if version < 4 {
            return all_or_nothing(self, version, &[(may(&self.key), code)]);
        }
        let coordinator_keys = withhold(&mut self.coordinator_keys, may);
        let refused = Self {
            coordinator_keys,
            ..Self::default()
        }
        .error_response(code, version)
        .coordinators;
        Screened::amended(|response: &mut FindCoordinatorResponse| {
            response.coordinators.extend(refused);
        })
    }
}
