//! `ApiVersions`: what a client asks before it knows anything.

use headwater_broker::Broker;
use headwater_protocol::frame::decode_response;
use headwater_protocol::messages::api_versions::{
    ApiVersionsRequest, ApiVersionsResponse, SupportedFeatureKey,
};
use headwater_protocol::{ApiKey, Decoder, ErrorCode};

use crate::support::wire::Wire;

/// What a running Apache Kafka 4.3.1 advertises: key, lowest, highest.
const KAFKA: &[(i16, i16, i16)] = &[
    (0, 0, 13),
    (1, 4, 18),
    (2, 1, 11),
    (3, 0, 13),
    (8, 2, 10),
    (9, 1, 10),
    (10, 0, 6),
    (11, 0, 9),
    (12, 0, 4),
    (13, 0, 5),
    (14, 0, 5),
    (15, 0, 6),
    (16, 0, 5),
    (17, 0, 1),
    (18, 0, 4),
    (19, 2, 7),
    (20, 1, 6),
    (21, 0, 2),
    (22, 0, 5),
    (23, 2, 4),
    (24, 0, 5),
    (25, 0, 4),
    (26, 0, 5),
    (27, 1, 2),
    (28, 0, 5),
    (29, 1, 3),
    (30, 1, 3),
    (31, 1, 3),
    (32, 1, 4),
    (33, 0, 2),
    (34, 1, 2),
    (35, 1, 5),
    (36, 0, 2),
    (37, 0, 3),
    (38, 1, 3),
    (39, 1, 2),
    (40, 1, 2),
    (41, 1, 3),
    (42, 0, 2),
    (43, 0, 2),
    (44, 0, 1),
    (45, 0, 1),
    (46, 0, 0),
    (47, 0, 0),
    (48, 0, 1),
    (49, 0, 1),
    (50, 0, 0),
    (51, 0, 0),
    (55, 0, 2),
    (57, 0, 2),
    (60, 0, 2),
    (61, 0, 0),
    (64, 0, 0),
    (65, 0, 0),
    (66, 0, 2),
    (68, 0, 1),
    (69, 0, 1),
    (74, 0, 1),
    (75, 0, 0),
    (76, 1, 1),
    (77, 1, 1),
    (78, 1, 2),
    (79, 1, 2),
    (80, 0, 1),
    (81, 0, 0),
    (83, 0, 0),
    (84, 0, 0),
    (85, 0, 1),
    (86, 0, 0),
    (87, 0, 1),
    (88, 0, 0),
    (89, 0, 0),
    (90, 0, 1),
    (91, 0, 0),
    (92, 0, 0),
];

/// What only a cluster needs, delegation tokens, and share and streams groups.
#[rustfmt::skip]
const LEFT_OUT: &[i16] = &[
    34, 45, 64, 80, 81,
    38, 39, 40, 41,
    76, 77, 78, 79, 83, 84, 85, 86, 87, 90, 91, 92, 88, 89,
];

fn named(name: &str) -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: name.to_owned(),
        client_software_version: "1.0".to_owned(),
    }
}

fn ranges(response: &ApiVersionsResponse) -> Vec<(i16, i16, i16)> {
    response
        .api_keys
        .iter()
        .map(|key| (key.api_key, key.min_version, key.max_version))
        .collect()
}

#[tokio::test]
async fn the_advertised_ranges_are_those_of_a_running_apache_kafka() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let served: Vec<_> = KAFKA
        .iter()
        .filter(|(key, _, _)| !LEFT_OUT.contains(key))
        .copied()
        .collect();
    for version in 0..=4 {
        let response = wire.call(version, &named("raw")).await;
        assert_eq!(response.error_code, 0);
        assert_eq!(ranges(&response), served, "version {version}");
    }
}

