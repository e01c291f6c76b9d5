//! `UpdateFeatures`, versions 0 to 2: features go to other levels, all of them or none.
//!
//! Version 0 says only whether a downgrade is allowed, 1 which kind (KIP-584, KIP-778). Version 2
//! tells the error of the first refused feature for the whole request and no results; before, each
//! feature that was not refused has a result without error.

use headwater_log::Position;
use headwater_protocol::messages::update_features::{
    FeatureUpdateKey, UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::{Change, FeatureUpdate, UpgradeType};
use crate::reply::Reply;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: UpdateFeaturesRequest,
) -> Reply<UpdateFeaturesResponse> {
    let change = if request.validate_only {
        Change::Validate
    } else {
        Change::Apply
    };
    let updates: Vec<FeatureUpdate> = request
        .feature_updates
        .iter()
        .map(|update| FeatureUpdate {
            name: update.feature.clone(),
            level: update.max_version_level,
            upgrade_type: upgrade_type(update, version),
        })
        .collect();
    let mut response = UpdateFeaturesResponse::default();
    let position = match context.metadata.update_features(&updates, change) {
        Ok(position) => {
            let updated = |update: FeatureUpdate| UpdatableFeatureResult {
                feature: update.name,
                ..UpdatableFeatureResult::default()
            };
            response.results = updates.into_iter().map(updated).collect();
            position
        }
        Err(refused) => {
            response.error_code = refused.code.into();
            response.error_message = Some(format!(
                "The update failed for all features since the following feature had an error: {}",
                refused.message
            ));
            Position::ZERO
        }
    };
    when_durable(context, position, version, request, response)
}

fn upgrade_type(update: &FeatureUpdateKey, version: i16) -> UpgradeType {
    match version {
        0 if update.allow_downgrade => UpgradeType::SafeDowngrade,
        0 => UpgradeType::Upgrade,
        _ => UpgradeType::from_wire(update.upgrade_type),
    }
}
