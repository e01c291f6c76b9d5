//! Static members (KIP-345): an instance that comes back takes the place of the member it was.

use headwater_protocol::ErrorCode;

use super::member::{ConsumerMember, CurrentAssignment, LEFT_FOR_A_WHILE};
use super::refusal::Refusal;
use super::{ConsumerGroup, ConsumerGroupRecord, Draft, member_target_record};

impl ConsumerGroup {
    /// The member that the instance is, if it goes by that id.
    pub(super) fn instance_of(
        &self,
        instance_id: &str,
        member_id: &str,
    ) -> Result<&ConsumerMember, Refusal> {
        let Some(member) = self.static_member(instance_id) else {
            return Err(Refusal::new(
                ErrorCode::UnknownMemberId,
                format!("Instance id {instance_id} is unknown."),
            ));
        };
        if member.id == member_id {
            return Ok(member);
        }
        Err(Refusal::new(
            ErrorCode::FencedInstanceId,
            format!(
                "Static member {member_id} with instance id {instance_id} was fenced by member {}.",
                member.id
            ),
        ))
    }
}

/// That the instance's place is free: its member said that it would be back.
pub(super) fn check_released(
    holder: &ConsumerMember,
    instance_id: &str,
    member_id: &str,
) -> Result<(), Refusal> {
    if holder.current.epoch == LEFT_FOR_A_WHILE {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::UnreleasedInstanceId,
        format!(
            "Static member {member_id} with instance id {instance_id} cannot join the group \
             because the instance id is owned by {} member.",
            holder.id
        ),
    ))
}

impl Draft<'_> {
    /// The member goes by another id from now on: its assignments come with it.
    pub(super) fn replace_member(&mut self, old: &ConsumerMember, new_id: &str) -> ConsumerMember {
        let target = self.group().targets.get(&old.id).cloned();
        let new = ConsumerMember {
            id: new_id.to_owned(),
            metadata: old.metadata.clone(),
            current: CurrentAssignment {
                epoch: 0,
                previous_epoch: 0,
                ..old.current.clone()
            },
        };
        self.remove_member(&old.id);
        self.write(new.metadata_record());
        self.write(member_target_record(new_id, &target.unwrap_or_default()));
        self.write(new.assignment_record());
        new
    }

    /// Assignments first: a member without a record has none.
    pub(super) fn remove_member(&mut self, member_id: &str) {
        let id = || member_id.to_owned();
        self.write(ConsumerGroupRecord::MemberAssignment {
            member_id: id(),
            value: None,
        });
        self.write(ConsumerGroupRecord::MemberTarget {
            member_id: id(),
            value: None,
        });
        self.write(ConsumerGroupRecord::Member {
            member_id: id(),
            value: None,
        });
    }
}
