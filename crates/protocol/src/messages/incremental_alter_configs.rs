//! `IncrementalAlterConfigs`: changes single settings of topics and brokers (KIP-339).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=1;
const FLEXIBLE: i16 = 1;

/// The resources to change.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct IncrementalAlterConfigsRequest {
    pub resources: Vec<AlterConfigsResource>,
    /// Check, and change nothing.
    pub validate_only: bool,
}

impl Request for IncrementalAlterConfigsRequest {
    const KEY: ApiKey = ApiKey::IncrementalAlterConfigs;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = IncrementalAlterConfigsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> IncrementalAlterConfigsResponse {
        let responses = self
            .resources
            .iter()
            .map(|resource| AlterConfigsResourceResponse {
                error_code: code.into(),
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
                ..AlterConfigsResourceResponse::default()
            })
            .collect();
        IncrementalAlterConfigsResponse {
            responses,
            ..IncrementalAlterConfigsResponse::default()
        }
    }
}

/// The changes to one resource.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AlterConfigsResource {
    /// 2: topic, 4: broker, 8: broker logger, 16: client metrics, 32: group.
    pub resource_type: i8,
    pub resource_name: String,
    pub configs: Vec<AlterableConfig>,
}

/// A change to one setting.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AlterableConfig {
    pub name: String,
    /// 0: set, 1: back to the default, 2: append to a list, 3: subtract from it.
    pub config_operation: i8,
    pub value: Option<String>,
}

/// Which resources were changed.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct IncrementalAlterConfigsResponse {
    pub throttle_time_ms: i32,
    pub responses: Vec<AlterConfigsResourceResponse>,
}

/// The outcome for one resource.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AlterConfigsResourceResponse {
    pub error_code: i16,
    pub error_message: Option<String>,
    /// 2: topic, 4: broker, 8: broker logger, 16: client metrics, 32: group.
    pub resource_type: i8,
    pub resource_name: String,
}
