//! `DescribeGroups`: state and members of classic groups.
//!
//! 3 adds authorized operations, 4 static members, 6 a message and `GROUP_ID_NOT_FOUND` (KIP-1043).

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=6;
const FLEXIBLE: i16 = 5;

/// The groups to describe.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeGroupsRequest {
    pub groups: Vec<String>,
    #[field(versions = 3..)]
    pub include_authorized_operations: bool,
}

impl Request for DescribeGroupsRequest {
    const KEY: ApiKey = ApiKey::DescribeGroups;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = DescribeGroupsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> DescribeGroupsResponse {
        let groups = self
            .groups
            .iter()
            .map(|group_id| DescribedGroup {
                error_code: code.into(),
                group_id: group_id.clone(),
                ..DescribedGroup::default()
            })
            .collect();
        DescribeGroupsResponse {
            groups,
            ..DescribeGroupsResponse::default()
        }
    }
}

/// The groups asked for.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeGroupsResponse {
    #[field(versions = 1.., ignorable)]
    pub throttle_time_ms: i32,
    pub groups: Vec<DescribedGroup>,
}

/// A group and its members.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribedGroup {
    pub error_code: i16,
    #[field(versions = 6..)]
    pub error_message: Option<String>,
    pub group_id: String,
    pub group_state: String,
    pub protocol_type: String,
    pub protocol_data: String,
    pub members: Vec<DescribedGroupMember>,
    /// A set of bits; the least integer: not asked for.
    #[field(versions = 3.., default = i32::MIN)]
    pub authorized_operations: i32,
}

/// A member with what it subscribed to and got.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribedGroupMember {
    pub member_id: String,
    #[field(versions = 4.., ignorable)]
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub member_metadata: Bytes,
    pub member_assignment: Bytes,
}
