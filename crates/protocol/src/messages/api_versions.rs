//! `ApiVersions`: which APIs are served, in which versions.
//!
//! 3 carries the client's software and the features of the cluster (KIP-511, KIP-584). A broker
//! answers a version it does not know in the form of version 0.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=4;
const FLEXIBLE: i16 = 3;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ApiVersionsRequest {
    #[field(versions = 3.., ignorable)]
    pub client_software_name: String,
    #[field(versions = 3.., ignorable)]
    pub client_software_version: String,
}

impl Request for ApiVersionsRequest {
    const KEY: ApiKey = ApiKey::ApiVersions;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = ApiVersionsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> ApiVersionsResponse {
        ApiVersionsResponse {
            error_code: code.into(),
            ..ApiVersionsResponse::default()
        }
    }
}

/// The APIs served and the cluster's features.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ApiVersionsResponse {
    pub error_code: i16,
    pub api_keys: Vec<ApiVersion>,
    #[field(versions = 1.., ignorable)]
    pub throttle_time_ms: i32,
    #[field(versions = 3.., tag = 0, ignorable)]
    pub supported_features: Vec<SupportedFeatureKey>,
    /// -1: not known.
    #[field(versions = 3.., tag = 1, default = -1, ignorable)]
    pub finalized_features_epoch: i64,
    #[field(versions = 3.., tag = 2, ignorable)]
    pub finalized_features: Vec<FinalizedFeatureKey>,
    #[field(versions = 3.., tag = 3, ignorable)]
    pub zk_migration_ready: bool,
}

/// The versions of one API.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ApiVersion {
    pub api_key: i16,
    pub min_version: i16,
    pub max_version: i16,
}

/// The levels of a feature that this broker supports.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct SupportedFeatureKey {
    pub name: String,
    pub min_version: i16,
    pub max_version: i16,
}

/// The level of a feature that the cluster has settled on.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct FinalizedFeatureKey {
    pub name: String,
    pub max_version_level: i16,
    pub min_version_level: i16,
}
