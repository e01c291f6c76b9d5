//! `UpdateFeatures`: changes the levels of the cluster's features (KIP-584).
//!
//! 1 adds the kind of change and a dry run (KIP-778), 2 answers with one error for all features.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=2;
const FLEXIBLE: i16 = 0;

/// The changes to make.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct UpdateFeaturesRequest {
    #[field(default = 60000)]
    pub timeout_ms: i32,
    pub feature_updates: Vec<FeatureUpdateKey>,
    /// Check, and change nothing.
    #[field(versions = 1..)]
    pub validate_only: bool,
}

impl Request for UpdateFeaturesRequest {
    const KEY: ApiKey = ApiKey::UpdateFeatures;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = UpdateFeaturesResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> UpdateFeaturesResponse {
        let results = self
            .feature_updates
            .iter()
            .map(|update| UpdatableFeatureResult {
                feature: update.feature.clone(),
                error_code: code.into(),
                ..UpdatableFeatureResult::default()
            })
            .collect();
        UpdateFeaturesResponse {
            error_code: code.into(),
            results,
            ..UpdateFeaturesResponse::default()
        }
    }
}

/// The new level of one feature.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct FeatureUpdateKey {
    pub feature: String,
    /// Below 1: remove the feature.
    pub max_version_level: i16,
    #[field(versions = ..=0)]
    pub allow_downgrade: bool,
    /// 1: upgrade, 2: safe downgrade, 3: downgrade that may lose metadata.
    #[field(versions = 1.., default = 1)]
    pub upgrade_type: i8,
}

/// Whether they were made.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct UpdateFeaturesResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    #[field(versions = ..=1, ignorable)]
    pub results: Vec<UpdatableFeatureResult>,
}

/// The outcome for one feature.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct UpdatableFeatureResult {
    pub feature: String,
    pub error_code: i16,
    pub error_message: Option<String>,
}
