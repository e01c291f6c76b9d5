//! `SaslAuthenticate`, versions 0 to 2.
//!
//! Version 1 tells how long the session lasts: 0, as long as the connection. A failure is answered
//! with a delay that makes guessing slow, and then the connection is closed.

use std::time::Duration;

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::sasl_authenticate::{
    SaslAuthenticateRequest, SaslAuthenticateResponse,
};

use crate::context::{ConnectionInfo, Context};
use crate::reply::Reply;
use crate::security::authenticate;

/// `connection.failed.authentication.delay.ms`, at its default.
const FAILURE_DELAY: Duration = Duration::from_millis(100);

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature of every handler"
)]
pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    _version: i16,
    request: SaslAuthenticateRequest,
) -> Reply<SaslAuthenticateResponse> {
    if connection.session.is_known() {
        return Reply::Now(SaslAuthenticateResponse {
            error_code: ErrorCode::IllegalSaslState.into(),
            error_message: Some(
                "SaslAuthenticate request received after successful authentication".to_owned(),
            ),
            ..SaslAuthenticateResponse::default()
        });
    }
    match authenticate(context, &connection.session, &request.auth_bytes) {
        Ok(auth_bytes) => Reply::Now(SaslAuthenticateResponse {
            auth_bytes,
            ..SaslAuthenticateResponse::default()
        }),
        Err(message) => Reply::later(async move {
            tokio::time::sleep(FAILURE_DELAY).await;
            SaslAuthenticateResponse {
                error_code: ErrorCode::SaslAuthenticationFailed.into(),
                error_message: Some(message),
                ..SaslAuthenticateResponse::default()
            }
        }),
    }
}
