//! One step of a SASL exchange, whichever way its tokens travel.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;

use super::plain;
use super::scram::{self, Challenged};
use super::scram_credential::ScramMechanism;
use super::security_settings::Mechanism;
use super::session::Session;
use crate::context::Context;

/// Why a client is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SaslFailure {
    /// The client is told this.
    Told(String),
    /// The client is told nothing that would help it guess: not even whether the user exists.
    Credentials,
}

impl SaslFailure {
    /// The client wants to act for somebody else.
    pub(super) fn other_authorization_id() -> SaslFailure {
        SaslFailure::Told(
            "Authentication failed: Client requested an authorization id that is different from username"
                .to_owned(),
        )
    }

    /// Fit for the client.
    pub(crate) fn message(&self, mechanism: Mechanism) -> String {
        match self {
            Self::Told(message) => message.clone(),
            Self::Credentials => format!(
                "Authentication failed during authentication due to invalid credentials with SASL mechanism {}",
                mechanism.name()
            ),
        }
    }
}

/// How far an exchange has come.
pub(super) enum Exchange {
    Plain,
    ScramFirst(ScramMechanism),
    ScramFinal(Box<Challenged>),
}

impl Exchange {
    pub(super) fn new(mechanism: Mechanism) -> Exchange {
        match mechanism {
            Mechanism::Plain => Self::Plain,
            Mechanism::Scram(mechanism) => Self::ScramFirst(mechanism),
        }
    }
}

/// What a token leads to.
pub(super) enum Step {
    /// Another token is due.
    Goes(Exchange, Bytes),
    /// The client is this user.
    Done(String, Bytes),
}

/// Takes the client's token and gives the server's.
pub(super) fn step(
    context: &Context,
    exchange: Exchange,
    token: &[u8],
) -> Result<Step, SaslFailure> {
    match exchange {
        Exchange::Plain => {
            let users = &context.settings.security.plain_users;
            plain::authenticate(token, users).map(|user| Step::Done(user, Bytes::new()))
        }
        Exchange::ScramFirst(mechanism) => {
            let nonce = STANDARD_NO_PAD.encode(rand::random::<[u8; 24]>());
            let image = context.metadata.image();
            scram::challenge(mechanism, token, &nonce, |user| {
                image.scram_credential(user, mechanism).cloned()
            })
            .map(|(answer, challenged)| {
                Step::Goes(Exchange::ScramFinal(Box::new(challenged)), answer.into())
            })
        }
        Exchange::ScramFinal(challenged) => challenged
            .verify(token)
            .map(|(answer, user)| Step::Done(user, answer.into())),
    }
}

/// Takes a token of the exchange that `session` is in; the error is fit for the client.
pub(crate) fn authenticate(
    context: &Context,
    session: &Session,
    token: &[u8],
) -> Result<Bytes, String> {
    session.advance(|exchange| step(context, exchange, token))
}
