//! `ListConfigResources`: the resources that have settings (KIP-1142).
//!
//! 0 is the older `ListClientMetricsResources`: only those (KIP-1000). 1 has types, and lists all of
//! them.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=1;
const FLEXIBLE: i16 = 0;

/// The types of resources wanted.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ListConfigResourcesRequest {
    /// 2: topic, 4: broker, 8: broker logger, 16: client metrics, 32: group; none: all of them.
    #[field(versions = 1..)]
    pub resource_types: Vec<i8>,
}

impl Request for ListConfigResourcesRequest {
    const KEY: ApiKey = ApiKey::ListConfigResources;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = ListConfigResourcesResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> ListConfigResourcesResponse {
        ListConfigResourcesResponse {
            error_code: code.into(),
            ..ListConfigResourcesResponse::default()
        }
    }
}

/// The resources found.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ListConfigResourcesResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub config_resources: Vec<ConfigResource>,
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ConfigResource {
    pub resource_name: String,
    /// 2: topic, 4: broker, 8: broker logger, 16: client metrics, 32: group.
    #[field(versions = 1.., default = 16, ignorable)]
    pub resource_type: i8,
}
