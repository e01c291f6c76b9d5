//! How far a connection is on its way to being somebody.
//!
//! On a listener without SASL every client is `User:ANONYMOUS` from the start. On one with it, a
//! client may ask for versions and for a mechanism, and then only exchanges tokens until it is
//! known. A failed exchange is the end of the connection.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use headwater_protocol::ApiKey;

use super::sasl::{Exchange, SaslFailure, Step};
use super::security_settings::{Mechanism, SecurityProtocol};

/// How tokens travel, which the version of the handshake decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenForm {
    /// Bare, each behind its length (version 0).
    Raw,
    /// In `SaslAuthenticate` (version 1).
    Wrapped,
}

/// One connection's.
pub(crate) struct Session {
    state: Mutex<State>,
}

enum State {
    Handshake,
    Exchange {
        exchange: Exchange,
        mechanism: Mechanism,
        form: TokenForm,
    },
    Known(Arc<str>),
    Failed,
}

impl Session {
    pub(crate) fn new(protocol: SecurityProtocol) -> Session {
        let state = match protocol {
            SecurityProtocol::Plaintext => State::Known("User:ANONYMOUS".into()),
            SecurityProtocol::SaslPlaintext => State::Handshake,
        };
        Session {
            state: Mutex::new(state),
        }
    }

    /// Whom the client is, as `User:name`; anonymous until it is known.
    pub(crate) fn principal(&self) -> Arc<str> {
        match &*self.state() {
            State::Known(principal) => Arc::clone(principal),
            _ => "User:ANONYMOUS".into(),
        }
    }

    /// The name alone, for quotas.
    pub(crate) fn user(&self) -> Arc<str> {
        self.principal().trim_start_matches("User:").into()
    }

    /// Whether a request of that API may be looked at.
    pub(crate) fn admits(&self, key: ApiKey) -> bool {
        match &*self.state() {
            State::Handshake => matches!(key, ApiKey::ApiVersions | ApiKey::SaslHandshake),
            State::Exchange { form, .. } => {
                *form == TokenForm::Wrapped && key == ApiKey::SaslAuthenticate
            }
            State::Known(_) => true,
            State::Failed => false,
        }
    }

    /// Whether the client is known, or needs not be.
    pub(crate) fn is_known(&self) -> bool {
        matches!(&*self.state(), State::Known(_))
    }

    /// Whether the next frame is a bare token.
    pub(crate) fn expects_raw_token(&self) -> bool {
        matches!(
            &*self.state(),
            State::Exchange {
                form: TokenForm::Raw,
                ..
            }
        )
    }

    /// Whether the connection is to be closed.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(&*self.state(), State::Failed)
    }

    /// Begins the exchange of a mechanism, or ends it all if the listener has not that mechanism.
    /// `false`: there is nothing to begin, since the client is known.
    pub(crate) fn begin(&self, mechanism: Option<Mechanism>, form: TokenForm) -> bool {
        let mut state = self.state();
        if matches!(&*state, State::Known(_)) {
            return false;
        }
        *state = mechanism.map_or(State::Failed, |mechanism| State::Exchange {
            exchange: Exchange::new(mechanism),
            mechanism,
            form,
        });
        true
    }

    /// Takes the exchange a step further; the error is fit for the client.
    pub(super) fn advance(
        &self,
        step: impl FnOnce(Exchange) -> Result<Step, SaslFailure>,
    ) -> Result<Bytes, String> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Failed) {
            State::Exchange {
                exchange,
                mechanism,
                form,
            } => match step(exchange) {
                Ok(Step::Goes(exchange, token)) => {
                    *state = State::Exchange {
                        exchange,
                        mechanism,
                        form,
                    };
                    Ok(token)
                }
                Ok(Step::Done(user, token)) => {
                    *state = State::Known(format!("User:{user}").into());
                    Ok(token)
                }
                Err(failure) => Err(failure.message(mechanism)),
            },
            other => {
                *state = other;
                Err("SaslAuthenticate request received outside of an exchange".to_owned())
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.principal())
    }
}
