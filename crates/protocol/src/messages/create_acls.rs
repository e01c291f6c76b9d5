//! `CreateAcls`: adds access control entries.
//!
//! 1 brings prefixed patterns (KIP-290), 3 users as a resource (KIP-373).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 1..=3;
const FLEXIBLE: i16 = 2;

/// The entries to add.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct CreateAclsRequest {
    pub creations: Vec<AclCreation>,
}

impl Request for CreateAclsRequest {
    const KEY: ApiKey = ApiKey::CreateAcls;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = CreateAclsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> CreateAclsResponse {
        let results = self
            .creations
            .iter()
            .map(|_| AclCreationResult {
                error_code: code.into(),
                ..AclCreationResult::default()
            })
            .collect();
        CreateAclsResponse {
            results,
            ..CreateAclsResponse::default()
        }
    }
}

/// One entry: who may or may not do what, to which resources, from where.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AclCreation {
    /// 0: unknown, 1: any, 2: topic, 3: group, 4: cluster, 5: transactional id, 6: delegation token,
    /// 7: user.
    pub resource_type: i8,
    pub resource_name: String,
    /// 3: literal, 4: prefixed.
    #[field(default = 3)]
    pub resource_pattern_type: i8,
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

/// Which entries were added, in the order of the request.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct CreateAclsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<AclCreationResult>,
}

/// The outcome for one entry.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AclCreationResult {
    pub error_code: i16,
    pub error_message: Option<String>,
}
