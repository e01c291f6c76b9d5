//! SASL, SCRAM credentials and ACLs: raw exchanges, and librdkafka with PLAIN.

mod acls;
mod enforcement;
mod sasl;
mod scram;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use bytes::Bytes;
use headwater_broker::{Broker, BrokerSettings, Durability};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::sasl_authenticate::{
    SaslAuthenticateRequest, SaslAuthenticateResponse,
};
use headwater_protocol::messages::sasl_handshake::SaslHandshakeRequest;

use crate::support::wire::Wire;

const NONE: i16 = ErrorCode::None as i16;
const USERS: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required \
                     user_admin=\"admin-secret\" user_alice=\"alice-secret\";";

fn settings(configs: &[(&str, &str)]) -> BrokerSettings {
    let mut overrides: BTreeMap<String, String> = [
        ("listeners", "SASL_PLAINTEXT://127.0.0.1:0"),
        ("listener.name.sasl_plaintext.plain.sasl.jaas.config", USERS),
        ("group.initial.rebalance.delay.ms", "0"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, value) in configs {
        overrides.insert((*name).to_owned(), (*value).to_owned());
    }
    BrokerSettings {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        durability: Durability::Relaxed,
        overrides,
        ..BrokerSettings::default()
    }
}

/// A node whose clients must say who they are, and may then do everything.
pub(crate) async fn authenticating() -> Broker {
    Broker::start(settings(&[])).await.unwrap()
}

const AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

/// A node whose clients may do what ACLs say, and `admin` everything.
async fn authorizing() -> Broker {
    let configs = [
        ("authorizer.class.name", AUTHORIZER),
        ("super.users", "User:admin"),
    ];
    Broker::start(settings(&configs)).await.unwrap()
}

/// The same on a directory, so that it can be started again.
fn authorizing_in(root: &Path) -> BrokerSettings {
    let configs = [
        ("authorizer.class.name", AUTHORIZER),
        ("super.users", "User:admin"),
    ];
    BrokerSettings {
        data_dir: Some(root.to_owned()),
        durability: Durability::Fsync,
        ..settings(&configs)
    }
}

async fn handshake(wire: &mut Wire, mechanism: &str) {
    let request = SaslHandshakeRequest {
        mechanism: mechanism.to_owned(),
    };
    assert_eq!(wire.call(1, &request).await.error_code, NONE);
}

async fn token(wire: &mut Wire, token: impl Into<Bytes>) -> SaslAuthenticateResponse {
    let request = SaslAuthenticateRequest {
        auth_bytes: token.into(),
    };
    wire.call(2, &request).await
}

/// A connection of that user.
pub(crate) async fn connected_as(broker: &Broker, user: &str) -> Wire {
    let mut wire = Wire::to(broker).await;
    handshake(&mut wire, "PLAIN").await;
    let response = token(&mut wire, format!("\0{user}\0{user}-secret")).await;
    assert_eq!(response.error_code, NONE, "{:?}", response.error_message);
    wire
}
