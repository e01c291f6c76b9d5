//! SCRAM: credentials through the admin API, and the exchange of RFC 5802 against them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use headwater_broker::Broker;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialDeletion, ScramCredentialUpsertion,
};
use headwater_protocol::messages::describe_user_scram_credentials::{
    DescribeUserScramCredentialsRequest, UserName,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

use super::{NONE, authenticating, authorizing_in, connected_as, handshake, token};
use crate::support::wire::Wire;

/// A mechanism as clients know it.
#[derive(Clone, Copy)]
struct Scram {
    name: &'static str,
    number: i8,
    hmac: fn(&[u8], &[u8]) -> Vec<u8>,
    hash: fn(&[u8]) -> Vec<u8>,
}

fn keyed<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

const SHA_256: Scram = Scram {
    name: "SCRAM-SHA-256",
    number: 1,
    hmac: keyed::<Hmac<Sha256>>,
    hash: |bytes| Sha256::digest(bytes).to_vec(),
};
const SHA_512: Scram = Scram {
    name: "SCRAM-SHA-512",
    number: 2,
    hmac: keyed::<Hmac<Sha512>>,
    hash: |bytes| Sha512::digest(bytes).to_vec(),
};

const SALT: &[u8] = b"salt of the test";

impl Scram {
    /// `Hi` of RFC 5802.
    fn salted(self, password: &str, salt: &[u8], iterations: i32) -> Vec<u8> {
        let mut block = (self.hmac)(password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
        let mut result = block.clone();
        for _ in 1..iterations {
            block = (self.hmac)(password.as_bytes(), &block);
            for (result, byte) in result.iter_mut().zip(&block) {
                *result ^= byte;
            }
        }
        result
    }

    fn upsertion(self, user: &str, password: &str, iterations: i32) -> ScramCredentialUpsertion {
        // What is refused for its number needs no true password.
        let work = iterations.clamp(1, 4096);
        ScramCredentialUpsertion {
            name: user.to_owned(),
            mechanism: self.number,
            iterations,
            salt: Bytes::from_static(SALT),
            salted_password: self.salted(password, SALT, work).into(),
        }
    }

    /// The whole exchange; the error code of its last answer.
    async fn log_in(self, broker: &Broker, user: &str, password: &str) -> (Wire, i16) {
        let mut wire = Wire::to(broker).await;
        handshake(&mut wire, self.name).await;
        let bare = format!("n={user},r=fyko+d2lbbFgONRv9qkxdawL");
        let first = token(&mut wire, format!("n,,{bare}")).await;
        if first.error_code != NONE {
            return (wire, first.error_code);
        }
        let server_first = String::from_utf8(first.auth_bytes.to_vec()).unwrap();
        let value = |name: &str| {
            let attribute = server_first.split(',').find(|part| part.starts_with(name));
            attribute.unwrap()[2..].to_owned()
        };
        let salt = BASE64.decode(value("s=")).unwrap();
        let salted = self.salted(password, &salt, value("i=").parse().unwrap());
        let client_key = (self.hmac)(&salted, b"Client Key");
        let without_proof = format!("c=biws,r={}", value("r="));
        let auth_message = format!("{bare},{server_first},{without_proof}");
        let signature = (self.hmac)(&(self.hash)(&client_key), auth_message.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(a, b)| a ^ b)
            .collect();
        let message = format!("{without_proof},p={}", BASE64.encode(proof));
        let last = token(&mut wire, message).await;
        if last.error_code == NONE {
            let server_key = (self.hmac)(&salted, b"Server Key");
            let expected = (self.hmac)(&server_key, auth_message.as_bytes());
            let server_final = format!("v={}", BASE64.encode(expected));
            assert_eq!(last.auth_bytes, server_final.into_bytes());
        }
        (wire, last.error_code)
    }
}

/// The outcome for each user.
async fn alter(
    wire: &mut Wire,
    upsertions: Vec<ScramCredentialUpsertion>,
    deletions: Vec<ScramCredentialDeletion>,
) -> Vec<(String, i16)> {
    let request = AlterUserScramCredentialsRequest {
        deletions,
        upsertions,
    };
    let response = wire.call(0, &request).await;
    let results = response.results.into_iter();
    results
        .map(|result| (result.user, result.error_code))
        .collect()
}

fn deletion(user: &str, mechanism: i8) -> ScramCredentialDeletion {
    ScramCredentialDeletion {
        name: user.to_owned(),
        mechanism,
    }
}

#[tokio::test]
async fn a_user_logs_in_with_its_password_by_either_mechanism_and_with_no_other() {
    let broker = authenticating().await;
    let mut admin = connected_as(&broker, "admin").await;
    for scram in [SHA_256, SHA_512] {
        let altered = alter(
            &mut admin,
            vec![scram.upsertion("bob", "hunter2", 4096)],
            vec![],
        );
        assert_eq!(altered.await, [("bob".to_owned(), NONE)]);
        let (mut wire, code) = scram.log_in(&broker, "bob", "hunter2").await;
        assert_eq!(code, NONE);
        wire.create_topic(&format!("of-bob-{}", scram.number), 1)
            .await;

        for (user, password) in [("bob", "hunter3"), ("carol", "hunter2")] {
            let (mut wire, code) = scram.log_in(&broker, user, password).await;
            assert_eq!(code, i16::from(ErrorCode::SaslAuthenticationFailed));
            assert!(wire.is_closed().await);
        }
    }
}

#[tokio::test]
async fn credentials_are_described_without_secrets_changed_and_removed() {
    let broker = authenticating().await;
    let mut admin = connected_as(&broker, "admin").await;
    let upsertions = vec![
        SHA_256.upsertion("bob", "one", 4096),
        SHA_512.upsertion("ann", "two", 8192),
    ];
    alter(&mut admin, upsertions, vec![]).await;
    alter(
        &mut admin,
        vec![SHA_512.upsertion("bob", "three", 4096)],
        vec![],
    )
    .await;

    let all = DescribeUserScramCredentialsRequest::default();
    let response = admin.call(0, &all).await;
    let described: Vec<_> = response
        .results
        .iter()
        .map(|result| {
            let infos = result.credential_infos.iter();
            let infos: Vec<_> = infos
                .map(|info| (info.mechanism, info.iterations))
                .collect();
            (result.user.as_str(), infos)
        })
        .collect();
    assert_eq!(
        described,
        [
            ("ann", vec![(2, 8192)]),
            ("bob", vec![(1, 4096), (2, 4096)])
        ]
    );

    let gone = alter(
        &mut admin,
        vec![],
        vec![deletion("bob", 1), deletion("ann", 2)],
    )
    .await;
    assert_eq!(gone, [("ann".to_owned(), NONE), ("bob".to_owned(), NONE)]);
    let (_, code) = SHA_256.log_in(&broker, "bob", "one").await;
    assert_eq!(code, i16::from(ErrorCode::SaslAuthenticationFailed));
    let (_, code) = SHA_512.log_in(&broker, "bob", "three").await;
    assert_eq!(code, NONE);

    let named = |name: &str| UserName {
        name: name.to_owned(),
    };
    let users = DescribeUserScramCredentialsRequest {
        users: Some(vec![named("ann"), named("bob"), named("bob")]),
    };
    let results = admin.call(0, &users).await.results;
    let codes: Vec<_> = results.iter().map(|result| result.error_code).collect();
    assert_eq!(
        codes,
        [
            i16::from(ErrorCode::ResourceNotFound),
            i16::from(ErrorCode::DuplicateResource)
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_a_credential_is_refused_user_by_user() {
    let broker = authenticating().await;
    let mut admin = connected_as(&broker, "admin").await;
    let unknown = ScramCredentialUpsertion {
        mechanism: 3,
        ..SHA_256.upsertion("e", "x", 4096)
    };
    let upsertions = vec![
        SHA_256.upsertion("", "x", 4096),
        SHA_256.upsertion("a", "x", 4095),
        SHA_256.upsertion("b", "x", 16_385),
        SHA_256.upsertion("c", "x", 4096),
        SHA_512.upsertion("c", "x", 4096),
        unknown,
        SHA_256.upsertion("f", "x", 16_384),
    ];
    let altered = alter(&mut admin, upsertions, vec![deletion("d", 1)]).await;
    let expected = [
        ("", ErrorCode::UnacceptableCredential),
        ("a", ErrorCode::UnacceptableCredential),
        ("b", ErrorCode::UnacceptableCredential),
        ("c", ErrorCode::DuplicateResource),
        ("d", ErrorCode::ResourceNotFound),
        ("e", ErrorCode::UnsupportedSaslMechanism),
        ("f", ErrorCode::None),
    ]
    .map(|(user, code)| (user.to_owned(), i16::from(code)));
    assert_eq!(altered, expected);
}

#[tokio::test]
async fn credentials_outlive_the_node() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(authorizing_in(root.path())).await.unwrap();
    let mut admin = connected_as(&broker, "admin").await;
    alter(
        &mut admin,
        vec![SHA_256.upsertion("bob", "hunter2", 4096)],
        vec![],
    )
    .await;
    broker.abandon().await;

    let broker = Broker::start(authorizing_in(root.path())).await.unwrap();
    let (_, code) = SHA_256.log_in(&broker, "bob", "hunter2").await;
    assert_eq!(code, NONE);
    broker.stop().await.unwrap();
}
