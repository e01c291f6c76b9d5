//! `DeleteAcls`: removes the access control entries that match filters.
//!
//! 1 brings prefixed patterns (KIP-290), 3 users as a resource (KIP-373).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 1..=3;
const FLEXIBLE: i16 = 2;

/// Filters; what any of them matches is removed.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DeleteAclsRequest {
    pub filters: Vec<DeleteAclsFilter>,
}

impl Request for DeleteAclsRequest {
    const KEY: ApiKey = ApiKey::DeleteAcls;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = DeleteAclsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> DeleteAclsResponse {
        let filter_results = self
            .filters
            .iter()
            .map(|_| DeleteAclsFilterResult {
                error_code: code.into(),
                ..DeleteAclsFilterResult::default()
            })
            .collect();
        DeleteAclsResponse {
            filter_results,
            ..DeleteAclsResponse::default()
        }
    }
}

/// One filter; null matches anything.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DeleteAclsFilter {
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

/// What was removed, in the order of the filters.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DeleteAclsResponse {
    pub throttle_time_ms: i32,
    pub filter_results: Vec<DeleteAclsFilterResult>,
}

/// What one filter removed.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DeleteAclsFilterResult {
    pub error_code: i16,
    pub error_message: Option<String>,
    pub matching_acls: Vec<DeleteAclsMatchingAcl>,
}

/// An entry that was removed, or could not be.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DeleteAclsMatchingAcl {
    pub error_code: i16,
    pub error_message: Option<String>,
    /// 0: unknown, 1: any, 2: topic, 3: group, 4: cluster, 5: transactional id, 6: delegation token,
    /// 7: user.
    pub resource_type: i8,
    pub resource_name: String,
    /// 3: literal, 4: prefixed.
    #[field(default = 3)]
    pub pattern_type: i8,
    pub principal: String,
    pub host: String,
    /// 1: any, 2: all, 3: read, 4: write, 5: create, 6: delete, 7: alter, 8: describe, 9: cluster
    /// action, 10 and 11: describe and alter configs, 12: idempotent write.
    pub operation: i8,
    /// 2: deny, 3: allow.
    pub permission_type: i8,
}
