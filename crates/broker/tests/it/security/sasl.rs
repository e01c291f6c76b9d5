//! The way in: what is admitted when, and what a failure costs.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::api_versions::ApiVersionsRequest;
use headwater_protocol::messages::metadata::MetadataRequest;
use headwater_protocol::messages::sasl_authenticate::SaslAuthenticateRequest;
use headwater_protocol::messages::sasl_handshake::SaslHandshakeRequest;

use super::{NONE, authenticating, connected_as, handshake, token};
use crate::support::clients::{config, producer, send_all};
use crate::support::wire::Wire;

#[tokio::test]
async fn before_authentication_only_versions_and_mechanisms_are_told() {
    let broker = authenticating().await;
    let mut wire = Wire::to(&broker).await;
    let versions = wire.call(0, &ApiVersionsRequest::default()).await;
    assert_eq!(versions.error_code, NONE);
    wire.try_send(9, 1, &MetadataRequest::default()).await;
    assert!(wire.is_closed().await);

    let mut wire = Wire::to(&broker).await;
    handshake(&mut wire, "PLAIN").await;
    wire.try_send(9, 1, &MetadataRequest::default()).await;
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn a_known_client_is_served_and_cannot_authenticate_again() {
    let broker = authenticating().await;
    let mut wire = connected_as(&broker, "alice").await;
    wire.create_topic("orders", 1).await;
    let again = wire
        .call(
            1,
            &SaslHandshakeRequest {
                mechanism: "PLAIN".to_owned(),
            },
        )
        .await;
    assert_eq!(again.error_code, i16::from(ErrorCode::IllegalSaslState));
    let response = token(&mut wire, "\0alice\0alice-secret").await;
    assert_eq!(response.error_code, i16::from(ErrorCode::IllegalSaslState));
    assert_eq!(
        response.error_message.as_deref(),
        Some("SaslAuthenticate request received after successful authentication")
    );
    assert_eq!(response.session_lifetime_ms, 0);
    wire.create_topic("payments", 1).await;
}

#[tokio::test]
async fn without_sasl_on_the_listener_everybody_is_anonymous_already() {
    let broker = headwater_broker::Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let response = wire
        .call(
            1,
            &SaslHandshakeRequest {
                mechanism: "PLAIN".to_owned(),
            },
        )
        .await;
    assert_eq!(response.error_code, i16::from(ErrorCode::IllegalSaslState));
}

#[tokio::test]
async fn a_mechanism_that_is_not_enabled_is_answered_with_those_that_are_and_ends_the_connection() {
    let broker = authenticating().await;
    let mut wire = Wire::to(&broker).await;
    let request = SaslHandshakeRequest {
        mechanism: "GSSAPI".to_owned(),
    };
    let response = wire.call(1, &request).await;
    assert_eq!(
        response.error_code,
        i16::from(ErrorCode::UnsupportedSaslMechanism)
    );
    assert_eq!(
        response.mechanisms,
        ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    );
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn a_wrong_password_is_told_and_ends_the_connection() {
    let broker = authenticating().await;
    let mut wire = Wire::to(&broker).await;
    handshake(&mut wire, "PLAIN").await;
    let response = token(&mut wire, "\0alice\0guess").await;
    assert_eq!(
        response.error_code,
        i16::from(ErrorCode::SaslAuthenticationFailed)
    );
    assert_eq!(
        response.error_message.as_deref(),
        Some("Authentication failed: Invalid username or password")
    );
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn nothing_pipelined_behind_a_failed_authentication_is_answered() {
    let broker = authenticating().await;
    let mut wire = Wire::to(&broker).await;
    handshake(&mut wire, "PLAIN").await;
    let request = SaslAuthenticateRequest {
        auth_bytes: "\0alice\0guess".into(),
    };
    wire.send(2, 1, &request).await;
    wire.try_send(9, 2, &MetadataRequest::default()).await;
    let (_, response) = wire.receive::<SaslAuthenticateRequest>(2).await;
    assert_ne!(response.error_code, NONE);
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn after_a_handshake_of_version_0_tokens_come_bare() {
    let broker = authenticating().await;
    let mut wire = Wire::to(&broker).await;
    let request = SaslHandshakeRequest {
        mechanism: "PLAIN".to_owned(),
    };
    assert_eq!(wire.call(0, &request).await.error_code, NONE);
    wire.send_frame(b"\0alice\0alice-secret").await;
    assert_eq!(wire.receive_frame().await.as_deref(), Some(&b""[..]));
    wire.create_topic("orders", 1).await;

    let mut wire = Wire::to(&broker).await;
    wire.call(0, &request).await;
    wire.send_frame(b"\0a\0b").await;
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn a_client_that_is_not_known_may_not_send_much() {
    let broker = authenticating().await;
    let mut wire = Wire::to(&broker).await;
    wire.send_bytes(&(600_u32 << 10).to_be_bytes()).await;
    assert!(wire.is_closed().await);
    let mut known = connected_as(&broker, "alice").await;
    known.send_bytes(&(600_u32 << 10).to_be_bytes()).await;
    known.send_bytes(&[0xff; 10]).await;
}

#[tokio::test]
async fn librdkafka_produces_over_sasl_plain_and_is_refused_with_a_wrong_password() {
    use rdkafka::producer::{BaseProducer, Producer};
    let broker = authenticating().await;
    let properties = |password| {
        [
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", "alice"),
            ("sasl.password", password),
        ]
    };
    let alice = producer(&broker.bootstrap(), &properties("alice-secret"));
    let offsets = send_all(&alice, "orders", &["one".to_owned(), "two".to_owned()]).await;
    assert_eq!(offsets, [0, 1]);

    let nobody: BaseProducer = config(&broker.bootstrap(), &properties("guess"))
        .create()
        .unwrap();
    let metadata = tokio::task::spawn_blocking(move || {
        nobody
            .client()
            .fetch_metadata(None, std::time::Duration::from_secs(2))
            .map(|_| ())
    });
    assert!(metadata.await.unwrap().is_err());
    broker.stop().await.unwrap();
}
