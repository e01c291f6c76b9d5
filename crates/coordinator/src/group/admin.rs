//! Groups described, listed and deleted.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::delete_groups::{
    DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse,
};
use headwater_protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup,
};
use headwater_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};

use super::Groups;
use super::classic::{GROUP_TYPE, State};
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
        let describe = |group_id: &String| match self.classic.get(group_id) {
            Some(group) => group.describe(),
            None => dead(group_id, call.version),
        };
        let response = DescribeGroupsResponse {
            groups: request.groups.iter().map(describe).collect(),
            ..DescribeGroupsResponse::default()
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
        let groups = self.classic.values().map(super::ClassicGroup::list);
        let response = ListGroupsResponse {
            groups: groups
                .filter(|group| passes(&request.states_filter, &group.group_state))
                .filter(|_| passes(&request.types_filter, GROUP_TYPE))
                .collect(),
            ..ListGroupsResponse::default()
        };
        turn.reply(call.token, response);
    }

    /// The groups go with their offsets, once the tombstones are replayed.
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
        match self.classic.get(group_id).map(super::ClassicGroup::state) {
            None => Err(ErrorCode::GroupIdNotFound),
            Some(State::Empty) => Ok(()),
            Some(_) => Err(ErrorCode::NonEmptyGroup),
        }
    }

    fn write_tombstones(&self, turn: &mut Turn<'_>, group_id: &str) {
        for key in self.offset_keys(group_id) {
            turn.append(&GroupRecord::OffsetCommit { key, value: None });
        }
        turn.append(&GroupRecord::GroupMetadata {
            group_id: group_id.to_owned(),
            value: None,
        });
    }
}

fn dead(group_id: &str, version: i16) -> DescribedGroup {
    let mut group = DescribedGroup {
        group_id: group_id.to_owned(),
        group_state: State::DEAD.to_owned(),
        ..DescribedGroup::default()
    };
    if versions::describe_reports_not_found(version) {
        group.error_code = ErrorCode::GroupIdNotFound.into();
        group.error_message = Some(format!("Group {group_id} not found."));
    }
    group
}
