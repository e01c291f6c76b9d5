//! `DescribeAcls`: the access control entries that match a filter.
//!
//! 1 brings prefixed patterns (KIP-290), 3 users as a resource (KIP-373).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 1..=3;
const FLEXIBLE: i16 = 2;

/// A filter; null matches anything.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeAclsRequest {
    /// 0: unknown, 1: any, 2: topic, 3: group, 4: cluster, 5: transactional id, 6: delegation token,
    /// 7: user.
    pub resource_type_filter: i8,
    pub resource_name_filter: Option<String>,
    /// 1: any, 2: whatever applies to the name, 3: literal, 4: prefixed.
    #[field(default = 3)]
    pub pattern_type_filter: i8,
    pub principal_filter: Option<String>,
    pub host_filter: Option<String>,
    /// 1: any, 2: all, 3: read, 4: write, 5: create, 6: delete, 7: alter, 8: describe, 9: cluster
    /// action, 10 and 11: describe and alter configs, 12: idempotent write.
    pub operation: i8,
    /// 1: any, 2: deny, 3: allow.
    pub permission_type: i8,
}

impl Request for DescribeAclsRequest {
    const KEY: ApiKey = ApiKey::DescribeAcls;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = DescribeAclsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> DescribeAclsResponse {
        DescribeAclsResponse {
            error_code: code.into(),
            ..DescribeAclsResponse::default()
        }
    }
}

/// The entries that match, by resource.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeAclsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub resources: Vec<DescribeAclsResource>,
}

/// The entries of one resource pattern.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeAclsResource {
    /// 0: unknown, 1: any, 2: topic, 3: group, 4: cluster, 5: transactional id, 6: delegation token,
    /// 7: user.
    pub resource_type: i8,
    pub resource_name: String,
    /// 3: literal, 4: prefixed.
    #[field(default = 3)]
    pub pattern_type: i8,
    pub acls: Vec<AclDescription>,
}

/// One entry: who may or may not do what, from where.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AclDescription {
    /// `User:name`; `User:*` is everybody.
    pub principal: String,
    /// An address; `*` is anywhere.
    pub host: String,
    /// 1: any, 2: all, 3: read, 4: write, 5: create, 6: delete, 7: alter, 8: describe, 9: cluster
    /// action, 10 and 11: describe and alter configs, 12: idempotent write.
    pub operation: i8,
    /// 2: deny, 3: allow.
    pub permission_type: i8,
}
