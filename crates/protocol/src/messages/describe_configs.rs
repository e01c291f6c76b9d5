//! `DescribeConfigs`: the configuration of topics and brokers, with its origin.
//!
//! 1 adds sources and synonyms (KIP-226), 3 types and documentation (KIP-569).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 1..=4;
const FLEXIBLE: i16 = 4;

/// The resources to describe.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeConfigsRequest {
    pub resources: Vec<DescribeConfigsResource>,
    pub include_synonyms: bool,
    #[field(versions = 3..)]
    pub include_documentation: bool,
}

impl Request for DescribeConfigsRequest {
    const KEY: ApiKey = ApiKey::DescribeConfigs;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = DescribeConfigsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> DescribeConfigsResponse {
        let results = self
            .resources
            .iter()
            .map(|resource| DescribeConfigsResult {
                error_code: code.into(),
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
                ..DescribeConfigsResult::default()
            })
            .collect();
        DescribeConfigsResponse {
            results,
            ..DescribeConfigsResponse::default()
        }
    }
}

/// A topic or broker, and the settings wanted of it.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeConfigsResource {
    /// 2: topic, 4: broker, 8: broker logger, 16: client metrics, 32: group.
    pub resource_type: i8,
    pub resource_name: String,
    /// Null: all of them.
    #[field(default = Some(Vec::new()))]
    pub configuration_keys: Option<Vec<String>>,
}

/// The settings asked for.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeConfigsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<DescribeConfigsResult>,
}

/// The settings of one resource.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeConfigsResult {
    pub error_code: i16,
    pub error_message: Option<String>,
    /// 2: topic, 4: broker, 8: broker logger, 16: client metrics, 32: group.
    pub resource_type: i8,
    pub resource_name: String,
    pub configs: Vec<DescribeConfigsResourceResult>,
}

/// A setting: its value and where that comes from.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeConfigsResourceResult {
    pub name: String,
    /// Null where it is a secret or not set.
    pub value: Option<String>,
    pub read_only: bool,
    /// 1: topic, 2: broker, 3: all brokers, 4: the broker's file, 5: default; -1: not told.
    #[field(default = -1)]
    pub config_source: i8,
    pub is_sensitive: bool,
    pub synonyms: Vec<DescribeConfigsSynonym>,
    /// 1: boolean, 2: string, 3: int, 4: short, 5: long, 6: double, 7: list, 8: class, 9:
    /// password.
    #[field(versions = 3.., ignorable)]
    pub config_type: i8,
    #[field(versions = 3.., ignorable)]
    pub documentation: Option<String>,
}

/// A place that the value could have come from, the strongest first.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeConfigsSynonym {
    pub name: String,
    pub value: Option<String>,
    /// As `config_source`.
    pub source: i8,
}
