//! `ApiVersions` 0-4: the dispatch table and the features, told to clients.
//!
//! Versions 3 and up carry the client's software name and version, which Kafka refuses when
//! malformed (KIP-511), and tell features, on which clients base how they do transactions
//! (KIP-890). Version 3 leaves out supported features that begin at level 0, which clients of its
//! time take for an error (KAFKA-17011).

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::dispatch::APIS;
use crate::metadata::FEATURES;
use crate::reply::Reply;

/// From this version on the client says what it is.
const SOFTWARE_NAME_SINCE: i16 = 3;

/// From this version on clients know that a feature may begin at level 0.
const LEVEL_ZERO_SINCE: i16 = 4;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: ApiVersionsRequest,
) -> Reply<ApiVersionsResponse> {
    let well_formed = is_software_name(&request.client_software_name)
        && is_software_name(&request.client_software_version);
    if version >= SOFTWARE_NAME_SINCE && !well_formed {
        return Reply::Now(ApiVersionsResponse {
            error_code: ErrorCode::InvalidRequest.into(),
            ..ApiVersionsResponse::default()
        });
    }
    let finalized = context.metadata.finalized_features();
    let supported = FEATURES
        .iter()
        .filter(|feature| feature.min > 0 || version >= LEVEL_ZERO_SINCE)
        .map(|feature| SupportedFeatureKey {
            name: feature.name.to_owned(),
            min_version: feature.min,
            max_version: feature.max,
        })
        .collect();
    let response = ApiVersionsResponse {
        api_keys: api_keys(),
        supported_features: supported,
        finalized_features_epoch: finalized.epoch,
        finalized_features: finalized
            .levels
            .into_iter()
            .map(|(name, level)| FinalizedFeatureKey {
                name: name.to_owned(),
                max_version_level: level,
                min_version_level: level,
            })
            .collect(),
        ..ApiVersionsResponse::default()
    };
    when_durable(context, finalized.position, version, request, response)
}

/// The answer, in the form of version 0, to a version not served: it lets the client choose another.
pub(crate) fn unsupported_version() -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.into(),
        api_keys: api_keys(),
        ..ApiVersionsResponse::default()
    }
}

fn api_keys() -> Vec<ApiVersion> {
    let mut keys: Vec<ApiVersion> = APIS
        .iter()
        .map(|api| ApiVersion {
            api_key: api.key.into(),
            min_version: api.advertised_min,
            max_version: *api.served.end(),
        })
        .collect();
    keys.sort_by_key(|key| key.api_key);
    keys
}

/// Letters and digits, with dots and dashes inside.
fn is_software_name(name: &str) -> bool {
    let edge = |byte: &u8| byte.is_ascii_alphanumeric();
    let bytes = name.as_bytes();
    bytes.first().is_some_and(edge)
        && bytes.last().is_some_and(edge)
        && bytes
            .iter()
            .all(|byte| edge(byte) || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_are_letters_digits_and_inner_dots_and_dashes() {
        for name in ["librdkafka", "apache-kafka-java", "4.3.1", "a"] {
            assert!(is_software_name(name), "{name}");
        }
        for name in ["", "-a", "a.", "a b", "a_b", "ä"] {
            assert!(!is_software_name(name), "{name}");
        }
    }
}