#[tokio::test]
async fn an_unsupported_api_versions_version_is_answered_in_v0_form_with_error_35_and_the_key_list()
{
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    // Key 18, version 99, correlation id 5, no client id, no tagged fields, and a body nobody here knows.
    wire.send_frame(&[0, 18, 0, 99, 0, 0, 0, 5, 0xff, 0xff, 0, 1, 2, 3])
        .await;
    let reply = wire.receive_frame().await.unwrap();
    let (correlation_id, response) =
        decode_response::<ApiVersionsRequest>(Decoder::new(reply), 0).unwrap();
    assert_eq!(correlation_id, 5);
    assert_eq!(
        response.error_code,
        i16::from(ErrorCode::UnsupportedVersion)
    );
    assert!(ranges(&response).contains(&(18, 0, 4)));
    // The connection goes on.
    assert_eq!(wire.call(4, &named("raw")).await.error_code, 0);
}

#[tokio::test]
async fn the_api_versions_response_header_is_always_v0() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.send(4, 0x0102_0304, &named("raw")).await;
    let reply = wire.receive_frame().await.unwrap();
    // Correlation id, then at once the error code; a flexible header would have a zero byte in between.
    assert_eq!(reply[..6], [1, 2, 3, 4, 0, 0]);
    let served = KAFKA.len() - LEFT_OUT.len();
    assert_eq!(usize::from(reply[6]), served + 1);
}

#[tokio::test]
async fn a_malformed_client_software_name_is_invalid_request() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    for name in ["", "-dash", "white space", "semi;colon"] {
        let response = wire.call(3, &named(name)).await;
        assert_eq!(
            response.error_code,
            i16::from(ErrorCode::InvalidRequest),
            "{name}"
        );
        assert!(response.api_keys.is_empty());
    }
}

#[tokio::test]
async fn every_advertised_key_has_a_name() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    for (key, _, _) in ranges(&wire.call(0, &named("raw")).await) {
        assert!(ApiKey::try_from(key).is_ok());
    }
}

fn features(response: &ApiVersionsResponse) -> Vec<(&str, i16, i16)> {
    fn row(feature: &SupportedFeatureKey) -> (&str, i16, i16) {
        (&feature.name, feature.min_version, feature.max_version)
    }
    response.supported_features.iter().map(row).collect()
}

/// Version 3 leaves out what begins at level 0 (KAFKA-17011).
#[tokio::test]
async fn features_are_told_from_version_3_on() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let all = [
        ("eligible.leader.replicas.version", 0, 1),
        ("group.version", 0, 1),
        ("kraft.version", 0, 0),
        ("metadata.version", 7, 30),
        ("share.version", 0, 0),
        ("streams.version", 0, 0),
        ("transaction.version", 0, 2),
    ];
    let levels = [
        ("eligible.leader.replicas.version", 1),
        ("group.version", 1),
        ("metadata.version", 30),
        ("transaction.version", 2),
    ];
    for (version, supported, finalized) in [
        (2, &all[..0], &levels[..0]),
        (3, &all[3..4], &levels[..]),
        (4, &all[..], &levels[..]),
    ] {
        let response = wire.call(version, &named("raw")).await;
        assert_eq!(features(&response), supported, "version {version}");
        let told: Vec<_> = response
            .finalized_features
            .iter()
            .map(|feature| (feature.name.as_str(), feature.max_version_level))
            .collect();
        assert_eq!(told, finalized, "version {version}");
        assert_eq!(response.finalized_features_epoch >= 0, version >= 3);
    }
}

#[tokio::test]
async fn what_lies_outside_of_the_advertised_ranges_is_not_served() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    for (key, min, max) in ranges(&wire.call(4, &named("raw")).await) {
        for version in [min - 1, max + 1] {
            // ApiVersions answers every version.
            if key == 18 || version < 0 {
                continue;
            }
            let mut other = Wire::to(&broker).await;
            let ([k0, k1], [v0, v1]) = (key.to_be_bytes(), version.to_be_bytes());
            let frame = [k0, k1, v0, v1, 0, 0, 0, 5, 0xff, 0xff, 0];
            other.send_frame(&frame).await;
            assert!(other.is_closed().await, "key {key} version {version}");
        }
    }
}
