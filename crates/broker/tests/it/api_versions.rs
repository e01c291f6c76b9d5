//! `ApiVersions`: what a client asks before it knows anything.

use headwater_broker::Broker;
use headwater_protocol::frame::decode_response;
use headwater_protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use headwater_protocol::{ApiKey, Decoder, ErrorCode};

use crate::support::wire::Wire;

/// What a running Apache Kafka 4.3.1 advertises for the APIs served here: key, lowest, highest.
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
    (18, 0, 4),
    (19, 2, 7),
    (20, 1, 6),
    (22, 0, 5),
    (23, 2, 4),
    (32, 1, 4),
    (37, 0, 3),
    (42, 0, 2),
    (44, 0, 1),
    (60, 0, 2),
    (75, 0, 0),
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
async fn the_ranges_are_those_of_apache_kafka() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    for version in 0..=4 {
        let response = wire.call(version, &named("raw")).await;
        assert_eq!(response.error_code, 0);
        assert_eq!(ranges(&response), KAFKA, "version {version}");
    }
}

#[tokio::test]
async fn an_unsupported_version_is_answered_in_the_form_of_version_0_with_the_key_list() {
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
async fn the_header_of_the_reply_never_has_tagged_fields() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.send(4, 0x0102_0304, &named("raw")).await;
    let reply = wire.receive_frame().await.unwrap();
    // Correlation id, then at once the error code; a flexible header would have a zero byte in between.
    assert_eq!(reply[..6], [1, 2, 3, 4, 0, 0]);
    assert_eq!(reply[6], u8::try_from(KAFKA.len() + 1).unwrap());
}

#[tokio::test]
async fn a_malformed_software_name_is_an_invalid_request() {
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
