//! The versions at which behaviour changes, not only the format.
//!
//! The format of every version is the protocol crate's; these are the few that a coordinator has to
//! know.

use headwater_protocol::ErrorCode;

/// From `JoinGroup` 4 a member gets its id first and joins with it (KIP-394).
const JOIN_KNOWN_MEMBER_ID: i16 = 4;
/// From `JoinGroup` 9 a leader can be told to assign nothing (KIP-814).
const JOIN_SKIP_ASSIGNMENT: i16 = 9;
/// From `LeaveGroup` 3 several members leave at once.
const LEAVE_BATCHED: i16 = 3;
/// From `OffsetCommit` 9 clients know that a group can be missing (KIP-848).
const COMMIT_NOT_FOUND: i16 = 9;
/// From `DescribeGroups` 6 an unknown group is an error instead of a dead group.
const DESCRIBE_NOT_FOUND: i16 = 6;

/// From `ConsumerGroupHeartbeat` 1 clients make their own member ids (KIP-1082).
const CONSUMER_HEARTBEAT_MEMBER_ID: i16 = 1;

pub(crate) fn consumer_heartbeat_needs_member_id(version: i16) -> bool {
    version >= CONSUMER_HEARTBEAT_MEMBER_ID
}

pub(crate) fn join_requires_member_id(version: i16) -> bool {
    version >= JOIN_KNOWN_MEMBER_ID
}

pub(crate) fn join_can_skip_assignment(version: i16) -> bool {
    version >= JOIN_SKIP_ASSIGNMENT
}

pub(crate) fn leave_is_batched(version: i16) -> bool {
    version >= LEAVE_BATCHED
}

pub(crate) fn commit_error_of_unknown_group(version: i16) -> ErrorCode {
    if version >= COMMIT_NOT_FOUND {
        ErrorCode::GroupIdNotFound
    } else {
        ErrorCode::IllegalGeneration
    }
}

pub(crate) fn describe_reports_not_found(version: i16) -> bool {
    version >= DESCRIBE_NOT_FOUND
}
