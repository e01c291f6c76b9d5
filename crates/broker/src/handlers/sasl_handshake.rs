//! `SaslHandshake`, versions 0 and 1.
//!
//! After 0 the client's tokens come bare, after 1 in `SaslAuthenticate`. A mechanism that is not
//! enabled ends the connection, after an answer that names those that are. A client that is known
//! already, by an earlier exchange or because the listener asks nobody, cannot authenticate again:
//! sessions here last as long as their connection (`connections.max.reauth.ms` is 0).

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;
use crate::security::TokenForm;

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature of every handler"
)]
pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    request: SaslHandshakeRequest,
) -> Reply<SaslHandshakeResponse> {
    let enabled = &context.settings.security.mechanisms;
    let mechanism = enabled
        .iter()
        .copied()
        .find(|mechanism| mechanism.name() == request.mechanism);
    let form = if version == 0 {
        TokenForm::Raw
    } else {
        TokenForm::Wrapped
    };
    if !connection.session.begin(mechanism, form) {
        return Reply::Now(SaslHandshakeResponse {
            error_code: ErrorCode::IllegalSaslState.into(),
            ..SaslHandshakeResponse::default()
        });
    }
    let error_code = match mechanism {
        Some(_) => ErrorCode::None,
        None => ErrorCode::UnsupportedSaslMechanism,
    };
    Reply::Now(SaslHandshakeResponse {
        error_code: error_code.into(),
        mechanisms: enabled
            .iter()
            .map(|mechanism| mechanism.name().to_owned())
            .collect(),
    })
}
