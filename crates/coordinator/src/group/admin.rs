//! Groups described, listed and deleted.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::consumer_group_describe::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
    DescribedGroup as DescribedConsumerGroup,
};
use headwater_protocol::messages::delete_groups::{
    DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse,
};
use headwater_protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup,
};
use headwater_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};

use super::Groups;
use super::any_group::AnyGroup;
use super::classic::{GROUP_TYPE, State};
use super::consumer::GROUP_TYPE as CONSUMER_GROUP_TYPE;
use crate::effect::Call;
use crate::record::GroupRecord;
use crate::turn::{Check, Turn};
use crate::versions;

impl Groups {
    pub(crate) fn describe(
        &self,
        turn: &mut Turn<'_>,
        call: Call,
        request: &DescribeGroupsRequest,
    ) {
        let describe = |group_id: &String| match self.group(group_id) {
            Some(AnyGroup::Classic(group)) => group.describe(),
            Some(AnyGroup::Consumer(_)) => {
                let reason = format!("Group {group_id} is not a classic group.");
                dead(group_id, call.version, reason)
            }
            None => dead(
                group_id,
                call.version,
                format!("Group {group_id} not found."),
            ),
        };
        let response = DescribeGroupsResponse {
            groups: request.groups.iter().map(describe).collect(),
            ..DescribeGroupsResponse::default()
        };
        turn.reply(call.token, response);
    }

    /// Only consumer groups: others are not found, with a reason.
    pub(crate) fn describe_consumer_groups(
        &self,
        turn: &mut Turn<'_>,
        call: Call,
        request: &ConsumerGroupDescribeRequest,
    ) {
        let not_found = |group_id: &String, message: String| DescribedConsumerGroup {
            group_id: group_id.clone(),
            error_code: ErrorCode::GroupIdNotFound.into(),
            error_message: Some(message),
            ..DescribedConsumerGroup::default()
        };
        let describe = |group_id: &String| match self.group(group_id) {
            Some(AnyGroup::Consumer(group)) => group.describe(turn.config, &*turn.image),
            Some(AnyGroup::Classic(_)) => {
                let message = format!("Group {group_id} is not a consumer group.");
                not_found(group_id, message)
            }
            None => not_found(group_id, format!("Group {group_id} not found.")),
        };
        let response = ConsumerGroupDescribeResponse {
            groups: request.group_ids.iter().map(describe).collect(),
            ..ConsumerGroupDescribeResponse::default()
        };
        turn.reply(call.token, response);
    }

    /// Filters are compared without regard to case; an empty one lets everything through.
    pub(crate) fn list(&self, turn: &mut Turn<'_>, call: Call, request: &ListGroupsRequest) {
        let passes = |filter: &[String], value: &str| {
            filter.is_empty()
                || filter
                    .iter()
                    .any(|wanted| wanted.eq_ignore_ascii_case(value))
        };
        let classic = self.classic.values().map(super::ClassicGroup::list);
        let consumer = self.consumer.values().map(super::ConsumerGroup::list);
        let of_type = |name: &str| passes(&request.types_filter, name);
        let groups = classic
            .filter(|_| of_type(GROUP_TYPE))
            .chain(consumer.filter(|_| of_type(CONSUMER_GROUP_TYPE)));
        let response = ListGroupsResponse {
            groups: groups
                .filter(|group| passes(&request.states_filter, &group.group_state))
                .collect(),
            ..ListGroupsResponse::default()
        };
        turn.reply(call.token, response);
    }

    /// The groups go with their offsets, once the tombstones are replayed. A group goes after its
    /// offsets: if only some of them are taken, it is there to be deleted again.
    pub(crate) fn delete(&self, turn: &mut Turn<'_>, call: Call, request: &DeleteGroupsRequest) {
        let mut results: Vec<DeletableGroupResult> = Vec::new();
        for group_id in &request.groups_names {
            if results.iter().any(|result| result.group_id == *group_id) {
                continue;
            }
            let deleted = self.check_delete(group_id);
            if deleted.is_ok() {
                self.write_tombstones(turn, group_id);
            }
            results.push(DeletableGroupResult {
                group_id: group_id.clone(),
                error_code: deleted.err().map_or(0, i16::from),
            });
        }
        let response = DeleteGroupsResponse {
            results,
            ..DeleteGroupsResponse::default()
        };
        turn.reply(call.token, response);
    }

    fn check_delete(&self, group_id: &str) -> Check {
        let group = self.group(group_id).ok_or(ErrorCode::GroupIdNotFound)?;
        group.check_delete()
    }

    fn write_tombstones(&self, turn: &mut Turn<'_>, group_id: &str) {
        for key in self.offset_keys(group_id) {
            turn.append_tombstone(&GroupRecord::OffsetCommit { key, value: None });
        }
        if let Some(group) = self.group(group_id) {
            group.write_tombstones(turn, group_id);
        }
    }
}

fn dead(group_id: &str, version: i16, reason: String) -> DescribedGroup {
    let mut group = DescribedGroup {
        group_id: group_id.to_owned(),
        group_state: State::DEAD.to_owned(),
        ..DescribedGroup::default()
    };
    if versions::describe_reports_not_found(version) {
        group.error_code = ErrorCode::GroupIdNotFound.into();
        group.error_message = Some(reason);
    }
    group
}
