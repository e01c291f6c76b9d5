//! A group as administrators see it.

use headwater_protocol::messages::describe_groups::{DescribedGroup, DescribedGroupMember};
use headwater_protocol::messages::list_groups::ListedGroup;

use super::{ClassicGroup, Member, State};

/// The type of these groups in `ListGroups`.
pub(crate) const GROUP_TYPE: &str = "classic";

impl ClassicGroup {
    pub(crate) fn list(&self) -> ListedGroup {
        ListedGroup {
            group_id: self.id.clone(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            group_state: self.state.name().to_owned(),
            group_type: GROUP_TYPE.to_owned(),
        }
    }

    /// Protocol and metadata are told only of a stable group: before that they may still change.
    pub(crate) fn describe(&self) -> DescribedGroup {
        let protocol = match self.state {
            State::Stable => self.protocol_name.as_deref(),
            _ => None,
        };
        let member = |member: &Member| DescribedGroupMember {
            member_id: member.id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            member_metadata: member.metadata(protocol),
            member_assignment: self.durable_assignment(&member.id),
        };
        DescribedGroup {
            group_id: self.id.clone(),
            group_state: self.state.name().to_owned(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol_data: protocol.unwrap_or_default().to_owned(),
            members: self.members.values().map(member).collect(),
            ..DescribedGroup::default()
        }
    }
}
